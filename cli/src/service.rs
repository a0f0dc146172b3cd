//! `penstock run`, `penstock ingress`, `penstock worker`: the roles of the pipeline, together or apart.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use penstock_ingress::{IngressConfig, PartnerAnswers, config::TokensConfig};
use penstock_shared::{
    admin::{self, Readiness, ReadinessCheck},
    aws::secret::StoredSecret,
    clock::Clock,
    config::Settings,
    partner::{self, Partner},
    shutdown,
    telemetry::{
        self, IngressMetrics, MetricsHandle, WorkerMetrics,
        cloudwatch::{CloudwatchConfig, Publisher, Role as Published},
    },
};
use penstock_worker::{
    EcsAgent, config::WorkerConfig, destination::http::HttpDestination, ledger::Ledger, mapping::Program,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    backends::{BackendConfig, Backends},
    exit::ExitStatus,
    listen::Listeners,
    setup::{self, ConfigArgs, Refused},
    supervise,
    surroundings::{Plans, Surroundings},
};

/// Which parts of the pipeline a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both, on one machine.
    Both,
    /// The front alone.
    Ingress,
    /// The delivery alone.
    Worker,
}

impl Role {
    pub(crate) fn has_ingress(self) -> bool {
        self != Self::Worker
    }

    pub(crate) fn has_worker(self) -> bool {
        self != Self::Ingress
    }
}

/// Flags of the roles. Each is also a setting: of the file, and of the environment, where the settings look themselves, as
/// an empty variable is none for them.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ServiceArgs {
    /// The integration: routes, limits, credentials, registration [also PENSTOCK_PARTNER].
    #[arg(long, value_name = "FILE")]
    pub(crate) partner: Option<PathBuf>,

    /// Where mParticle's calls arrive [default: 0.0.0.0:8080; also PENSTOCK_INGRESS_LISTEN].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,

    /// Where /healthz, /readyz and /metrics are answered [default: 127.0.0.1:9090; also PENSTOCK_ADMIN].
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<SocketAddr>,

    /// Folder of the embedded queue and store [default: penstock-data; also PENSTOCK_DATA_DIR].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// What packs are kept in [default: embedded; also PENSTOCK_QUEUE] [possible values: embedded, sqs].
    #[arg(long, value_name = "KIND")]
    pub(crate) queue: Option<String>,

    /// What subscriptions are kept in [default: embedded; also PENSTOCK_STORE] [possible values: embedded, dynamodb].
    #[arg(long, value_name = "KIND")]
    pub(crate) store: Option<String>,

    /// Accept data from anyone. Without it, and without tokens (PENSTOCK_TOKENS, _FILE, _SECRET), data is answered 503.
    #[arg(long)]
    pub(crate) no_auth: bool,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
}

impl ServiceArgs {
    pub(crate) fn flags(&self) -> BTreeMap<String, String> {
        let mut flags = BTreeMap::new();
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.insert(name.to_owned(), value);
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        set("partner", path(&self.partner));
        set("ingress.listen", self.listen.map(|address| address.to_string()));
        set("admin", self.admin.map(|address| address.to_string()));
        set("data_dir", path(&self.data_dir));
        set("queue", self.queue.clone());
        set("store", self.store.clone());
        set("no_auth", self.no_auth.then(|| "true".to_owned()));
        flags
    }
}

/// Everything the settings say.
struct Configured {
    partner_file: Option<String>,
    /// The partner.toml whose registration mParticle has imported; ingress does not start with one that can't follow it.
    registration_before: Option<PathBuf>,
    partner_url: Option<Url>,
    admin: SocketAddr,
    backends: BackendConfig,
    ingress: IngressConfig,
    worker: WorkerConfig,
    cloudwatch: Option<CloudwatchConfig>,
    surroundings: Surroundings,
    ecs_agent: Option<EcsAgent>,
}

