//! Counts and latencies of a load.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::Failure;

/// The longest time that is told apart, in µs: longer ones count as this.
const LONGEST_US: u64 = 120_000_000;
/// Seconds of a run that are kept one by one; later ones count into the last.
const SECONDS_MAX: usize = 3_600;

/// What happened, while it happens. Times in µs.
#[derive(Debug)]
pub(super) struct Tally {
    taken: Histogram<u32>,
    refused: Histogram<u32>,
    served: Histogram<u32>,
    late: Histogram<u32>,
    statuses: BTreeMap<u16, u64>,
    failures: Failures,
    seconds: Vec<Second>,
    last: Duration,
    from: Duration,
}

/// Requests without an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Failures {
    /// No connection.
    pub(crate) connect: u64,
    /// No answer in time.
    pub(crate) timeout: u64,
    /// The connection broke.
    pub(crate) broken: u64,
    /// No HTTP answer.
    pub(crate) unreadable: u64,
}

impl Failures {
    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.connect + self.timeout + self.broken + self.unreadable
    }
}

/// What ended in one second of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Second {
    /// Answers 2xx.
    pub(crate) taken: u64,
    /// Other answers.
    pub(crate) refused: u64,
    /// No answer.
    pub(crate) failed: u64,
}

/// Times in ms, of which so many hundredths were not above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// Half.
    pub(crate) p50: f64,
    /// 90 of 100.
    pub(crate) p90: f64,
    /// 99 of 100.
    pub(crate) p99: f64,
    /// 999 of 1,000.
    pub(crate) p999: f64,
    /// All.
    pub(crate) max: f64,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct LoadReport {
    /// Requests that were begun.
    pub(crate) sent: u64,
    /// Answered 2xx.
    pub(crate) taken: u64,
    /// Answered otherwise.
    pub(crate) refused: u64,
    /// Not answered.
    pub(crate) failed: Failures,
    /// Turns of the schedule that were never begun: they had waited too long for a free connection.
    pub(crate) dropped: u64,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// From the beginning to the last end.
    pub(crate) seconds: f64,
    /// Requests begun a second.
    pub(crate) sent_per_second: f64,
    /// Answers 2xx a second.
    pub(crate) taken_per_second: f64,
    /// Of answers 2xx, from the intended start to the end of the answer.
    pub(crate) latency_ms: Percentiles,
    /// The same of other answers, from the actual start.
    pub(crate) refused_ms: Percentiles,
    /// Of all answers, from the actual start: what the server alone took.
    pub(crate) served_ms: Percentiles,
    /// From the intended to the actual start: what this client, or its want of a free connection, took.
    pub(crate) late_ms: Percentiles,
    /// Second by second.
    pub(crate) timeline: Vec<Second>,
}

impl Tally {
    /// One that counts turns which are meant to start `from` then on, and whose times begin there.
    pub(super) fn new(from: Duration) -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are in order");
        Self {
            taken: histogram(),
            refused: histogram(),
            served: histogram(),
            late: histogram(),
            statuses: BTreeMap::new(),
            failures: Failures::default(),
            seconds: Vec::new(),
            last: Duration::ZERO,
            from,
        }
    }

    /// Counts a turn that was meant to start at `at`, was begun at `started`, and ended at `ended`.
    pub(super) fn note(
        &mut self,
        at: Duration,
        started: Duration,
        ended: Duration,
        outcome: Result<u16, Failure>,
    ) {
        let Some(at) = at.checked_sub(self.from) else { return };
        let [started, ended] = [started, ended].map(|time| time.saturating_sub(self.from));
        self.last = self.last.max(ended);
        let place = usize::try_from(ended.as_secs()).unwrap_or(SECONDS_MAX).min(SECONDS_MAX - 1);
        if self.seconds.len() <= place {
            self.seconds.resize(place + 1, Second::default());
        }
        let second = &mut self.seconds[place];
        self.late.saturating_record(micros(started.saturating_sub(at)));
        match outcome {
            Ok(status) => {
                *self.statuses.entry(status).or_default() += 1;
                self.served.saturating_record(micros(ended.saturating_sub(started)));
                if (200..300).contains(&status) {
                    second.taken += 1;
                    self.taken.saturating_record(micros(ended.saturating_sub(at)));
                } else {
                    second.refused += 1;
                    self.refused.saturating_record(micros(ended.saturating_sub(started)));
                }
            }
            Err(failure) => {
                second.failed += 1;
                *match failure {
                    Failure::Connect => &mut self.failures.connect,
                    Failure::Timeout => &mut self.failures.timeout,
                    Failure::Broken => &mut self.failures.broken,
                    Failure::Unreadable => &mut self.failures.unreadable,
                } += 1;
            }
        }
    }

    /// Adds another's counts to these.
    pub(super) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.taken, &other.taken),
            (&mut self.refused, &other.refused),
            (&mut self.served, &other.served),
            (&mut self.late, &other.late),
        ];
        for (mine, theirs) in pairs {
            mine.add(theirs).expect("both have the same bounds");
        }
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        let Failures { connect, timeout, broken, unreadable } = other.failures;
        self.failures.connect += connect;
        self.failures.timeout += timeout;
        self.failures.broken += broken;
        self.failures.unreadable += unreadable;
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize(other.seconds.len(), Second::default());
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            mine.taken += theirs.taken;
            mine.refused += theirs.refused;
            mine.failed += theirs.failed;
        }
        self.last = self.last.max(other.last);
    }

    /// The whole, read.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn report(self, dropped: u64) -> LoadReport {
        let (taken, refused) = (self.taken.len(), self.refused.len());
        let seconds = self.last.as_secs_f64();
        let sent = taken + refused + self.failures.total();
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        LoadReport {
            sent,
            taken,
            refused,
            failed: self.failures,
            dropped,
            statuses: self.statuses,
            seconds,
            sent_per_second: per_second(sent),
            taken_per_second: per_second(taken),
            latency_ms: Percentiles::of(&self.taken),
            refused_ms: Percentiles::of(&self.refused),
            served_ms: Percentiles::of(&self.served),
            late_ms: Percentiles::of(&self.late),
            timeline: self.seconds,
        }
    }
}

impl Percentiles {
    /// Of a histogram of µs; zeros when it is empty.
    #[expect(clippy::cast_precision_loss, reason = "µs of a run are far below 2^52")]
    pub(crate) fn of(histogram: &Histogram<u32>) -> Self {
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: ms(histogram.max()) }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}
