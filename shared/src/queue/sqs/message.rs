//! A pack as a message of SQS, and back.
//!
//! A pack travels as a binary message attribute, which counts by its own bytes and needs no text encoding; the message
//! body, which SQS wants and a person sees in the console, only says so. A message that a person sent again as text is
//! read too: its body is taken as base64, and failing that as the pack itself.

use std::time::Duration;

use aws_sdk_sqs::{
    primitives::Blob,
    types::{
        Message as SqsMessage, MessageAttributeValue, MessageSystemAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;

use super::{DELAY_MAX, Message, Outgoing, Receipt};

/// The message body. Attributes count with their name and type.
const BODY: &str = "penstock pack, version 1: see attribute `pack`";
pub(super) const ATTRIBUTE: &str = "pack";
const ATTRIBUTE_TYPE: &str = "Binary";
/// What SQS counts of a message beside the pack.
pub(super) const OVERHEAD_BYTES: usize = BODY.len() + ATTRIBUTE.len() + ATTRIBUTE_TYPE.len();

/// A pack as an entry of a batch call, under that id; with its group if the queue is `fair`.
pub(super) fn to_sqs(id: usize, message: &Outgoing, fair: bool) -> SendMessageBatchRequestEntry {
    let pack = MessageAttributeValue::builder()
        .data_type(ATTRIBUTE_TYPE)
        .binary_value(Blob::new(message.body.as_ref()))
        .build()
        .expect("the type is set");
    let group = message.group.clone().filter(|group| fair && is_group(group));
    SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(BODY)
        .message_attributes(ATTRIBUTE, pack)
        .delay_seconds(seconds(message.delay, DELAY_MAX))
        .set_message_group_id(group)
        .build()
        .expect("id and body are set")
}

/// Reads a message as SQS hands it out; nothing for one without a receipt, which can't be settled either.
pub(super) fn from_sqs(message: SqsMessage) -> Option<Message> {
    let system = message.attributes.unwrap_or_default();
    let number = |name| system.get(&name).and_then(|text: &String| text.parse::<i64>().ok());
    let pack = message.message_attributes.and_then(|mut attributes| attributes.remove(ATTRIBUTE));
    let body = match pack.and_then(|attribute| attribute.binary_value) {
        Some(pack) => pack.into_inner(),
        None => text_body(message.body.unwrap_or_default()),
    };
    let receive_count = number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1);
    Some(Message {
        receipt: Receipt(message.receipt_handle?),
        body: Bytes::from(body),
        receive_count: u32::try_from(receive_count).unwrap_or(1).max(1),
        sent_at_ms: number(MessageSystemAttributeName::SentTimestamp).unwrap_or(0),
    })
}

fn text_body(text: String) -> Vec<u8> {
    BASE64.decode(text.trim()).unwrap_or_else(|_| text.into_bytes())
}

/// Whole seconds, rounded up: never sooner than asked.
pub(super) fn seconds(duration: Duration, max: Duration) -> i32 {
    let duration = duration.min(max);
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).expect("at most twelve hours")
}

/// What SQS takes as a message group.
fn is_group(group: &str) -> bool {
    (1..=128).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic())
}
