//! Reads a body: within a deadline, within its own limit, within what all bodies together may hold.

use std::{
    io::Read as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use penstock_shared::telemetry::Gauge;
use tokio::time::{Instant, timeout_at};

/// Kept of a body that is too large, for diagnosis.
pub(crate) const FIRST_BYTES: usize = 64 * 1024;
/// Unpacked between two chances for other calls.
const UNPACK_STEP: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Counts the bytes of all bodies that are held.
#[derive(Debug)]
pub(crate) struct BytesInFlight {
    held: AtomicUsize,
    max: usize,
    gauge: Gauge,
}

impl BytesInFlight {
    pub(crate) fn new(max: usize, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), max, gauge })
    }

    /// A permit for nothing yet.
    pub(crate) fn permit(self: &Arc<Self>) -> BytesPermit {
        BytesPermit { pool: self.clone(), bytes: 0 }
    }

    /// A permit for a body that is here already; `None` when all together would hold too much.
    pub(crate) fn admit(self: &Arc<Self>, bytes: usize) -> Option<BytesPermit> {
        let mut permit = self.permit();
        permit.grow(bytes).ok().map(|()| permit)
    }
}

/// The right to hold so many bytes; dropping it gives them back. It travels with the body.
#[derive(Debug)]
pub(crate) struct BytesPermit {
    pool: Arc<BytesInFlight>,
    bytes: usize,
}

impl BytesPermit {
    fn grow(&mut self, bytes: usize) -> Result<(), ReadError> {
        let held = self.pool.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes += bytes;
        self.pool.gauge.increment(as_f64(bytes));
        // What was added is given back with the permit.
        if held > self.pool.max { Err(ReadError::NoRoom) } else { Ok(()) }
    }

    fn shrink(&mut self, bytes: usize) {
        self.pool.held.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
        self.pool.gauge.decrement(as_f64(bytes));
    }
}

impl Drop for BytesPermit {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge; bodies are far below 2^52 bytes")]
fn as_f64(bytes: usize) -> f64 {
    bytes as f64
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Longer than the limit, packed or unpacked.
    #[error("body is too large")]
    TooLarge {
        /// The beginning of it, at most [`FIRST_BYTES`].
        first: Bytes,
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
    /// What is too large is read on without keeping it, so many bytes at most: the sender hears an answer then
    /// instead of a reset.
    pub(crate) discarded: usize,
    /// For all of it.
    pub(crate) deadline: Duration,
}

/// Reads a body and, if it is gzip, unpacks it.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    mut body: B,
    limits: ReadLimits,
    pool: &Arc<BytesInFlight>,
) -> Result<Read, ReadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let until = Instant::now() + limits.deadline;
    let limit = limits.kept;
    let mut permit = pool.permit();
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::with_capacity(announced.min(limit).min(1024 * 1024));
    loop {
        match next(&mut body, until).await? {
            None => break,
            Some(chunk) if bytes.len() + chunk.len() > limit => {
                bytes.extend_from_slice(&chunk[..chunk.len().min(FIRST_BYTES)]);
                bytes.truncate(FIRST_BYTES);
                discard(&mut body, limits.discarded, until).await;
                return Err(ReadError::TooLarge { first: bytes.freeze() });
            }
            Some(chunk) => {
                permit.grow(chunk.len())?;
                bytes.extend_from_slice(&chunk);
            }
        }
    }
    let bytes = bytes.freeze();
    if is_gzip(headers) && bytes.starts_with(&GZIP_MAGIC) {
        return unpack(bytes, permit, limit).await;
    }
    Ok(Read { bytes, permit })
}

async fn next<B>(body: &mut B, until: Instant) -> Result<Option<Bytes>, ReadError>
where
    B: Body<Data = Bytes> + Unpin,
{
    loop {
        match timeout_at(until, body.frame()).await {
            Ok(None) => return Ok(None),
            // Trailers are not read.
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(chunk) => return Ok(Some(chunk)),
                Err(_) => continue,
            },
            Ok(Some(Err(_))) | Err(_) => return Err(ReadError::Slow),
        }
    }
}

async fn discard<B>(body: &mut B, mut most: usize, until: Instant)
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Ok(Some(chunk)) = next(body, until).await {
        let Some(left) = most.checked_sub(chunk.len()) else { return };
        most = left;
    }
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    encoding.is_some_and(|word| word.eq_ignore_ascii_case(b"gzip") || word.eq_ignore_ascii_case(b"x-gzip"))
}

/// Unpacks step by step, and counts what it unpacks: a bomb ends at the limit.
async fn unpack(packed: Bytes, mut permit: BytesPermit, limit: usize) -> Result<Read, ReadError> {
    let mut decoder = flate2::bufread::MultiGzDecoder::new(packed.clone().reader());
    let mut bytes = BytesMut::new();
    let mut step = vec![0; UNPACK_STEP];
    loop {
        let length = match decoder.read(&mut step) {
            Ok(0) => break,
            Ok(length) => length,
            Err(_) => return Err(ReadError::Damaged { packed, permit }),
        };
        if bytes.len() + length > limit {
            bytes.extend_from_slice(&step[..length]);
            bytes.truncate(FIRST_BYTES);
            return Err(ReadError::TooLarge { first: bytes.freeze() });
        }
        permit.grow(length)?;
        bytes.extend_from_slice(&step[..length]);
        tokio::task::consume_budget().await;
    }
    permit.shrink(packed.len());
    Ok(Read { bytes: bytes.freeze(), permit })
}

#[cfg(test)]
mod tests;
