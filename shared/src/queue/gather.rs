//! Gathers deletes of many callers into one call. A message is settled alone; ten deletes in a call cost a tenth.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::{Depth, Message, Outgoing, Queue, QueueError, QueueLimits, QueueSetup, Receipt};

/// Receipts that go at once; what SQS deletes in one call.
const TOGETHER: usize = 10;

/// A queue whose deletes wait a little for company. All else is passed on.
#[derive(Debug)]
pub struct GatheredDeletes {
    within: Arc<dyn Queue>,
    linger: Duration,
    waiting: Arc<Waiting>,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Waiting {
    deletes: Mutex<Vec<Delete>>,
    enough: Notify,
}

#[derive(Debug)]
struct Delete {
    receipt: Receipt,
    reply: oneshot::Sender<Result<(), QueueError>>,
}

impl GatheredDeletes {
    /// Deletes wait up to `linger`, or until ten are there.
    pub fn new(within: Arc<dyn Queue>, linger: Duration) -> Self {
        Self { within, linger, waiting: Arc::default(), tasks: TaskTracker::new() }
    }

    /// Hands in a delete; the first of a group sees to it that the group goes.
    fn hand_in(&self, receipt: &Receipt) -> oneshot::Receiver<Result<(), QueueError>> {
        let (reply, answer) = oneshot::channel();
        let mut deletes = self.waiting.lock();
        deletes.push(Delete { receipt: receipt.clone(), reply });
        match deletes.len() {
            1 => {
                drop(deletes);
                let go = go(self.within.clone(), self.waiting.clone(), self.linger);
                self.tasks.spawn(go);
            }
            TOGETHER => self.waiting.enough.notify_one(),
            _ => {}
        }
        answer
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Vec<Delete>> {
        self.deletes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for company, and deletes whatever is there then. A task of its own, so that a caller who goes away takes no
/// one else's delete along.
async fn go(queue: Arc<dyn Queue>, waiting: Arc<Waiting>, linger: Duration) {
    // Either way it is time.
    timeout(linger, waiting.enough.notified()).await.ok();
    let (receipts, replies): (Vec<_>, Vec<_>) =
        std::mem::take(&mut *waiting.lock()).into_iter().map(|delete| (delete.receipt, delete.reply)).unzip();
    let results = queue.delete(&receipts).await;
    for (reply, result) in replies.into_iter().zip(results) {
        // Whoever went away does not want to know.
        reply.send(result).ok();
    }
}

#[async_trait]
impl Queue for GatheredDeletes {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        self.within.send(messages).await
    }

    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError> {
        self.within.receive(max, wait, lease).await
    }

    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError> {
        self.within.renew(receipt, lease).await
    }

    /// When dropped, the deletes are made all the same.
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        if receipts.len() >= TOGETHER {
            return self.within.delete(receipts).await;
        }
        let answers: Vec<_> = receipts.iter().map(|receipt| self.hand_in(receipt)).collect();
        let mut results = Vec::with_capacity(answers.len());
        for answer in answers {
            let lost = |_| Err(QueueError::OutcomeUnknown("the delete broke off".to_owned()));
            results.push(answer.await.unwrap_or_else(lost));
        }
        results
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.within.depth().await
    }

    async fn setup(&self) -> Result<Option<QueueSetup>, QueueError> {
        self.within.setup().await
    }

    fn limits(&self) -> QueueLimits {
        self.within.limits()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::time::{Instant, sleep};

    use super::*;

    const LINGER: Duration = Duration::from_millis(50);

    /// Notes what is deleted together; refuses receipts that begin with `x`.
    #[derive(Debug, Default)]
    struct Noting(Mutex<Vec<usize>>);

    #[async_trait]
    impl Queue for Noting {
        async fn send(&self, _: &[Outgoing]) -> Vec<Result<(), QueueError>> {
            Vec::new()
        }
        async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Message>, QueueError> {
            Ok(Vec::new())
        }
        async fn renew(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
            Ok(())
        }
        async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
            sleep(Duration::from_millis(10)).await;
            self.0.lock().unwrap().push(receipts.len());
            let result = |receipt: &Receipt| {
                if receipt.0.starts_with('x') { Err(QueueError::LeaseLost) } else { Ok(()) }
            };
            receipts.iter().map(result).collect()
        }
        async fn depth(&self) -> Result<Depth, QueueError> {
            Ok(Depth::default())
        }
        fn limits(&self) -> QueueLimits {
            QueueLimits { message_bytes_max: 1, delay_max: Duration::ZERO }
        }
    }

    fn gathered() -> (Arc<Noting>, GatheredDeletes) {
        let noting = Arc::<Noting>::default();
        (noting.clone(), GatheredDeletes::new(noting, LINGER))
    }

    async fn delete(queue: &GatheredDeletes, receipt: String) -> bool {
        queue.delete(&[Receipt(receipt)]).await.pop().unwrap().is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn deletes_of_many_callers_share_calls_and_each_hears_its_own_result() {
        let (noting, queue) = gathered();
        let names = (0..25).map(|n| if n % 7 == 3 { format!("x{n}") } else { format!("{n}") });
        let results = join_all(names.map(|name| delete(&queue, name))).await;
        let refused: Vec<usize> = (0..25).filter(|n| !results[*n]).collect();
        assert_eq!(refused, [3, 10, 17, 24]);
        let calls = noting.0.lock().unwrap().clone();
        assert_eq!(calls.iter().sum::<usize>(), 25);
        assert!(calls.len() <= 3, "{calls:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_delete_waits_for_its_linger_and_no_longer() {
        let (noting, queue) = gathered();
        let started = Instant::now();
        assert!(delete(&queue, "a".into()).await);
        assert_eq!(started.elapsed(), LINGER + Duration::from_millis(10));
        assert_eq!(*noting.0.lock().unwrap(), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_deletes_wait_for_nothing() {
        let (noting, queue) = gathered();
        let started = Instant::now();
        join_all((0..10).map(|n| delete(&queue, n.to_string()))).await;
        assert!(started.elapsed() < LINGER, "{:?}", started.elapsed());
        assert_eq!(*noting.0.lock().unwrap(), [10]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_takes_no_delete_along() {
        let (noting, queue) = gathered();
        assert!(timeout(Duration::from_millis(1), delete(&queue, "a".into())).await.is_err());
        assert!(delete(&queue, "b".into()).await);
        assert_eq!(*noting.0.lock().unwrap(), [2]);
    }
}
