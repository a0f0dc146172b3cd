//! The one binary: ingress, worker, both on one machine, and the tools around them.

mod backends;
mod bench;
mod check;
mod dead_letters;
mod demo;
mod exit;
mod healthy;
mod listen;
mod load;
mod partner_file;
mod preview;
mod send;
mod service;
mod setup;
mod simulate;
mod supervise;
mod surroundings;

use std::{process::ExitCode, time::Duration};

use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use self::{
    exit::ExitStatus,
    service::{Role, ServiceArgs},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Receives mParticle's outbound calls and delivers them to a partner's API, without losing one.
#[derive(Debug, Parser)]
#[command(
    name = "penstock",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 69 something needed cannot be reached, 78 bad configuration.\n\n\
Examples:\n  penstock demo\n  penstock check partner.toml\n  PENSTOCK_TOKENS=secret penstock run --partner partner.toml\n  \
penstock send --url http://127.0.0.1:8080/ --token secret message.json"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run everything on this machine once, on sample messages, and show what happened.
    Demo(demo::DemoArgs),
    /// Run ingress and worker in one process.
    #[command(
        after_help = "Example:\n  PENSTOCK_TOKENS=secret penstock run --partner partner.toml --data-dir /var/lib/penstock"
    )]
    Run(ServiceArgs),
    /// Run the ingress alone: takes mParticle's calls and stores them in the queue.
    #[command(
        after_help = "Example:\n  PENSTOCK_TOKENS=secret penstock ingress --partner partner.toml --queue sqs"
    )]
    Ingress(ServiceArgs),
    /// Run the worker alone: delivers what the queue holds to the partner.
    #[command(after_help = "Example:\n  penstock worker --partner partner.toml --queue sqs --store dynamodb")]
    Worker(ServiceArgs),
    /// Ask a role that runs on this machine whether it is well.
    Healthy(healthy::HealthyArgs),
    /// Check a partner.toml.
    Check(check::CheckArgs),
    /// Show the exact HTTP requests messages become, without sending one.
    Preview(preview::PreviewArgs),
    /// Send messages to an ingress as mParticle would.
    Send(send::SendArgs),
    /// Look at what was set aside with a reason, and send it back.
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Play one of the two sides.
    #[command(subcommand)]
    Simulate(Simulate),
    /// Measure on this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Print shell completions.
    #[command(after_help = "Example:\n  penstock completions bash > /etc/bash_completion.d/penstock")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum Simulate {
    /// mParticle: sends what it sends, at its rates, and treats the answers as it does.
    #[command(
        after_help = "Example:\n  penstock simulate mparticle --url http://127.0.0.1:8080/ --token secret --rate 2000 --seconds 60"
    )]
    Mparticle(Box<simulate::mparticle::MparticleArgs>),
    /// A partner's API that misbehaves on request and keeps a record.
    Partner(simulate::partner::PartnerArgs),
}

/// For threads that still work when all is done: one that waits for a full pipe never ends.
const LEFT_BEHIND_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let ended = runtime.block_on(run(verb));
    runtime.shutdown_timeout(LEFT_BEHIND_MAX);
    ended.map_or_else(|error| failed(&error), ExitCode::from)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

async fn run(verb: Verb) -> Result<ExitStatus, anyhow::Error> {
    match verb {
        Verb::Demo(args) => Box::pin(demo::run(args)).await,
        Verb::Run(args) => Box::pin(service::run(&args, Role::Both)).await,
        Verb::Ingress(args) => Box::pin(service::run(&args, Role::Ingress)).await,
        Verb::Worker(args) => Box::pin(service::run(&args, Role::Worker)).await,
        Verb::Healthy(args) => healthy::run(args, setup::variable).await,
        Verb::Check(args) => Ok(check::run(&args)),
        Verb::Preview(args) => Box::pin(preview::run(args)).await,
        Verb::Send(args) => Box::pin(send::run(args)).await,
        Verb::DeadLetters(args) => Box::pin(dead_letters::run(args)).await,
        Verb::Simulate(Simulate::Mparticle(args)) => {
            Box::pin(until_interrupted(|stop| simulate::mparticle::run(*args, stop))).await
        }
        Verb::Simulate(Simulate::Partner(args)) => {
            Box::pin(until_interrupted(|stop| simulate::partner::run(args, stop))).await
        }
        Verb::Bench(bench) => Box::pin(bench::run(bench)).await,
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "penstock", &mut std::io::stdout());
            Ok(ExitStatus::Done)
        }
    }
}

/// Runs what ends when it is told to stop, and tells it so on the first Ctrl-C.
async fn until_interrupted<F>(run: impl FnOnce(CancellationToken) -> F) -> Result<ExitStatus, anyhow::Error>
where
    F: Future<Output = Result<ExitStatus, anyhow::Error>>,
{
    let stop = CancellationToken::new();
    let interrupted = async {
        // Without a handler for the signal it ends the process at once, which is as good.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        ended = run(stop.clone()) => ended,
        never = interrupted => never,
    }
}
