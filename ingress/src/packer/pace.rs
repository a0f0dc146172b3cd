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

/// A pack that fills quickly is sent when it holds enough, but not less than what is expected in this part of the longest
/// wait: more calls to the queue would cost more processor time than the sooner answers are worth.
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
    pub(super) fn note(&mut self, requests: usize, bytes: u64, now: Instant) {
        let since = self.last.replace(now).map_or(GAP_MAX, |last| now.duration_since(last).min(GAP_MAX));
        let requests = u32::try_from(requests).unwrap_or(u32::MAX).max(1);
        let gap = since.as_secs_f64() / f64::from(requests);
        let kept = (1.0 - WEIGHT).powi(i32::try_from(requests).unwrap_or(i32::MAX));
        self.gap = self.gap * kept + gap * (1.0 - kept);
        self.bytes = self.bytes * kept + bytes as f64 / f64::from(requests) * (1.0 - kept);
    }

    /// How long the first request of a pack is to wait for others: not at all when few are expected.
    pub(super) fn linger(&self) -> Duration {
        if self.expected() < COMPANY_MIN { Duration::ZERO } else { self.longest() }
    }

    fn longest(&self) -> Duration {
        self.linger_max.saturating_sub(EARLIER)
    }

    /// Requests expected in the longest wait.
    fn expected(&self) -> f64 {
        self.longest().as_secs_f64() / self.gap.max(f64::MIN_POSITIVE)
    }

    /// How many bytes make a pack that need not wait longer: `enough`, or more when so many come that such packs would be
    /// too many, but not above `most`. The queue bills `billed` bytes as one request, and what is begun as a whole: a
    /// pack that would have more than that is closed at as many of them as are expected to come in the longest wait.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bytes in memory are far below 2^52, and more than none"
    )]
    pub(super) fn fill(&self, enough: usize, most: usize, billed: usize) -> usize {
        let billed = billed.max(1) as f64;
        let comes = self.expected() * self.bytes;
        let fill = (enough as f64).max(comes * SHARE_MIN).min(comes.max(billed)).min(most as f64);
        let fill = if fill > billed { (fill / billed).floor() * billed } else { fill };
        fill.max(1.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(5);

    const BODY: usize = 6_000;

    async fn after(requests: usize, gap: Duration) -> Pace {
        let mut pace = Pace::new(LINGER);
        for _ in 0..requests {
            tokio::time::advance(gap).await;
            pace.note(1, BODY as u64, Instant::now());
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
        pace.note(100, 100 * BODY as u64, Instant::now());
        tokio::time::advance(Duration::from_micros(100)).await;
        pace.note(100, 100 * BODY as u64, Instant::now());
        assert_eq!(pace.linger(), LINGER - EARLIER);
        tokio::time::advance(Duration::from_secs(60)).await;
        pace.note(1, BODY as u64, Instant::now());
        assert_eq!(pace.linger(), Duration::ZERO);
    }

    /// Requests in a full pack when 40 are billed as one, 300 is the most, and one comes each `gap`.
    async fn filled(enough: usize, gap: Duration) -> usize {
        after(400, gap).await.fill(enough * BODY, 300 * BODY, 40 * BODY) / BODY
    }

    #[tokio::test(start_paused = true)]
    async fn a_pack_is_sent_when_it_holds_enough_unless_that_would_make_too_many_packs() {
        assert_eq!(filled(30, LINGER / 50).await, 30);
        assert_eq!(filled(10, LINGER / 50).await, 23, "half of what comes meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_billed_as_one_is_not_begun_in_vain() {
        assert_eq!(filled(1_000, LINGER / 39).await, 40, "one more would be billed as another");
        assert_eq!(filled(1_000, LINGER / 70).await, 40);
        assert_eq!(filled(1_000, LINGER / 90).await, 80);
        assert_eq!(filled(1_000, LINGER / 250).await, 200);
        assert_eq!(filled(100, LINGER / 250).await, 80, "half of what comes, in whole ones");
        assert_eq!(filled(1_000, LINGER / 1_000).await, 280, "the most, in whole ones");
    }
}
