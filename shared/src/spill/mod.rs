//! The spill seam: bodies that the queue cannot hold. The pack then carries a reference.
//!
//! Two implementations, [`s3`] and [`folder`], held to one contract suite (`shared/tests/spill_contract.rs`).

pub mod folder;
pub mod s3;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Durable storage of request bodies. Objects must outlive the queue's and the dead letters' retention together
/// (protocol.md trap 97); the operator's lifecycle rule, not this trait, ends them in the end.
#[async_trait]
pub trait Spill: fmt::Debug + Send + Sync + 'static {
    /// Stores the body durably under the key; storing the same key again replaces it.
    async fn put(&self, key: &SpillKey, body: Bytes) -> Result<(), SpillError>;

    /// The body as stored.
    ///
    /// # Errors
    /// [`SpillError::Missing`] when there is none.
    async fn get(&self, key: &SpillKey) -> Result<Bytes, SpillError>;

    /// Deletes the body; deleting what is not there succeeds.
    async fn delete(&self, key: &SpillKey) -> Result<(), SpillError>;
}

/// Names a spilled body: letters, digits, `-`, `_`, `.` and single slashes between them; at most 200 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpillKey(String);

/// Text that is no spill key.
#[derive(Debug, thiserror::Error)]
#[error("not a spill key")]
pub struct InvalidSpillKey;

impl SpillKey {
    /// Checks and keeps a key.
    ///
    /// # Errors
    /// When a part between slashes is empty, begins with a dot, or holds another character than those named above.
    pub fn new(key: &str) -> Result<Self, InvalidSpillKey> {
        let part_fits = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let fits = key.len() <= 200 && key.split('/').all(part_fits);
        if fits { Ok(Self(key.to_owned())) } else { Err(InvalidSpillKey) }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SpillKey {
    type Error = InvalidSpillKey;
    fn try_from(key: String) -> Result<Self, InvalidSpillKey> {
        Self::new(&key)
    }
}

impl From<SpillKey> for String {
    fn from(key: SpillKey) -> Self {
        key.0
    }
}

/// Why a body could not be stored or fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpillError {
    /// Never stored, or expired.
    #[error("spilled body is missing")]
    Missing,
    /// The storage could not be reached, refused for now, or was too slow.
    #[error("spill unavailable: {0}")]
    Unavailable(String),
}
