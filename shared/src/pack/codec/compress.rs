//! The compressing half of the codec. Each thread keeps its compressor and its buffers: setting one up costs more than
//! compressing a small pack.

use std::cell::RefCell;

use bytes::{BufMut as _, Bytes, BytesMut};
use zstd::bulk::Compressor;

use super::{CompressionLevel, MAGIC, PLAIN, VERSION, ZSTD};

/// Longer buffers are given back after use, so that one huge pack does not stay in memory on every thread.
const BUFFER_KEPT_MAX: usize = 4 * 1024 * 1024;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    compressor: Option<(i32, Compressor<'static>)>,
    content: Vec<u8>,
    compressed: Vec<u8>,
}

/// The bytes of a pack: magic, version, codec, and then header and bodies, compressed if that makes them shorter.
pub(super) fn framed<'a>(
    header: &[u8],
    bodies: impl Iterator<Item = &'a Bytes>,
    level: CompressionLevel,
) -> Bytes {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.fill(header, bodies);
        let framed = if scratch.compress(level) {
            frame(ZSTD, &scratch.compressed)
        } else {
            frame(PLAIN, &scratch.content)
        };
        scratch.shrink();
        framed
    })
}

fn frame(codec: u8, content: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(MAGIC.len() + 2 + content.len());
    bytes.put_slice(MAGIC);
    bytes.put_slice(&[VERSION, codec]);
    bytes.put_slice(content);
    bytes.freeze()
}

impl Scratch {
    fn fill<'a>(&mut self, header: &[u8], bodies: impl Iterator<Item = &'a Bytes>) {
        let length = u32::try_from(header.len()).expect("a header is far below 4 GiB");
        self.content.clear();
        self.content.extend_from_slice(&length.to_le_bytes());
        self.content.extend_from_slice(header);
        bodies.for_each(|body| self.content.extend_from_slice(body));
    }

    /// False when there is nothing to be gained, or zstd will not.
    fn compress(&mut self, level: CompressionLevel) -> bool {
        if self.compressor.as_ref().is_none_or(|(of, _)| *of != level.0) {
            self.compressor = Compressor::new(level.0).ok().map(|compressor| (level.0, compressor));
        }
        let Some((_, compressor)) = &mut self.compressor else { return false };
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(self.content.len()));
        match compressor.compress_to_buffer(&self.content, &mut self.compressed) {
            Ok(length) => length < self.content.len(),
            Err(_) => false,
        }
    }

    fn shrink(&mut self) {
        for buffer in [&mut self.content, &mut self.compressed] {
            if buffer.capacity() > BUFFER_KEPT_MAX {
                *buffer = Vec::new();
            }
        }
    }
}
