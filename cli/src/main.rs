//! The one binary: ingress, worker, both on one machine, and the tools around them.

mod exit;
mod send;
mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

/// Receives mParticle's outbound calls and delivers them to a partner's API.
#[derive(Debug, Parser)]
#[command(name = "penstock", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send messages to an ingress as mParticle would.
    Send(send::SendArgs),
    /// Play one of the two sides.
    #[command(subcommand)]
    Simulate(Simulate),
}

#[derive(Debug, Subcommand)]
enum Simulate {
    /// A partner's API that misbehaves on request and keeps a record.
    Partner(simulate::partner::PartnerArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let stop = CancellationToken::new();
    let ended = match Cli::parse().verb {
        Verb::Send(args) => send::run(args).await,
        Verb::Simulate(Simulate::Partner(args)) => {
            let interrupted = async {
                // Without a handler for the signal it ends the process at once, which is as good.
                if tokio::signal::ctrl_c().await.is_ok() {
                    stop.cancel();
                }
                std::future::pending().await
            };
            tokio::select! {
                biased;
                ended = simulate::partner::run(args, stop.clone()) => ended,
                never = interrupted => never,
            }
        }
    };
    ended.map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}
