//! `penstock simulate partner`: a partner's API on this machine, which fails when told to and records what came.
//!
//! `sandbox` is the partner of the demonstration, `iterable` holds callers to the shapes and limits of Iterable's API,
//! `echo` takes anything. `GET /_stats` gives the counters; it is neither counted nor recorded.

mod call;
mod cut;
mod echo;
mod fail;
mod iterable;
mod pace;
mod record;
mod sandbox;
mod server;
mod stats;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use penstock_shared::clock::Clock;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::cut::{CuttableListener, Wire};
use self::server::Simulation;
use crate::exit::ExitStatus;

pub(crate) use self::fail::FailRules;
pub(crate) use self::pace::{Latency, Rate};
pub(crate) use self::stats::Stats;

/// How long stopping waits for requests under way.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// Play a partner's API: takes what the worker sends, fails as told, records every request.
#[derive(Debug, clap::Args)]
pub(crate) struct PartnerArgs {
    /// Address and port to listen on; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9099", env = "PENSTOCK_SIMULATE_LISTEN")]
    listen: SocketAddr,

    /// Append each request, with its answer, to this file as one JSON line, before it is answered.
    #[arg(long, value_name = "FILE.jsonl", env = "PENSTOCK_SIMULATE_RECORD")]
    record: Option<PathBuf>,

    /// What goes wrong, comma separated: `503:10%`, `429:5%`, `reset:1%` (connection closed, not handled), `lost:1%`
    /// (handled, connection closed), `hang:1%`, `500:first=20`, `down:10s..20s`, `items:3%` (sandbox: single items).
    #[arg(long, value_name = "RULES", default_value = "", env = "PENSTOCK_SIMULATE_FAIL")]
    fail: FailRules,

    /// Answer 429 with Retry-After above this many requests a second.
    #[arg(long, value_name = "N/s", env = "PENSTOCK_SIMULATE_LIMIT")]
    limit: Option<Rate>,

    /// Milliseconds between handling a request and answering it, fixed or drawn from a range.
    #[arg(long, value_name = "MS|MIN..MAX", default_value = "0", env = "PENSTOCK_SIMULATE_LATENCY")]
    latency: Latency,

    /// Seed for faults and latency, to have the same run again; printed at start. Drawn if left out.
    #[arg(long, value_name = "N", env = "PENSTOCK_SIMULATE_SEED")]
    seed: Option<u64>,

    /// Whose API to play.
    #[arg(long, value_enum, default_value_t = Kind::Sandbox, env = "PENSTOCK_SIMULATE_KIND")]
    kind: Kind,

    /// Print the address at start and the counters at the end as JSON lines on standard output.
    #[arg(long, env = "PENSTOCK_SIMULATE_JSON")]
    json: bool,
}

/// Whose API is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The built-in partner: events, users, erasures and lists, with a result for each item.
    Sandbox,
    /// Iterable's shapes, limits and answers, as far as they are public.
    Iterable,
    /// Takes anything on any path.
    Echo,
}

/// What a simulated partner is started with.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where to listen; port 0 for a free one.
    pub(crate) listen: SocketAddr,
    /// The file to append the record to.
    pub(crate) record: Option<PathBuf>,
    pub(crate) behaviour: Behaviour,
}

/// What a simulated partner does with a request.
#[derive(Debug)]
pub(crate) struct Behaviour {
    pub(crate) kind: Kind,
    pub(crate) fail: FailRules,
    /// Above it, 429.
    pub(crate) limit: Option<Rate>,
    pub(crate) latency: Latency,
    /// Decides faults and latency.
    pub(crate) seed: u64,
    /// Dates the record.
    pub(crate) clock: Clock,
}

/// Why a simulated partner did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The record cannot be opened.
    #[error("cannot open the record {}", path.display())]
    Record {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A rule that the partner cannot follow.
    #[error("`items` in the fail rules needs the sandbox: no other partner answers item by item")]
    ItemsWithoutSandbox,
}

/// A running simulated partner; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Simulated {
    addr: SocketAddr,
    simulation: Arc<Simulation>,
    tasks: JoinSet<()>,
    _stop: DropGuard,
}

