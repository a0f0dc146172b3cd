//! `penstock bench ingress`: its flags, and what it tells.

use std::path::PathBuf;

use anyhow::Context as _;

use super::{
    machine::Machine,
    overload,
    plan::Run,
    report::Report,
    subject::{Place, Subject},
    table,
};
use crate::exit::ExitStatus;

/// Measure the ingress: processor time against a bare server, latency, cost on SQS, overload.
///
/// Each server is a process of its own; SQS is a stand-in on this machine. Nothing is sent elsewhere. BENCHMARKS.md
/// says what is measured, and how.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  penstock bench ingress\n  penstock bench ingress --only comparison --json figures.json\n  penstock bench ingress --quick --seconds 0.2"
)]
pub(crate) struct IngressArgs {
    /// Seconds of a measurement; what is measured in rounds takes a part of it each time. Each load settles for an eighth
    /// of it before.
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = seconds)]
    pub(super) seconds: f64,

    /// Requests a second of the comparison.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) rate: u32,

    /// Measure this part alone; may be given several times.
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,

    /// Compare this server alone with the bare one, and measure nothing else; may be given several times.
    #[arg(long, value_name = "SERVER", conflicts_with = "only")]
    pub(super) server: Vec<Subject>,

    /// Connections of the load, each with one request under way at a time.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,

    /// Seed of bodies and arrivals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,

    /// Folder for the embedded queue, on the disk that is meant [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Write the figures as JSON to this file; `-` prints them instead of the table.
    #[arg(long, value_name = "FILE|-")]
    json: Option<String>,

    /// Few bodies, low rates: shows that everything runs, and measures nothing.
    #[arg(long)]
    pub(super) quick: bool,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Every server at one rate: processor time, latency, memory, cost.
    Comparison,
    /// Both modes, at 2,000/s and at 60 % and 80 % of what they can hold.
    Latency,
    /// Both modes, both sizes of body, at 2,000/s and 10,000/s.
    Cost,
    /// Three times what it can hold.
    Overload,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error: std::num::ParseFloatError| error.to_string())?;
    if (0.1..=600.0).contains(&seconds) { Ok(seconds) } else { Err("write 0.1 to 600 seconds".to_owned()) }
}

/// # Errors
/// When a server cannot be started, or ends too soon.
pub(super) async fn run(args: IngressArgs) -> Result<ExitStatus, anyhow::Error> {
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder =
        tempfile::tempdir_in(&parent).with_context(|| format!("cannot write to {}", parent.display()))?;
    let run = Run::new(&args, Place::new(folder.path())?);
    let mut report = Report {
        machine: Machine::read(folder.path()),
        options: run.options.clone(),
        comparison: Vec::new(),
        full_load: Vec::new(),
        latency: Vec::new(),
        cost: Vec::new(),
        overload: None,
    };
    let only = if args.server.is_empty() { &args.only[..] } else { &[Part::Comparison] };
    let wants = |part| only.is_empty() || only.contains(&part);
    if wants(Part::Comparison) {
        (report.comparison, report.full_load) = run.comparison().await?;
    }
    if wants(Part::Latency) {
        report.latency = run.latency().await?;
    }
    if wants(Part::Cost) {
        report.cost = run.cost().await?;
    }
    if wants(Part::Overload) {
        report.overload = Some(overload::run(&run).await?);
    }
    tell(&report, args.json.as_deref())?;
    Ok(ExitStatus::Done)
}

fn tell(report: &Report, json: Option<&str>) -> Result<(), anyhow::Error> {
    let as_json = || serde_json::to_string_pretty(report).map(|text| text + "\n");
    match json {
        Some("-") => print!("{}", as_json()?),
        file => {
            print!("{}", table::of(report));
            if let Some(file) = file {
                std::fs::write(file, as_json()?).with_context(|| format!("cannot write {file}"))?;
            }
        }
    }
    Ok(())
}
