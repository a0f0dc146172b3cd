//! Asks ECS to leave this worker alone while it is deep in work, so that scaling in and deploying take one that has
//! little to hand back. Nothing here holds up delivery: a stop that comes all the same is a drain like any other.

mod agent;
mod rule;

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::rule::{Rule, Said};
use crate::ledger::Ledger;

pub use agent::{AgentError, EcsAgent};
pub(crate) use rule::RuleConfig;

/// How often the work is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// For giving the protection back, so that it holds up no end.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks after the protection until `stop`; then gives it back, once. A worker that is stopped is stopped: protection
/// would only outlast it. `ask` asks ECS for protection, or gives it back.
pub(crate) async fn run<F>(
    ledger: Arc<Ledger>,
    config: RuleConfig,
    ask: impl Fn(bool) -> F,
    stop: CancellationToken,
) where
    F: Future<Output = Result<(), AgentError>>,
{
    let mut rule = Rule::new(config);
    let mut asker = Asker { ask, said: Said::default(), is_failing: false };
    let mut turns = interval(LOOK_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(turns.tick()).await.is_some() {
        let now = Instant::now();
        let wants = rule.wants(&ledger.counts(), now);
        // Broken off, it may have come about all the same.
        if asker.said.is_due(wants, now) && stop.run_until_cancelled(asker.ask(wants)).await.is_none() {
            return asker.give_back().await;
        }
    }
    if asker.said.is_protected(Instant::now()) {
        asker.give_back().await;
    }
}

struct Asker<A> {
    ask: A,
    said: Said,
    is_failing: bool,
}

impl<A> fmt::Debug for Asker<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("said", &self.said).finish_non_exhaustive()
    }
}

impl<A, F> Asker<A>
where
    A: Fn(bool) -> F,
    F: Future<Output = Result<(), AgentError>>,
{
    async fn give_back(&mut self) {
        if tokio::time::timeout(GIVE_BACK_TIMEOUT, self.ask(false)).await.is_err() {
            tracing::warn!("protection from scaling in could not be given back in time; it ends by itself");
        }
    }

    /// Logs what changes, and nothing that repeats.
    async fn ask(&mut self, protect: bool) {
        let before = self.said.is_protected(Instant::now());
        let answer = (self.ask)(protect).await;
        let now = Instant::now();
        self.said.answered(protect, answer.is_ok(), now);
        match answer {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("ECS answers again about protection from scaling in");
                }
                match (before, protect) {
                    (false, true) => tracing::info!("deep in work: protected from scaling in"),
                    (true, false) => tracing::info!("no longer protected from scaling in"),
                    _ => {}
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, "ECS did not take what was asked about protection from scaling in; the work goes on");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
