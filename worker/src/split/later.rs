//! Packs of a later version: written by a newer ingress, and left to a newer worker.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::Counter;
use penstock_shared::{pack::PackError, queue::QueueError};
use tokio::time::Instant;

use crate::in_flight::Received;

/// Hidden so long at first: a deployment that is under way has a worker for it soon.
const HIDDEN_FIRST: Duration = Duration::from_secs(60);
/// And at most, so that it does not wait long once there is one. Twenty receives, as the redrive policy has them, last
/// for more than four hours: time to notice, and to deploy.
const HIDDEN_MAX: Duration = Duration::from_secs(15 * 60);
/// One line of the log in this time, whatever comes.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Puts such packs back, and counts them.
#[derive(Debug)]
pub(crate) struct LaterPacks {
    packs: Counter,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    since: u64,
}

impl LaterPacks {
    /// Counts into `packs`.
    pub(crate) fn new(packs: Counter) -> Self {
        Self { packs, told: Mutex::default() }
    }

    /// Hides the message for ever longer: to come back at each lease would soon make it a dead letter.
    pub(super) async fn put_back(&self, message: Received, error: &PackError) {
        self.packs.increment(1);
        self.tell(error);
        // Its memory stays taken until it is put back.
        let Received { receive_count, lease, permits: _permits, .. } = message;
        match lease.hide(hidden_for(receive_count)).await {
            Ok(()) | Err(QueueError::LeaseLost) => {}
            Err(error) => {
                tracing::debug!(%error, "could not put back a pack of a later version; it comes back when its lease lapses");
            }
        }
    }

    fn tell(&self, error: &PackError) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.since += 1;
        if told.last.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            tracing::warn!(%error, packs = told.since, "packs that this version cannot read are left to a newer worker");
            *told = Told { last: Some(Instant::now()), since: 0 };
        }
    }
}

/// Doubled with each receive.
fn hidden_for(receive_count: u32) -> Duration {
    let doublings = 2_u32.saturating_pow(receive_count.saturating_sub(1));
    HIDDEN_FIRST.saturating_mul(doublings).min(HIDDEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_hidden_ever_longer_and_twenty_receives_last_for_hours() {
        let minutes: Vec<u64> = (0..=20).map(|receives| hidden_for(receives).as_secs() / 60).collect();
        assert_eq!(minutes[..7], [1, 1, 2, 4, 8, 15, 15]);
        assert!(minutes.iter().skip(1).sum::<u64>() > 4 * 60);
        assert_eq!(hidden_for(u32::MAX), HIDDEN_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_a_minute_and_each_pack_is_counted_in_a_line() {
        let later = LaterPacks::new(Counter::noop());
        let untold = || later.told.lock().unwrap().since;
        let come = |packs: u64| (0..packs).for_each(|_| later.tell(&PackError::UnknownVersion(2)));
        come(1);
        assert_eq!(untold(), 0);
        come(500);
        tokio::time::advance(TELL_EVERY - Duration::from_millis(1)).await;
        come(1);
        assert_eq!(untold(), 501);
        tokio::time::advance(Duration::from_millis(1)).await;
        come(1);
        assert_eq!(untold(), 0);
    }
}
