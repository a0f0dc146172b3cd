//! `penstock demo`: the whole pipeline on this machine, with real sockets and a real database file, on sample
//! messages; then a short account of what happened, and whether it adds up.

mod report;
mod samples;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use penstock_ingress::{IngressConfig, config::TokensConfig, tokens::TokenList};
use penstock_shared::{
    clock::Clock,
    partner,
    queue::Queues,
    shutdown,
    telemetry::{self, LogConfig, LogFormat},
};
use penstock_worker::{config::WorkerConfig, ledger::Ledger, mapping::Program};
use secrecy::SecretString;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;
use url::Url;

use self::report::Account;
use crate::{
    backends::BackendConfig,
    exit::ExitStatus,
    send::{self, Effort, Sent, message::Message},
    service::{Parts, Service},
    setup,
    simulate::partner::{Behaviour, FailRules, Kind, Latency, Options, Simulated},
};

const SANDBOX: &str = include_str!("../../../fixtures/partners/sandbox.toml");
const TOKEN: &str = "demo-token";
/// How long the ingress may take to answer here, where it shares a busy machine with everyone it works with.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Run everything on this machine once: send sample messages through, show what the partner received.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  penstock demo\n  penstock demo --data-dir ./demo-data --keep\n  penstock demo --fail 503:20%,429:5%"
)]
pub(crate) struct DemoArgs {
    /// Keep the queue, the store and the partner's record here; a temporary folder otherwise.
    #[arg(long, value_name = "DIR", env = "PENSTOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Leave everything running afterwards, until Ctrl-C.
    #[arg(long, env = "PENSTOCK_DEMO_KEEP")]
    keep: bool,

    /// What goes wrong at the partner, as in `penstock simulate partner --fail`.
    #[arg(long, value_name = "RULES", default_value = "", env = "PENSTOCK_DEMO_FAIL")]
    fail: FailRules,

    /// How long to wait until every item is settled, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, env = "PENSTOCK_DEMO_TIMEOUT",
        value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,

    /// The account as one JSON object.
    #[arg(long, env = "PENSTOCK_DEMO_JSON")]
    json: bool,
}

/// # Errors
/// When a part cannot be started.
pub(crate) async fn run(args: DemoArgs) -> Result<ExitStatus, anyhow::Error> {
    let (shutdown, watch) = shutdown::signals().context("cannot catch stop signals")?;
    tokio::select! {
        biased;
        ended = play(args, shutdown.stop.clone()) => ended,
        () = shutdown.now.cancelled() => Ok(ExitStatus::Failed),
        () = async { watch.await; std::future::pending().await } => Ok(ExitStatus::Failed),
    }
}

async fn play(args: DemoArgs, stop: CancellationToken) -> Result<ExitStatus, anyhow::Error> {
    let temporary = if args.data_dir.is_none() {
        Some(tempfile::tempdir().context("cannot make a folder")?)
    } else {
        None
    };
    let folder = args.data_dir.clone().or_else(|| temporary.as_ref().map(|folder| folder.path().to_owned()));
    let folder = folder.context("there is no folder to work in")?;
    setup::logs(&LogConfig {
        format: LogFormat::Auto,
        filter: setup::variable("PENSTOCK_LOG").unwrap_or_else(|| "warn".to_owned()),
    });
    let clock = Clock::system();
    let partner = start_partner(&folder, args.fail, clock).await?;
    let pipeline = start_pipeline(&folder, &partner, clock).await?;
    let serving = CancellationToken::new();
    let served = pipeline.service.serve(serving.clone());
    let acted = async {
        let sent = send_samples(&pipeline.url).await?;
        let deadline = Instant::now() + Duration::from_secs(args.timeout);
        let left = settle(&pipeline.queues, &pipeline.ledger, deadline, &stop).await?;
        let account = Account::new(sent, pipeline.ledger.counts(), partner.stats(), left);
        account.print(args.json, &folder, temporary.is_none())?;
        if args.keep && !stop.is_cancelled() {
            report::keep(&pipeline.url, &pipeline.admin, &partner.addr(), TOKEN, &folder);
            stop.cancelled().await;
        }
        serving.cancel();
        Ok::<_, anyhow::Error>(account)
    };
    let (served, account) = tokio::join!(served, async {
        let account = acted.await;
        serving.cancel();
        account
    });
    served?;
    let account = account?;
    partner.stop().await;
    Ok(if account.adds_up() { ExitStatus::Done } else { ExitStatus::Failed })
}

