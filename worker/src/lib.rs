//! The worker: rate-limits, batches, maps and delivers what the ingress stored.
//!
//! Five stages over bounded channels, each ending when its input closes; only intake hears the stop signal:
//! [`intake`] → split → lanes and gates → calls → settle.

mod answer;
pub mod backoff;
mod call;
pub mod config;
mod credentials;
mod delivery;
pub mod destination;
mod dispatch;
pub mod gates;
pub mod in_flight;
pub mod intake;
mod item;
pub mod lanes;
pub mod lease;
pub mod ledger;
pub mod mapping;
pub mod outcome;
pub mod preview;
mod route;
mod scale_in;
mod settle;
mod split;
mod subscriptions;
#[cfg(test)]
mod testing;
mod watch;

use std::sync::{Arc, Mutex};

use penstock_shared::{
    clock::Clock,
    pack::CompressionLevel,
    partner::Partner,
    queue::{Queues, meter::Meter},
    spill::Spill,
    subscription::SubscriptionStore,
    telemetry::QueueMetrics,
};
pub use scale_in::{AgentError, EcsAgent};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    config::WorkerConfig,
    credentials::Credentials,
    delivery::{Claimant, Deliverer},
    destination::Destination,
    gates::Gates,
    intake::{ByteBudget, Source},
    lease::LeaseTasks,
    ledger::Ledger,
    mapping::Program,
    settle::Settler,
    split::{LaterPacks, Splitter},
    subscriptions::Subscriptions,
};

/// What a worker works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where messages come from and go to.
    pub queues: Queues,
    /// Counts the calls to them.
    pub meter: Arc<Meter>,
    /// Bodies the queue could not hold.
    pub spill: Arc<dyn Spill>,
    /// Which audiences are connected.
    pub subscriptions: Arc<dyn SubscriptionStore>,
    /// The partner.
    pub destination: Arc<dyn Destination>,
    /// What `partner.toml` says.
    pub partner: Arc<Partner>,
    /// Its expressions.
    pub program: Arc<Program>,
    /// Counts every item.
    pub ledger: Arc<Ledger>,
    /// The time.
    pub clock: Clock,
    /// Where protection from scaling in is asked for; `None` to ask for none.
    pub ecs_agent: Option<EcsAgent>,
    /// Seed of the jitter, and what tells this worker from others: no two that run at once may have the same.
    pub seed: u64,
}

