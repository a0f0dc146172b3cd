//! What has arrived of a body. Its memory follows the bytes: whoever announces a megabyte and sends a byte holds a byte.

use bytes::Bytes;

use super::pool::{BytesPermit, NoRoom};

/// Least that is taken once a body comes in pieces.
const STEP: usize = 4 * 1024;

/// Bytes of a body, and the permit for the memory they take.
///
/// A first piece is kept as it is, without a copy. It may lie in its connection's read buffer, which is bounded by
/// itself and there anyway. Only from the second piece on is there memory of its own, and the permit is for all of it.
#[derive(Debug)]
pub(super) struct Held {
    first: Bytes,
    joined: Vec<u8>,
    permit: BytesPermit,
    most: usize,
}

impl Held {
    /// `most` is how long the body can become.
    pub(super) fn new(permit: BytesPermit, most: usize) -> Self {
        Self { first: Bytes::new(), joined: Vec::new(), permit, most }
    }

    /// Bytes held. One of the two is always empty.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<(), NoRoom> {
        if self.len() > 0 {
            return self.join(&piece);
        }
        self.permit.grow(piece.len())?;
        self.first = piece;
        Ok(())
    }

    /// Takes a copy of the next piece.
    pub(super) fn join(&mut self, piece: &[u8]) -> Result<(), NoRoom> {
        let length = self.len() + piece.len();
        let capacity = self.joined.capacity();
        if length > capacity {
            let wanted = (capacity * 2).max(STEP).min(self.most).max(length);
            self.permit.grow(wanted - capacity)?;
            self.joined.reserve_exact(wanted - self.joined.len());
        }
        if !self.first.is_empty() {
            self.joined.extend_from_slice(&self.first);
            self.permit.shrink(self.first.len());
            self.first = Bytes::new();
        }
        self.joined.extend_from_slice(piece);
        Ok(())
    }

    /// The beginning of what is held with `piece` behind it, at most `most` bytes; the rest is given back.
    pub(super) fn beginning(self, piece: &[u8], most: usize) -> Result<(Bytes, BytesPermit), NoRoom> {
        let held: &[u8] = if self.first.is_empty() { &self.joined } else { &self.first };
        let held = &held[..held.len().min(most)];
        let piece = &piece[..piece.len().min(most - held.len())];
        let mut permit = self.permit.another();
        permit.grow(held.len() + piece.len())?;
        Ok(([held, piece].concat().into(), permit))
    }

    /// The whole of it.
    pub(super) fn whole(self) -> (Bytes, BytesPermit) {
        let bytes = if self.joined.is_empty() { self.first } else { self.joined.into() };
        (bytes, self.permit)
    }
}
