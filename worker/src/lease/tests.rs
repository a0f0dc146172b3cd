use std::sync::Mutex;

use async_trait::async_trait;
use penstock_shared::queue::{Depth, Message, Outgoing, QueueLimits};

use super::*;

/// Answers renewals by script, then well; notes when each was asked.
#[derive(Debug, Default)]
struct Renewals {
    script: Mutex<Vec<Result<(), QueueError>>>,
    asked_at: Mutex<Vec<Instant>>,
}

#[async_trait]
impl Queue for Renewals {
    async fn renew(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
        self.asked_at.lock().unwrap().push(Instant::now());
        self.script.lock().unwrap().pop().unwrap_or(Ok(()))
    }

    async fn send(&self, _: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        unreachable!("a lease only renews")
    }

    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Message>, QueueError> {
        unreachable!("a lease only renews")
    }

    async fn delete(&self, _: &[Receipt]) -> Vec<Result<(), QueueError>> {
        unreachable!("a lease only renews")
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        unreachable!("a lease only renews")
    }

    fn limits(&self) -> QueueLimits {
        unreachable!("a lease only renews")
    }
}

const CONFIG: LeaseConfig =
    LeaseConfig { lease: Duration::from_secs(60), held_max: Duration::from_secs(600) };

/// The seconds at which renewals were asked within `held`, and whether the lease was lost by then.
async fn asked(script: Vec<Result<(), QueueError>>, held: Duration) -> (Vec<u64>, bool) {
    let queue = Arc::new(Renewals { script: Mutex::new(script), ..Renewals::default() });
    let tasks = LeaseTasks { tracker: TaskTracker::new(), lost: Counter::noop() };
    let begun = Instant::now();
    let lease = Lease::hold(queue.clone(), Receipt("r".into()), CONFIG, &tasks);
    tokio::time::sleep(held).await;
    let asked = queue.asked_at.lock().unwrap().iter().map(|at| (*at - begun).as_secs()).collect();
    (asked, lease.is_lost())
}

fn away() -> Result<(), QueueError> {
    Err(QueueError::Unavailable("away".into()))
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_at_half_of_it() {
    assert_eq!(asked(Vec::new(), Duration::from_secs(95)).await, (vec![30, 60, 90], false));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_before_the_lease_ends() {
    assert_eq!(asked(vec![away(), away()], Duration::from_secs(75)).await, (vec![30, 36, 42, 72], false));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_could_not_be_renewed_in_time_is_known_to_be_lost() {
    let (asked, lost) = asked((0..20).map(|_| away()).collect(), Duration::from_secs(90)).await;
    assert_eq!((asked, lost), (vec![30, 36, 42, 48, 54, 60], true));
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_given_up_after_the_longest_time_it_may_be_held() {
    assert!(asked(Vec::new(), Duration::from_secs(631)).await.1);
}
