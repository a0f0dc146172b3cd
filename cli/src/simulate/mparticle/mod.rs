//! `penstock simulate mparticle`: the sender's side. Makes the messages mParticle sends, at a rate that does not wait for
//! answers, treats each answer as mParticle does, and holds the receiver to the protocol.
//!
//! How often mParticle tries again, after which pauses, and how long it waits is not published (protocol.md 9): those
//! are arguments. What it does with a status is.

mod answer;
mod args;
mod arrivals;
mod kind;
mod messages;
mod progress;
mod record;
mod report;
mod rules;
mod sender;
mod tally;
mod target;
#[cfg(test)]
mod tests;
mod world;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use self::arrivals::Arrivals;
use self::progress::Progress;
use self::record::Record;
use self::report::{Asked, Ended};
use self::rules::Retries;
use self::sender::Sender;
use self::tally::Tally;
use self::target::target;
use self::world::{Population, World};
use crate::exit::ExitStatus;
use crate::load::{self, Line, LoadReport, Pace, Plan};
use crate::send::first_of;

pub(crate) use self::args::MparticleArgs;

/// How long a message may wait for a free connection before it is not sent at all. It bounds a run against a receiver
/// that is far too slow.
const LATE_MAX: Duration = Duration::from_secs(60);
/// How long an interrupted run waits for answers under way.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);
/// How often the record is written out and the progress shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// What customers have typed unless told otherwise: the settings of the sandbox.
const SETTINGS: [(&str, &str); 3] =
    [("apiKey", "key-{account}"), ("sendReceipts", "True"), ("defaultCountryCode", "44")];

/// Sends until everything is sent and answered, or until `stop`, and reports.
///
/// # Errors
/// The URL or the authorities cannot be used, a file cannot be written, or standard output cannot be.
pub(crate) async fn run(args: MparticleArgs, stop: CancellationToken) -> Result<ExitStatus, anyhow::Error> {
    if args.ca.is_some() && args.url.scheme() != "https" {
        writeln!(
            io::stderr(),
            "error: --ca is for calls under TLS, and the URL does not begin with https://"
        )?;
        return Ok(ExitStatus::Usage);
    }
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let asked = Asked { rate: args.rate, seed };
    let token = args.token.clone().or_else(|| first_of(args.tokens.as_ref()));
    let found = target(&args.url, args.ca.as_deref(), token.as_ref());
    // A name may have many addresses at which nobody answers.
    let Some(target) = stop.run_until_cancelled(found).await.transpose()? else {
        return Ok(ExitStatus::Failed);
    };
    let record = match &args.record {
        Some(path) => Some(Record::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => None,
    };
    let mut json = match args.json.as_deref() {
        None => None,
        Some(path) if path == Path::new("-") => Some(Box::new(io::stdout()) as Box<dyn Write + Send>),
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Some(Box::new(file) as Box<dyn Write + Send>)
        }
    };
    let shows_table = args.json.as_deref() != Some(Path::new("-"));

    let sender = Sender::new(
        World::new(population(&args), seed),
        args.mix.unwrap_or_default(),
        Retries::new(args.retry_pauses_ms.0),
        args.burst,
        record,
        seed ^ 1,
    );
    let arrivals = Arrivals::new(args.rate, args.ramp, args.seconds, seed ^ 2);
    let plan = Plan {
        target,
        connections: usize::from(args.connections),
        timeout: Duration::from_millis(args.timeout_ms),
        look_every: Duration::ZERO,
    };
    let ended = send(Arc::new(sender), plan, arrivals, &stop).await?;
    if let Some(to) = &mut json {
        writeln!(to, "{}", report::json(&ended, asked)).context("cannot write the report")?;
    }
    if shows_table {
        report::table(&ended, asked, &mut io::stdout())?;
    }
    Ok(status(&ended.tally))
}

/// Runs the load beside the runtime, and shows how far it is.
async fn send(
    sender: Arc<Sender>,
    plan: Plan,
    arrivals: Arrivals,
    stop: &CancellationToken,
) -> Result<Ended, anyhow::Error> {
    let began = Instant::now();
    let line = Arc::new(Line::new(Pace::Open(Box::new(arrivals)), LATE_MAX));
    sender.prepare(&line);
    let mut load = start(plan, line.clone(), sender.clone())?;
    let mut progress = Progress::on_terminal();
    let mut ticks = interval(SHOW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (report, interrupted) = loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => {
                line.close();
                // Some connection may wait for an answer for as long as an answer may take: that long nobody waits.
                break match timeout(STOP_TIME_MAX, &mut load).await {
                    Ok(report) => (Some(report.context("the load has failed")??), true),
                    Err(_) => (None, true),
                };
            }
            report = &mut load => break (Some(report.context("the load has failed")??), false),
            _ = ticks.tick() => {
                let (tally, under_way) = sender.look().context("the record cannot be written")?;
                progress.show(began.elapsed(), &tally, under_way)?;
            }
        }
    };
    let (mut tally, unfinished) = sender.look().context("the record cannot be written")?;
    progress.end(&tally)?;
    tally.unfinished = unfinished;
    let dropped = report.as_ref().map_or(0, |report: &LoadReport| report.dropped);
    // A message whose next try was dropped is unfinished already.
    tally.held_back += dropped.saturating_sub(unfinished);
    Ok(Ended { tally, took: began.elapsed(), late: report.map(|report| report.late_ms), interrupted })
}

/// Starts the load on a thread of its own, which is left behind if it does not end in time: it holds nothing that has
/// to be put in order.
fn start(
    plan: Plan,
    line: Arc<Line>,
    sender: Arc<Sender>,
) -> io::Result<oneshot::Receiver<io::Result<LoadReport>>> {
    let (done, load) = oneshot::channel();
    std::thread::Builder::new().name("simulate".to_owned()).spawn(move || {
        // Nobody listens any more after an interruption.
        done.send(load::run(&plan, &line, &*sender)).ok();
    })?;
    Ok(load)
}

fn population(args: &MparticleArgs) -> Population {
    let usual = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Population {
        accounts: args.accounts,
        users: args.users,
        audiences: args.audiences,
        bulk: args.bulk,
        settings: if args.settings.is_empty() { usual.to_vec() } else { args.settings.clone() },
        resume_after: args.resume_after,
    }
}

fn status(tally: &Tally) -> ExitStatus {
    let total = tally.total();
    match () {
        () if total.tries() > 0 && total.latency.is_empty() => ExitStatus::Unavailable,
        () if total.lost() > 0 || !tally.violations.is_empty() || tally.held_back > 0 => ExitStatus::Failed,
        () => ExitStatus::Done,
    }
}
