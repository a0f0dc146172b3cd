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

/// Keeps a moving average of the time between requests.
#[derive(Debug)]
pub(super) struct Pace {
    linger_max: Duration,
    gap: f64,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn new(linger_max: Duration) -> Self {
        Self { linger_max, gap: GAP_MAX.as_secs_f64(), last: None }
    }

    /// Notes that so many requests came since the last time.
    pub(super) fn note(&mut self, requests: usize, now: Instant) {
        let since = self.last.replace(now).map_or(GAP_MAX, |last| now.duration_since(last).min(GAP_MAX));
        let requests = u32::try_from(requests).unwrap_or(u32::MAX).max(1);
        let gap = since.as_secs_f64() / f64::from(requests);
        let kept = (1.0 - WEIGHT).powi(i32::try_from(requests).unwrap_or(i32::MAX));
        self.gap = self.gap * kept + gap * (1.0 - kept);
    }

    /// How long the first request of a pack is to wait for others: not at all when few are expected.
    pub(super) fn linger(&self) -> Duration {
        let company = self.linger_max.as_secs_f64() / self.gap.max(f64::MIN_POSITIVE);
        if company < COMPANY_MIN { Duration::ZERO } else { self.linger_max.saturating_sub(EARLIER) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(5);

    async fn after(requests: usize, gap: Duration) -> Pace {
        let mut pace = Pace::new(LINGER);
        for _ in 0..requests {
            tokio::time::advance(gap).await;
            pace.note(1, Instant::now());
        }
        pace
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_when_requests_are_rare() {
        assert_eq!(Pace::new(LINGER).linger(), Duration::ZERO);
        assert_eq!(after(1_000, LINGER).await.linger(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn company_is_waited_for_under_load() {
        assert_eq!(after(100, LINGER / 10).await.linger(), LINGER - EARLIER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rush_after_a_silence_is_noticed_at_once_and_a_silence_after_a_rush_too() {
        let mut pace = Pace::new(LINGER);
        pace.note(100, Instant::now());
        tokio::time::advance(Duration::from_micros(100)).await;
        pace.note(100, Instant::now());
        assert_eq!(pace.linger(), LINGER - EARLIER);
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.note(1, Instant::now());
        assert_eq!(pace.linger(), Duration::ZERO);
    }
}
