//! Reads tokens again and again while the process runs, so that a rotation needs no restart.

use std::time::Duration;

use penstock_shared::{
    ids::Pod,
    telemetry::{Counter, Family, Gauge, IngressMetrics},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Tokens,
    list::TokenList,
    source::{Found, ReadTokensError, TokenSource},
};

/// Between the two readings of a file that has changed: both must be alike, or it is still being written.
const SETTLE: Duration = Duration::from_millis(100);
/// First wait after a failed reading while no token is known, doubled each time: until then data is answered 503.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Keeps [`Tokens`] as its source has them.
#[derive(Debug)]
pub struct TokenKeeper {
    source: TokenSource,
    tokens: Tokens,
    pace: Pace,
    /// What was read last.
    written: TokenList,
    /// What was read before, and is valid for a while yet.
    before: Option<Before>,
    /// The pods that calls are taken for.
    served: Vec<Pod>,
    rng: fastrand::Rng,
    valid: Gauge,
    reloads: Family<Counter>,
    /// Something was read once.
    known: bool,
    /// Readings that failed since the last that did not.
    failed: u32,
}

/// How often tokens are read, and how long those of a list that was replaced as a whole stay valid.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From one reading to the next; of a secret a tenth more or less at random, so that a fleet does not ask at once.
    pub every: Duration,
    /// For this long the tokens before stay valid beside a list that has none of them for some pod: it may be a
    /// mistake, and what is refused meanwhile is lost for good.
    pub grace: Duration,
}

#[derive(Debug)]
struct Before {
    list: TokenList,
    until: Instant,
}

impl TokenKeeper {
    /// A keeper that has read nothing yet. `served`: the pods that calls are taken for.
    pub fn new(
        source: TokenSource,
        pace: Pace,
        served: Vec<Pod>,
        seed: u64,
        metrics: &IngressMetrics,
    ) -> Self {
        Self {
            source,
            tokens: Tokens::default(),
            pace,
            written: TokenList::default(),
            before: None,
            served,
            rng: fastrand::Rng::with_seed(seed),
            valid: metrics.tokens.clone(),
            reloads: metrics.token_reloads.clone(),
            known: false,
            failed: 0,
        }
    }

    /// What it keeps.
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    /// Reads once. A reading that fails, or finds no token, changes nothing.
    ///
    /// # Cancel safety
    /// When dropped, nothing has changed.
    pub async fn refresh(&mut self) {
        self.end_grace();
        match self.look().await {
            Ok(found) => self.take(found),
            Err(error) => self.keep(&error),
        }
    }

    /// Reads again and again until `stop`; returns at once when the source never changes.
    ///
    /// # Cancel safety
    /// When dropped, the tokens stay as they are.
    pub async fn run(mut self, stop: CancellationToken) {
        let reading = async {
            while self.source.changes() {
                let left = self.before.as_ref().map_or(Duration::MAX, |before| before.until - Instant::now());
                sleep(self.pause().min(left)).await;
                self.refresh().await;
            }
        };
        stop.run_until_cancelled(Box::pin(reading)).await;
    }

    async fn look(&self) -> Result<Found, ReadTokensError> {
        let found = self.source.read().await?;
        let in_place = self.known && matches!(self.source, TokenSource::File(_));
        if in_place && found.list != self.written {
            sleep(SETTLE.min(self.pace.every)).await;
            if self.source.read().await?.list != found.list {
                return Err(ReadTokensError::Unsettled);
            }
        }
        Ok(found)
    }

    fn take(&mut self, found: Found) {
        let changed = found.list != self.written;
        if self.failed > 0 && self.known {
            tracing::info!("the tokens are read again");
        }
        self.known |= !found.list.is_empty();
        self.failed = 0;
        self.count(if changed { "changed" } else { "unchanged" });
        if !changed {
            return;
        }
        if found.left_out > 0 {
            tracing::warn!(
                "a version of the secret beside AWSCURRENT is no list of tokens and counts for nothing"
            );
        }
        let unserved = found.list.pods().filter(|pod| !self.served.contains(pod)).count();
        if unserved > 0 {
            tracing::warn!("there are tokens for {unserved} pods that no endpoint here serves");
        }
        self.keep_before(&found.list);
        self.written = found.list;
        self.show();
    }

    /// Keeps what was valid valid for a while, for the pods of whose tokens `new` has nothing. A second such list within
    /// that time changes nothing of it; one that has something of it puts the mistake right.
    fn keep_before(&mut self, new: &TokenList) {
        if let Some(before) = &self.before {
            if self.replaced(new, &before.list).is_empty() {
                self.before = None;
            }
            return;
        }
        let replaced = self.replaced(new, &self.written);
        if self.pace.grace.is_zero() || replaced.is_empty() {
            return;
        }
        tracing::error!(
            grace_ms = self.pace.grace.as_millis(),
            "the new list has none of the tokens before: those stay valid here for a while, in case it is a mistake"
        );
        self.before =
            Some(Before { list: self.written.only(&replaced), until: Instant::now() + self.pace.grace });
    }

    /// The pods for which no token of `old` is left in `new`.
    fn replaced(&self, new: &TokenList, old: &TokenList) -> Vec<&Pod> {
        self.served.iter().filter(|pod| old.serves(pod) && !new.shares(old, pod)).collect()
    }

    fn end_grace(&mut self) {
        if self.before.as_ref().is_some_and(|before| before.until <= Instant::now()) {
            self.before = None;
            tracing::info!("the tokens before the last change are no longer valid");
            self.show();
        }
    }

    /// Lets calls be judged by what is valid now.
    fn show(&mut self) {
        let list = match &self.before {
            Some(before) => self.written.clone().with(before.list.clone()),
            None => self.written.clone(),
        };
        let valid = list.len();
        tracing::info!(tokens = valid, "{valid} tokens are valid from now on");
        for pod in self.served.iter().filter(|pod| !list.serves(pod)) {
            tracing::error!(%pod, "no token is valid for the pod {pod}: its data is answered 503");
        }
        self.valid.set(f64::from(u32::try_from(valid).unwrap_or(u32::MAX)));
        self.tokens.replace(list);
    }

    fn keep(&mut self, error: &ReadTokensError) {
        self.count("failed");
        // Once for each state: the metric says how long it lasts.
        match (self.failed, self.known) {
            (0, true) => {
                tracing::warn!(%error, "the tokens cannot be read again: those known before stay valid");
            }
            (0, false) => tracing::error!(%error, "the tokens cannot be read: data is answered 503"),
            _ => tracing::debug!(%error, "the tokens still cannot be read"),
        }
        self.failed = self.failed.saturating_add(1);
    }

    fn count(&self, result: &str) {
        if self.source.changes() {
            self.reloads.of([result]).increment(1);
        }
    }

    fn pause(&mut self) -> Duration {
        let every = match self.source {
            TokenSource::Secret(_) => self.pace.every.mul_f64(0.9 + 0.2 * self.rng.f64()),
            _ => self.pace.every,
        };
        if self.known {
            return every;
        }
        every.min(FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.failed.saturating_sub(1))))
    }
}

#[cfg(test)]
mod tests;
