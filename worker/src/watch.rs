//! Looks at the queues: once, whether they are set up as was said; then now and then, how much waits on them.

use std::{sync::Arc, time::Duration};

use penstock_shared::{
    queue::{Depth, QueueSetup, Queues, meter::Meter},
    telemetry::QueueMetrics,
};

/// Looks at each queue every `every`; never ends by itself.
pub(crate) async fn run(queues: Queues, meter: Arc<Meter>, metrics: QueueMetrics, every: Duration) {
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        metrics.show_meter(&meter);
        let fallback = queues.fallback.as_ref().map(|queue| ("fallback", queue));
        let named = [("main", &queues.main), ("retry", &queues.retry), ("dead", &queues.dead)];
        for (name, queue) in named.into_iter().chain(fallback) {
            match queue.depth().await {
                Ok(depth) => show(&metrics, name, depth),
                Err(error) => tracing::debug!(%error, queue = name, "could not ask a queue for its depth"),
            }
        }
    }
}

/// Tells where a queue's own attributes are not as stated. No reason to stop: it was changed under a fleet that runs.
pub(crate) async fn check_setup(queues: &Queues, stated: &QueueSetup, age_max: Duration) {
    let fallback = queues.fallback.as_ref().map(|queue| ("fallback", queue));
    let named = [("main", &queues.main), ("retry", &queues.retry), ("dead", &queues.dead)];
    let mut unknown = Vec::new();
    for (name, queue) in named.into_iter().chain(fallback) {
        let found = match queue.setup().await {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(error) => {
                unknown.push(format!("{name}: {error}"));
                continue;
            }
        };
        // Dead letters stay where they are: the rest is no concern of theirs.
        let unlike = match name {
            "dead" => found.takes_less(stated).into_iter().collect(),
            _ => found.unlike(stated, age_max),
        };
        for unlike in unlike {
            tracing::error!(queue = name, "the {name} queue is not set up as this worker needs it: {unlike}");
        }
    }
    if !unknown.is_empty() {
        tracing::warn!(error = %unknown.join("; "), "could not look whether the queues are set up as stated");
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges; queues hold far fewer than 2^52 messages")]
fn show(metrics: &QueueMetrics, queue: &'static str, depth: Depth) {
    for (state, messages) in
        [("visible", depth.visible), ("leased", depth.leased), ("delayed", depth.delayed)]
    {
        metrics.depth.of([queue, state]).set(messages as f64);
    }
    // Left as it was while the age is not known: a queue that is not empty has no message of age 0.
    if let Some(age) = depth
        .oldest_age
        .or_else(|| (depth.visible + depth.leased + depth.delayed == 0).then_some(Duration::ZERO))
    {
        metrics.oldest.of([queue]).set(age.as_secs_f64());
    }
}
