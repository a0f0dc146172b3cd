//! Reads tokens again and again while the process runs, so that a rotation needs no restart.

use std::time::Duration;

use penstock_shared::{
    ids::Pod,
    telemetry::{Counter, Family, Gauge, IngressMetrics},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Tokens,
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
    /// From one reading to the next.
    every: Duration,
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

impl TokenKeeper {
    /// A keeper that has read nothing yet. It reads again `every` so often; a secret at a random time within a tenth of
    /// that, so that a fleet does not ask at once. `served`: the pods that calls are taken for.
    pub fn new(
        source: TokenSource,
        every: Duration,
        served: Vec<Pod>,
        seed: u64,
        metrics: &IngressMetrics,
    ) -> Self {
        Self {
            source,
            tokens: Tokens::default(),
            every,
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
                sleep(self.pause()).await;
                self.refresh().await;
            }
        };
        stop.run_until_cancelled(Box::pin(reading)).await;
    }

    async fn look(&self) -> Result<Found, ReadTokensError> {
        let found = self.source.read().await?;
        let in_place = self.known && matches!(self.source, TokenSource::File(_));
        if in_place && found.list != *self.tokens.current() {
            sleep(SETTLE.min(self.every)).await;
            if self.source.read().await?.list != found.list {
                return Err(ReadTokensError::Unsettled);
            }
        }
        Ok(found)
    }

    fn take(&mut self, found: Found) {
        let changed = found.list != *self.tokens.current();
        if self.failed > 0 && self.known {
            tracing::info!("the tokens are read again");
        }
        self.known |= !found.list.is_empty();
        self.failed = 0;
        self.count(if changed { "changed" } else { "unchanged" });
        if !changed {
            return;
        }
        let valid = found.list.len();
        tracing::info!(tokens = valid, "{valid} tokens are valid from now on");
        if found.left_out > 0 {
            tracing::warn!(
                "a version of the secret beside AWSCURRENT is no list of tokens and counts for nothing"
            );
        }
        for pod in self.served.iter().filter(|pod| !found.list.serves(pod)) {
            tracing::error!(%pod, "no token is valid for the pod {pod}: its data is answered 503");
        }
        let unserved = found.list.pods().filter(|pod| !self.served.contains(pod)).count();
        if unserved > 0 {
            tracing::warn!("there are tokens for {unserved} pods that no endpoint here serves");
        }
        self.valid.set(f64::from(u32::try_from(valid).unwrap_or(u32::MAX)));
        self.tokens.replace(found.list);
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
            TokenSource::Secret(_) => self.every.mul_f64(0.9 + 0.2 * self.rng.f64()),
            _ => self.every,
        };
        if self.known {
            return every;
        }
        every.min(FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.failed.saturating_sub(1))))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use penstock_shared::telemetry::local_recorder;

    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    fn keeper(path: &Path) -> TokenKeeper {
        let served = vec![Pod::new("us1").unwrap()];
        TokenKeeper::new(TokenSource::File(path.to_owned()), EVERY, served, 1, &IngressMetrics::new())
    }

    fn known(tokens: &Tokens) -> String {
        let (list, pod) = (tokens.current(), Pod::new("us1").unwrap());
        ["a", "b", "c"].into_iter().filter(|token| list.knows(&pod, token.as_bytes())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_read_or_holds_nothing_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let (recorder, handle) = local_recorder();
        let mut keeper = metrics::with_local_recorder(&recorder, || keeper(&path));
        let tokens = keeper.tokens();
        keeper.refresh().await;
        assert_eq!(known(&tokens), "");
        std::fs::write(&path, "a\nb").unwrap();
        keeper.refresh().await;
        assert_eq!(known(&tokens), "ab");
        for bad in ["", "[]", "{\"us1\": 5}", "[\"c\""] {
            std::fs::write(&path, bad).unwrap();
            keeper.refresh().await;
            assert_eq!(known(&tokens), "ab", "{bad:?}");
        }
        std::fs::remove_file(&path).unwrap();
        keeper.refresh().await;
        assert_eq!(known(&tokens), "ab");
        std::fs::write(&path, "c").unwrap();
        keeper.refresh().await;
        keeper.refresh().await;
        assert_eq!(known(&tokens), "c");
        let rendered = handle.render();
        for line in [
            "ingress_tokens 1",
            "ingress_token_reloads_total{result=\"changed\"} 2",
            "ingress_token_reloads_total{result=\"unchanged\"} 1",
            "ingress_token_reloads_total{result=\"failed\"} 6",
        ] {
            assert!(rendered.lines().any(|rendered| rendered == line), "{line} is not in\n{rendered}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_written_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, "a").unwrap();
        let mut keeper = keeper(&path);
        let tokens = keeper.tokens();
        keeper.refresh().await;
        std::fs::write(&path, "b").unwrap();
        let writer = async {
            // Between the two readings: time stands still until both wait.
            sleep(SETTLE / 2).await;
            std::fs::write(&path, "b\nc").unwrap();
        };
        tokio::join!(keeper.refresh(), writer);
        assert_eq!(known(&tokens), "a");
        keeper.refresh().await;
        assert_eq!(known(&tokens), "bc");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_noticed_at_the_next_reading_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, "a").unwrap();
        let mut keeper = keeper(&path);
        let (tokens, stop) = (keeper.tokens(), CancellationToken::new());
        keeper.refresh().await;
        let test = async {
            std::fs::write(&path, "b").unwrap();
            sleep(EVERY - SETTLE).await;
            assert_eq!(known(&tokens), "a");
            sleep(SETTLE * 4).await;
            assert_eq!(known(&tokens), "b");
            stop.cancel();
        };
        tokio::join!(keeper.run(stop.clone()), test);
    }

    #[test]
    fn until_something_was_read_it_is_tried_soon_and_then_at_its_pace() {
        let mut keeper = keeper(Path::new("nowhere"));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            keeper.keep(&ReadTokensError::Unsettled);
            pauses.push(keeper.pause().as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        keeper.known = true;
        keeper.failed = 1;
        assert_eq!(keeper.pause(), EVERY);
    }
}
