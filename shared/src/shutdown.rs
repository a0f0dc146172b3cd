//! Stop signals: the first asks for a drain, the second for an end at once.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the signals ask for. Cheap to clone; the clones are one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled by the first SIGTERM or SIGINT: take nothing new, finish what is held.
    pub stop: CancellationToken,
    /// Cancelled by the second: the caller exits at once.
    pub now: CancellationToken,
}

/// Begins to catch SIGTERM and SIGINT. The future turns them into cancellations and ends with the second; the caller
/// runs it beside its work.
///
/// # Errors
/// When the process may not install signal handlers.
pub fn signals() -> io::Result<(Shutdown, impl Future<Output = ()> + Send)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::default();
    let watched = shutdown.clone();
    let watch = async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping: finishing what is in flight; a second signal ends at once");
        watched.stop.cancel();
        next(&mut terminate, &mut interrupt).await;
        tracing::warn!("stopping at once: what is in flight comes back from the queue");
        watched.now.cancel();
    };
    Ok((shutdown, watch))
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        biased;
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_asks_for_a_drain_and_the_second_for_an_end() {
        let (shutdown, watch) = signals().unwrap();
        let terminate = || {
            let own = std::process::id().to_string();
            assert!(std::process::Command::new("kill").args(["-TERM", &own]).status().unwrap().success());
        };
        let operator = async {
            terminate();
            shutdown.stop.cancelled().await;
            assert!(!shutdown.now.is_cancelled());
            terminate();
            shutdown.now.cancelled().await;
        };
        tokio::join!(watch, operator);
    }
}