/// A stage ended otherwise than by its input closing: a defect. The messages it held come back when their leases
/// lapse.
#[derive(Debug, thiserror::Error)]
#[error("a stage of the worker failed")]
pub struct RunError(#[from] JoinError);

/// Works until `stop`, then drains: receives nothing more, and finishes or hands back what it holds within
/// [`WorkerConfig::drain_deadline`].
///
/// # Errors
/// When a stage panicked.
///
/// # Cancel safety
/// When dropped, messages held come back when their leases lapse; what the partner has taken by then is delivered
/// again.
pub async fn run(deps: Deps, config: WorkerConfig, stop: CancellationToken) -> Result<(), RunError> {
    let leases = LeaseTasks { tracker: TaskTracker::new(), lost: deps.ledger.metrics().leases_lost.clone() };
    let bytes = Arc::new(ByteBudget::new(config.in_flight_bytes_max));
    let sources = sources(&deps.queues, config.messages_max);
    let messages: usize = sources.iter().map(|(_, messages)| messages).sum();

    let (to_split, received) = mpsc::channel(messages);
    let (to_lanes, items) = mpsc::channel(config.items_max);
    // Room for every message that permits allow: a message goes to settle without waiting.
    let (to_settle, settled) = mpsc::channel(messages);
    let hand_back = CancellationToken::new();

    let mut stages = JoinSet::new();
    for (source, messages_max) in sources {
        let intake = config.intake(messages_max);
        let queue = source.queue(&deps.queues);
        let (bytes, leases, to_split, stop) = (bytes.clone(), leases.clone(), to_split.clone(), stop.clone());
        stages.spawn(async move {
            intake::run(source, queue, intake, bytes, leases, to_split, stop).await;
            Ok(())
        });
    }
    drop(to_split);
    let subscriptions = Arc::new(Subscriptions::new(
        deps.subscriptions.clone(),
        deps.clock,
        route::captures(&deps.program),
        config.subscription_wait,
        config.subscription_cache,
    ));
    let credentials = Arc::new(Credentials::new(
        deps.subscriptions.clone(),
        deps.ledger.pod.clone(),
        deps.clock,
        &deps.partner,
        config.suspend(),
    ));
    stages.spawn(split::run(
        splitter(&deps, &subscriptions, &credentials, config.in_flight_bytes_max),
        config.split_jobs,
        received,
        to_lanes,
        to_settle,
    ));
    let gates = Gates::new(&deps.partner);
    stages.spawn(dispatch::run(
        items,
        deliverer(&deps, &subscriptions, &credentials),
        gates,
        config.lanes(),
        config.items_max,
        hand_back.clone(),
    ));
    stages.spawn(settle::run(settler(&deps), settled));

    let ending = stop.child_token();
    let mut protecting = std::pin::pin!(protect(&deps, &config, ending.clone()));
    let mut is_protecting = true;
    let mut watch = std::pin::pin!(stop.run_until_cancelled(watch(&deps, &config)));
    let mut tending = std::pin::pin!(credentials.tend());
    let mut deadline = std::pin::pin!(drain_deadline(&stop, config.drain_deadline, &hand_back));
    loop {
        tokio::select! {
            biased;
            stage = stages.join_next() => match stage {
                Some(stage) => stage??,
                None => break,
            },
            _ = &mut watch, if !stop.is_cancelled() => {}
            () = &mut deadline, if !hand_back.is_cancelled() => {}
            () = &mut tending => {}
            () = &mut protecting, if is_protecting => is_protecting = false,
        }
    }
    ending.cancel();
    if is_protecting {
        protecting.await;
    }
    credentials.flush().await;
    leases.tracker.close();
    leases.tracker.wait().await;
    Ok(())
}

/// Where messages come from, and how many of each may be held.
fn sources(queues: &Queues, messages_max: usize) -> Vec<(Source, usize)> {
    let mut sources = vec![(Source::Main, messages_max), (Source::Retry, messages_max.div_ceil(4))];
    if queues.fallback.is_some() {
        sources.push((Source::Fallback, messages_max.div_ceil(4)));
    }
    sources
}

/// Looks at the queues; never ends by itself.
async fn watch(deps: &Deps, config: &WorkerConfig) {
    watch::check_setup(&deps.queues, &config.queues, deps.partner.retry.age_max).await;
    watch::run(deps.queues.clone(), deps.meter.clone(), QueueMetrics::new(), config.watch_every).await;
}

/// Some time after the stop, says that what still waits is to be handed back.
async fn drain_deadline(stop: &CancellationToken, after: std::time::Duration, hand_back: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(after).await;
    tracing::warn!("the drain deadline has passed: what was not sent goes back to the queue");
    hand_back.cancel();
}

/// Looks after the protection from scaling in until the stop.
async fn protect(deps: &Deps, config: &WorkerConfig, stop: CancellationToken) {
    match &deps.ecs_agent {
        Some(agent) => {
            let ask = |protect| async move { agent.protect(protect).await };
            scale_in::run(deps.ledger.clone(), config.scale_in(), ask, stop).await;
        }
        None => stop.cancelled().await,
    }
}

fn splitter(
    deps: &Deps,
    subscriptions: &Arc<Subscriptions>,
    credentials: &Arc<Credentials>,
    bytes_max: usize,
) -> Arc<Splitter> {
    Arc::new(Splitter {
        program: deps.program.clone(),
        partner: deps.partner.clone(),
        subscriptions: subscriptions.clone(),
        credentials: credentials.clone(),
        spill: deps.spill.clone(),
        clock: deps.clock,
        ledger: deps.ledger.clone(),
        later_packs: LaterPacks::new(deps.ledger.metrics().packs_later_version.clone()),
        spilled_bytes: ByteBudget::new(bytes_max),
        mapped_bytes: ByteBudget::new(bytes_max),
    })
}

fn deliverer(
    deps: &Deps,
    subscriptions: &Arc<Subscriptions>,
    credentials: &Arc<Credentials>,
) -> Arc<Deliverer> {
    Arc::new(Deliverer {
        program: deps.program.clone(),
        partner: deps.partner.clone(),
        destination: deps.destination.clone(),
        subscriptions: subscriptions.clone(),
        credentials: credentials.clone(),
        clock: deps.clock,
        ledger: deps.ledger.clone(),
        claimant: Claimant::new(deps.seed),
    })
}

fn settler(deps: &Deps) -> Arc<Settler> {
    Arc::new(Settler {
        queues: deps.queues.clone(),
        spill: deps.spill.clone(),
        retry: deps.partner.retry,
        clock: deps.clock,
        level: CompressionLevel::default(),
        rng: Mutex::new(fastrand::Rng::with_seed(deps.seed)),
        ledger: deps.ledger.clone(),
    })
}
