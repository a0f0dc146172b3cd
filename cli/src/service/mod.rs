//! `penstock run`, `penstock ingress`, `penstock worker`: the roles of the pipeline, together or apart. A service is
//! configured and checked (`configured.rs`), started (`start.rs`), and runs until it is stopped (`serve.rs`).

mod args;
mod configured;
mod parts;
mod serve;
mod start;

use anyhow::Context as _;
use penstock_shared::shutdown;

use crate::{exit::ExitStatus, setup::Refused};

pub(crate) use self::{args::ServiceArgs, parts::Parts, serve::Service};

/// Which parts of the pipeline a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both, on one machine.
    Both,
    /// The front alone.
    Ingress,
    /// The delivery alone.
    Worker,
}

impl Role {
    pub(crate) fn has_ingress(self) -> bool {
        self != Self::Worker
    }

    pub(crate) fn has_worker(self) -> bool {
        self != Self::Ingress
    }
}

/// Runs a role until a stop signal.
///
/// # Errors
/// When signal handlers cannot be set, or a part breaks off.
pub(crate) async fn run(args: &ServiceArgs, role: Role) -> Result<ExitStatus, anyhow::Error> {
    let (shutdown, watch) = shutdown::signals().context("cannot catch stop signals")?;
    let serve = async {
        match start::open(args, role).await {
            Ok(opened) => opened.service()?.serve(shutdown.stop.clone()).await,
            Err(Refused(status)) => Ok(status),
        }
    };
    tokio::select! {
        biased;
        ended = serve => ended,
        () = shutdown.now.cancelled() => Ok(ExitStatus::Failed),
        () = async { watch.await; std::future::pending().await } => Ok(ExitStatus::Failed),
    }
}
