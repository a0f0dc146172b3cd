//! The load engine: sends requests by a schedule and measures what comes back.
//!
//! It shares the machine with what it measures, so it is plain: one thread a connection, each with a blocking socket,
//! a request written in one system call, an answer read by hand. A thread takes the next turn from the [`Line`] and
//! sleeps until its time; when all are busy, turns wait, and their waiting counts, since latency is measured from the
//! *intended* start of each request. What the schedule asks for is not softened by a slow server.
//!
//! Time here is the machine's, not `tokio::time`: a load that a paused clock could hold up would measure nothing.

mod connection;
mod line;
mod reply;
mod schedule;
mod tally;
#[cfg(test)]
mod tests;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use self::{connection::Connection, tally::Tally};
pub(crate) use self::{
    connection::Target,
    line::{Line, Turn},
    reply::Reply,
    schedule::{Schedule, constant, poisson},
    tally::{LoadReport, Percentiles},
};

/// Threads that share one tally: few enough never to wait for it, many enough to keep memory small.
const TALLIES: usize = 8;
/// A thread needs a request, an answer and little else.
const STACK_BYTES: usize = 256 * 1024;
/// Pause of a connection that could not be made, so that a closed loop does not spin on a server that is away.
const CONNECT_PAUSE: Duration = Duration::from_millis(5);

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
    Failed(Failure),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection.
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
}

/// Runs a load to its end, which comes when the schedule is through, everything is answered and nothing waits; or soon
/// after `line.close()`. Blocks: call it where blocking is allowed.
///
/// # Errors
/// When a thread cannot be started.
///
/// # Panics
/// When `traffic` does.
pub(crate) fn run(plan: &Plan, line: &Line, traffic: &dyn Traffic) -> io::Result<LoadReport> {
    let tallies: Vec<Mutex<Tally>> = (0..TALLIES).map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for number in 0..plan.connections {
            let tally = &tallies[number % tallies.len()];
            let thread = std::thread::Builder::new().name("load".to_owned()).stack_size(STACK_BYTES);
            let started = thread.spawn_scoped(scope, move || {
                let _close = line.close_on_panic();
                send(plan, line, traffic, tally);
            });
            if let Err(error) = started {
                line.close();
                return Err(error);
            }
        }
        Ok(())
    })?;
    let mut whole = Tally::default();
    for tally in tallies {
        whole.add(&tally.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
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

/// One connection's life.
fn send(plan: &Plan, line: &Line, traffic: &dyn Traffic, tally: &Mutex<Tally>) {
    let mut connection = Connection::new(&plan.target, plan.timeout);
    let mut scratch = Vec::new();
    let mut turn = line.take();
    while let Some(Turn { at, number }) = turn {
        line.sleep_until(at);
        let started = line.now();
        if !traffic.begin(number, line) {
            turn = line.take_next();
            continue;
        }
        scratch.clear();
        let signed = traffic.is_signed(number);
        let outcome = connection.exchange(traffic.body(number, &mut scratch), signed);
        let ended = line.now();
        tally.lock().unwrap_or_else(PoisonError::into_inner).note(
            at,
            started,
            ended,
            outcome.as_ref().map(|reply| reply.status).map_err(|failure| *failure),
        );
        let ending = match outcome {
            Ok(reply) => Ending::Answered { reply, latency: ended.saturating_sub(at) },
            Err(failure) => Ending::Failed(failure),
        };
        let away = matches!(ending, Ending::Failed(Failure::Connect));
        traffic.ended(number, &ending, line);
        if away {
            line.sleep_until(ended + CONNECT_PAUSE);
        }
        turn = line.take_next();
    }
}
