//! SQS. The only place that names it. How a pack travels in its messages is in `message.rs`.
//!
//! Delays and leases are whole seconds, rounded up. SQS honours an outdated receipt as it sees fit: a delete by one may
//! or may not work.

mod batches;
mod errors;
mod message;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    types::{DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName},
};
use futures::{StreamExt as _, stream};

use self::message::{ATTRIBUTE, OVERHEAD_BYTES, seconds};
use super::{
    Depth, Message, Outgoing, Queue, QueueError, QueueLimits, QueueSetup, Receipt, check_body,
    meter::{Meter, Operation},
};
use crate::{aws::within, clock::Clock};

/// Since August 2025; for a message, and for all messages of a batch together.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MESSAGE_BYTES_MAX: usize = 1_048_576;
const DELAY_MAX: Duration = Duration::from_secs(15 * 60);
const LEASE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Entries of a batch call, and messages of a receive.
const ENTRIES_MAX: usize = 10;
/// Batch calls that one `send` or `delete` has under way at a time.
const CALLS_MAX: usize = 4;

/// How a queue is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqsQueueConfig {
    /// SQS's limit for a message and for a batch, in bytes. [`QueueLimits::message_bytes_max`] is this less what we
    /// send around a pack.
    pub message_bytes_max: usize,
    /// Sends [`Outgoing::group`] as the message group, by which SQS serves groups in turn.
    pub fair_queues: bool,
    /// For each call but `receive`, all attempts of the client included.
    pub call_timeout: Duration,
    /// How long a `receive` may take beyond its wait.
    pub receive_margin: Duration,
}

impl Default for SqsQueueConfig {
    /// SQS's limits of today, fair queues, and 5 s.
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
            fair_queues: true,
            call_timeout: Duration::from_secs(5),
            receive_margin: Duration::from_secs(5),
        }
    }
}

/// A queue of SQS.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
    clock: Clock,
    config: SqsQueueConfig,
    meter: Arc<Meter>,
    /// When the oldest message of the last receive was sent: SQS tells the age of its oldest to CloudWatch only.
    oldest_sent_at_ms: Mutex<Option<i64>>,
}

impl SqsQueue {
    /// The queue at that URL. The client's attempt limit, if any, must be above the wait of a receive.
    pub fn new(client: Client, url: &str, clock: Clock, config: SqsQueueConfig) -> Self {
        let (url, meter) = (url.to_owned(), Arc::default());
        Self { client, url, clock, config, meter, oldest_sent_at_ms: Mutex::default() }
    }

    /// The same, counted by this meter.
    #[must_use]
    pub fn metered(self, meter: Arc<Meter>) -> Self {
        Self { meter, ..self }
    }

    async fn send_batch(&self, messages: &[&Outgoing]) -> Vec<Result<(), QueueError>> {
        match self.send_together(messages).await {
            Ok(results) => results,
            // One of them is at fault, or their sum: asked one by one, SQS says which.
            Err(QueueError::Refused(_)) if messages.len() > 1 => {
                let mut results = Vec::with_capacity(messages.len());
                for message in messages {
                    let alone = self.send_together(&[message]).await;
                    results.extend(alone.unwrap_or_else(|error| vec![Err(error)]));
                }
                results
            }
            Err(error) => vec![Err(error); messages.len()],
        }
    }

