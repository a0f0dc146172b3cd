//! A body as it comes in, and how much of it is still out there.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

/// A body that remembers whether its end was reached.
#[derive(Debug)]
pub(crate) struct Source<B> {
    body: B,
    ended: bool,
    broken: bool,
}

/// The body did not arrive in time, or the connection broke.
#[derive(Debug)]
pub(crate) struct Broken;

impl<B> Source<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(crate) fn new(body: B) -> Self {
        Self { body, ended: false, broken: false }
    }

    /// How many bytes are still to come, as far as the sender said.
    pub(super) fn announced(&self) -> Option<usize> {
        self.body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Whether nothing more comes.
    pub(crate) fn ended(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    /// The next bytes; `None` at the end. Trailers are not read.
    pub(super) async fn next(&mut self, until: Instant) -> Result<Option<Bytes>, Broken> {
        // With a length announced, the end is known without waiting for it.
        while !self.ended() {
            match timeout_at(until, self.body.frame()).await {
                Ok(None) => self.ended = true,
                Ok(Some(Ok(frame))) => {
                    if let Ok(chunk) = frame.into_data() {
                        return Ok(Some(chunk));
                    }
                }
                Ok(Some(Err(_))) | Err(_) => {
                    self.broken = true;
                    return Err(Broken);
                }
            }
        }
        Ok(None)
    }

    /// Reads on without keeping anything, `most` bytes at most, so that the sender hears an answer instead of a reset
    /// and the connection can be used again. True when the end was reached. What is announced to be longer is not
    /// begun.
    pub(crate) async fn discard(&mut self, mut most: usize, until: Instant) -> bool {
        if self.broken || self.announced().is_some_and(|announced| announced > most) {
            return self.ended();
        }
        while let Ok(Some(chunk)) = self.next(until).await {
            let Some(left) = most.checked_sub(chunk.len()) else { return false };
            most = left;
        }
        self.ended()
    }
}
