//! Unpacks a gzipped body.

use std::io::Read as _;

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, header};

use super::{FIRST_BYTES, Read, ReadError, held::Held, pool::BytesPermit};

/// Unpacked between two chances for other calls.
const UNPACK_STEP: usize = 16 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Whether a body is said to be gzip, and begins like it.
pub(super) fn is_gzip(headers: &HeaderMap, bytes: &[u8]) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii());
    let said = encoding
        .is_some_and(|word| word.eq_ignore_ascii_case(b"gzip") || word.eq_ignore_ascii_case(b"x-gzip"));
    said && bytes.starts_with(&GZIP_MAGIC)
}

/// Unpacks step by step, and counts what it unpacks: a bomb ends at the limit.
pub(super) async fn unpack(packed: Bytes, permit: BytesPermit, limit: usize) -> Result<Read, ReadError> {
    let mut decoder = flate2::bufread::MultiGzDecoder::new(packed.clone().reader());
    let mut unpacked = Held::new(permit.another(), limit);
    let mut step = vec![0; UNPACK_STEP];
    loop {
        let length = match decoder.read(&mut step) {
            Ok(0) => break,
            Ok(length) => length,
            Err(_) => return Err(ReadError::Damaged { packed, permit }),
        };
        let piece = &step[..length];
        if unpacked.len() + length > limit {
            let (first, permit) = unpacked.beginning(piece, FIRST_BYTES)?;
            return Err(ReadError::TooLarge { first, permit });
        }
        unpacked.join(piece)?;
        tokio::task::consume_budget().await;
    }
    let (bytes, permit) = unpacked.whole();
    Ok(Read { bytes, permit })
}
