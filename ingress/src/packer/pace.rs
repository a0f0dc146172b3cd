//! How long it pays to wait for company. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Waiting pays when so many more requests are expected meanwhile.
const COMPANY_MIN: f64 = 2.0;
/// A longer silence counts as this long, so that the first requests after a night are enough to notice a rush.
const GAP_MAX: Duration = Duration::from_millis(250);
/// What one request weighs against what was known before it.
const WEIGHT: f64 = 0.1;

/// Timers have steps of a millisecond and are late by up to one and a half; asked so much sooner, the wait is as long as
/// meant on the average.
const EARLIER: Duration = Duration::from_micros(300);

/// A pack that is filling quickly is sent when it is expected to hold enough, but not sooner than in this part of the
/// longest wait: more calls to the queue would cost more processor time than the sooner answers are worth.
const SHARE_MIN: f64 = 0.5;

/// Keeps moving averages of the time between requests and of their lengths.
#[derive(Debug)]
pub(super) struct Pace {
    linger_max: Duration,
    gap: f64,
    bytes: f64,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn new(linger_max: Duration) -> Self {
        Self { linger_max, gap: GAP_MAX.as_secs_f64(), bytes: 0.0, last: None }
    }

    /// Notes that so many requests came since the last time, of so many bytes together.
    #[expect(clippy::cast_precision_loss, reason = "bytes in memory are far below 2^52")]
    pub(super) fn note(&mut self, requests: usize, bytes: usize, now: Instant) {
        let since = self.last.replace(now).map_or(GAP_MAX, |last| now.duration_since(last).min(GAP_MAX));
        let requests = u32::try_from(requests).unwrap_or(u32::MAX).max(1);
        let gap = since.as_secs_f64() / f64::from(requests);
        let kept = (1.0 - WEIGHT).powi(i32::try_from(requests).unwrap_or(i32::MAX));
        self.gap = self.gap * kept + gap * (1.0 - kept);
        self.bytes = self.bytes * kept + bytes as f64 / f64::from(requests) * (1.0 - kept);
    }

    /// How long the first request of a pack is to wait for others: not at all when few are expected, and no longer than
    /// until the pack is expected to hold `enough` bytes.
    #[expect(clippy::cast_precision_loss, reason = "bytes in memory are far below 2^52")]
    pub(super) fn linger(&self, enough: usize) -> Duration {
        let gap = self.gap.max(f64::MIN_POSITIVE);
        let longest = self.linger_max.as_secs_f64();
        if longest / gap < COMPANY_MIN {
            return Duration::ZERO;
        }
        let filled_in = enough as f64 / self.bytes.max(1.0) * gap;
        let wait = filled_in.clamp(longest * SHARE_MIN, longest);
        Duration::from_secs_f64(wait).saturating_sub(EARLIER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(5);

    const BODY: usize = 6_000;
    /// More than comes in the longest wait.
    const PLENTY: usize = usize::MAX;

    async fn after(requests: usize, gap: Duration) -> Pace {
        let mut pace = Pace::new(LINGER);
        for _ in 0..requests {
            tokio::time::advance(gap).await;
            pace.note(1, BODY, Instant::now());
        }
        pace
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_when_requests_are_rare() {
        assert_eq!(Pace::new(LINGER).linger(PLENTY), Duration::ZERO);
        assert_eq!(after(1_000, LINGER).await.linger(PLENTY), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn company_is_waited_for_under_load() {
        assert_eq!(after(100, LINGER / 10).await.linger(PLENTY), LINGER - EARLIER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rush_after_a_silence_is_noticed_at_once_and_a_silence_after_a_rush_too() {
        let mut pace = Pace::new(LINGER);
        pace.note(100, 100 * BODY, Instant::now());
        tokio::time::advance(Duration::from_micros(100)).await;
        pace.note(100, 100 * BODY, Instant::now());
        assert_eq!(pace.linger(PLENTY), LINGER - EARLIER);
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.note(1, BODY, Instant::now());
        assert_eq!(pace.linger(PLENTY), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_it_takes_to_fill_a_pack_or_much_shorter() {
        let pace = after(200, LINGER / 50).await;
        let wait =
            |requests: usize| pace.linger(requests * BODY).as_secs_f64() / (LINGER - EARLIER).as_secs_f64();
        let (forty, fifty, ten, hundred) = (wait(40), wait(50), wait(10), wait(100));
        assert!((0.78..0.82).contains(&forty), "{forty}");
        assert!((0.99..=1.0).contains(&fifty), "{fifty}");
        assert!((0.46..0.5).contains(&ten), "{ten}");
        assert!((hundred - 1.0).abs() < f64::EPSILON, "{hundred}");
    }
}
