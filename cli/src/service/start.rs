//! What is started: the settings are judged, what lasts is opened, addresses are bound, before anything runs.

use anyhow::Context as _;
use penstock_ingress::config::TokensConfig;
use penstock_shared::{aws::secret::StoredSecret, clock::Clock, partner::Partner, telemetry};
use penstock_worker::mapping::Program;

use super::{Parts, Role, Service, ServiceArgs, configured::Configured};
use crate::{
    backends::Backends,
    exit::ExitStatus,
    listen::Listeners,
    setup::{self, Refused},
};

/// A role that may start: everything it needs is there.
pub(super) struct Opened {
    role: Role,
    configured: Configured,
    partner: Partner,
    program: Program,
    clock: Clock,
    backends: Backends,
    listeners: Listeners,
    secret: Option<StoredSecret>,
}

/// Opens what the role needs, once its settings and its partner.toml are right.
///
/// # Errors
/// Told on standard error: the settings or partner.toml are wrong, something cannot be reached, or an address is taken.
pub(super) async fn open(args: &ServiceArgs, role: Role) -> Result<Opened, Refused> {
    let (configured, partner, program) = configure(args, role)?;
    let unavailable = |error: String| {
        eprintln!("error: {error}");
        Refused(ExitStatus::Unavailable)
    };
    let clock = Clock::system();
    let backends = configured.backends.open(clock, role.has_worker()).await;
    let backends = backends.map_err(|error| unavailable(error.to_string()))?;
    let front = role.has_ingress().then_some(&configured.ingress);
    let listeners = Listeners::bind(front, configured.admin);
    let listeners = listeners.map_err(|error| unavailable(format!("{:#}", anyhow::Error::from(error))))?;
    listeners.log(configured.ingress.tls.is_some());
    if role.has_ingress() && backends.subscriptions.is_none() {
        tracing::info!("no subscription store is set: mParticle is never told to suspend an account");
    }
    let secret = match &configured.ingress.auth.tokens {
        TokensConfig::Secret(name) if role.has_ingress() => Some(configured.backends.secret(name).await),
        _ => None,
    };
    Ok(Opened { role, configured, partner, program, clock, backends, listeners, secret })
}

/// The settings and partner.toml, checked, and told to the log, which starts here.
fn configure(args: &ServiceArgs, role: Role) -> Result<(Configured, Partner, Program), Refused> {
    let (mut configured, log, effective) =
        setup::settings(&args.config, args.flags(), |settings| Configured::read(settings, role))?;
    let Some(file) = configured.partner.take() else {
        eprintln!("error: no partner.toml given: use --partner FILE or PENSTOCK_PARTNER");
        return Err(Refused(ExitStatus::Usage));
    };
    let before = configured.registration_before.as_deref().filter(|_| role.has_ingress());
    let (mut partner, program) = file.compile_after(before)?;
    if let Some(attempts_max) = configured.worker.attempts_max {
        partner.retry.attempts_max = attempts_max;
    }
    setup::logs(&log);
    effective.log();
    if let Some(url) = configured.partner_url.take() {
        tracing::warn!("calls go to PENSTOCK_PARTNER_URL instead of the base URL in partner.toml");
        setup::override_url(&mut partner, url);
    }
    Ok((configured, partner, program))
}

impl Opened {
    /// # Errors
    /// When metrics are installed already, or the client for the partner's API cannot be made.
    pub(super) fn service(self) -> Result<Service, anyhow::Error> {
        let Self { role, configured, partner, program, clock, backends, listeners, secret } = self;
        let metrics = telemetry::install().context("cannot set up metrics")?;
        let Configured { ingress, worker, cloudwatch, ecs_agent, .. } = configured;
        let parts = Parts { partner, program, backends, secret, clock, metrics, cloudwatch, ecs_agent };
        let worker = role.has_worker().then_some(worker);
        Service::new(parts, ingress, listeners.ingress, worker, Some(listeners.admin))
    }
}
