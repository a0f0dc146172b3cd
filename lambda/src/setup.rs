//! From the environment to a front that is ready: everything that can be done before the first message is done here,
//! where Lambda allows ten seconds, and not in the first message's time.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use penstock_ingress::{Deps, Front, IngressConfig, Packing, PartnerAnswers, config::TokensConfig};
use penstock_shared::{
    aws,
    backends::{AwsCalls, AwsQueues},
    clock::Clock,
    config::{ConfigErrors, Effective, Settings, Sources},
    partner::{self, Broken, LoadError, Partner, check_succession},
    queue::{Queue, QueueSetup, meter::Meter},
    telemetry::{IngressMetrics, LogConfig, local_recorder, start_logs},
};
use tokio::time::timeout;

/// What differs from the defaults of `penstock ingress`; a variable wins over it. mParticle allows a function 200 ms,
/// the platform's share included. No one else's message can come while one is answered, so waiting for company is vain.
/// And there may be thousands of functions, each of which asks the store.
const DEFAULTS: &str =
    "[ingress]\nanswer_budget_ms = 150\nlinger_max_ms = 0\nsuspension_refresh_ms = 60000\n";
/// Who is named when the defaults above are wrong.
const DEFAULTS_NAME: &str = "the defaults of the function";
/// Where partner.toml is looked for when no setting names it: in the function's own package, then in a layer.
const PARTNER_FILES: [&str; 2] = ["partner.toml", "/opt/partner.toml"];
/// For the first call to the queue. One that is away when the process starts is one that comes back.
const WARM_UP: Duration = Duration::from_secs(2);
/// A connection that was kept while the process was frozen may be dead, and shows it only when it is used.
const ATTEMPTS_MAX: u32 = 2;
/// What Lambda sets, and nobody else.
const RUNTIME: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Ready for the first message.
pub(crate) struct Ready {
    pub(crate) front: Front,
    pub(crate) packing: Packing,
}

/// Why the function does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("this is an AWS Lambda function, and {0} is not set: it runs in Lambda or in an emulator of it")]
    NotInLambda(&'static str),
    #[error("the settings are wrong")]
    Settings(#[from] ConfigErrors),
    #[error(
        "no partner.toml: put it into the package, or into a layer as /opt/partner.toml, or set PENSTOCK_PARTNER"
    )]
    NoPartner,
    #[error(transparent)]
    Partner(#[from] LoadError),
    #[error("partner.toml can't follow the one that mParticle has imported (PENSTOCK_REGISTRATION_BEFORE)")]
    Succession(#[from] Broken),
}

impl Refused {
    /// As the other binary ends: 78 for settings and partner.toml, 69 for what is missing around it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotInLambda(_) => 69,
            Self::Settings(_) | Self::NoPartner | Self::Partner(_) | Self::Succession(_) => 78,
        }
    }
}

struct Configured {
    partner: Option<PathBuf>,
    registration_before: Option<PathBuf>,
    ingress: IngressConfig,
    queues: Option<AwsQueues>,
    calls: AwsCalls,
    table: Option<String>,
    log: LogConfig,
}

impl Configured {
    fn read(settings: &mut Settings<'_>) -> Self {
        // Nothing embedded: the disk of a function does not outlive it, nor do two of them share one.
        settings.choice("queue", "sqs", &[("sqs", ())]);
        let keeps = settings.choice("store", "embedded", &[("embedded", false), ("dynamodb", true)]);
        let table = settings.optional_text("dynamodb.table");
        if keeps && table.is_none() {
            settings.disagree("store = dynamodb needs dynamodb.table (PENSTOCK_DYNAMODB_TABLE)");
        }
        // Of the worker's concern; whoever gives both the same variables is not warned here.
        QueueSetup::read(settings);
        Self {
            partner: settings.optional_text("partner").map(PathBuf::from),
            registration_before: settings.optional_text("registration_before").map(PathBuf::from),
            ingress: IngressConfig::read(settings),
            queues: AwsQueues::read(settings, true),
            calls: AwsCalls::read(settings),
            table: table.filter(|_| keeps),
            log: LogConfig::read(settings),
        }
    }
}

/// Reads the settings, opens what they name, and makes the first connection to the queue.
///
/// # Errors
/// [`Refused`] with every mistake; the queue being away is none.
pub(crate) async fn ready() -> Result<Ready, Refused> {
    if let Some(missing) = RUNTIME.into_iter().find(|name| variable(name).is_none()) {
        return Err(Refused::NotInLambda(missing));
    }
    let (configured, effective) = settings()?;
    let partner = load_partner(configured.partner.as_deref(), configured.registration_before.as_deref())?;
    if let Err(error) = start_logs(&configured.log, false, false) {
        eprintln!("warning: logging did not start: {error}");
    }
    effective.log();
    let (deps, ingress) = deps(configured, &partner).await?;
    let (front, mut packing) = Front::new(deps, &ingress);
    packing.read_tokens().await;
    tracing::info!(pod = %ingress.pod, partner = %partner.info.name, "the function takes messages");
    Ok(Ready { front, packing })
}

