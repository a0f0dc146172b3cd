//! The servers that are measured, and how each is started.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;

use super::{
    child::{Child, StartError},
    serve::sqs::Counts,
    usage::{self, Memory},
};
use crate::load::Target;

const PARTNER: &str = include_str!("../../../fixtures/partners/sandbox.toml");
const TOKEN: &str = "bench-token";
/// How long the answer of SQS takes where it stands for a network.
const SQS_MS: u64 = 15;
const STATS_TIME_MAX: Duration = Duration::from_secs(5);

/// A server that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// An HTTP server that does nothing.
    Bare,
    /// Ingress on the embedded queue.
    Embedded,
    /// Ingress on an SQS that answers at once.
    Sqs,
    /// Ingress on an SQS that answers after 15 ms.
    #[serde(rename = "sqs_15ms")]
    #[value(name = "sqs-15ms")]
    Sqs15,
    /// One message for each request, to an SQS that answers at once.
    Naive,
}

impl Subject {
    /// All, in the order of the table.
    pub(super) const ALL: [Self; 5] = [Self::Bare, Self::Embedded, Self::Sqs, Self::Sqs15, Self::Naive];

    /// For the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare server",
            Self::Embedded => "ingress, embedded queue",
            Self::Sqs => "ingress, SQS at once",
            Self::Sqs15 => "ingress, SQS after 15 ms",
            Self::Naive => "one SendMessage a request",
        }
    }

    fn sqs_delay_ms(self) -> Option<u64> {
        match self {
            Self::Bare | Self::Embedded => None,
            Self::Sqs | Self::Naive => Some(0),
            Self::Sqs15 => Some(SQS_MS),
        }
    }
}

/// What ingress is tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// Quick answers.
    Latency,
    /// Few calls to the queue.
    Thrift,
}

impl Mode {
    /// The setting's word for it, and the table's.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Thrift => "thrift",
        }
    }

    fn setting(self) -> (&'static str, String) {
        ("PENSTOCK_INGRESS_MODE", self.title().to_owned())
    }
}

/// A folder for what the servers write, and the file they read.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    partner: PathBuf,
    started: std::cell::Cell<u32>,
}

/// A subject, started, with the SQS behind it. Both end when dropped.
#[derive(Debug)]
pub(super) struct Running {
    server: Child,
    sqs: Option<Child>,
    stats: reqwest::Client,
    idle: Memory,
}

impl Place {
    /// # Errors
    /// When the folder cannot be written to.
    pub(super) fn new(folder: &Path) -> Result<Self, anyhow::Error> {
        let partner = folder.join("partner.toml");
        std::fs::write(&partner, PARTNER).with_context(|| format!("cannot write {}", partner.display()))?;
        Ok(Self { folder: folder.to_owned(), partner, started: std::cell::Cell::new(0) })
    }

    /// Starts a subject; `None` leaves the mode to the defaults.
    ///
    /// # Errors
    /// When one of its processes cannot be started.
    pub(super) async fn start(&self, subject: Subject, mode: Option<Mode>) -> Result<Running, StartError> {
        let sqs = match subject.sqs_delay_ms() {
            None => None,
            Some(delay_ms) => {
                let delay = delay_ms.to_string();
                let arguments = ["bench", "serve", "sqs", "--delay-ms", &delay];
                Some(Child::start(&self.folder, &self.name("sqs"), &arguments, &[]).await?)
            }
        };
        let url = sqs.as_ref().map(|sqs| format!("http://{}", sqs.address));
        let queue_url = url.as_ref().map(|url| format!("{url}/000000000000/main")).unwrap_or_default();
        let mut settings = url.as_deref().map(aws).unwrap_or_default();
        let arguments = match subject {
            Subject::Bare => vec!["bench", "serve", "bare"],
            Subject::Naive => vec!["bench", "serve", "naive", "--queue-url", &queue_url],
            Subject::Embedded | Subject::Sqs | Subject::Sqs15 => {
                settings.extend(self.ingress(url.as_deref()));
                settings.extend(mode.map(Mode::setting));
                vec!["ingress"]
            }
        };
        let server = Child::start(&self.folder, &self.name("server"), &arguments, &settings).await?;
        let stats = reqwest::Client::builder().no_proxy().timeout(STATS_TIME_MAX).build();
        // Where that cannot be read, no measurement can be made either.
        let idle = usage::of(server.id()).map(|usage| usage.memory).unwrap_or_default();
        Ok(Running { server, sqs, stats: stats.map_err(StartError::Stats)?, idle })
    }

    /// A name that no process before had.
    fn name(&self, part: &str) -> String {
        self.started.set(self.started.get() + 1);
        format!("{:02}-{part}", self.started.get())
    }

    fn ingress(&self, sqs: Option<&str>) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("PENSTOCK_PARTNER", self.partner.display().to_string()),
            ("PENSTOCK_INGRESS_LISTEN", "127.0.0.1:0".to_owned()),
            ("PENSTOCK_ADMIN", "127.0.0.1:0".to_owned()),
            ("PENSTOCK_TOKENS", TOKEN.to_owned()),
            ("PENSTOCK_LOG", "info".to_owned()),
        ];
        if let Some(url) = sqs {
            let queue = |name: &str| format!("{url}/000000000000/{name}");
            settings.extend([
                ("PENSTOCK_QUEUE", "sqs".to_owned()),
                ("PENSTOCK_SQS_MAIN_URL", queue("main")),
                ("PENSTOCK_SQS_RETRY_URL", queue("retry")),
                ("PENSTOCK_SQS_DEAD_URL", queue("dead")),
                ("PENSTOCK_S3_BUCKET", "bench".to_owned()),
            ]);
        } else {
            let data = self.folder.join(self.name("data"));
            settings.push(("PENSTOCK_DATA_DIR", data.display().to_string()));
        }
        settings
    }
}

/// The SDK's own settings: another endpoint, and credentials that are none.
fn aws(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

impl Running {
    /// What the server held when it was started and not asked yet.
    pub(super) fn idle(&self) -> Memory {
        self.idle
    }

    /// Where the load goes.
    pub(super) fn target(&self) -> Target {
        let address = self.server.address;
        Target::new(address, &address.to_string(), "/", Some(&format!("Token {TOKEN}")))
    }

    /// The process that is measured.
    pub(super) fn process(&self) -> u32 {
        self.server.id()
    }

    /// What SQS was asked so far; `None` without one.
    ///
    /// # Errors
    /// When the stand-in does not answer.
    pub(super) async fn counts(&self) -> Result<Option<Counts>, anyhow::Error> {
        let Some(sqs) = &self.sqs else { return Ok(None) };
        let answer = self.stats.get(format!("http://{}/stats", sqs.address)).send().await?.bytes().await?;
        Ok(Some(serde_json::from_slice(&answer)?))
    }
}
