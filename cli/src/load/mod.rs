//! The load engine: sends requests by a schedule and measures what comes back.
//!
//! It shares the machine with what it measures, so it is lean: two threads, each a loop over non-blocking sockets, a
//! request written in one system call, an answer read by hand. A loop takes the next turn from the [`Line`] and begins it
//! at its time, to some microseconds; when all connections are busy, turns wait, and their waiting counts, since latency
//! is measured from the *intended* start of each request. What the schedule asks for is not softened by a slow server.
//!
//! Time here is the machine's, not `tokio::time`: a load that a paused clock could hold up would measure nothing.

mod alarm;
mod connection;
mod engine;
mod line;
mod reply;
mod schedule;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod tls;

use std::{io, sync::Arc, time::Duration};

pub(crate) use self::{
    connection::Target,
    line::{Line, Turn},
    reply::Reply,
    schedule::{Schedule, constant, poisson},
    tally::{LoadReport, Percentiles},
    tls::{Tls, TlsError},
};
use self::{engine::Engine, tally::Tally};

/// Loops of a load; one can make some twenty thousand requests a second.
const LOOPS: usize = 2;

/// What is sent, and what becomes of the answers. Shared by all connections.
pub(crate) trait Traffic: Sync {
    /// The body of a turn; `scratch` is empty, and a place to make it in.
    fn body<'a>(&'a self, turn: u64, scratch: &'a mut Vec<u8>) -> &'a [u8];

    /// Asked first, when a turn's time has come: whether anything is sent in it. A turn in which nothing is sent ends
    /// here, and is counted nowhere.
    fn begin(&self, turn: u64, line: &Line) -> bool {
        _ = (turn, line);
        true
    }

    /// Whether the target's authorization goes with the body of a turn.
    fn is_signed(&self, turn: u64) -> bool {
        _ = turn;
        true
    }

    /// How a turn ended. May put further turns into the line, such as the same one again.
    fn ended(&self, turn: u64, ending: &Ending<'_>, line: &Line) {
        _ = (turn, ending, line);
    }
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) enum Ending<'a> {
    /// With an answer.
    Answered {
        /// What the server said.
        reply: Reply<'a>,
        /// From the intended start to the end of the answer.
        latency: Duration,
    },
    /// Without one.
    Failed {
        /// Why.
        failure: Failure,
        /// What is said of a connection that could not be made.
        refusal: Option<&'a io::Error>,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection, or none under TLS where that is asked for.
    Connect,
    /// No answer within the limit, or the request could not be written within it.
    Timeout,
    /// The connection broke before the answer was whole.
    Broken,
    /// What came back is no HTTP answer that this client reads.
    Unreadable,
}

/// When requests are sent.
pub(crate) enum Pace {
    /// At these times, whatever comes back.
    Open(Schedule),
    /// As soon as the connection is free, for so long: what a server can do at most.
    Closed(Duration),
}

/// How requests travel.
pub(crate) struct Plan {
    /// Where to.
    pub(crate) target: Target,
    /// Connections, each with one request under way at a time; at least one.
    pub(crate) connections: usize,
    /// For a connect, a write and each read of an answer; more than zero.
    pub(crate) timeout: Duration,
    /// How often a loop looks at its sockets at most, but for when a turn is due: for closed loops. With zero it waits for
    /// them, and who answers pays for waking it if that is on the same machine, and may be put off its processor by it.
    pub(crate) look_every: Duration,
}

/// Runs a load to its end, which comes when the schedule is through, everything is answered and nothing waits; or soon
/// after `line.close()`. Blocks: call it where blocking is allowed.
///
/// # Errors
/// When a thread cannot be started, or the system has nothing to wait with.
///
/// # Panics
/// When `traffic` does.
pub(crate) fn run(plan: &Plan, line: &Line, traffic: &dyn Traffic) -> io::Result<LoadReport> {
    let loops = LOOPS.min(plan.connections);
    let ended: io::Result<Vec<Tally>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..loops)
            .map(|number| {
                let connections = (plan.connections + number) / loops;
                let work = move || {
                    // Whichever way this one ends, the others must not wait for its turns for ever.
                    let _close = line.close_on_drop();
                    Engine::new(plan, line, traffic, connections)?.run()
                };
                std::thread::Builder::new().name("load".to_owned()).spawn_scoped(scope, work)
            })
            .collect();
        if threads.iter().any(Result::is_err) {
            line.close();
        }
        let join = |thread: io::Result<std::thread::ScopedJoinHandle<'_, io::Result<Tally>>>| {
            thread?.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let mut whole = Tally::new(line.counts_from());
    ended?.iter().for_each(|tally| whole.add(tally));
    Ok(whole.report(line.dropped()))
}

/// [`run`], off the runtime's threads.
///
/// # Errors
/// When a thread cannot be started.
///
/// # Cancel safety
/// When dropped, the load goes on to its end; close the line to bring that about.
pub(crate) async fn run_apart(
    plan: Plan,
    line: Arc<Line>,
    traffic: Arc<dyn Traffic + Send>,
) -> io::Result<LoadReport> {
    let running = tokio::task::spawn_blocking(move || run(&plan, &line, &*traffic));
    running.await.map_err(io::Error::other)?
}