impl Configured {
    fn read(settings: &mut Settings<'_>, role: Role) -> Self {
        let partner_url = settings.optional_text("partner_url");
        let parsed = partner_url.as_deref().map(Url::parse);
        if let Some(Err(error)) = &parsed {
            settings.disagree(format!("partner_url (PENSTOCK_PARTNER_URL) is no URL: {error}; write one like https://api.example.com"));
        }
        let backends = BackendConfig::read(settings, role.has_worker());
        let queues = backends.stated();
        let worker = WorkerConfig { queues, ..WorkerConfig::read(settings) };
        let configured = Self {
            partner_file: settings.optional_text("partner"),
            registration_before: settings.optional_text("registration_before").map(PathBuf::from),
            partner_url: parsed.and_then(Result::ok),
            admin: settings.address("admin", ([127, 0, 0, 1], 9090).into()),
            backends,
            ingress: IngressConfig::read(settings),
            ecs_agent: ecs_agent(settings, role.has_worker() && worker.scale_in_protection),
            worker,
            cloudwatch: CloudwatchConfig::read(settings),
            surroundings: Surroundings::read(settings, queues),
        };
        configured.check(settings, role);
        configured
    }

    /// What cannot be right together is told with the mistakes of single settings; a partner.toml that cannot be read
    /// is told by itself, after them.
    fn check(&self, settings: &mut Settings<'_>, role: Role) {
        let partner = self.partner_file.as_ref().and_then(|file| partner::load(Path::new(file)).ok());
        let plans = Plans::of(role, &self.ingress, &self.worker, partner.as_ref());
        self.surroundings.disagreements(plans).into_iter().for_each(|told| settings.disagree(told));
    }
}

/// The agent that ECS names to each of its tasks, if it is wanted. A worker elsewhere works without.
fn ecs_agent(settings: &mut Settings<'_>, is_wanted: bool) -> Option<EcsAgent> {
    const VARIABLE: &str = "ECS_AGENT_URI";
    let uri = is_wanted.then(|| settings.foreign_variable(VARIABLE))?;
    let agent = match uri.as_deref().map(EcsAgent::new) {
        Some(Ok(agent)) => return Some(agent),
        Some(Err(error)) => error.to_string(),
        None => format!("there is no {VARIABLE}, as ECS gives its tasks"),
    };
    settings.warn(format!("worker.scale_in_protection is off: {agent}"));
    None
}

/// Runs a role until a stop signal.
///
/// # Errors
/// When signal handlers cannot be set, or a part breaks off.
pub(crate) async fn run(args: &ServiceArgs, role: Role) -> Result<ExitStatus, anyhow::Error> {
    let (shutdown, watch) = shutdown::signals().context("cannot catch stop signals")?;
    let serve = async {
        match start(args, role).await? {
            Ok(service) => service.serve(shutdown.stop.clone()).await,
            Err(Refused(status)) => Ok(status),
        }
    };
    tokio::select! {
        biased;
        ended = serve => ended,
        () = shutdown.now.cancelled() => Ok(ExitStatus::Failed),
        () = async { watch.await; std::future::pending().await } => Ok(ExitStatus::Failed),
    }
}

