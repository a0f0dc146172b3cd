//! Puts requests that arrive together into packs, sends packs together, and tells each request its own result.
//!
//! An idle packer sends at once. While it is sending, what arrives meanwhile waits for company, at most `linger_max`:
//! the busier it is, the fuller the packs. A request that was accepted here is sent even if its caller goes away
//! (protocol.md trap 14), unless its time was over, and it was answered 503, before the sending began.

mod line;
mod sending;

use std::sync::Arc;

use penstock_shared::pack::{PackedBody, PackedRequest};
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{answer::Shed, body::BytesPermit, config::PackingConfig};
use line::Line;
pub(crate) use sending::Sender;

/// Bodies larger than a pack that are sent at once; each may have to be spilled first, so they have slots of their own.
const LARGE_SENDS_MAX: usize = 4;
/// Requests taken from the channel in one go.
const TAKE_MAX: usize = 256;

/// One request on its way to the queue.
#[derive(Debug)]
pub(crate) struct Entry {
    request: PackedRequest,
    /// Held until the queue has said its word, whether or not anyone still waits for it.
    permit: BytesPermit,
    by: Instant,
    reply: oneshot::Sender<Fate>,
}

impl Entry {
    fn bytes(&self) -> usize {
        match &self.request.body {
            PackedBody::Inline(body) => body.len(),
            PackedBody::Spilled { .. } => 0,
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored,
    Failed,
    /// Its time was over before it was sent.
    Late,
}

/// Where requests are handed in. The packer ends when the last handle is gone and all is sent.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    entries: mpsc::Sender<Entry>,
    pack_bytes_max: usize,
}

impl Handle {
    /// Most bytes a body may have to share a pack.
    pub(crate) fn pack_bytes_max(&self) -> usize {
        self.pack_bytes_max
    }

    /// Hands in a request and waits for the queue's word on it, until `by`.
    ///
    /// # Cancel safety
    /// When dropped, the request is sent all the same.
    pub(crate) async fn store(
        &self,
        request: PackedRequest,
        permit: BytesPermit,
        by: Instant,
    ) -> Result<(), Shed> {
        let (reply, fate) = oneshot::channel();
        self.entries.try_send(Entry { request, permit, by, reply }).map_err(|_| Shed::PackerFull)?;
        match timeout_at(by, fate).await {
            Ok(Ok(Fate::Stored)) => Ok(()),
            Ok(Ok(Fate::Failed) | Err(_)) => Err(Shed::QueueFailed),
            Ok(Ok(Fate::Late)) | Err(_) => Err(Shed::QueueSlow),
        }
    }
}

/// A handle, and the packer behind it.
pub(crate) fn new(config: PackingConfig, sender: Sender) -> (Handle, Packer) {
    let pack_bytes_max = config.bytes_max.min(sender.pack_bytes_max());
    let (handle, entries) = mpsc::channel(config.waiting_max);
    let handle = Handle { entries: handle, pack_bytes_max };
    (handle, Packer { entries, sender: Arc::new(sender), config, pack_bytes_max })
}

/// Takes requests until all handles are gone, then sends what is left.
#[derive(Debug)]
pub(crate) struct Packer {
    entries: mpsc::Receiver<Entry>,
    sender: Arc<Sender>,
    config: PackingConfig,
    pack_bytes_max: usize,
}

impl Packer {
    /// Packs and sends until all handles are gone and everything accepted is sent.
    pub(crate) async fn run(mut self) {
        let mut line = Line::new(self.config.requests_max, self.pack_bytes_max);
        let (mut sends, mut large_sends) = (JoinSet::new(), JoinSet::new());
        let mut taken = Vec::with_capacity(TAKE_MAX);
        let mut open = true;
        loop {
            while large_sends.len() < LARGE_SENDS_MAX
                && let Some(entry) = line.take_large()
            {
                large_sends.spawn(self.sender.clone().send(vec![vec![entry]]));
            }
            while sends.len() < self.config.sends_max
                && let Some(packs) = line.take(self.is_due(&line, open, sends.is_empty()))
            {
                sends.spawn(self.sender.clone().send(packs));
            }
            let lingering = line.open_since().filter(|_| sends.len() < self.config.sends_max);
            let wake = lingering.map(|since| since + self.config.linger_max);
            tokio::select! {
                biased;
                Some(sent) = sends.join_next() => report(sent),
                Some(sent) = large_sends.join_next() => report(sent),
                received = self.entries.recv_many(&mut taken, TAKE_MAX), if open && line.has_room() => {
                    open = received > 0;
                    let now = Instant::now();
                    taken.drain(..).for_each(|entry| line.push(entry.bytes(), entry, now));
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                else => return,
            }
        }
    }

    /// Whether a pack that is not full is to be sent now.
    fn is_due(&self, line: &Line<Entry>, open: bool, idle: bool) -> bool {
        let waited = line.open_since().is_some_and(|since| since.elapsed() >= self.config.linger_max);
        !open || idle || waited
    }
}

/// A send that panicked has dropped its requests' replies: they hear 503.
fn report(sent: Result<(), JoinError>) {
    if let Err(error) = sent {
        tracing::error!(%error, "sending packs broke off");
    }
}

#[cfg(test)]
mod tests;
