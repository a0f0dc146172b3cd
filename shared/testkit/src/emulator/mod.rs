//! An emulator of SQS, DynamoDB, S3 and Secrets Manager (moto, a Python package) that the test run starts itself.
//!
//! Nothing needs to be installed beforehand but Python 3: where moto is missing, or of another version than
//! [`MOTO_VERSION`], the first test to ask installs it into a virtual environment under the build's target folder.
//! The emulator listens on 127.0.0.1 on a port of the system's choice, and ends with the process that started it,
//! however that ends.
//!
//! The calls here block: they are a test's set-up. Keep queues short, moto slows down with their length.

pub(crate) mod http;
pub(crate) mod python;

use std::{
    fmt,
    process::Child,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context as _;
use serde_json::{Value, json};

/// The version the tests were written against; others differ in what they get right.
pub const MOTO_VERSION: &str = "5.2.1";
/// The region that the emulator is told about.
pub const REGION: &str = "us-east-1";
/// Access key id and secret access key that the emulator takes (as any others).
pub const ACCESS_KEY: &str = "test";

/// A running emulator. Ends when it is dropped.
pub struct Emulator {
    process: Child,
    port: u16,
    endpoint: String,
    names: AtomicUsize,
}

/// The queues of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrls {
    /// Fresh packs.
    pub main: String,
    /// What is left of packs.
    pub retry: String,
    /// The dead-letter queue of both.
    pub dead: String,
}

/// The emulator that all tests of this process share, started by the first that asks.
///
/// # Panics
/// When it can't be started; the message says what is missing.
pub fn emulator() -> &'static Emulator {
    static SHARED: OnceLock<Result<Emulator, String>> = OnceLock::new();
    let started = SHARED.get_or_init(|| Emulator::start().map_err(|error| format!("{error:#}")));
    match started {
        Ok(emulator) => emulator,
        Err(error) => panic!("the AWS emulator did not start: {error}"),
    }
}

impl Emulator {
    /// Starts an emulator of one's own, and waits until it takes calls.
    ///
    /// # Errors
    /// When there is no Python 3, or moto can be neither found nor installed.
    pub fn start() -> anyhow::Result<Self> {
        let (process, port) = python::start_moto()?;
        Ok(Self { process, port, endpoint: format!("http://127.0.0.1:{port}"), names: AtomicUsize::new(0) })
    }

    /// Its address, as a URL without a path.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The environment that makes the AWS SDK of a child process talk to it.
    pub fn env(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// `prefix` with a number that no other caller gets, so that tests do not meet.
    pub fn unique(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Creates the queues of a pipeline under a unique name that begins with `prefix`. A message of `main` or `retry`
    /// that was received `receives_max` times goes to `dead`.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_queues(&self, prefix: &str, receives_max: u32) -> anyhow::Result<QueueUrls> {
        let prefix = self.unique(prefix);
        let dead = self.create_queue(&format!("{prefix}-dead"), &json!({}))?;
        let policy = json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:123456789012:{prefix}-dead"),
            "maxReceiveCount": receives_max,
        });
        let redrive = json!({ "RedrivePolicy": policy.to_string() });
        Ok(QueueUrls {
            main: self.create_queue(&format!("{prefix}-main"), &redrive)?,
            retry: self.create_queue(&format!("{prefix}-retry"), &redrive)?,
            dead,
        })
    }

    fn create_queue(&self, name: &str, attributes: &Value) -> anyhow::Result<String> {
        let answer = http::call(
            self.port,
            &http::Call {
                service: "sqs",
                target: Some("AmazonSQS.CreateQueue"),
                body: &json!({ "QueueName": name, "Attributes": attributes }),
                ..http::Call::default()
            },
        )?;
        let answer: Value = serde_json::from_slice(&answer)?;
        Ok(answer["QueueUrl"].as_str().context("the answer has no queue URL")?.to_owned())
    }

    /// Creates a table as the subscription store wants it: partition key `pk`, sort key `sk`, a number.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_subscription_table(&self, name: &str) -> anyhow::Result<()> {
        let body = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "sk", "AttributeType": "N" },
            ],
        });
        let call = http::Call {
            service: "dynamodb",
            target: Some("DynamoDB_20120810.CreateTable"),
            body: &body,
            ..http::Call::default()
        };
        http::call(self.port, &call).map(drop)
    }

    /// Creates a bucket.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_bucket(&self, name: &str) -> anyhow::Result<()> {
        let path = format!("/{name}");
        let call = http::Call { service: "s3", method: "PUT", path: &path, ..http::Call::default() };
        http::call(self.port, &call).map(drop)
    }

    /// Creates a secret.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn create_secret(&self, name: &str, content: &str) -> anyhow::Result<()> {
        self.call_secrets("CreateSecret", &json!({ "Name": name, "SecretString": content }))
    }

    /// Gives a secret a new version with these stages: `AWSCURRENT` makes the one before it `AWSPREVIOUS`.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub fn put_secret(&self, name: &str, content: &str, stages: &[&str]) -> anyhow::Result<()> {
        // A token of its own each time, as the SDK makes one: it becomes the version's id.
        let token = format!("{:0>32}", self.unique("version"));
        let body = json!({
            "SecretId": name, "SecretString": content, "VersionStages": stages, "ClientRequestToken": token,
        });
        self.call_secrets("PutSecretValue", &body)
    }

    fn call_secrets(&self, operation: &str, body: &Value) -> anyhow::Result<()> {
        let target = format!("secretsmanager.{operation}");
        let call =
            http::Call { service: "secretsmanager", target: Some(&target), body, ..http::Call::default() };
        http::call(self.port, &call).map(drop)
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
