//! Reads a body: within a deadline, within its own limit, within what all bodies together may hold.

mod gzip;
mod held;
mod pool;
mod source;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Body;
use tokio::time::Instant;

use held::Held;
use pool::NoRoom;
pub(crate) use pool::{BytesInFlight, BytesPermit};
use source::Broken;
pub(crate) use source::Source;

/// Kept of a body that is too large, for diagnosis.
pub(crate) const FIRST_BYTES: usize = 64 * 1024;

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Longer than the limit, packed or unpacked.
    #[error("body is too large")]
    TooLarge {
        /// The beginning of it, at most [`FIRST_BYTES`].
        first: Bytes,
        /// For that.
        permit: BytesPermit,
    },
    /// Did not arrive in time, or the connection broke.
    #[error("body did not arrive")]
    Slow,
    /// All bodies together hold too much.
    #[error("too many bytes in flight")]
    NoRoom,
    /// Said to be gzip, begins as gzip, and is damaged.
    #[error("body is damaged gzip")]
    Damaged {
        /// The bytes as they came.
        packed: Bytes,
        /// For them.
        permit: BytesPermit,
    },
}

impl From<NoRoom> for ReadError {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

impl From<Broken> for ReadError {
    fn from(Broken: Broken) -> Self {
        Self::Slow
    }
}

/// A body and the right to hold it.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    pub(crate) permit: BytesPermit,
}

/// How much of a body is read, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// Longest body that is kept, in bytes, packed and unpacked.
    pub(crate) kept: usize,
    /// How much is kept of one that is too large.
    pub(crate) first: usize,
    /// What is too large is read on without keeping it, so many bytes at most: the sender hears an answer then
    /// instead of a reset.
    pub(crate) discarded: usize,
    /// For all of it.
    pub(crate) deadline: Duration,
}

/// Reads a body and, if it is gzip, unpacks it. What is announced to be too large is not kept beyond its beginning;
/// what is announced to be more than there is room for is not begun.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    source: &mut Source<B>,
    limits: ReadLimits,
    pool: &Arc<BytesInFlight>,
) -> Result<Read, ReadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let until = Instant::now() + limits.deadline;
    let announced = source.announced();
    let too_large = announced.is_some_and(|announced| announced > limits.kept);
    if too_large && limits.first == 0 {
        source.discard(limits.discarded, until).await;
        return Err(ReadError::TooLarge { first: Bytes::new(), permit: pool.permit() });
    }
    let kept = if too_large { limits.first.min(limits.kept) } else { limits.kept };
    let expected = announced.unwrap_or(0).min(kept);
    if !pool.fits(expected) {
        return Err(ReadError::NoRoom);
    }
    let mut held = Held::new(pool.permit(), announced.unwrap_or(kept).min(kept));
    while let Some(piece) = source.next(until).await? {
        if held.len() + piece.len() > kept {
            let (first, permit) = held.beginning(&piece, limits.first)?;
            drop(piece);
            source.discard(limits.discarded, until).await;
            return Err(ReadError::TooLarge { first, permit });
        }
        held.push(piece)?;
    }
    let (bytes, permit) = held.whole();
    if gzip::is_gzip(headers, &bytes) {
        // A call with a packed body is rare; the others need not carry the room for unpacking.
        return Box::pin(gzip::unpack(bytes, permit, limits.kept)).await;
    }
    Ok(Read { bytes, permit })
}

#[cfg(test)]
mod tests;