    async fn send_together(&self, messages: &[&Outgoing]) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let bytes = messages.iter().map(|message| message.body.len() + OVERHEAD_BYTES).sum();
        self.meter.count(Operation::Send, bytes);
        let fair = self.config.fair_queues;
        let entries =
            messages.iter().enumerate().map(|(id, message)| message::to_sqs(id, message, fair)).collect();
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = within(self.config.call_timeout, call.send()).await;
        let answer = answer.map_err(|error| errors::of_call(&error))?;
        Ok(batches::results(
            messages.len(),
            answer.successful.iter().map(|entry| entry.id.as_str()),
            answer.failed.iter().map(|entry| (entry.id.as_str(), errors::of_sent_entry(entry))),
        ))
    }

    async fn attributes(
        &self,
        names: &[QueueAttributeName],
    ) -> Result<HashMap<QueueAttributeName, String>, QueueError> {
        self.meter.count(Operation::Other, 0);
        let call =
            self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.to_vec()));
        let answer = within(self.config.call_timeout, call.send()).await.map_err(|e| errors::of_call(&e))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    async fn delete_batch(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let entry = |(id, receipt): (usize, &Receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(&receipt.0)
                .build()
                .expect("id and receipt are set")
        };
        self.meter.count(Operation::Delete, 0);
        let entries = receipts.iter().enumerate().map(entry).collect();
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        match within(self.config.call_timeout, call.send()).await {
            Err(error) => vec![Err(errors::of_call(&error)); receipts.len()],
            Ok(answer) => batches::results(
                receipts.len(),
                answer.successful.iter().map(|entry| entry.id.as_str()),
                answer.failed.iter().map(|entry| (entry.id.as_str(), errors::of_deleted_entry(entry))),
            ),
        }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        let (limit, body_bytes_max) = (self.config.message_bytes_max, self.limits().message_bytes_max);
        let bytes: Vec<_> = messages.iter().map(|message| message.body.len() + OVERHEAD_BYTES).collect();
        let mut results: Vec<_> = messages.iter().map(|m| check_body(&m.body, body_bytes_max)).collect();
        let accepted = (0..messages.len()).filter(|&at| results[at].is_ok());
        let calls = batches::split(accepted, &bytes, limit).into_iter().map(async |batch: Vec<usize>| {
            let entries: Vec<_> = batch.iter().map(|&at| &messages[at]).collect();
            (self.send_batch(&entries).await, batch)
        });
        let mut calls = stream::iter(calls).buffer_unordered(CALLS_MAX);
        while let Some((answers, batch)) = calls.next().await {
            for (at, answer) in batch.into_iter().zip(answers) {
                results[at] = answer;
            }
        }
        results
    }

    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError> {
        let max = i32::try_from(max.clamp(1, ENTRIES_MAX)).expect("clamped");
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(max)
            .wait_time_seconds(seconds(wait, WAIT_MAX))
            .visibility_timeout(seconds(lease, LEASE_MAX))
            .message_attribute_names(ATTRIBUTE)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
        let limit = wait.min(WAIT_MAX) + self.config.receive_margin;
        let answer = within(limit, call.send()).await.map_err(|error| errors::of_call(&error))?;
        let messages: Vec<_> =
            answer.messages.unwrap_or_default().into_iter().filter_map(message::from_sqs).collect();
        let bytes = messages.iter().map(|message| message.body.len() + OVERHEAD_BYTES).sum();
        self.meter.count(Operation::Receive, bytes);
        let oldest = messages.iter().map(|message| message.sent_at_ms).min();
        *self.oldest_sent_at_ms.lock().unwrap_or_else(PoisonError::into_inner) = oldest;
        Ok(messages)
    }

    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError> {
        self.meter.count(Operation::Other, 0);
        let call = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&receipt.0)
            .visibility_timeout(seconds(lease, LEASE_MAX));
        within(self.config.call_timeout, call.send())
            .await
            .map(drop)
            .map_err(|error| errors::of_renewal(&error))
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let calls: Vec<_> = receipts.chunks(ENTRIES_MAX).map(|batch| self.delete_batch(batch)).collect();
        stream::iter(calls).buffered(CALLS_MAX).collect::<Vec<_>>().await.concat()
    }

    /// The age is that of the oldest message of this queue object's last receive, and unknown to one that only sends.
    async fn depth(&self) -> Result<Depth, QueueError> {
        let attributes = self
            .attributes(&[
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            ])
            .await?;
        let count = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let oldest = *self.oldest_sent_at_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let age_ms = |sent_at_ms: i64| self.clock.now_ms().saturating_sub(sent_at_ms).max(0).unsigned_abs();
        Ok(Depth {
            visible: count(QueueAttributeName::ApproximateNumberOfMessages),
            leased: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: count(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
            oldest_age: oldest.map(|sent_at_ms| Duration::from_millis(age_ms(sent_at_ms))),
        })
    }

    async fn setup(&self) -> Result<Option<QueueSetup>, QueueError> {
        let attributes = self
            .attributes(&[
                QueueAttributeName::VisibilityTimeout,
                QueueAttributeName::MessageRetentionPeriod,
                QueueAttributeName::RedrivePolicy,
                QueueAttributeName::MaximumMessageSize,
            ])
            .await?;
        let number = |name| attributes.get(&name).and_then(|text| text.parse::<u64>().ok());
        let bytes = number(QueueAttributeName::MaximumMessageSize);
        Ok(Some(QueueSetup {
            visibility_timeout: number(QueueAttributeName::VisibilityTimeout).map(Duration::from_secs),
            retention: number(QueueAttributeName::MessageRetentionPeriod).map(Duration::from_secs),
            receives_max: attributes
                .get(&QueueAttributeName::RedrivePolicy)
                .and_then(|json| receives_max(json)),
            message_bytes_max: bytes.and_then(|bytes| usize::try_from(bytes).ok()),
        }))
    }

    fn limits(&self) -> QueueLimits {
        QueueLimits {
            message_bytes_max: self.config.message_bytes_max.saturating_sub(OVERHEAD_BYTES),
            delay_max: DELAY_MAX,
        }
    }
}

/// Of a redrive policy, in which the number is one, or text, as whoever set it wrote it.
fn receives_max(policy: &str) -> Option<u32> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    let number = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    u32::try_from(number).ok()
}
