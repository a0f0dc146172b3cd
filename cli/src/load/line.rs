//! The line of turns that connections take from, in the order of their times.
//!
//! One idle thread, the leader, waits for the next turn's time to come near; the others wait for the lead. A turn is
//! handed out a little before its time and its thread sleeps out the rest, so that the time a thread needs to wake does
//! not add up along the line. The line holds no turn of the schedule before it is taken, however late they are.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Pace, Schedule};

/// How long before its time a turn is handed out.
const AHEAD: Duration = Duration::from_millis(2);
/// Turns that may wait beside the schedule.
const LATER_MAX: usize = 1_000_000;

/// A request that is to start at `at`, counted from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// When it is meant to start.
    pub(crate) at: Duration,
    /// Its number: the schedule counts from 0; what else is in the line has the number it was given.
    pub(crate) number: u64,
}

/// The turns of a run.
pub(crate) struct Line {
    begun: Instant,
    late_max: Duration,
    state: Mutex<State>,
    lead: Condvar,
    follow: Condvar,
}

struct State {
    source: Source,
    numbered: u64,
    later: BinaryHeap<Reverse<Turn>>,
    /// A thread waits for the next turn's time.
    led: bool,
    /// Turns taken and not ended: they may put others into the line.
    out: usize,
    dropped: u64,
    closed: bool,
}

enum Source {
    Open { schedule: Schedule, next: Option<Duration> },
    Closed { until: Duration },
}

impl State {
    fn next_at(&self, now: Duration) -> Option<Duration> {
        let scheduled = match &self.source {
            Source::Open { next, .. } => *next,
            Source::Closed { until } => (now < *until).then_some(now),
        };
        let later = self.later.peek().map(|Reverse(turn)| turn.at);
        scheduled.into_iter().chain(later).min()
    }

    /// Nothing is left, and nothing that is out can bring more.
    fn is_over(&self, now: Duration) -> bool {
        self.closed || (self.next_at(now).is_none() && self.out == 0)
    }

    fn pop(&mut self, now: Duration) -> Option<Turn> {
        let at = self.next_at(now)?;
        if self.later.peek().is_some_and(|Reverse(turn)| turn.at <= at) {
            return self.later.pop().map(|Reverse(turn)| turn);
        }
        if let Source::Open { schedule, next } = &mut self.source {
            *next = schedule.next();
        }
        self.numbered += 1;
        Some(Turn { at, number: self.numbered - 1 })
    }
}

impl Line {
    /// A line that begins now. A turn that waited longer than `late_max` for a free connection is not handed out, and
    /// counted as dropped: that bounds the run.
    pub(crate) fn new(pace: Pace, late_max: Duration) -> Self {
        let source = match pace {
            Pace::Open(mut schedule) => {
                let next = schedule.next();
                Source::Open { schedule, next }
            }
            Pace::Closed(until) => Source::Closed { until },
        };
        let state = State {
            source,
            numbered: 0,
            later: BinaryHeap::new(),
            led: false,
            out: 0,
            dropped: 0,
            closed: false,
        };
        Self {
            begun: Instant::now(),
            late_max,
            state: Mutex::new(state),
            lead: Condvar::new(),
            follow: Condvar::new(),
        }
    }

    /// Time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Puts a turn into the line, beside the schedule; false when the line is full or closed.
    pub(crate) fn push(&self, turn: Turn) -> bool {
        let mut state = self.lock();
        if state.closed || state.later.len() >= LATER_MAX {
            return false;
        }
        state.later.push(Reverse(turn));
        // The leader may wait for a later one; without a leader someone has to become it.
        if state.led {
            self.lead.notify_one()
        } else {
            self.follow.notify_one()
        }
        true
    }

    /// Ends the run early: no turn is handed out any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.lead.notify_all();
        self.follow.notify_all();
    }

    /// Closes the line if the holder panics: others would wait for its turn's end for ever.
    pub(super) fn close_on_panic(&self) -> impl Drop + '_ {
        CloseOnPanic(self)
    }

    /// Turns that were not sent because they came too late to the front.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// A thread's first turn; `None` when there is none any more.
    pub(super) fn take(&self) -> Option<Turn> {
        self.wait(self.lock())
    }

    /// Says that the last turn taken has ended, and takes another.
    pub(super) fn take_next(&self) -> Option<Turn> {
        let mut state = self.lock();
        state.out -= 1;
        self.wait(state)
    }

    fn wait(&self, mut state: MutexGuard<'_, State>) -> Option<Turn> {
        loop {
            let now = self.now();
            let next = if state.closed { None } else { state.next_at(now) };
            let over = state.is_over(now);
            match next {
                Some(at) if at <= now + AHEAD => {
                    let turn = state.pop(now)?;
                    if now.saturating_sub(turn.at) > self.late_max {
                        state.dropped += 1;
                        continue;
                    }
                    state.out += 1;
                    if !state.led {
                        self.follow.notify_one();
                    }
                    return Some(turn);
                }
                None if over => {
                    self.lead.notify_all();
                    self.follow.notify_all();
                    return None;
                }
                Some(at) if !state.led => {
                    state.led = true;
                    let near = at.saturating_sub(now + AHEAD);
                    state = self.lead.wait_timeout(state, near).unwrap_or_else(PoisonError::into_inner).0;
                    state.led = false;
                }
                _ => state = self.follow.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Sleeps until a time of the run.
    #[expect(clippy::disallowed_methods, reason = "a load runs in the machine's time, to the microsecond")]
    pub(super) fn sleep_until(&self, at: Duration) {
        let left = at.saturating_sub(self.now());
        if !left.is_zero() {
            std::thread::sleep(left);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloseOnPanic<'a>(&'a Line);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_not_over_while_a_turn_is_out_that_may_bring_others() {
        let line = Line::new(Pace::Open(Box::new(std::iter::once(Duration::ZERO))), Duration::MAX);
        let is_over = || line.lock().is_over(line.now());
        assert!(line.take().is_some_and(|turn| turn.number == 0) && !is_over());
        assert!(line.push(Turn { at: Duration::ZERO, number: 7 }));
        assert!(line.take_next().is_some_and(|turn| turn.number == 7) && !is_over());
        assert!(line.take_next().is_none() && is_over());
        line.close();
        assert!(!line.push(Turn { at: Duration::ZERO, number: 8 }));
    }

    #[test]
    fn a_closed_loop_has_turns_until_its_time_is_over() {
        let line = Line::new(Pace::Closed(Duration::from_secs(3_600)), Duration::ZERO);
        for number in 0..3 {
            assert!(line.take().is_some_and(|turn| turn.number == number && turn.at <= line.now()));
        }
        assert_eq!(Line::new(Pace::Closed(Duration::ZERO), Duration::ZERO).take(), None);
    }

    #[test]
    fn a_turn_that_is_too_late_is_dropped_and_counted() {
        let line = Line::new(Pace::Open(Box::new([Duration::ZERO; 3].into_iter())), Duration::ZERO);
        assert_eq!(line.take(), None);
        assert_eq!(line.dropped(), 3);
    }
}
