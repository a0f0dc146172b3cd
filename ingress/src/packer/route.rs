//! Which of the two queues is asked first. Pure.
//!
//! The main queue, until it has failed or been slow several times in a row; then the second one, while a send now and
//! then asks whether the main queue is well again.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

/// Sends in a row that the main queue fails before it is asked last.
const FAILURES_MAX: u32 = 3;
/// How often a main queue that failed is asked first all the same.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);

/// One of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Main,
    Fallback,
}

impl Which {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Main => Self::Fallback,
            Self::Fallback => Self::Main,
        }
    }

    /// The word in metrics.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Fallback => "fallback",
        }
    }
}

/// What is known of the main queue.
#[derive(Debug, Default)]
pub(super) struct Route(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// While the fallback is asked first: when the main queue is to be asked next.
    probe_at: Option<Instant>,
}

impl Route {
    /// The queue that this send is to ask first.
    pub(super) fn first(&self, now: Instant) -> Which {
        let mut state = self.state();
        match state.probe_at {
            None => Which::Main,
            Some(at) if now >= at => {
                state.probe_at = Some(now + PROBE_EVERY);
                Which::Main
            }
            Some(_) => Which::Fallback,
        }
    }

    /// Notes whether the main queue stored what it was asked first to store, and in time. Returns which is asked first
    /// from now on, if that has changed.
    pub(super) fn note_main(&self, well: bool, now: Instant) -> Option<Which> {
        let mut state = self.state();
        if well {
            state.failures = 0;
            return state.probe_at.take().map(|_| Which::Main);
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES_MAX || state.probe_at.is_some() {
            return None;
        }
        state.probe_at = Some(now + PROBE_EVERY);
        Some(Which::Fallback)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics while it is held")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_fallback_comes_first_after_failures_in_a_row_and_no_sooner() {
        let (route, now) = (Route::default(), Instant::now());
        for well in [false, false, true, false, false] {
            assert_eq!(route.note_main(well, now), None);
            assert_eq!(route.first(now), Which::Main);
        }
        assert_eq!(route.note_main(false, now), Some(Which::Fallback));
        assert_eq!(route.first(now), Which::Fallback);
    }

    #[tokio::test(start_paused = true)]
    async fn one_send_in_a_while_asks_the_main_queue_and_one_success_brings_it_back() {
        let route = Route::default();
        (0..FAILURES_MAX).for_each(|_| {
            assert!(route.note_main(false, Instant::now()).is_none_or(|which| which == Which::Fallback))
        });
        tokio::time::advance(PROBE_EVERY).await;
        let now = Instant::now();
        assert_eq!([route.first(now), route.first(now)], [Which::Main, Which::Fallback]);
        assert_eq!(route.note_main(false, now), None);
        assert_eq!(route.first(now), Which::Fallback);
        assert_eq!(route.note_main(true, now), Some(Which::Main));
        assert_eq!(route.first(now), Which::Main);
    }
}