async fn start_partner(folder: &Path, fail: FailRules, clock: Clock) -> Result<Simulated, anyhow::Error> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let behaviour =
        Behaviour { kind: Kind::Sandbox, fail, limit: None, latency: Latency::default(), seed: 1, clock };
    let record = Some(folder.join(report::RECORD));
    Ok(Simulated::start(Options { listen: ([127, 0, 0, 1], 0).into(), record, behaviour }).await?)
}

struct Pipeline {
    service: Service,
    url: Url,
    admin: std::net::SocketAddr,
    ledger: Arc<Ledger>,
    queues: Queues,
}

async fn start_pipeline(
    folder: &Path,
    simulated: &Simulated,
    clock: Clock,
) -> Result<Pipeline, anyhow::Error> {
    let mut partner = partner::parse(SANDBOX, "sandbox.toml").context("the built-in partner.toml")?;
    setup::override_url(&mut partner, format!("http://{}", simulated.addr()).parse()?);
    let program = Program::compile(&partner).context("the built-in partner.toml")?;
    let backends = BackendConfig::embedded(folder).open(clock, true).await?;
    let queues = backends.queues.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let admin = TcpListener::bind("127.0.0.1:0").await?;
    let (listens, administers) = (listener.local_addr()?, admin.local_addr()?);
    let metrics = telemetry::install().context("cannot set up metrics")?;
    let mut ingress = IngressConfig::default();
    ingress.auth.tokens = TokensConfig::Given(TokenList::parse(TOKEN).context("a token")?);
    // An answer that comes too late makes the sender send again, and the items are delivered twice: right, but no demo.
    ingress.calls.answer_budget = ANSWER_TIME;
    ingress.packing.send_timeout = ANSWER_TIME;
    let worker = WorkerConfig { receive_wait: Duration::from_millis(500), ..WorkerConfig::default() };
    let parts =
        Parts { partner, program, backends, secret: None, clock, metrics, cloudwatch: None, ecs_agent: None };
    let service = Service::new(parts, ingress, Some(listener.into()), Some(worker), Some(admin))?;
    let ledger = service.ledger.clone();
    Ok(Pipeline { service, url: format!("http://{listens}/").parse()?, admin: administers, ledger, queues })
}

async fn send_samples(url: &Url) -> Result<Vec<Sent>, anyhow::Error> {
    let message = |(name, body): &(&str, &'static [u8])| Message {
        file: (*name).to_owned(),
        body: Bytes::from_static(body),
    };
    let messages: Vec<Message> = samples::SAMPLES.iter().map(message).collect();
    let client = send::client(Duration::from_secs(10)).context("cannot set up the client")?;
    let effort = Effort {
        repeat: NonZeroU32::MIN,
        concurrency: NonZeroUsize::MIN,
        attempts: NonZeroUsize::new(5).context("five tries")?,
        pause_min: Duration::from_millis(200),
        seed: 1,
    };
    let token = SecretString::from(TOKEN);
    Ok(send::send_all(&client, url, Some(&token), &messages, effort, |_| Ok(())).await?)
}

/// Waits until nothing waits on the queues and nothing is in flight, and says how many messages are left when the
/// deadline, or a stop, comes first.
async fn settle(
    queues: &Queues,
    ledger: &Ledger,
    deadline: Instant,
    stop: &CancellationToken,
) -> Result<u64, anyhow::Error> {
    loop {
        let mut left = ledger.counts().in_flight;
        for queue in [&queues.main, &queues.retry] {
            let depth = queue.depth().await?;
            left += depth.visible + depth.leased + depth.delayed;
        }
        if left == 0 || Instant::now() >= deadline || stop.is_cancelled() {
            return Ok(left);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
