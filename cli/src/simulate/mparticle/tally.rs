//! What has happened, by kind.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::answer::Violation;
use super::kind::Kind;
use super::rules::Loss;
use super::world::Consequence;
use crate::load::Failure;

/// Within this a call is to be answered (protocol.md 1.3).
pub(crate) const BUDGET: Duration = Duration::from_millis(100);
/// The longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Digits of a latency that are kept.
const DIGITS: u8 = 3;
/// Answers against the protocol that are shown one by one.
const SHOWN_MAX: usize = 10;

/// The messages of one kind, or of all.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    /// Messages that were tried at least once.
    pub(crate) sent: u64,
    /// Messages answered with 200 or 202.
    pub(crate) taken: u64,
    /// What a receiver finds in those to deliver.
    pub(crate) items_taken: u64,
    /// Tries after the first.
    pub(crate) retried: u64,
    /// Tries that had no answer.
    pub(crate) unanswered: u64,
    /// Messages gone for ever, by the last try's status or the lack of one.
    pub(crate) lost: BTreeMap<String, u64>,
    /// Answered tries, from when they were due to the end of the answer, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Tries answered past [`BUDGET`], or not at all.
    pub(crate) late: u64,
}

/// An answer against the protocol.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) violation: Violation,
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) status: u16,
}

/// Everything that is counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) kinds: Vec<Counts>,
    /// Messages that were not sent, as the connections of their audiences are faulted.
    pub(crate) withheld: u64,
    /// Messages that were not sent, as this end could not keep up.
    pub(crate) held_back: u64,
    /// Messages of which nobody knows, as the run was interrupted.
    pub(crate) unfinished: u64,
    /// Connections marked as faulted, suspended ones included.
    pub(crate) faulted: u64,
    /// Customers suspended.
    pub(crate) suspended: u64,
    /// Connections that were resumed.
    pub(crate) resumed: u64,
    /// What was said of the first connection that could not be made.
    pub(crate) no_connection: Option<String>,
    pub(crate) violations: BTreeMap<Violation, u64>,
    /// The first of them.
    pub(crate) shown: Vec<Shown>,
}

impl Counts {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX_US, DIGITS);
        Self {
            sent: 0,
            taken: 0,
            items_taken: 0,
            retried: 0,
            unanswered: 0,
            lost: BTreeMap::new(),
            latency: latency.expect("the bounds and digits are within those of a histogram"),
            late: 0,
        }
    }

    /// Tries made.
    pub(crate) fn tries(&self) -> u64 {
        self.sent + self.retried
    }

    /// Messages gone for ever.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// The share of tries answered past [`BUDGET`], or not at all, of those that have ended; 0 to 1.
    pub(crate) fn late_share(&self) -> f64 {
        let ended = self.latency.len() + self.unanswered;
        if ended == 0 { 0.0 } else { self.late as f64 / ended as f64 }
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.taken += other.taken;
        self.items_taken += other.items_taken;
        self.retried += other.retried;
        self.unanswered += other.unanswered;
        for (status, count) in &other.lost {
            *self.lost.entry(status.clone()).or_default() += count;
        }
        self.latency.add(&other.latency).expect("the bounds are the same");
        self.late += other.late;
    }
}

impl Tally {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Self {
        Self {
            kinds: Kind::all().map(|_| Counts::new()).collect(),
            withheld: 0,
            held_back: 0,
            unfinished: 0,
            faulted: 0,
            suspended: 0,
            resumed: 0,
            no_connection: None,
            violations: BTreeMap::new(),
            shown: Vec::new(),
        }
    }

    /// The messages of one kind.
    pub(crate) fn of(&mut self, kind: Kind) -> &mut Counts {
        &mut self.kinds[kind.place()]
    }

    /// All kinds together.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::new();
        self.kinds.iter().for_each(|counts| total.add(counts));
        total
    }

    /// A try began.
    pub(crate) fn tried(&mut self, kind: Kind, tries: u32) {
        let counts = self.of(kind);
        if tries == 1 { counts.sent += 1 } else { counts.retried += 1 }
    }

    /// A try ended, answered so long after it was due, or never.
    pub(crate) fn ended(&mut self, kind: Kind, latency: Option<Duration>) {
        let counts = self.of(kind);
        counts.late += u64::from(latency.is_none_or(|latency| latency > BUDGET));
        match latency {
            Some(latency) => {
                let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                counts.latency.saturating_record(us.max(1));
            }
            None => counts.unanswered += 1,
        }
    }

    /// A message is gone for ever after an answer of this status, or none.
    pub(crate) fn lost(&mut self, kind: Kind, answer: Result<u16, Failure>, loss: Loss) {
        let what = match answer {
            Ok(status) => status.to_string(),
            Err(Failure::Connect) => "no connection".to_owned(),
            Err(Failure::Timeout) => "no answer in time".to_owned(),
            Err(Failure::Broken) => "broken off".to_owned(),
            Err(Failure::Unreadable) => "no HTTP answer".to_owned(),
        };
        let what = if loss == Loss::Exhausted { format!("{what}, tries used up") } else { what };
        *self.of(kind).lost.entry(what).or_default() += 1;
    }

    /// An answer was against the protocol.
    pub(crate) fn violated(&mut self, shown: Shown) {
        *self.violations.entry(shown.violation).or_default() += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(shown);
        }
    }

    /// Connections were faulted.
    pub(crate) fn followed(&mut self, consequence: Consequence) {
        self.faulted += consequence.faulted;
        self.suspended += consequence.suspended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_add_up_and_unanswered_tries_are_late() {
        let mut tally = Tally::new();
        for (kind, ms) in [(Kind::Events, 5), (Kind::Events, 101), (Kind::Dsr, 100)] {
            tally.tried(kind, 1);
            tally.ended(kind, Some(Duration::from_millis(ms)));
        }
        tally.tried(Kind::Dsr, 2);
        tally.ended(Kind::Dsr, None);
        tally.lost(Kind::Dsr, Err(Failure::Timeout), Loss::Exhausted);
        let total = tally.total();
        assert_eq!((total.sent, total.retried, total.tries(), total.lost()), (3, 1, 4, 1));
        assert_eq!((total.late, total.latency.len(), total.unanswered), (2, 3, 1));
        assert!((total.late_share() - 0.5).abs() < 1e-9);
        assert_eq!(total.lost.keys().collect::<Vec<_>>(), ["no answer in time, tries used up"]);
    }

    #[test]
    fn only_the_first_violations_are_shown_and_all_are_counted() {
        let mut tally = Tally::new();
        for n in 0..25 {
            let (violation, kind) = (Violation::WrongId, Kind::Events);
            tally.violated(Shown { violation, kind, id: n.to_string(), status: 200 });
        }
        assert_eq!(tally.violations[&Violation::WrongId], 25);
        assert_eq!(tally.shown.len(), 10);
        assert_eq!(tally.shown[0].id, "0");
    }
}
