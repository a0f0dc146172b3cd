//! How this product calls AWS: one configuration, clients with their time limits set, errors put in words.
//!
//! Region, credentials and endpoints come from where the AWS SDK looks for them (environment, profile, container,
//! instance), under the names it gives them (`AWS_REGION`, `AWS_ENDPOINT_URL`, …). The SDK's own limits are never
//! relied on: connection limit, attempts and attempt limit are set here, and what implements a seam puts its own
//! limit around each call.

pub mod secret;

use std::{error::Error, fmt::Write as _, time::Duration};

pub use aws_config::SdkConfig;
pub use aws_sdk_sqs::Client as SqsClient;

use aws_config::{
    BehaviorVersion, Region, retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use tokio::time::timeout;

/// An error's words are cut to this: some services answer with pages.
const REASON_CHARS_MAX: usize = 300;

/// How a client of ours makes its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// For making a connection, TLS included.
    pub connect_timeout: Duration,
    /// For one attempt, up to the end of the answer; `None` leaves it to the limit of the call. A client that
    /// receives from a queue must have none, or one above the longest wait.
    pub attempt_timeout: Option<Duration>,
    /// Attempts for one call, the first included; at least 1.
    pub attempts_max: u32,
}

impl Default for ClientSettings {
    /// One attempt, without a limit of its own, and 500 ms to connect.
    fn default() -> Self {
        Self { connect_timeout: Duration::from_millis(500), attempt_timeout: None, attempts_max: 1 }
    }
}

impl ClientSettings {
    fn timeouts(&self) -> TimeoutConfig {
        let mut timeouts = TimeoutConfig::builder().connect_timeout(self.connect_timeout);
        timeouts.set_operation_attempt_timeout(self.attempt_timeout);
        timeouts.build()
    }

    fn retries(&self) -> RetryConfig {
        // The first delay of the SDK's default, a random part of a second, is above the whole budget of a request.
        RetryConfig::standard()
            .with_max_attempts(self.attempts_max.max(1))
            .with_initial_backoff(Duration::from_millis(20))
    }
}

/// Reads region, credentials and endpoints from where the SDK looks for them. Called once; share the result.
pub async fn sdk_config() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::latest()).await
}

/// A client for SQS, in the configuration's region or another.
pub fn sqs_client(config: &SdkConfig, settings: &ClientSettings, region: Option<&str>) -> SqsClient {
    let region = region.map(|region| Region::new(region.to_owned()));
    let config = aws_sdk_sqs::config::Builder::from(config)
        .region(region.or_else(|| config.region().cloned()))
        .timeout_config(settings.timeouts())
        .retry_config(settings.retries())
        // A long poll is silent for as long as it waits.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// A client for DynamoDB.
pub fn dynamodb_client(config: &SdkConfig, settings: &ClientSettings) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(config)
        .timeout_config(settings.timeouts())
        .retry_config(settings.retries());
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// A client for S3. With an endpoint of one's own (`AWS_ENDPOINT_URL`, an emulator or another store), buckets are
/// named in the path, as such stores have no host name for each.
pub fn s3_client(config: &SdkConfig, settings: &ClientSettings) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config)
        .timeout_config(settings.timeouts())
        .retry_config(settings.retries())
        .force_path_style(config.endpoint_url().is_some());
    aws_sdk_s3::Client::from_conf(config.build())
}

/// A client for Secrets Manager.
pub fn secretsmanager_client(
    config: &SdkConfig,
    settings: &ClientSettings,
) -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::config::Builder::from(config)
        .timeout_config(settings.timeouts())
        .retry_config(settings.retries());
    aws_sdk_secretsmanager::Client::from_conf(config.build())
}

/// Why a call gave no result.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made, and the large one is usual"
)]
pub(crate) enum CallError<E> {
    /// No answer within the limit; the call may have taken effect.
    TimedOut(Duration),
    /// The SDK's word, or the service's.
    Failed(SdkError<E>),
}

/// Waits for a call, but not longer than `limit`.
pub(crate) async fn within<T, E>(
    limit: Duration,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, CallError<E>> {
    match timeout(limit, call).await {
        Ok(answer) => answer.map_err(CallError::Failed),
        Err(_) => Err(CallError::TimedOut(limit)),
    }
}

impl<E: ProvideErrorMetadata + Error + 'static> CallError<E> {
    /// The service's code and message, or what kept the call from it. For a person: it names no data of a request.
    pub(crate) fn reason(&self) -> String {
        let error = match self {
            Self::TimedOut(limit) => return format!("no answer within {} ms", limit.as_millis()),
            Self::Failed(error) => error,
        };
        let words = match error.as_service_error() {
            Some(service) => {
                let status = error.raw_response().map_or(0, |response| response.status().as_u16());
                let code = service.code().unwrap_or("no error code");
                format!("status {status}, {code}: {}", service.message().unwrap_or_default())
            }
            None => causes(error),
        };
        words.chars().take(REASON_CHARS_MAX).collect()
    }
}

/// An error and what lies behind it, on one line.
fn causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(words, ": {error}").expect("writing to a String cannot fail");
        cause = error.source();
    }
    words
}
