//! Reads a send, as far as its answer and its bill need it. Pure.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;

/// The MD5 of nothing. The SDK for Rust compares none.
const DIGEST: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// What a call sends.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    messages: Vec<Message<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<'a> {
    #[serde(borrow)]
    entries: Vec<Message<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    message_body: Text<'a>,
    #[serde(borrow, default)]
    message_attributes: BTreeMap<Text<'a>, Attribute<'a>>,
}

/// Borrowed where nothing in it is escaped, which `Cow` alone is not.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute<'a> {
    #[serde(borrow)]
    data_type: Text<'a>,
    #[serde(borrow)]
    string_value: Option<Text<'a>>,
    #[serde(borrow)]
    binary_value: Option<Text<'a>>,
}

impl<'a> Sent<'a> {
    /// Of a `SendMessageBatch`; `None` when it is none.
    pub(super) fn of_batch(body: &'a [u8]) -> Option<Self> {
        let batch: Batch<'a> = serde_json::from_slice(body).ok()?;
        Some(Self { messages: batch.entries })
    }

    /// Of a `SendMessage`; `None` when it is none.
    pub(super) fn of_one(body: &'a [u8]) -> Option<Self> {
        Some(Self { messages: vec![serde_json::from_slice(body).ok()?] })
    }

    /// The size of each message in bytes, as SQS measures it.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.messages.iter().map(|message| message.size() as u64)
    }

    /// The answer to a batch: every entry was sent.
    pub(super) fn batch_answer(&self) -> String {
        let mut answer = String::from(r#"{"Successful":["#);
        for (place, message) in self.messages.iter().enumerate() {
            let (comma, id) = (if place == 0 { "" } else { "," }, &message.id);
            write!(answer, r#"{comma}{{"Id":"{id}","MessageId":"stand-in","MD5OfMessageBody":"{DIGEST}"}}"#)
                .expect("a String takes everything");
        }
        answer.push_str(r#"],"Failed":[]}"#);
        answer
    }

    /// The answer to a single message.
    pub(super) fn one_answer(&self) -> String {
        format!(r#"{{"MessageId":"stand-in","MD5OfMessageBody":"{DIGEST}"}}"#)
    }
}

impl Message<'_> {
    fn size(&self) -> usize {
        let attributes = self.message_attributes.iter().map(|(name, attribute)| {
            let text = attribute.string_value.as_ref().map_or(0, |text| text.0.len());
            let binary = attribute.binary_value.as_ref().map_or(0, |text| decoded_len(&text.0));
            name.0.len() + attribute.data_type.0.len() + text + binary
        });
        self.message_body.0.len() + attributes.sum::<usize>()
    }
}

/// The bytes that base64 with padding stands for.
fn decoded_len(base64: &str) -> usize {
    let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_count_with_name_type_and_decoded_value() {
        let body = br#"{"QueueUrl":"u","Entries":[
            {"Id":"7","MessageBody":"four","DelaySeconds":0,"MessageAttributes":
                {"pack":{"DataType":"Binary","BinaryValue":"AAECAw=="},"note":{"DataType":"String","StringValue":"hi"}}}]}"#;
        let sent = Sent::of_batch(body).unwrap();
        assert_eq!(sent.sizes().collect::<Vec<_>>(), [4 + (4 + 6 + 4) + (4 + 6 + 2)]);
        let answer: serde_json::Value = serde_json::from_str(&sent.batch_answer()).unwrap();
        assert_eq!(answer["Successful"][0]["Id"], "7");
    }

    #[test]
    fn an_escaped_body_counts_as_what_it_stands_for() {
        let sent = Sent::of_one(br#"{"QueueUrl":"u","MessageBody":"{\"a\":1}"}"#).unwrap();
        assert_eq!(sent.sizes().collect::<Vec<_>>(), [7]);
        assert!(Sent::of_one(b"{}").is_none());
    }
}
