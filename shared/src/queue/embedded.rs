//! A durable queue in the embedded database, with the leases, delays, receive counts and dead letters of SQS.
//!
//! Many queues share one file. Sending wakes long polls of the same process at once; what another process has sent is
//! noticed within [`LOOK_AGAIN`]. The order is that of becoming visible.

mod statements;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{Depth, Message, Outgoing, Queue, QueueError, QueueLimits, Receipt, check_body};
use crate::{
    clock::{Clock, millis},
    database::{Database, DatabaseError},
};
use statements::{Held, Taken, Taking};

/// How often a long poll looks for messages that another process has sent.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// As SQS has it, so that what works here works there.
const DELAY_MAX: Duration = Duration::from_secs(15 * 60);
const LEASE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
const WAIT_MAX: Duration = Duration::from_secs(20);
const RECEIVE_MAX: usize = 10;

/// How an embedded queue treats its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedQueueConfig {
    /// A message that was received this often, and is due again, is a dead letter. At least 1.
    pub receives_max: u32,
    /// The name of the queue in the same file that dead letters move to; `None` keeps them here, however often they
    /// are received.
    pub dead_letter: Option<String>,
    /// Longest body, in bytes.
    pub message_bytes_max: usize,
}

/// A queue in the embedded database.
#[derive(Debug)]
pub struct EmbeddedQueue {
    database: Database,
    clock: Clock,
    name: Arc<str>,
    config: EmbeddedQueueConfig,
    bell: Arc<Notify>,
    dead_letter_bell: Option<Arc<Notify>>,
}

impl EmbeddedQueue {
    /// The queue of that name in the database, which it is created in by the first message. Queues of one name share
    /// their messages; give them the same configuration.
    pub fn open(database: Database, clock: Clock, name: &str, config: EmbeddedQueueConfig) -> Self {
        let bell = |name: &str| database.bell(&format!("queue {name}"));
        Self {
            bell: bell(name),
            dead_letter_bell: config.dead_letter.as_deref().map(bell),
            name: name.into(),
            clock,
            config,
            database,
        }
    }

    async fn take(&self, max: usize, lease: Duration) -> Result<Taken, QueueError> {
        let now_ms = self.clock.now_ms();
        let taking = Taking {
            queue: self.name.clone(),
            max: i64::try_from(max.clamp(1, RECEIVE_MAX)).expect("clamped"),
            now_ms,
            lease_until_ms: now_ms.saturating_add(millis(lease.min(LEASE_MAX))),
            dead_letter: self
                .config
                .dead_letter
                .clone()
                .map(|queue| (queue, self.config.receives_max.max(1))),
        };
        let taken = self.database.call(move |connection| statements::take(connection, &taking)).await?;
        if let (true, Some(bell)) = (taken.dead_lettered, &self.dead_letter_bell) {
            bell.notify_waiters();
        }
        Ok(taken)
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        let now_ms = self.clock.now_ms();
        let mut results: Vec<_> =
            messages.iter().map(|m| check_body(&m.body, self.config.message_bytes_max)).collect();
        let accepted: Vec<_> = messages
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok())
            .map(|(message, _)| {
                (message.body.clone(), now_ms.saturating_add(millis(message.delay.min(DELAY_MAX))))
            })
            .collect();
        if accepted.is_empty() {
            return results;
        }
        let queue = self.name.clone();
        let stored = self
            .database
            .call(move |connection| statements::insert(connection, &queue, now_ms, &accepted))
            .await
            .map_err(QueueError::from);
        match stored {
            Ok(()) => self.bell.notify_waiters(),
            Err(error) => results.iter_mut().filter(|r| r.is_ok()).for_each(|r| *r = Err(error.clone())),
        }
        results
    }

    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError> {
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        loop {
            // Listened to before looking, so that nothing sent in between is missed.
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();

            let taken = self.take(max, lease).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if !taken.messages.is_empty() || left.is_zero() {
                return Ok(taken.messages);
            }
            let due = taken.next_visible_at_ms.map_or(LOOK_AGAIN, |at_ms| self.clock.until(at_ms));
            tokio::select! {
                biased;
                () = &mut rung => {}
                () = sleep(left.min(LOOK_AGAIN).min(due)) => {}
            }
        }
    }

    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError> {
        let held = Held::parse(receipt).ok_or(QueueError::LeaseLost)?;
        let (queue, now_ms) = (self.name.clone(), self.clock.now_ms());
        let visible_at_ms = now_ms.saturating_add(millis(lease.min(LEASE_MAX)));
        let renewed = self
            .database
            .call(move |connection| statements::renew(connection, &queue, held, now_ms, visible_at_ms))
            .await?;
        // Even a longer lease: whoever waits for the message to come back must learn that it will later.
        self.bell.notify_waiters();
        if renewed { Ok(()) } else { Err(QueueError::LeaseLost) }
    }

    /// A receipt that a later receive has outdated deletes nothing, and succeeds.
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let held: Vec<_> = receipts.iter().map(Held::parse).collect();
        let known: Vec<_> = held.iter().copied().flatten().collect();
        let queue = self.name.clone();
        let deleted = self
            .database
            .call(move |connection| statements::delete(connection, &queue, &known))
            .await
            .map_err(QueueError::from);
        held.iter()
            .map(|held| if held.is_some() { deleted.clone() } else { Err(QueueError::LeaseLost) })
            .collect()
    }

    /// Counts up to 100,000 visible messages and as many hidden ones, those due first; where there are more, each
    /// figure is a lower bound, and the oldest is the oldest of those.
    async fn depth(&self) -> Result<Depth, QueueError> {
        let (queue, now_ms) = (self.name.clone(), self.clock.now_ms());
        let count = move |connection: &Connection| {
            statements::depth(connection, &queue, now_ms, statements::COUNTED_MAX)
        };
        Ok(self.database.call(count).await?)
    }

    fn limits(&self) -> QueueLimits {
        QueueLimits { message_bytes_max: self.config.message_bytes_max, delay_max: DELAY_MAX }
    }
}

impl From<DatabaseError> for QueueError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Unconfirmed(_) | DatabaseError::Stopped => Self::OutcomeUnknown(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
