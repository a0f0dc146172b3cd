//! The parts of one process stand and fall together: none goes on half dead when another has broken.

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Parts that run beside each other, each until its stop.
pub(crate) type Parts = JoinSet<Result<(), anyhow::Error>>;

/// Waits until every part has ended. The first that ends without having been asked to, by an error, a panic or of its
/// own accord, cancels `stop`, so that the others drain.
///
/// # Errors
/// What became of the first part that did not end well, or ended unasked.
pub(crate) async fn supervise(mut parts: Parts, stop: &CancellationToken) -> Result<(), anyhow::Error> {
    let mut all = Ok(());
    while let Some(part) = parts.join_next().await {
        let ended = part.context("a part of the service panicked").flatten();
        let ended = match ended {
            Ok(()) if !stop.is_cancelled() => Err(anyhow::anyhow!("a part of the service ended unasked")),
            ended => ended,
        };
        if ended.is_err() && !stop.is_cancelled() {
            tracing::error!("a part of the service has ended: stopping the rest");
            stop.cancel();
        }
        all = all.and(ended);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    /// How `supervise` ends with a part like this beside one that drains when it is asked to, and whether that did.
    async fn beside_another(
        part: impl Future<Output = Result<(), anyhow::Error>> + Send + 'static,
        stop: &CancellationToken,
    ) -> (Result<(), String>, bool) {
        let drained = Arc::new(AtomicBool::new(false));
        let mut parts = Parts::new();
        parts.spawn(part);
        let (stopped, draining) = (stop.clone(), drained.clone());
        parts.spawn(async move {
            stopped.cancelled().await;
            tokio::task::yield_now().await;
            draining.store(true, Ordering::Relaxed);
            Ok(())
        });
        let ended = supervise(parts, stop).await.map_err(|error| format!("{error:#}"));
        (ended, drained.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_part_that_ends_unasked_makes_the_others_drain_and_is_a_failure() {
        let stop = CancellationToken::new();
        let (ended, drained) = beside_another(async { Ok(()) }, &stop).await;
        assert!(ended.unwrap_err().contains("ended unasked") && drained && stop.is_cancelled());

        let stop = CancellationToken::new();
        let (ended, drained) = beside_another(async { anyhow::bail!("no more") }, &stop).await;
        assert!(ended.unwrap_err().contains("no more") && drained && stop.is_cancelled());

        let stop = CancellationToken::new();
        let (ended, drained) = beside_another(async { panic!("a defect") }, &stop).await;
        assert!(ended.unwrap_err().contains("panicked") && drained && stop.is_cancelled());
    }

    #[tokio::test]
    async fn parts_that_were_asked_to_end_end_well_unless_they_fail() {
        let stop = CancellationToken::new();
        let asked = stop.clone();
        let part = async move {
            asked.cancel();
            Ok(())
        };
        assert_eq!(beside_another(part, &stop).await, (Ok(()), true));

        let stop = CancellationToken::new();
        let asked = stop.clone();
        let part = async move {
            asked.cancel();
            anyhow::bail!("not drained")
        };
        assert_eq!(beside_another(part, &stop).await, (Err("not drained".to_owned()), true));
    }
}
