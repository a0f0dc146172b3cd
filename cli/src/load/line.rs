//! The line of turns that loops take from, in the order of their times.
//!
//! A turn is handed out a little before its time to the loop that asks first, so that not every loop wakes for it. The
//! line holds no turn of the schedule before it is taken, however late they are.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Mutex, MutexGuard, PoisonError},
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
    settling: Duration,
    state: Mutex<State>,
}

/// What the line has for who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A turn, whose time has come or is near.
    Turn(Turn),
    /// None so far; the next one is not handed out before this.
    NotBefore(Duration),
    /// None so far; one that is under way may bring others.
    Unknown,
    /// None any more.
    Over,
}

struct State {
    source: Source,
    numbered: u64,
    later: BinaryHeap<Reverse<Turn>>,
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
        let state =
            State { source, numbered: 0, later: BinaryHeap::new(), out: 0, dropped: 0, closed: false };
        Self { begun: Instant::now(), late_max, settling: Duration::ZERO, state: Mutex::new(state) }
    }

    /// Turns that are meant to start before this are sent and counted nowhere: connections are made meanwhile, and
    /// servers warm up.
    pub(crate) fn settling(mut self, settling: Duration) -> Self {
        self.settling = settling;
        self
    }

    /// Until when turns are not counted.
    pub(super) fn counts_from(&self) -> Duration {
        self.settling
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
        true
    }

    /// Ends the run early: no turn is handed out any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Closes the line at the end of the holder: it is over then, or something went wrong, and its turns end no more.
    pub(super) fn close_on_drop(&self) -> impl Drop + '_ {
        CloseOnDrop(self)
    }

    /// Turns that were not sent because they came too late to the front.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Takes the next turn, if its time has come or is near. Say [`Line::ended`] of it afterwards.
    pub(super) fn take(&self) -> Next {
        let mut state = self.lock();
        loop {
            let now = self.now();
            if state.closed {
                return Next::Over;
            }
            match state.next_at(now) {
                None if state.out == 0 => return Next::Over,
                None => return Next::Unknown,
                Some(at) if at > now + AHEAD => return Next::NotBefore(at.saturating_sub(AHEAD)),
                Some(_) => {}
            }
            let Some(turn) = state.pop(now) else { return Next::Unknown };
            if now.saturating_sub(turn.at) > self.late_max {
                state.dropped += u64::from(turn.at >= self.settling);
                continue;
            }
            state.out += 1;
            return Next::Turn(turn);
        }
    }

    /// Says that a turn taken has ended.
    pub(super) fn ended(&self) {
        self.lock().out -= 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloseOnDrop<'a>(&'a Line);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_not_over_while_a_turn_is_out_that_may_bring_others() {
        let line = Line::new(Pace::Open(Box::new(std::iter::once(Duration::ZERO))), Duration::MAX);
        assert_eq!(line.take(), Next::Turn(Turn { at: Duration::ZERO, number: 0 }));
        assert_eq!(line.take(), Next::Unknown);
        assert!(line.push(Turn { at: Duration::ZERO, number: 7 }));
        line.ended();
        assert_eq!(line.take(), Next::Turn(Turn { at: Duration::ZERO, number: 7 }));
        assert_eq!(line.take(), Next::Unknown);
        line.ended();
        assert_eq!(line.take(), Next::Over);
        line.close();
        assert!(!line.push(Turn { at: Duration::ZERO, number: 8 }));
    }

    #[test]
    fn a_closed_loop_has_turns_until_its_time_is_over() {
        let line = Line::new(Pace::Closed(Duration::from_secs(3_600)), Duration::ZERO);
        for number in 0..3 {
            assert!(
                matches!(line.take(), Next::Turn(turn) if turn.number == number && turn.at <= line.now())
            );
        }
        assert_eq!(Line::new(Pace::Closed(Duration::ZERO), Duration::ZERO).take(), Next::Over);
    }

    #[test]
    fn a_turn_that_is_too_late_is_dropped_and_counted() {
        let line = Line::new(Pace::Open(Box::new([Duration::ZERO; 3].into_iter())), Duration::ZERO);
        assert_eq!(line.take(), Next::Over);
        assert_eq!(line.dropped(), 3);
    }

    #[test]
    fn a_turn_is_handed_out_a_little_before_its_time() {
        let at = Duration::from_secs(3_600);
        let line = Line::new(Pace::Open(Box::new(std::iter::once(at))), Duration::MAX);
        assert_eq!(line.take(), Next::NotBefore(at - AHEAD));
    }
}
