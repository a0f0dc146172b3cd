//! `penstock bench`: what this costs and how quick it is, measured on the machine at hand, as ratios and in dollars.

mod bodies;
mod child;
mod ingress;
mod machine;
mod measure;
mod overload;
mod plan;
mod report;
mod serve;
mod stall;
mod subject;
mod table;
mod usage;

use anyhow::Context as _;
use penstock_shared::shutdown;

use crate::exit::ExitStatus;

/// Measure on this machine.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Measure the ingress: processor time against a bare server, latency, cost on SQS, overload.
    Ingress(ingress::IngressArgs),
    /// Serve what is compared with.
    #[command(subcommand, hide = true)]
    Serve(serve::ServeArgs),
}

/// # Errors
/// When a part cannot be started, or breaks off.
pub(crate) async fn run(bench: Bench) -> Result<ExitStatus, anyhow::Error> {
    match bench {
        Bench::Ingress(args) => {
            let (shutdown, watch) = shutdown::signals().context("cannot catch stop signals")?;
            tokio::select! {
                biased;
                measured = Box::pin(ingress::run(args)) => measured,
                // What was started is stopped as it is dropped.
                () = shutdown.stop.cancelled() => Ok(ExitStatus::Failed),
                () = async { watch.await; std::future::pending().await } => Ok(ExitStatus::Failed),
            }
        }
        Bench::Serve(args) => serve::run(args).await,
    }
}
