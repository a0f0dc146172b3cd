//! What happened, in order: a hash of all of it, and the lines themselves, printed as they come, when someone wants to
//! read them.

use std::{
    fmt::Arguments,
    sync::{Arc, Mutex},
};

use penstock_testkit::models::Observer;
use tokio::time::Instant;

/// The record of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    hash: u64,
    events: u64,
    prints: bool,
}

impl Trace {
    /// Begins now.
    pub(crate) fn new(prints: bool) -> Arc<Self> {
        let state = State { hash: 0xcbf2_9ce4_8422_2325, events: 0, prints };
        Arc::new(Self { begun: Instant::now(), state: Mutex::new(state) })
    }

    /// Since when the run goes on.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.begun.elapsed()
    }

    /// Adds an event.
    pub(crate) fn note(&self, event: Arguments<'_>) {
        let line = format!("{:>10.3} {event}", self.begun.elapsed().as_secs_f64());
        let mut state = self.state.lock().unwrap();
        // FNV-1a.
        for byte in line.bytes() {
            state.hash = (state.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        state.events += 1;
        if state.prints {
            println!("{line}");
        }
    }

    /// An observer for models.
    pub(crate) fn observer(self: &Arc<Self>) -> Observer {
        let trace = self.clone();
        Observer::new(move |event| trace.note(format_args!("{event}")))
    }

    /// The hash of everything so far, and how many events that is.
    pub(crate) fn hash(&self) -> (u64, u64) {
        let state = self.state.lock().unwrap();
        (state.hash, state.events)
    }
}
