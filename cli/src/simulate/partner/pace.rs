//! How fast the simulated partner is: the token bucket behind `--limit`, and the delay of `--latency`.

use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;

/// The highest rate that can be asked for, a second.
const RATE_MAX: f64 = 1_000_000.0;
/// The longest latency that can be asked for: five minutes, beyond every client's patience.
const LATENCY_MAX_MS: u64 = 300_000;

/// Requests a second, written `N/s` or `N`; above 0 and up to a million.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").unwrap_or(text).trim();
        match number.parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= RATE_MAX => Ok(Self(rate)),
            _ => Err(format!("`{text}` is no rate; write requests a second, for example `50/s` or `0.5/s`")),
        }
    }
}

/// A token bucket that holds one second's worth, at least one token.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket for the rate.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self::per_second(rate.0, now)
    }

    /// A full bucket for `per_second` requests; above 0.
    pub(crate) fn per_second(per_second: f64, now: Instant) -> Self {
        Self { per_second, tokens: per_second.max(1.0), filled: now }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// None is left: the whole seconds to wait until there is one, at least 1, as `Retry-After` says it.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), u64> {
        self.fill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - self.tokens) / self.per_second).ceil();
        Err(Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |wait| wait.as_secs()).max(1))
    }

    /// Whether it would be full by now, so that forgetting it changes nothing.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.tokens >= self.per_second.max(1.0)
    }

    fn fill(&mut self, now: Instant) {
        let added = now.saturating_duration_since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + added).min(self.per_second.max(1.0));
        self.filled = now;
    }
}

/// The time between having handled a request and answering it, written `MS` or `MIN..MAX` in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latency {
    min_ms: u64,
    max_ms: u64,
}

impl Latency {
    /// A delay drawn evenly from the range.
    pub(crate) fn draw(self, rng: &mut fastrand::Rng) -> Duration {
        Duration::from_millis(rng.u64(self.min_ms..=self.max_ms))
    }
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let millis = |part: &str| part.trim().trim_end_matches("ms").parse::<u64>().ok();
        match (millis(min), millis(max)) {
            (Some(min_ms), Some(max_ms)) if min_ms <= max_ms && max_ms <= LATENCY_MAX_MS => {
                Ok(Self { min_ms, max_ms })
            }
            _ => Err(format!(
                "`{text}` is no latency; write milliseconds up to {LATENCY_MAX_MS}, for example `20` or `5..250`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bucket_gives_its_rate_and_says_when_to_come_back() {
        let mut bucket = Bucket::new("0.5/s".parse().unwrap(), Instant::now());
        assert_eq!(bucket.take(Instant::now()), Ok(()));
        assert_eq!(bucket.take(Instant::now()), Err(2));
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(bucket.take(Instant::now()), Err(1));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(bucket.take(Instant::now()), Ok(()));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(bucket.is_idle(Instant::now()));
    }

    #[test]
    fn latency_is_drawn_within_its_range() {
        let latency: Latency = "5..8".parse().unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        for _ in 0..100 {
            assert!((5..=8).contains(&latency.draw(&mut rng).as_millis()));
        }
        assert_eq!("20ms".parse::<Latency>().unwrap().draw(&mut rng), Duration::from_millis(20));
    }

    #[test]
    fn mistakes_are_refused_with_an_example() {
        for text in ["", "fast", "0/s", "-1/s", "nan/s", "5/m", "inf"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["", "8..5", "1s", "300001", "..", "-1"] {
            assert!(text.parse::<Latency>().unwrap_err().contains("5..250"), "{text}");
        }
    }
}
