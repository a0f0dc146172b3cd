//! Makes a pack fit the queue: what is too large even compressed is spilled, and the pack holds the reference.

use bytes::Bytes;

use tokio::task::spawn_blocking;

use super::{CompressionLevel, Pack, PackedBody, PackedRequest, UNPACKED_BYTES_MAX};
use crate::{
    ids::hex,
    spill::{Spill, SpillError, SpillKey},
};

/// Packs of longer bodies take milliseconds to compress, and are compressed where they hold up nobody else.
const APART_ABOVE: usize = 1024 * 1024;

/// Why a pack could not be made to fit.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// A body had to be spilled and could not be.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// Nothing is left to spill: the list of requests and items alone is too large.
    #[error("pack takes {bytes} bytes without its bodies; the queue takes {limit}")]
    TooLarge {
        /// Encoded length.
        bytes: usize,
        /// The queue's limit.
        limit: usize,
    },
}

/// Encodes the pack in at most `limit` bytes, spilling bodies, largest first, while it is longer, or unpacks to more than
/// a reader takes.
///
/// The spill key is made of the request's time and the hash of its bytes, so a second try writes the same object.
///
/// # Errors
/// [`FitError`] when a body cannot be spilled, or spilling all is not enough.
pub async fn fit(
    pack: &mut Pack,
    level: CompressionLevel,
    limit: usize,
    spill: &dyn Spill,
) -> Result<Bytes, FitError> {
    loop {
        let bytes = encode(pack, level).await;
        if bytes.len() <= limit && Pack::unpacked_len(&bytes) < UNPACKED_BYTES_MAX {
            return Ok(bytes);
        }
        let largest = pack.requests.iter_mut().filter_map(inline_len).max_by_key(|(length, _)| *length);
        let Some((_, request)) = largest else {
            return Err(FitError::TooLarge { bytes: bytes.len(), limit });
        };
        spill_body(request, spill).await?;
    }
}

/// [`Pack::encode`], on a thread for blocking work when the bodies are long.
///
/// # Cancel safety
/// When dropped, nothing has happened.
pub async fn encode(pack: &Pack, level: CompressionLevel) -> Bytes {
    let bodies = pack.requests.iter().filter_map(|request| request.body.inline());
    if bodies.map(Bytes::len).sum::<usize>() <= APART_ABOVE {
        return pack.encode(level);
    }
    let copy = pack.clone();
    match spawn_blocking(move || copy.encode(level)).await {
        Ok(bytes) => bytes,
        Err(broken) => match broken.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going away, and takes no further work.
            Err(_) => pack.encode(level),
        },
    }
}

fn inline_len(request: &mut PackedRequest) -> Option<(usize, &mut PackedRequest)> {
    Some((request.body.inline()?.len(), request))
}

async fn spill_body(request: &mut PackedRequest, spill: &dyn Spill) -> Result<(), SpillError> {
    let PackedBody::Inline(body) = &request.body else { return Ok(()) };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body);
    let key = format!("{}/{}-{}", request.pod, request.received_at_ms.max(0), hex(&digest.as_ref()[..16]));
    let key = SpillKey::new(&key).expect("pod, digits and hex digits make a key");
    let bytes = body.len() as u64;
    spill.put(&key, body.clone()).await?;
    request.body = PackedBody::Spilled { key, bytes };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{AccountId, Pod},
        pack::Pending,
        spill::folder::FolderSpill,
    };

    fn pack_of(bytes: usize) -> Pack {
        let request = PackedRequest {
            pod: Pod::new("us1").unwrap(),
            kind: None,
            id: None,
            account: AccountId::Unknown,
            received_at_ms: 0,
            trace: None,
            body: PackedBody::Inline(Bytes::from(vec![b' '; bytes])),
            pending: Pending::All,
        };
        Pack { requests: vec![request] }
    }

    #[tokio::test]
    async fn long_packs_are_compressed_apart_and_come_out_the_same() {
        let level = CompressionLevel::default();
        for (bytes, at_once) in [(APART_ABOVE, true), (APART_ABOVE + 1, false)] {
            let pack = pack_of(bytes);
            let mut encoding = std::pin::pin!(encode(&pack, level));
            let first = futures::poll!(encoding.as_mut());
            assert_eq!(first.is_ready(), at_once, "{bytes} bytes");
            let encoded = if let std::task::Poll::Ready(encoded) = first { encoded } else { encoding.await };
            assert_eq!(encoded, pack.encode(level));
        }
    }

    #[tokio::test]
    async fn what_compresses_well_is_spilled_all_the_same_when_no_reader_could_unpack_it() {
        let third = UNPACKED_BYTES_MAX / 3;
        let requests = [third + 1, third, third].map(|bytes| pack_of(bytes).requests).concat();
        let mut pack = Pack { requests };
        let folder = tempfile::tempdir().unwrap();
        let spill = FolderSpill::new(folder.path());
        let bytes = fit(&mut pack, CompressionLevel::default(), 1 << 20, &spill).await.unwrap();
        let read = Pack::decode(&bytes).unwrap();
        let spilled = |request: &PackedRequest| matches!(request.body, PackedBody::Spilled { .. });
        assert_eq!(read.requests.iter().map(spilled).collect::<Vec<_>>(), [true, false, false]);
    }
}
