//! The pack: what ingress puts on the queue and the worker takes off it. One or more requests, their original bytes
//! kept, compressed together. The bytes on the queue are those of `codec.rs`; frozen examples lie in `fixtures/packs/v1/`.

mod codec;
mod fit;
#[cfg(test)]
mod frozen;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use codec::{CompressionLevel, PackError, UNPACKED_BYTES_MAX};
pub use fit::{FitError, encode, fit};

use crate::{
    firehose::RequestKind,
    ids::{AccountId, Address, Pod},
    spill::SpillKey,
};

/// One or more requests that travel together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pack {
    /// The requests, in the order they were received.
    pub requests: Vec<PackedRequest>,
}

/// One request of a pack, and what of it is still to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedRequest {
    /// The pod of the endpoint that received it.
    pub pod: Pod,
    /// Its type; `None` for a body that could not be sorted and was kept for a person to look at.
    pub kind: Option<RequestKind>,
    /// Its `id`, if it has a usable one.
    pub id: Option<String>,
    /// Its account.
    pub account: AccountId,
    /// When ingress received it, ms since 1970 UTC. Ages count from here, or from a redrive.
    pub received_at_ms: i64,
    /// W3C `traceparent` of the call that brought it.
    pub trace: Option<String>,
    /// The original bytes, or where they are.
    pub body: PackedBody,
    /// What is still to be done.
    pub pending: Pending,
}

/// The original bytes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackedBody {
    /// Here, byte for byte as received.
    Inline(Bytes),
    /// Spilled.
    Spilled {
        /// Where to.
        key: SpillKey,
        /// How long the body is.
        bytes: u64,
    },
}

impl PackedBody {
    /// The bytes, if they are here.
    pub fn inline(&self) -> Option<&Bytes> {
        match self {
            Self::Inline(body) => Some(body),
            Self::Spilled { .. } => None,
        }
    }
}

/// Which items of a request are still to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Every item, none tried before.
    All,
    /// Just these; after a retry or a redrive.
    Items(Vec<PendingItem>),
    /// Nothing can be done: the whole request was set aside. Only on the dead-letter queue.
    SetAside(DeadReason),
}

/// One item that is still to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingItem {
    /// Which.
    #[serde(rename = "a")]
    pub address: Address,
    /// Attempts made so far; waiting for a limit is none.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Not to be tried before this, ms since 1970 UTC; 0 for at once.
    #[serde(rename = "t", default, skip_serializing_if = "is_zero_i64")]
    pub not_before_ms: i64,
    /// When its age began to count, ms since 1970 UTC, if not at receipt: it was redriven.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub redriven_at_ms: Option<i64>,
    /// Why it is a dead letter. Only on the dead-letter queue.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub dead: Option<DeadReason>,
}

impl PendingItem {
    /// An item that was not tried yet.
    pub fn untried(address: Address) -> Self {
        Self { address, attempts: 0, not_before_ms: 0, redriven_at_ms: None, dead: None }
    }
}

/// Why something was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadReason {
    /// A closed word, such as `refused`, `attempts_exhausted`, `unreadable`; a metric label.
    #[serde(rename = "c")]
    pub code: String,
    /// What happened, for a person; never holds values of the message, settings or tokens. At most 300 bytes.
    #[serde(rename = "m")]
    pub detail: String,
    /// When, ms since 1970 UTC.
    #[serde(rename = "t")]
    pub at_ms: i64,
}

impl DeadReason {
    /// Longest detail kept, in bytes.
    pub const DETAIL_BYTES_MAX: usize = 300;

    /// A reason whose detail is cut to [`Self::DETAIL_BYTES_MAX`].
    pub fn new(code: &str, detail: &str, at_ms: i64) -> Self {
        let end = detail.floor_char_boundary(Self::DETAIL_BYTES_MAX);
        Self { code: code.to_owned(), detail: detail[..end].to_owned(), at_ms }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero_i64(n: &i64) -> bool {
    *n == 0
}
