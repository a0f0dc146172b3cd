//! What of AWS the settings name and every binary opens alike: queues, bucket, table, secret.

use std::{sync::Arc, time::Duration};

use crate::{
    aws::{self, ClientSettings, SdkConfig, SqsClient, secret::StoredSecret},
    clock::Clock,
    config::Settings,
    queue::{
        Queue, Queues,
        gather::GatheredDeletes,
        meter::Meter,
        sqs::{SqsQueue, SqsQueueConfig},
    },
    spill::{Spill, s3::S3Spill},
    subscription::{SubscriptionStore, dynamodb::DynamoSubscriptionStore},
};

/// How long a delete waits for others to share its call.
const DELETE_LINGER: Duration = Duration::from_millis(50);
/// S3 gets at least this long for a call: bodies are large, and late is better than lost.
const SPILL_TIMEOUT_MIN: Duration = Duration::from_secs(30);

/// Which queues of SQS, and which bucket for what they cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsQueues {
    main: String,
    retry: String,
    dead: String,
    /// And its region, if that is another.
    fallback: Option<(String, Option<String>)>,
    bucket: String,
    prefix: String,
}

/// How AWS is called, and the longest queue message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsCalls {
    /// Longest queue message, in bytes; also of queues that are not at AWS.
    pub message_bytes_max: usize,
    /// Longest call, retries of the client included.
    pub call_timeout: Duration,
    /// Longest connecting, TLS included.
    pub connect_timeout: Duration,
}

impl AwsCalls {
    /// Reads `queue_message_bytes_max` and `aws.…`.
    pub fn read(settings: &mut Settings<'_>) -> Self {
        Self {
            message_bytes_max: settings.bytes("queue_message_bytes_max", 1 << 20, 1 << 10..=16 << 20),
            call_timeout: settings.millis("aws.call_timeout_ms", 5_000, 50..=60_000),
            connect_timeout: settings.millis("aws.connect_timeout_ms", 500, 50..=30_000),
        }
    }

    /// A client that makes so many attempts for a call, without a limit of their own, and connects in time.
    pub fn client(&self, attempts_max: u32) -> ClientSettings {
        ClientSettings { connect_timeout: self.connect_timeout, attempts_max, ..ClientSettings::default() }
    }

    /// A secret of Secrets Manager, by its name or ARN. AWS is not called here.
    pub fn secret(&self, aws: &SdkConfig, name: &str) -> StoredSecret {
        StoredSecret::new(aws::secretsmanager_client(aws, &self.client(2)), name, self.call_timeout)
    }

    /// The subscriptions in a table of DynamoDB. AWS is not called here.
    pub fn subscriptions(&self, aws: &SdkConfig, table: &str) -> Arc<dyn SubscriptionStore> {
        let client = aws::dynamodb_client(aws, &self.client(3));
        Arc::new(DynamoSubscriptionStore::new(client, table, self.call_timeout))
    }
}

impl AwsQueues {
    /// Reads `sqs.…` and `s3.…`. `None` when they are not `wanted`, or when one is missing, which is then a mistake.
    pub fn read(settings: &mut Settings<'_>, wanted: bool) -> Option<Self> {
        let main = settings.optional_text("sqs.main_url");
        let retry = settings.optional_text("sqs.retry_url");
        let dead = settings.optional_text("sqs.dead_url");
        let bucket = settings.optional_text("s3.bucket");
        let prefix = settings.optional_text("s3.prefix").unwrap_or_default();
        let fallback = settings.optional_text("sqs.fallback_url");
        let region = settings.optional_text("sqs.fallback_region");
        if region.is_some() && fallback.is_none() {
            settings.disagree("sqs.fallback_region is the region of sqs.fallback_url; give that too");
        }
        if fallback.is_some() && fallback == main && region.is_none() {
            settings.disagree("sqs.fallback_url is sqs.main_url; name another queue");
        }
        match (wanted, main, retry, dead, bucket) {
            (false, ..) => None,
            (true, Some(main), Some(retry), Some(dead), Some(bucket)) => {
                let fallback = fallback.map(|url| (url, region));
                Some(Self { main, retry, dead, fallback, bucket, prefix })
            }
            (true, ..) => {
                settings.disagree(
                    "queue = sqs needs sqs.main_url, sqs.retry_url, sqs.dead_url and s3.bucket (PENSTOCK_SQS_MAIN_URL, \
                     PENSTOCK_SQS_RETRY_URL, PENSTOCK_SQS_DEAD_URL, PENSTOCK_S3_BUCKET)",
                );
                None
            }
        }
    }

    /// The queues, whose client makes `attempts_max` attempts for a call. AWS is not called here: a queue that is away
    /// when the process starts is one that comes back.
    pub fn queues(
        &self,
        aws: &SdkConfig,
        calls: &AwsCalls,
        attempts_max: u32,
        clock: Clock,
        meter: &Arc<Meter>,
    ) -> Queues {
        let config = SqsQueueConfig {
            message_bytes_max: calls.message_bytes_max,
            call_timeout: calls.call_timeout,
            ..SqsQueueConfig::default()
        };
        let settings = calls.client(attempts_max);
        let client = aws::sqs_client(aws, &settings, None);
        let queue = |client: &SqsClient, url: &str| -> Arc<dyn Queue> {
            let queue = SqsQueue::new(client.clone(), url, clock, config).metered(meter.clone());
            Arc::new(GatheredDeletes::new(Arc::new(queue), DELETE_LINGER))
        };
        let fallback = self.fallback.as_ref().map(|(url, region)| {
            // A client of its own: connections that hang must not be shared.
            queue(&aws::sqs_client(aws, &settings, region.as_deref()), url)
        });
        Queues {
            main: queue(&client, &self.main),
            fallback,
            retry: queue(&client, &self.retry),
            dead: queue(&client, &self.dead),
        }
    }

    /// The bucket. AWS is not called here.
    pub fn spill(&self, aws: &SdkConfig, calls: &AwsCalls) -> Arc<dyn Spill> {
        let client = aws::s3_client(aws, &calls.client(2));
        let timeout = calls.call_timeout.max(SPILL_TIMEOUT_MIN);
        Arc::new(S3Spill::new(client, &self.bucket, &self.prefix, timeout))
    }
}
