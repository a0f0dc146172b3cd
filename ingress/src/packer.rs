//! Puts requests that arrive together into packs, sends packs together, and tells each request its own result.
//!
//! When requests are rare each is sent at once. Under load the first of a pack waits for company, at most `linger_max`:
//! the busier it is, the fuller the packs, and nobody is woken for a request that waits anyway. A request that was
//! accepted here is sent even if its caller goes away (protocol.md trap 14), unless its time was over, and it was
//! answered 503, before the sending began.

mod bell;
mod line;
mod outlet;
mod pace;
mod route;
mod sending;

use std::sync::Arc;

use penstock_shared::{pack::PackedRequest, queue::meter::BILLED_BYTES};
use tokio::{
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{answer::Shed, body::BytesPermit, config::PackingConfig};
use bell::{Amount, Bell};
use line::Line;
use pace::Pace;
use sending::inline_len;
pub(crate) use {outlet::Outlet, sending::Sender};

/// Bodies larger than a pack that are sent at once; each may have to be spilled first, so they have slots of their own.
const LARGE_SENDS_MAX: usize = 4;
/// Longer bodies are sent by themselves, unless the queue takes still less.
const ALONE_ABOVE: usize = 512 * 1024;
/// Of what the queue bills as one request, in hundredths, what is filled with packs: attributes take a little, and how
/// well bodies compress is an estimate.
const BILLED_FILLED: usize = 95;

/// One request on its way to the queue.
#[derive(Debug)]
pub(crate) struct Entry {
    request: PackedRequest,
    /// Held until the queue has said its word, whether or not anyone still waits for it.
    permit: BytesPermit,
    /// What it adds to a pack of several, as the bell counts it.
    adds: Amount,
    /// When it was handed in.
    since: Instant,
    by: Instant,
    reply: oneshot::Sender<Fate>,
}

impl Entry {
    fn bytes(&self) -> usize {
        inline_len(&self.request).unwrap_or(0)
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
    bell: Arc<Bell>,
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
        let bytes = inline_len(&request).unwrap_or(0);
        let alone = bytes > self.pack_bytes_max;
        let adds = Amount::one(if alone { 0 } else { bytes });
        let entry = Entry { request, permit, adds, since: Instant::now(), by, reply };
        self.entries.try_send(entry).map_err(|_| Shed::PackerFull)?;
        self.bell.add(adds);
        if alone {
            // It has company of no one, and need not wait for any.
            self.bell.ring();
        }
        match timeout_at(by, fate).await {
            Ok(Ok(Fate::Stored)) => Ok(()),
            Ok(Ok(Fate::Failed) | Err(_)) => Err(Shed::QueueFailed),
            Ok(Ok(Fate::Late)) | Err(_) => Err(Shed::QueueSlow),
        }
    }
}

/// A handle, and the packer behind it.
pub(crate) fn new(config: PackingConfig, sender: Sender) -> (Handle, Packer) {
    let alone_above = ALONE_ABOVE.min(sender.pack_bytes_max());
    let (handle, entries) = mpsc::channel(config.waiting_max);
    let bell = Arc::new(Bell::default());
    let handle = Handle { entries: handle, bell: bell.clone(), pack_bytes_max: alone_above };
    let packer = Packer {
        entries,
        open: true,
        bell,
        taken: Amount::default(),
        line: Line::new(config.requests_max, alone_above),
        pace: Pace::new(config.linger_max),
        sender: Arc::new(sender),
        config,
    };
    (handle, packer)
}

/// Takes requests until all handles are gone, then sends what is left.
#[derive(Debug)]
pub(crate) struct Packer {
    entries: mpsc::Receiver<Entry>,
    open: bool,
    bell: Arc<Bell>,
    /// Taken out of the channel so far, as the bell counts it.
    taken: Amount,
    line: Line<Entry>,
    pace: Pace,
    sender: Arc<Sender>,
    config: PackingConfig,
}

impl Packer {
    /// Packs and sends until all handles are gone and everything accepted is sent.
    pub(crate) async fn run(mut self) {
        let (mut sends, mut large_sends) = (JoinSet::new(), JoinSet::new());
        loop {
            self.take_waiting();
            while large_sends.len() < LARGE_SENDS_MAX
                && let Some(entry) = self.line.take_large()
            {
                large_sends.spawn(self.sender.clone().send(vec![vec![entry]]));
            }
            while sends.len() < self.config.sends_max
                && let Some(packs) = self.line.take(self.is_due())
            {
                sends.spawn(self.sender.clone().send(packs));
            }
            let wake = self.due_at().filter(|_| sends.len() < self.config.sends_max);
            let gathers = self.line.open_since().is_some();
            if gathers {
                self.bell.set(self.taken.and(self.line.until_full()));
            }
            tokio::select! {
                biased;
                Some(sent) = sends.join_next() => report(sent),
                Some(sent) = large_sends.join_next() => report(sent),
                // Until one of the two requests gather in the channel.
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = self.bell.rung(), if gathers && self.line.has_room() => {}
                first = self.entries.recv(), if self.open && !gathers && self.line.has_room() => {
                    self.take_first(first);
                }
                else => return,
            }
        }
    }

    /// Takes what is in the channel already.
    fn take_waiting(&mut self) {
        let now = Instant::now();
        let (mut taken, mut bytes) = (0, 0);
        while self.open && self.line.has_room() {
            match self.entries.try_recv() {
                Ok(entry) => {
                    bytes += self.push(entry);
                    taken += 1;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.open = false,
            }
        }
        if taken > 0 {
            self.pace.note(taken, bytes, now);
            self.line.fill_to(self.full_at());
        }
    }

    /// How many bytes of bodies make a pack full enough to be sent before its time.
    fn full_at(&self) -> usize {
        let unpacked = |bytes| self.sender.unpacked(bytes);
        let billed = unpacked(BILLED_BYTES / 100 * BILLED_FILLED);
        self.pace.fill(unpacked(self.config.bytes_enough), unpacked(self.config.bytes_max), billed)
    }

    /// Returns how many bytes it adds to a pack of several.
    fn push(&mut self, entry: Entry) -> u64 {
        let (bytes, adds, since) = (entry.bytes(), entry.adds, entry.since);
        self.taken = self.taken.and(adds);
        self.line.push(bytes, entry, since);
        adds.bytes
    }

    /// Takes the first of many, after a silence.
    fn take_first(&mut self, entry: Option<Entry>) {
        match entry {
            Some(entry) => {
                let bytes = self.push(entry);
                self.pace.note(1, bytes, Instant::now());
            }
            None => self.open = false,
        }
    }

    /// When the open pack is to be sent, full or not.
    fn due_at(&self) -> Option<Instant> {
        self.line.open_since().map(|since| since + self.pace.linger())
    }

    /// Whether a pack that is not full is to be sent now.
    fn is_due(&self) -> bool {
        !self.open || self.due_at().is_some_and(|at| at <= Instant::now())
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
