//! Three times the load that a server can hold: does its memory stay, are its refusals quick, does it come back?

use std::time::Duration;

use super::{
    measure::{MEMORY_EVERY, Measured, measure},
    plan::{self, COMFORT, Run},
    report::Overload,
    subject::Subject,
};
use crate::load::{LoadReport, Pace, constant};

/// What an overload is, as a multiple of what a server can hold.
const OVERLOAD: f64 = 3.0;
/// What counts as full speed, as a share of the rate.
const FULL_SPEED: f64 = 0.95;
/// Connections of the overload, at most, for each of the normal ones.
const OVERLOAD_CONNECTIONS: usize = 4;

/// Brings a server to its bounds and back.
///
/// # Errors
/// When the server cannot be started, or ends.
pub(super) async fn run(run: &Run) -> Result<Overload, anyhow::Error> {
    let subject = Subject::Sqs15;
    let running = run.start(subject, None).await?;
    let holds = run.holds(&running).await?;
    let (normal, offered) = (holds * COMFORT, holds * OVERLOAD);
    eprintln!("{}: {offered:.0}/s where it holds {holds:.0}/s", subject.title());
    let connections = plan::connections(run.options.connections * OVERLOAD_CONNECTIONS);
    let (settling, few) = (run.settling(), run.options.connections);
    let load = |per_second, settling| Pace::Open(constant(per_second, run.length(1.0) + settling));
    let before = measure(&running, &run.large, load(normal, settling), settling, few).await?;
    // From the first request on. What comes while it settles would be behind all that counts; and how soon the server
    // comes back is the question.
    let none = Duration::ZERO;
    let during = measure(&running, &run.large, load(offered, none), none, connections).await?;
    let after = measure(&running, &run.large, load(normal, none), none, few).await?;
    let (least, most) = extent(&during, run.length(1.0));
    Ok(Overload {
        subject,
        connections,
        holds_per_second: holds,
        offered_per_second: offered,
        resident_least_bytes: least,
        resident_most_bytes: most,
        normal_per_second: normal,
        recovered_after_seconds: slow_seconds(&after.load, normal),
        before: before.load,
        during: during.load,
        after: after.load,
    })
}

/// Least and most memory, once the load is up and while requests were made: the last of them are answered later.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred looks")]
fn extent(measured: &Measured, made_during: Duration) -> (u64, u64) {
    let looks = made_during.div_duration_f64(MEMORY_EVERY) as usize;
    let seen = measured.resident_bytes.iter().take(looks.max(1)).skip(looks / 8);
    (seen.clone().min().copied().unwrap_or(0), seen.max().copied().unwrap_or(0))
}

/// Seconds at the beginning before one in which as much was taken as at full speed.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn slow_seconds(load: &LoadReport, rate: f64) -> usize {
    let full = rate * FULL_SPEED;
    load.timeline.iter().position(|second| second.taken as f64 >= full).unwrap_or(load.timeline.len())
}
