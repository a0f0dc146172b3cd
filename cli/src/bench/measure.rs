//! One measurement: a load on a running server, and what the server used meanwhile.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::{
    serve::sqs::Counts,
    stall::Watch,
    subject::Running,
    usage::{self, Memory},
};
use crate::load::{self, Line, LoadReport, Pace, Plan, Traffic};

/// For a connect, a write and a read.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Turns that wait longer for a free connection are dropped: the measured load was too much for the connections.
const LATE_MAX: Duration = Duration::from_secs(2);
/// How often the load looks at its sockets when a server goes as fast as it can, and there is much to see. At a rate it
/// waits for them, to see answers when they come.
const CLOSED_LOOK_EVERY: Duration = Duration::from_millis(1);
/// How often memory is looked at.
pub(super) const MEMORY_EVERY: Duration = Duration::from_millis(200);

/// What is sent: one body after the other, and again from the first.
#[derive(Debug)]
pub(super) struct Bodies(pub(super) Vec<Vec<u8>>);

impl Bodies {
    /// The mean length, in bytes.
    pub(super) fn mean_bytes(&self) -> usize {
        self.0.iter().map(Vec::len).sum::<usize>() / self.0.len().max(1)
    }
}

impl Traffic for Bodies {
    fn body<'a>(&'a self, turn: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
        &self.0[usize::try_from(turn).unwrap_or(0) % self.0.len()]
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) load: LoadReport,
    /// Of the server alone.
    pub(super) cpu: Duration,
    /// The share of the processors' time that the host gave to other guests.
    pub(super) stolen_share: f64,
    /// The longest that a thread which only sleeps was not woken.
    pub(super) stall: Duration,
    /// The server's, when nobody had asked it yet.
    pub(super) idle: Memory,
    /// Each with one request under way at a time.
    pub(super) connections: usize,
    pub(super) before: Memory,
    pub(super) after: Memory,
    /// The server's resident bytes, looked at every 200 ms.
    pub(super) resident_bytes: Vec<u64>,
    /// Of the SQS behind it.
    pub(super) sqs: Option<Counts>,
}

/// Puts a load on a server. What it is asked before `settled` has passed is in no figure but the peak of its memory:
/// connections are made then, and the pace is to last as much longer.
///
/// # Errors
/// When the server is gone, or a thread cannot be started.
///
/// # Cancel safety
/// When dropped, the load ends early, by itself.
pub(super) async fn measure(
    running: &Running,
    bodies: &Arc<Bodies>,
    pace: Pace,
    settled: Duration,
    connections: usize,
) -> Result<Measured, anyhow::Error> {
    let look_every = if matches!(pace, Pace::Closed(_)) { CLOSED_LOOK_EVERY } else { Duration::ZERO };
    let line = Arc::new(Line::new(pace, LATE_MAX).settling(settled));
    let _close = CloseOnDrop(line.clone());
    let plan = Plan { target: running.target(), connections, timeout: TIMEOUT, look_every };
    let loading = load::run_apart(plan, line, bodies.clone());
    tokio::pin!(loading);
    let mut ended = None;
    tokio::select! {
        biased;
        load = &mut loading => ended = Some(load),
        () = sleep(settled) => {}
    }
    let stalls = Watch::begin().context("no thread to watch for stalls")?;
    let (began, stolen_before, before) = (Instant::now(), usage::stolen(), used(running)?);
    let sqs_before = running.counts().await?;
    let (mut looks, mut resident_bytes) = (tokio::time::interval(MEMORY_EVERY), Vec::new());
    let load = loop {
        if let Some(ended) = ended {
            break ended.context("the load could not be run")?;
        }
        tokio::select! {
            load = &mut loading => ended = Some(load),
            _ = looks.tick() => resident_bytes.push(used(running)?.memory.resident_bytes),
        }
    };
    let stall = stalls.end();
    let after = used(running)?;
    let stolen = usage::stolen().saturating_sub(stolen_before);
    let stolen_share = stolen.as_secs_f64() / began.elapsed().as_secs_f64();
    let sqs_after = running.counts().await?;
    Ok(Measured {
        load,
        cpu: after.cpu.saturating_sub(before.cpu),
        stolen_share,
        stall,
        idle: running.idle(),
        connections,
        before: before.memory,
        after: after.memory,
        resident_bytes,
        sqs: sqs_before.zip(sqs_after).map(|(before, after)| after.since(before)),
    })
}

fn used(running: &Running) -> Result<usage::Usage, anyhow::Error> {
    usage::of(running.process()).context("cannot read what the server uses; has it ended?")
}

struct CloseOnDrop(Arc<Line>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}
