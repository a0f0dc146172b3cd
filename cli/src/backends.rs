//! The queue, the store and the spill that the settings ask for.

use std::{path::PathBuf, sync::Arc, time::Duration};

use penstock_shared::{
    aws::{self, ClientSettings, SdkConfig, secret::StoredSecret},
    clock::Clock,
    config::Settings,
    database::{Database, DatabaseError},
    queue::{
        Queue, Queues,
        embedded::{EmbeddedQueue, EmbeddedQueueConfig},
        gather::GatheredDeletes,
        meter::Meter,
        sqs::{SqsQueue, SqsQueueConfig},
    },
    spill::{Spill, folder::FolderSpill, s3::S3Spill},
    subscription::{
        SubscriptionStore, dynamodb::DynamoSubscriptionStore, embedded::EmbeddedSubscriptionStore,
    },
};

/// How long a delete waits for others to share its call.
const DELETE_LINGER: Duration = Duration::from_millis(50);

/// Which backends, and where.
#[derive(Clone, Debug)]
pub(crate) struct BackendConfig {
    queue: QueueKind,
    store: StoreKind,
    data_dir: PathBuf,
    receives_max: u32,
    message_bytes_max: usize,
    call_timeout: Duration,
    connect_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum QueueKind {
    Embedded,
    Sqs(SqsNames),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SqsNames {
    main: String,
    retry: String,
    dead: String,
    /// And its region, if that is another.
    fallback: Option<(String, Option<String>)>,
    spill_bucket: String,
    spill_prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum StoreKind {
    Embedded,
    Dynamodb { table: String },
}

/// Everything durable.
#[derive(Clone, Debug)]
pub(crate) struct Backends {
    pub(crate) queues: Queues,
    /// `None` for a role that keeps none.
    pub(crate) subscriptions: Option<Arc<dyn SubscriptionStore>>,
    pub(crate) spill: Arc<dyn Spill>,
    /// Counts the calls to SQS.
    pub(crate) meter: Arc<Meter>,
}

impl BackendConfig {
    /// Reads `queue`, `store`, `data_dir` and what they need. `needs_store`: the role keeps subscriptions.
    pub(crate) fn read(settings: &mut Settings<'_>, needs_store: bool) -> Self {
        let sqs = settings.choice("queue", "embedded", &[("embedded", false), ("sqs", true)]);
        let dynamodb = settings.choice("store", "embedded", &[("embedded", false), ("dynamodb", true)]);
        let queue = read_queue(settings, sqs);
        let table = settings.optional_text("dynamodb.table");
        let store = match (dynamodb, table) {
            (true, None) if needs_store => {
                settings.disagree("store = dynamodb needs dynamodb.table (PENSTOCK_DYNAMODB_TABLE)");
                StoreKind::Embedded
            }
            (true, Some(table)) => StoreKind::Dynamodb { table },
            _ => StoreKind::Embedded,
        };
        let receives_max = settings.count("embedded.receives_max", 20, 1..=1_000);
        Self {
            queue,
            store,
            data_dir: PathBuf::from(settings.text("data_dir", "penstock-data")),
            receives_max: u32::try_from(receives_max).unwrap_or(u32::MAX),
            message_bytes_max: settings.bytes("queue_message_bytes_max", 1 << 20, 1 << 10..=16 << 20),
            call_timeout: settings.millis("aws.call_timeout_ms", 5_000, 50..=60_000),
            connect_timeout: settings.millis("aws.connect_timeout_ms", 500, 50..=30_000),
        }
    }

    /// Everything embedded, in a folder.
    pub(crate) fn embedded(folder: &std::path::Path) -> Self {
        let settings = &mut Settings::new(penstock_shared::config::Sources::default());
        Self { data_dir: folder.to_owned(), ..Self::read(settings, true) }
    }

    /// The folder of the embedded backends; `None` when none is used.
    pub(crate) fn data_dir(&self) -> Option<&std::path::Path> {
        let embedded = self.queue == QueueKind::Embedded || self.store == StoreKind::Embedded;
        embedded.then_some(self.data_dir.as_path())
    }

    /// Opens them. AWS is not called here: a queue that is away when the process starts is one that comes back.
    ///
    /// # Errors
    /// When the database file cannot be opened.
    pub(crate) async fn open(&self, clock: Clock, needs_store: bool) -> Result<Backends, DatabaseError> {
        let needs_database =
            self.queue == QueueKind::Embedded || (needs_store && self.store == StoreKind::Embedded);
        let database =
            if needs_database { Some(Database::open(&self.data_dir.join("penstock.db"))?) } else { None };
        let needs_aws = self.queue != QueueKind::Embedded || self.store != StoreKind::Embedded;
        let aws = if needs_aws { Some(aws::sdk_config().await) } else { None };
        let meter = Arc::<Meter>::default();
        let clients = ClientSettings { connect_timeout: self.connect_timeout, ..ClientSettings::default() };

        let (queues, spill): (Queues, Arc<dyn Spill>) = match (&self.queue, &aws, &database) {
            (QueueKind::Sqs(names), Some(aws), _) => {
                (self.sqs_queues(names, aws, &clients, clock, &meter), self.s3_spill(names, aws, clients))
            }
            (_, _, Some(database)) => {
                let spill = FolderSpill::new(self.data_dir.join("spill"));
                (self.embedded_queues(database, clock), Arc::new(spill))
            }
            _ => unreachable!(
                "the database is open when the queue is embedded, and AWS is set up when it is not"
            ),
        };
        let subscriptions: Option<Arc<dyn SubscriptionStore>> = match (&self.store, &aws, &database) {
            (StoreKind::Dynamodb { table }, Some(aws), _) => {
                let client = aws::dynamodb_client(aws, &ClientSettings { attempts_max: 3, ..clients });
                Some(Arc::new(DynamoSubscriptionStore::new(client, table, self.call_timeout)))
            }
            (_, _, Some(database)) => Some(Arc::new(EmbeddedSubscriptionStore::open(database.clone()))),
            _ => None,
        };
        Ok(Backends { queues, subscriptions, spill, meter })
    }

    fn sqs_queues(
        &self,
        names: &SqsNames,
        aws: &SdkConfig,
        clients: &ClientSettings,
        clock: Clock,
        meter: &Arc<Meter>,
    ) -> Queues {
        let config = SqsQueueConfig {
            message_bytes_max: self.message_bytes_max,
            call_timeout: self.call_timeout,
            ..SqsQueueConfig::default()
        };
        let client = aws::sqs_client(aws, clients, None);
        let queue = |client: &aws::SqsClient, url: &str| -> Arc<dyn Queue> {
            let queue = SqsQueue::new(client.clone(), url, clock, config).metered(meter.clone());
            Arc::new(GatheredDeletes::new(Arc::new(queue), DELETE_LINGER))
        };
        let fallback = names.fallback.as_ref().map(|(url, region)| {
            // A client of its own: connections that hang must not be shared.
            queue(&aws::sqs_client(aws, clients, region.as_deref()), url)
        });
        Queues {
            main: queue(&client, &names.main),
            fallback,
            retry: queue(&client, &names.retry),
            dead: queue(&client, &names.dead),
        }
    }

    fn s3_spill(&self, names: &SqsNames, aws: &SdkConfig, clients: ClientSettings) -> Arc<dyn Spill> {
        let client = aws::s3_client(aws, &ClientSettings { attempts_max: 2, ..clients });
        let timeout = self.call_timeout.max(Duration::from_secs(30));
        Arc::new(S3Spill::new(client, &names.spill_bucket, &names.spill_prefix, timeout))
    }

    /// A secret of Secrets Manager. AWS is not called here.
    pub(crate) async fn secret(&self, name: &str) -> StoredSecret {
        let settings = ClientSettings {
            connect_timeout: self.connect_timeout,
            attempts_max: 2,
            ..ClientSettings::default()
        };
        let client = aws::secretsmanager_client(&aws::sdk_config().await, &settings);
        StoredSecret::new(client, name, self.call_timeout)
    }

    fn embedded_queues(&self, database: &Database, clock: Clock) -> Queues {
        let queue = |name: &str, dead_letter: Option<&str>| -> Arc<dyn Queue> {
            let config = EmbeddedQueueConfig {
                receives_max: self.receives_max,
                dead_letter: dead_letter.map(str::to_owned),
                message_bytes_max: self.message_bytes_max,
            };
            Arc::new(EmbeddedQueue::open(database.clone(), clock, name, config))
        };
        Queues {
            main: queue("main", Some("dead")),
            fallback: None,
            retry: queue("retry", Some("dead")),
            dead: queue("dead", None),
        }
    }
}

fn read_queue(settings: &mut Settings<'_>, sqs: bool) -> QueueKind {
    let main = settings.optional_text("sqs.main_url");
    let retry = settings.optional_text("sqs.retry_url");
    let dead = settings.optional_text("sqs.dead_url");
    let bucket = settings.optional_text("s3.bucket");
    let prefix = settings.optional_text("s3.prefix").unwrap_or_default();
    let fallback = settings.optional_text("sqs.fallback_url");
    let region = settings.optional_text("sqs.fallback_region");
    match (sqs, main, retry, dead, bucket) {
        (false, ..) => QueueKind::Embedded,
        (true, Some(main), Some(retry), Some(dead), Some(spill_bucket)) => {
            let fallback = fallback.map(|url| (url, region));
            QueueKind::Sqs(SqsNames { main, retry, dead, fallback, spill_bucket, spill_prefix: prefix })
        }
        (true, ..) => {
            settings.disagree(
                "queue = sqs needs sqs.main_url, sqs.retry_url, sqs.dead_url and s3.bucket (PENSTOCK_SQS_MAIN_URL, \
                 PENSTOCK_SQS_RETRY_URL, PENSTOCK_SQS_DEAD_URL, PENSTOCK_S3_BUCKET)",
            );
            QueueKind::Embedded
        }
    }
}
