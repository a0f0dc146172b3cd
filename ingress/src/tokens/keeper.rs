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

    /// Keeps what was valid valid for a while when `new` has nothing of it. A second such list within that time changes
    /// nothing of it; one that has something of it puts the mistake right.
    fn keep_before(&mut self, new: &TokenList) {
        match &self.before {
            Some(before) if !self.replaces(new, &before.list) => self.before = None,
            Some(_) => {}
            None if !self.pace.grace.is_zero() && self.replaces(new, &self.written) => {
                tracing::warn!(
                    grace_ms = self.pace.grace.as_millis(),
                    "the new list has none of the tokens before: those stay valid for a while, in case it is a mistake"
                );
                let until = Instant::now() + self.pace.grace;
                self.before = Some(Before { list: self.written.clone(), until });
            }
            None => {}
        }
    }

    /// True when for some pod no token of `old` is left in `new`.
    fn replaces(&self, new: &TokenList, old: &TokenList) -> bool {
        self.served.iter().any(|pod| old.serves(pod) && !new.shares(old, pod))
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
mod tests {
    use std::path::Path;

    use penstock_shared::telemetry::local_recorder;

    use super::*;

    const EVERY: Duration = Duration::from_secs(10);
    const GRACE: Duration = Duration::from_secs(65);

    fn keeper(path: &Path) -> TokenKeeper {
        let served = vec![Pod::new("us1").unwrap()];
        let pace = Pace { every: EVERY, grace: GRACE };
        TokenKeeper::new(TokenSource::File(path.to_owned()), pace, served, 1, &IngressMetrics::new())
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
        std::fs::write(&path, "b c").unwrap();
        keeper.refresh().await;
        keeper.refresh().await;
        assert_eq!(known(&tokens), "bc");
        let rendered = handle.render();
        for line in [
            "ingress_tokens 2",
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
        keeper.pace.grace = Duration::ZERO;
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
        keeper.pace.grace = Duration::ZERO;
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

    /// What is known after each time, in seconds since the file was changed.
    async fn known_after(keeper: TokenKeeper, texts: &[(u64, &str)], path: &Path, at: &[u64]) -> Vec<String> {
        let (tokens, stop, begun) = (keeper.tokens(), CancellationToken::new(), Instant::now());
        let until = |second: u64| tokio::time::sleep_until(begun + Duration::from_secs(second));
        let mut known_then = Vec::new();
        let test = async {
            for second in *at.first().unwrap()..=*at.last().unwrap() {
                for (_, text) in texts.iter().filter(|(written, _)| *written == second) {
                    std::fs::write(path, text).unwrap();
                }
                until(second).await;
                if at.contains(&second) {
                    known_then.push(known(&tokens));
                }
            }
            stop.cancel();
        };
        tokio::join!(keeper.run(stop.clone()), test);
        known_then
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_has_nothing_of_the_one_before_leaves_its_tokens_valid_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let begin_with = async |text: &str| {
            std::fs::write(&path, text).unwrap();
            let mut keeper = keeper(&path);
            keeper.refresh().await;
            keeper
        };
        let begin = async || begin_with("a").await;
        // Read after ten seconds and a moment; over after 65 more, and not at the next reading only.
        let after = known_after(begin().await, &[(0, "b")], &path, &[0, 11, 75, 76]).await;
        assert_eq!(after, ["a", "ab", "ab", "b"]);
        // Another such list within that time neither lengthens it nor shortens it.
        let after = known_after(begin().await, &[(0, "b"), (30, "c")], &path, &[0, 11, 45, 75, 76]).await;
        assert_eq!(after, ["a", "ab", "ac", "ac", "c"]);
        // Put right, the mistake is forgotten.
        let begun = begin_with("a c").await;
        let after = known_after(begun, &[(0, "b"), (30, "a b")], &path, &[0, 11, 45, 90]).await;
        assert_eq!(after, ["ac", "abc", "ab", "ab"]);
        // A rotation in steps ends what it drops at once.
        let after = known_after(begin().await, &[(0, "a b"), (20, "b")], &path, &[0, 11, 35]).await;
        assert_eq!(after, ["a", "ab", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_whose_tokens_are_all_replaced_keeps_them_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let (us, eu) = (Pod::new("us1").unwrap(), Pod::new("eu1").unwrap());
        let mut keeper = keeper(&path);
        keeper.served = vec![us.clone(), eu.clone()];
        for text in [r#"{"us1": "a", "eu1": "b"}"#, r#"{"us1": "a", "eu1": "c"}"#] {
            std::fs::write(&path, text).unwrap();
            keeper.refresh().await;
        }
        let list = keeper.tokens().current();
        assert!(list.knows(&eu, b"b") && list.knows(&eu, b"c") && list.knows(&us, b"a"));
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