async fn start(args: &ServiceArgs, role: Role) -> Result<Result<Service, Refused>, anyhow::Error> {
    let read = |settings: &mut Settings<'_>| Configured::read(settings, role);
    let (configured, log, effective) = match setup::settings(&args.config, args.flags(), read) {
        Ok(read) => read,
        Err(refused) => return Ok(Err(refused)),
    };
    let Some(file) = &configured.partner_file else {
        eprintln!("error: no partner.toml given: use --partner FILE or PENSTOCK_PARTNER");
        return Ok(Err(Refused(ExitStatus::Usage)));
    };
    let before = configured.registration_before.as_deref().filter(|_| role.has_ingress());
    let (mut partner, program) = match setup::partner_after(Path::new(file), before) {
        Ok(loaded) => loaded,
        Err(refused) => return Ok(Err(refused)),
    };
    if let Some(attempts_max) = configured.worker.attempts_max {
        partner.retry.attempts_max = attempts_max;
    }
    setup::logs(&log);
    effective.log();
    if let Some(url) = configured.partner_url {
        tracing::warn!("calls go to PENSTOCK_PARTNER_URL instead of the base URL in partner.toml");
        setup::override_url(&mut partner, url);
    }
    let clock = Clock::system();
    let backends = match configured.backends.open(clock, role.has_worker()).await {
        Ok(backends) => backends,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(Err(Refused(ExitStatus::Unavailable)));
        }
    };
    let front = role.has_ingress().then_some(&configured.ingress);
    let listeners = match Listeners::bind(front, configured.admin) {
        Ok(listeners) => listeners,
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::from(error));
            return Ok(Err(Refused(ExitStatus::Unavailable)));
        }
    };
    listeners.log(configured.ingress.tls.is_some());
    if role.has_ingress() && backends.subscriptions.is_none() {
        tracing::info!("no subscription store is set: mParticle is never told to suspend an account");
    }
    let metrics = telemetry::install().context("cannot set up metrics")?;
    let secret = match &configured.ingress.auth.tokens {
        TokensConfig::Secret(name) if role.has_ingress() => Some(configured.backends.secret(name).await),
        _ => None,
    };
    let parts = Parts {
        partner,
        program,
        backends,
        secret,
        clock,
        metrics,
        cloudwatch: configured.cloudwatch,
        ecs_agent: configured.ecs_agent,
    };
    let worker = role.has_worker().then_some(configured.worker);
    let Listeners { ingress, admin } = listeners;
    Ok(Ok(Service::new(parts, configured.ingress, ingress, worker, Some(admin))?))
}

/// What a service is made of.
pub(crate) struct Parts {
    pub(crate) partner: Partner,
    pub(crate) program: Program,
    pub(crate) backends: Backends,
    /// Where the tokens are, if that is a secret of Secrets Manager.
    pub(crate) secret: Option<StoredSecret>,
    pub(crate) clock: Clock,
    pub(crate) metrics: MetricsHandle,
    pub(crate) cloudwatch: Option<CloudwatchConfig>,
    /// Where the worker asks for protection from scaling in.
    pub(crate) ecs_agent: Option<EcsAgent>,
}

/// The roles of one process, ready to serve.
pub(crate) struct Service {
    ingress: Option<(penstock_ingress::Deps, IngressConfig, penstock_ingress::Listeners)>,
    worker: Option<(penstock_worker::Deps, WorkerConfig)>,
    admin: Option<TcpListener>,
    metrics: MetricsHandle,
    publisher: Option<Publisher>,
    /// The worker's counts.
    pub(crate) ledger: Arc<Ledger>,
}

impl Service {
    /// The ingress when there is a listener for it, the worker when there is a configuration for it.
    pub(crate) fn new(
        parts: Parts,
        ingress: IngressConfig,
        listeners: Option<penstock_ingress::Listeners>,
        worker: Option<WorkerConfig>,
        admin: Option<TcpListener>,
    ) -> Result<Self, anyhow::Error> {
        let Parts { partner, program, backends, secret, clock, metrics, cloudwatch, ecs_agent } = parts;
        let roles = [(listeners.is_some(), Published::Ingress), (worker.is_some(), Published::Worker)];
        let roles = roles.into_iter().filter_map(|(is_there, role)| is_there.then_some(role));
        let publisher = cloudwatch.map(|config| Publisher {
            config,
            pod: ingress.pod.clone(),
            roles: roles.collect(),
            clock,
            metrics: metrics.clone(),
            meter: backends.meter.clone(),
        });
        let ledger = Arc::new(Ledger::new(ingress.pod.clone(), WorkerMetrics::new()));
        let front = penstock_ingress::Deps {
            queues: backends.queues.clone(),
            spill: backends.spill.clone(),
            subscriptions: backends.subscriptions.clone(),
            partner: PartnerAnswers::from(&partner),
            secret,
            clock,
            seed: fastrand::u64(..),
            metrics: IngressMetrics::new(),
            metrics_handle: metrics.clone(),
            meter: backends.meter.clone(),
        };
        let worker = match worker {
            None => None,
            Some(config) => {
                let destination = HttpDestination::new(&partner.api, partner.limits.concurrency as usize)?;
                let deps = penstock_worker::Deps {
                    ecs_agent,
                    queues: backends.queues,
                    meter: backends.meter,
                    spill: backends.spill,
                    subscriptions: backends.subscriptions.context("the worker has no subscription store")?,
                    destination: Arc::new(destination),
                    partner: Arc::new(partner),
                    program: Arc::new(program),
                    ledger: ledger.clone(),
                    clock,
                    seed: fastrand::u64(..),
                };
                Some((deps, config))
            }
        };
        Ok(Self {
            ingress: listeners.map(|listeners| (front, ingress, listeners)),
            worker,
            admin,
            metrics,
            publisher,
            ledger,
        })
    }

