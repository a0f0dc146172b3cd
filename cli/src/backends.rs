//! The queue, the store and the spill that the settings ask for.

use std::{path::PathBuf, sync::Arc};

use penstock_shared::{
    aws::{self, secret::StoredSecret},
    backends::{AwsCalls, AwsQueues},
    clock::Clock,
    config::Settings,
    database::{Database, DatabaseError},
    queue::{
        Queue, QueueSetup, Queues,
        embedded::{EmbeddedQueue, EmbeddedQueueConfig},
        meter::Meter,
    },
    spill::{Spill, folder::FolderSpill},
    subscription::{SubscriptionStore, embedded::EmbeddedSubscriptionStore},
};

/// Which backends, and where.
#[derive(Clone, Debug)]
pub(crate) struct BackendConfig {
    queue: QueueKind,
    store: StoreKind,
    data_dir: PathBuf,
    receives_max: u32,
    calls: AwsCalls,
    /// What is said of main and retry.
    stated: QueueSetup,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum QueueKind {
    Embedded,
    Sqs(AwsQueues),
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
        let queue = AwsQueues::read(settings, sqs).map_or(QueueKind::Embedded, QueueKind::Sqs);
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
            calls: AwsCalls::read(settings),
            stated: QueueSetup::read(settings),
        }
    }

    /// What is said of the main and retry queues.
    pub(crate) fn stated(&self) -> QueueSetup {
        QueueSetup { message_bytes_max: Some(self.calls.message_bytes_max), ..self.stated }
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
        let (queues, spill): (Queues, Arc<dyn Spill>) = match (&self.queue, &aws, &database) {
            (QueueKind::Sqs(names), Some(aws), _) => {
                (names.queues(aws, &self.calls, 1, clock, &meter), names.spill(aws, &self.calls))
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
            (StoreKind::Dynamodb { table }, Some(aws), _) => Some(self.calls.subscriptions(aws, table)),
            (_, _, Some(database)) => Some(Arc::new(EmbeddedSubscriptionStore::open(database.clone()))),
            _ => None,
        };
        Ok(Backends { queues, subscriptions, spill, meter })
    }

    /// A secret of Secrets Manager. AWS is not called here.
    pub(crate) async fn secret(&self, name: &str) -> StoredSecret {
        self.calls.secret(&aws::sdk_config().await, name)
    }

    fn embedded_queues(&self, database: &Database, clock: Clock) -> Queues {
        let queue = |name: &str, dead_letter: Option<&str>| -> Arc<dyn Queue> {
            let config = EmbeddedQueueConfig {
                receives_max: self.receives_max,
                dead_letter: dead_letter.map(str::to_owned),
                message_bytes_max: self.calls.message_bytes_max,
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
