//! Bytes of a pack, version 1:
//!
//! ```text
//! "PSTK"  1 byte version  1 byte codec (0 plain, 1 zstd)   then, in that codec:
//! u32 LE length of the header   header (JSON)   the inline bodies, one after the other, byte for byte
//! ```
//!
//! The header lists the requests and the length of each body. A reader refuses versions it does not know, so a newer
//! ingress is rolled out after the workers. The bytes are binary; a queue that takes text alone encodes them itself.

mod compress;

use std::io::Read as _;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{DeadReason, Pack, PackedBody, PackedRequest, Pending, PendingItem};
use crate::{
    firehose::RequestKind,
    ids::{AccountId, Pod},
    spill::SpillKey,
};

const MAGIC: &[u8; 4] = b"PSTK";
const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Longest unpacked content a reader accepts: twice the largest body the ingress can be set to take.
pub const UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// zstd's level; 1 is fast, 19 is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionLevel(pub i32);

impl Default for CompressionLevel {
    fn default() -> Self {
        Self(1)
    }
}

/// Why bytes are no pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// They do not begin as a pack does.
    #[error("not a pack: it does not begin with PSTK")]
    NoPack,
    /// Written by a version this one does not know.
    #[error("pack version {0} is not known here (this reads version 1); deploy workers before ingress")]
    UnknownVersion(u8),
    /// Compressed by a codec this one does not know.
    #[error("pack codec {0} is not known here")]
    UnknownCodec(u8),
    /// Its content is larger than [`UNPACKED_BYTES_MAX`].
    #[error("pack unpacks to more than {UNPACKED_BYTES_MAX} bytes")]
    TooLarge,
    /// Damaged.
    #[error("pack is damaged: {0}")]
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Header {
    requests: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    pod: Pod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<RequestKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default)]
    account: AccountId,
    received_at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spilled: Option<SpillKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    items: Option<Vec<PendingItem>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set_aside: Option<DeadReason>,
}

impl Pack {
    /// The bytes of the pack, compressed.
    pub fn encode(&self, level: CompressionLevel) -> Bytes {
        let header = Header { requests: self.requests.iter().map(entry).collect() };
        let header = serde_json::to_vec(&header).expect("plain structs always serialise");
        compress::framed(&header, self.requests.iter().filter_map(|request| request.body.inline()), level)
    }

    /// About how many bytes the pack takes once it is unpacked, without unpacking it: what its frame says, at least
    /// its own length and at most [`UNPACKED_BYTES_MAX`].
    pub fn unpacked_len(bytes: &[u8]) -> usize {
        let content = bytes.get(6..).unwrap_or_default();
        let said = match zstd::zstd_safe::get_frame_content_size(content) {
            Ok(Some(length)) => usize::try_from(length).unwrap_or(UNPACKED_BYTES_MAX),
            Ok(None) | Err(_) => 0,
        };
        said.clamp(bytes.len().min(UNPACKED_BYTES_MAX), UNPACKED_BYTES_MAX)
    }

    /// Reads the bytes of a pack.
    ///
    /// # Errors
    /// [`PackError`] when they are none, damaged, of an unknown version, or unpack to more than
    /// [`UNPACKED_BYTES_MAX`]. Never panics, whatever the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, PackError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(PackError::NoPack)?;
        let (&[version, codec], content) =
            rest.split_first_chunk::<2>().ok_or_else(|| PackError::Damaged("it ends after PSTK".into()))?;
        if version != VERSION {
            return Err(PackError::UnknownVersion(version));
        }
        let content = match codec {
            PLAIN if content.len() > UNPACKED_BYTES_MAX => return Err(PackError::TooLarge),
            PLAIN => content.to_vec(),
            ZSTD => unpack(content)?,
            other => return Err(PackError::UnknownCodec(other)),
        };
        let mut content = Bytes::from(content);
        let header_bytes = take(&mut content, 4, "header length")?;
        let length = u32::from_le_bytes(header_bytes[..].try_into().expect("four bytes were taken"));
        let header = take(&mut content, u64::from(length), "header")?;
        let header: Header =
            serde_json::from_slice(&header).map_err(|e| PackError::Damaged(format!("header: {e}")))?;
        let requests = header
            .requests
            .into_iter()
            .map(|entry| request(entry, &mut content))
            .collect::<Result<_, _>>()?;
        if !content.is_empty() {
            return Err(PackError::Damaged(format!("{} bytes after the last body", content.len())));
        }
        Ok(Self { requests })
    }
}

fn entry(request: &PackedRequest) -> Entry {
    let (bytes, spilled) = match &request.body {
        PackedBody::Inline(body) => (body.len() as u64, None),
        PackedBody::Spilled { key, bytes } => (*bytes, Some(key.clone())),
    };
    let (items, set_aside) = match &request.pending {
        Pending::All => (None, None),
        Pending::Items(items) => (Some(items.clone()), None),
        Pending::SetAside(reason) => (None, Some(reason.clone())),
    };
    Entry {
        pod: request.pod.clone(),
        kind: request.kind,
        id: request.id.clone(),
        account: request.account,
        received_at_ms: request.received_at_ms,
        trace: request.trace.clone(),
        bytes,
        spilled,
        items,
        set_aside,
    }
}

fn request(entry: Entry, content: &mut Bytes) -> Result<PackedRequest, PackError> {
    let body = match entry.spilled {
        Some(key) => PackedBody::Spilled { key, bytes: entry.bytes },
        None => PackedBody::Inline(take(content, entry.bytes, "a body")?),
    };
    let pending = match (entry.set_aside, entry.items) {
        (Some(reason), _) => Pending::SetAside(reason),
        (None, Some(items)) => Pending::Items(items),
        (None, None) => Pending::All,
    };
    Ok(PackedRequest {
        pod: entry.pod,
        kind: entry.kind,
        id: entry.id,
        account: entry.account,
        received_at_ms: entry.received_at_ms,
        trace: entry.trace,
        body,
        pending,
    })
}

fn take(content: &mut Bytes, length: u64, what: &str) -> Result<Bytes, PackError> {
    match usize::try_from(length) {
        Ok(length) if length <= content.len() => Ok(content.split_to(length)),
        _ => Err(PackError::Damaged(format!("{what} of {length} bytes, but {} are left", content.len()))),
    }
}

fn unpack(content: &[u8]) -> Result<Vec<u8>, PackError> {
    let damaged = |e: std::io::Error| PackError::Damaged(format!("zstd: {e}"));
    let limit = UNPACKED_BYTES_MAX as u64 + 1;
    let mut unpacked = Vec::new();
    let mut decoder = zstd::stream::read::Decoder::new(content).map_err(damaged)?;
    // A frame says how much memory its decoder must hold, whatever it unpacks to.
    decoder.window_log_max(UNPACKED_BYTES_MAX.ilog2()).map_err(damaged)?;
    decoder.take(limit).read_to_end(&mut unpacked).map_err(damaged)?;
    if unpacked.len() > UNPACKED_BYTES_MAX { Err(PackError::TooLarge) } else { Ok(unpacked) }
}

#[cfg(test)]
mod tests;