    /// Serves until `stop`, then drains, every part at once: what ingress still accepts stays on the queue for the next
    /// start. A part that ends before that cancels `stop`.
    ///
    /// # Errors
    /// When a part broke off, did not drain in time, or ended unasked.
    pub(crate) async fn serve(self, stop: CancellationToken) -> Result<ExitStatus, anyhow::Error> {
        let Self { ingress, worker, admin, metrics, publisher, ledger } = self;
        let worker_alone = ingress.is_none();
        let (front_admin, worker_admin) = if worker_alone { (None, admin) } else { (admin, None) };
        let mut parts = supervise::Parts::new();
        if let Some((deps, config, listeners)) = ingress {
            let run = penstock_ingress::run(deps, config, listeners, front_admin, stop.clone());
            parts.spawn(async { run.await.context("ingress") });
        }
        if let Some((deps, config)) = worker {
            tracing::info!(pod = %ledger.pod, "worker takes messages");
            let run = penstock_worker::run(deps, config, stop.clone());
            parts.spawn(async { run.await.context("worker") });
        }
        let done = CancellationToken::new();
        let served = async {
            let ended = supervise::supervise(parts, &stop).await;
            done.cancel();
            ended
        };
        let probes = serve_probes(worker_admin, metrics, stop.clone(), done.clone());
        let published = async {
            if let Some(publisher) = publisher {
                publisher.run(std::io::stdout(), done.clone()).await;
            }
        };
        let (ended, (), ()) = tokio::join!(served, probes, published);
        ended.map(|()| ExitStatus::Done)
    }
}

/// The admin listener of a worker without ingress: ready until it drains.
async fn serve_probes(
    listener: Option<TcpListener>,
    metrics: MetricsHandle,
    stop: CancellationToken,
    done: CancellationToken,
) {
    let Some(listener) = listener else { return };
    let readiness: ReadinessCheck =
        Arc::new(move || Readiness::new().check("draining", !stop.is_cancelled(), "the worker is stopping"));
    tokio::join!(
        admin::serve(listener, readiness, metrics.clone(), done.clone()),
        metrics.keep_up(done.clone())
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docs_have_every_setting_with_its_default() {
        let docs = include_str!("../../docs/configuration.md");
        let mut settings = Settings::new(penstock_shared::config::Sources::default());
        Configured::read(&mut settings, Role::Both);
        for setting in settings.finish().unwrap().settings {
            let name = format!("`{}`", setting.name);
            let mut rows = docs.lines().filter(|line| line.starts_with("| `"));
            let row = rows.find(|row| row.split(" | ").next().is_some_and(|names| names.contains(&name)));
            let row: Vec<&str> = row.unwrap_or_else(|| panic!("no row for {name}")).split(" | ").collect();
            let default = if setting.value.is_empty() { "none" } else { &setting.value };
            assert_eq!(row[2].trim_matches('`'), default, "{name}");
        }
    }
}
