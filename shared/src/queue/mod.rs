//! The queue seam: what ingress stores packs in and the worker takes them from.
//!
//! Two implementations, [`sqs`] and [`embedded`], held to one contract suite (`shared/tests/queue_contract.rs`).
//! Nothing outside `sqs.rs` names SQS.

pub mod embedded;
pub mod gather;
pub mod meter;
mod setup;
pub mod sqs;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

pub use setup::QueueSetup;

/// A queue that hides a received message from others until its lease lapses.
///
/// Delivery is at least once and in no promised order. A message whose lease lapses comes back with its receive
/// count raised; one that was received more often than the queue's `receives_max` moves to its dead-letter queue.
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync + 'static {
    /// Stores the messages durably. One result for each, in order: a batch can fail in part.
    ///
    /// Any number may be given: the queue makes as many calls as its own batch limits ask for. A result of
    /// [`QueueError::OutcomeUnknown`] means the message may have been stored all the same.
    ///
    /// # Cancel safety
    /// When dropped, any of the messages may or may not have been stored.
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>>;

    /// Waits up to `wait` for at least one message and hands out at most `max`, each hidden for `lease`.
    ///
    /// `max` is clamped to 1..=10, `wait` to 0..=20 s, `lease` to 0..=12 h. Nothing within `wait` is an empty list.
    ///
    /// # Cancel safety
    /// When dropped, messages already fetched stay hidden until their lease lapses.
    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError>;

    /// Hides a received message for `lease` from now; zero hands it back at once.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`] when the receipt no longer holds the message.
    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError>;

    /// Deletes received messages. One result for each receipt, in order: a batch can fail in part. Deleting what is
    /// already gone succeeds.
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>>;

    /// How much waits here, as far as the queue knows; figures are approximate, and of a very long queue lower bounds.
    async fn depth(&self) -> Result<Depth, QueueError>;

    /// How the queue is set up, where that is not ours to say; `None` where it is.
    async fn setup(&self) -> Result<Option<QueueSetup>, QueueError> {
        Ok(None)
    }

    /// The queue's limits, which do not change while it lives.
    fn limits(&self) -> QueueLimits;
}

/// A message on its way in.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The encoded pack; not empty, and at most [`QueueLimits::message_bytes_max`] long.
    pub body: Bytes,
    /// Hidden for this long first; longer than [`QueueLimits::delay_max`] counts as that.
    pub delay: Duration,
    /// Whose message this is, for queues that serve groups in turn. `None` for a mixed pack.
    pub group: Option<String>,
}

impl Outgoing {
    /// A message without delay or group.
    pub fn now(body: Bytes) -> Self {
        Self { body, delay: Duration::ZERO, group: None }
    }
}

/// A received message, ours until its lease lapses.
#[derive(Clone, Debug)]
pub struct Message {
    /// Names this receipt of the message, for `renew` and `delete`.
    pub receipt: Receipt,
    /// The encoded pack, exactly as sent.
    pub body: Bytes,
    /// How often it was received, this time included: 1 at first.
    pub receive_count: u32,
    /// When it was sent, ms since 1970 UTC.
    pub sent_at_ms: i64,
}

/// Names one receipt of one message. Opaque, and short-lived.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Receipt(pub String);

/// What waits on a queue. Approximate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that can be received now.
    pub visible: u64,
    /// Messages that are leased.
    pub leased: u64,
    /// Messages whose delay has not passed.
    pub delayed: u64,
    /// Age of the oldest message that is known of; `None` when that is unknown or the queue is empty.
    pub oldest_age: Option<Duration>,
}

/// What a queue accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Longest [`Outgoing::body`], in bytes.
    pub message_bytes_max: usize,
    /// Longest [`Outgoing::delay`].
    pub delay_max: Duration,
}

/// Why a queue did not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// The queue could not be reached, refused for now, or was too slow. Nothing was stored or changed.
    #[error("queue unavailable: {0}")]
    Unavailable(String),
    /// The call broke off after it may have taken effect.
    #[error("queue did not confirm: {0}")]
    OutcomeUnknown(String),
    /// The queue will never accept this message.
    #[error("queue refused the message: {0}")]
    Refused(String),
    /// The lease lapsed and the message is another's, or gone.
    #[error("lease lost")]
    LeaseLost,
}

/// The queues of a pipeline.
#[derive(Clone, Debug)]
pub struct Queues {
    /// Fresh packs, mixed accounts.
    pub main: Arc<dyn Queue>,
    /// Stands in for `main` while that is slow or fails; perhaps of another region.
    pub fallback: Option<Arc<dyn Queue>>,
    /// What is left of a pack, re-packed by account, with a delay.
    pub retry: Arc<dyn Queue>,
    /// Set aside with a reason, until a person redrives it.
    pub dead: Arc<dyn Queue>,
}

/// Refuses what no queue of ours takes.
fn check_body(body: &[u8], bytes_max: usize) -> Result<(), QueueError> {
    match body.len() {
        0 => Err(QueueError::Refused("the message is empty".to_owned())),
        bytes if bytes > bytes_max => {
            Err(QueueError::Refused(format!("the message has {bytes} bytes, {bytes_max} are allowed")))
        }
        _ => Ok(()),
    }
}