/// Opens what the settings name.
async fn deps(configured: Configured, partner: &Partner) -> Result<(Deps, IngressConfig), ConfigErrors> {
    let Configured { ingress, queues, calls, table, .. } = configured;
    // Missing ones were told with the other mistakes.
    let names = queues.ok_or_else(|| ConfigErrors(Vec::new()))?;
    let (sdk, clock) = (aws::sdk_config().await, Clock::following_system());
    let meter = Arc::<Meter>::default();
    let queues = names.queues(&sdk, &calls, ATTEMPTS_MAX, clock, &meter);
    warm_up(&*queues.main).await;
    let secret = match &ingress.auth.tokens {
        TokensConfig::Secret(name) => Some(calls.secret(&sdk, name)),
        _ => None,
    };
    // Nobody can ask a function for its metrics: these handles count nothing.
    let (_, metrics_handle) = local_recorder();
    let deps = Deps {
        queues,
        spill: names.spill(&sdk, &calls),
        subscriptions: table.map(|table| calls.subscriptions(&sdk, &table)),
        partner: PartnerAnswers::from(partner),
        secret,
        clock,
        seed: fastrand::u64(..),
        metrics: IngressMetrics::new(),
        metrics_handle,
        meter,
    };
    Ok((deps, ingress))
}

fn settings() -> Result<(Configured, Effective), ConfigErrors> {
    let mut settings = Settings::new(Sources {
        file: Some((DEFAULTS_NAME, DEFAULTS)),
        variable: Some(&variable),
        variable_names: std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect(),
        flags: BTreeMap::new(),
    });
    let configured = Configured::read(&mut settings);
    Ok((configured, settings.finish()?))
}

/// The one place that reads the environment.
#[expect(clippy::disallowed_methods, reason = "this is what hands the environment to the settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Expressions are the worker's: `penstock check` compiles them before the file is shipped.
fn load_partner(given: Option<&Path>, before: Option<&Path>) -> Result<Partner, Refused> {
    let usual = || PARTNER_FILES.map(Path::new).into_iter().find(|path| path.exists());
    let partner = partner::load(given.or_else(usual).ok_or(Refused::NoPartner)?)?;
    if let Some(before) = before {
        check_succession(&partner::load(before)?.registration, &partner.registration)?;
    }
    Ok(partner)
}

/// Makes the connection that the first message would wait for otherwise: address, TLS, credentials.
async fn warm_up(queue: &dyn Queue) {
    match timeout(WARM_UP, queue.depth()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the queue did not answer at the start"),
        Err(_) => tracing::warn!("the queue did not answer at the start, within {WARM_UP:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Configured, ConfigErrors> {
        let file = Some((DEFAULTS_NAME, DEFAULTS));
        let mut settings = Settings::new(Sources { file, variable: Some(&variable), ..Sources::default() });
        let configured = Configured::read(&mut settings);
        settings.finish().map(|_| configured)
    }

    #[test]
    fn the_defaults_of_the_function_agree_and_a_variable_wins_over_them() {
        let given = |name: &str| match name {
            "PENSTOCK_SQS_MAIN_URL" | "PENSTOCK_SQS_RETRY_URL" | "PENSTOCK_SQS_DEAD_URL" => {
                Some("https://q".into())
            }
            "PENSTOCK_S3_BUCKET" => Some("b".into()),
            "PENSTOCK_INGRESS_ANSWER_BUDGET_MS" => Some("80".into()),
            _ => None,
        };
        let without_budget = |name: &str| given(name).filter(|_| name != "PENSTOCK_INGRESS_ANSWER_BUDGET_MS");
        let configured = read(&without_budget).unwrap();
        assert_eq!(configured.ingress.calls.answer_budget, Duration::from_millis(150));
        assert_eq!(configured.ingress.packing.linger_max, Duration::ZERO);
        assert_eq!(read(&given).unwrap().ingress.calls.answer_budget, Duration::from_millis(80));
    }

    #[test]
    fn an_embedded_queue_and_missing_queues_are_mistakes_told_together() {
        let given = |name: &str| (name == "PENSTOCK_QUEUE").then(|| "embedded".to_owned());
        let Err(mistakes) = read(&given) else { panic!("it was accepted") };
        assert_eq!(mistakes.0.len(), 2, "{mistakes}");
    }

    #[test]
    fn the_docs_have_the_defaults_of_the_function() {
        let docs = include_str!("../../docs/configuration.md");
        let defaults = DEFAULTS.lines().filter_map(|line| line.split_once(" = "));
        for (name, value) in defaults {
            let row = format!("| `ingress.{name}` | `{value}` |");
            assert!(docs.contains(&row), "no row {row}");
        }
    }
}