impl Simulated {
    /// Binds and starts answering.
    ///
    /// # Errors
    /// The address or the record cannot be opened, or the rules do not fit the kind.
    pub(crate) async fn start(options: Options) -> Result<Self, StartError> {
        if options.behaviour.fail.names_items() && options.behaviour.kind != Kind::Sandbox {
            return Err(StartError::ItemsWithoutSandbox);
        }
        let address = options.listen;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let mut tasks = JoinSet::new();
        let recorder = match options.record {
            None => None,
            Some(path) => {
                let (recorder, writing) = record::Recorder::open(&path)
                    .await
                    .map_err(|source| StartError::Record { path: path.clone(), source })?;
                tasks.spawn(writing);
                Some(recorder)
            }
        };
        let simulation = Arc::new(Simulation::new(options.behaviour, recorder));
        tasks.spawn(serve(listener, simulation.clone()));
        let stop = simulation.stop.clone().drop_guard();
        Ok(Self { addr, simulation, tasks, _stop: stop })
    }

    /// Where it listens, with the real port.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A reading of the counters.
    pub(crate) fn stats(&self) -> Stats {
        self.simulation.stats()
    }

    /// Stops accepting, answers what is under way for up to five seconds, and gives the last reading.
    pub(crate) async fn stop(mut self) -> Stats {
        self.simulation.stop.cancel();
        // The server is the only task that ends by itself; the recorder ends with its last sender, which is `self`.
        if tokio::time::timeout(STOP_TIME_MAX, self.tasks.join_next()).await.is_err() {
            tracing::warn!("the simulated partner left requests unanswered at its end");
        }
        self.stats()
    }
}

async fn serve(listener: TcpListener, simulation: Arc<Simulation>) {
    let stop = simulation.stop.clone();
    let service = Router::new()
        .fallback(server::handle)
        .with_state(simulation)
        .into_make_service_with_connect_info::<Wire>();
    let served =
        axum::serve(CuttableListener(listener), service).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the simulated partner no longer listens");
    }
}

/// Runs a simulated partner until `stop`.
///
/// # Errors
/// The address or the record cannot be opened, or standard output cannot be written.
pub(crate) async fn run(args: PartnerArgs, stop: CancellationToken) -> Result<ExitStatus, anyhow::Error> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let started = Simulated::start(Options {
        listen: args.listen,
        record: args.record,
        behaviour: Behaviour {
            kind: args.kind,
            fail: args.fail,
            limit: args.limit,
            latency: args.latency,
            seed,
            clock: Clock::system(),
        },
    });
    let simulated = match started.await {
        Err(error @ StartError::ItemsWithoutSandbox) => {
            writeln!(io::stderr(), "error: {error}")?;
            return Ok(ExitStatus::Usage);
        }
        started => started?,
    };
    let address = format!("http://{}", simulated.addr());
    writeln!(io::stderr(), "simulated partner listening on {address}")?;
    writeln!(io::stderr(), "seed {seed}")?;
    if args.json {
        writeln!(io::stdout(), "{}", json!({ "listening": address, "seed": seed }))?;
    }
    stop.cancelled().await;
    let stats = simulated.stop().await;
    if args.json {
        writeln!(io::stdout(), "{}", json!(stats))?;
    } else {
        report(&stats, &mut io::stderr())?;
    }
    Ok(ExitStatus::Done)
}

/// Writes the counters for people.
pub(crate) fn report(stats: &Stats, to: &mut impl Write) -> io::Result<()> {
    let total = &stats.total;
    writeln!(
        to,
        "{} requests, {} items ({} different keys, {} duplicates), {} items turned down, {} lists",
        total.requests, total.items, total.distinct_keys, total.duplicates, total.failed_items, stats.lists
    )?;
    for (path, counts) in &stats.paths {
        let statuses: Vec<String> =
            counts.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        writeln!(to, "  {path}: {} items; {}", counts.items, statuses.join(", "))?;
    }
    Ok(())
}
