//! Makes packs of requests, hands them to the queue and tells each request what became of it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use penstock_shared::{
    pack::{CompressionLevel, Pack, PackedRequest, encode, fit},
    queue::Outgoing,
    spill::Spill,
    telemetry::IngressMetrics,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{Entry, Fate, outlet::Outlet};
use crate::{body::BytesPermit, cost::Stored};

/// Most bytes of bodies in a pack, however well they compress: what a worker must unpack at once.
const UNPACKED_MAX: usize = 2 * 1024 * 1024;
/// Nothing is known yet: bodies are taken as incompressible.
const PER_MILLE: u32 = 1000;

/// What sending needs.
#[derive(Debug)]
pub(crate) struct Sender {
    outlet: Outlet,
    spill: Arc<dyn Spill>,
    level: CompressionLevel,
    metrics: Arc<IngressMetrics>,
    stored: Stored,
    shrinks_to: ShrinksTo,
}

/// A moving average of what bodies compress to, in thousandths of their length.
#[derive(Debug)]
struct ShrinksTo(AtomicU32);

impl Default for ShrinksTo {
    fn default() -> Self {
        Self(AtomicU32::new(PER_MILLE))
    }
}

impl ShrinksTo {
    fn note(&self, unpacked: usize, packed: usize) {
        let now = (packed.saturating_mul(PER_MILLE as usize) / unpacked.max(1)).clamp(1, PER_MILLE as usize);
        let before = self.0.load(Ordering::Relaxed);
        let now = u32::try_from(now).unwrap_or(PER_MILLE);
        // Two sends at once may overwrite each other's word; the next one puts that right.
        self.0.store((before * 3 + now).div_ceil(4), Ordering::Relaxed);
    }

    /// How many bytes of bodies make a pack of `packed` bytes.
    fn unpacked(&self, packed: usize) -> usize {
        let unpacked =
            packed.saturating_mul(PER_MILLE as usize) / self.0.load(Ordering::Relaxed).max(1) as usize;
        unpacked.clamp(packed, UNPACKED_MAX.max(packed))
    }
}

/// A request that waits for the queue's word on its pack.
struct Waiting {
    reply: oneshot::Sender<Fate>,
    by: Instant,
    permit: BytesPermit,
}

/// A pack that is ready, and whose requests are in it.
struct Ready {
    body: Bytes,
    waiting: Vec<Waiting>,
}

impl Sender {
    pub(crate) fn new(
        outlet: Outlet,
        spill: Arc<dyn Spill>,
        level: CompressionLevel,
        metrics: Arc<IngressMetrics>,
        stored: Stored,
    ) -> Self {
        Self { outlet, spill, level, metrics, stored, shrinks_to: ShrinksTo::default() }
    }

    /// How many bytes of bodies are expected to make a pack of `packed` bytes.
    pub(super) fn unpacked(&self, packed: usize) -> usize {
        self.shrinks_to.unpacked(packed)
    }

    /// Most bytes of bodies a pack may hold so that even incompressible ones fit the queue, header included.
    pub(super) fn pack_bytes_max(&self) -> usize {
        self.outlet.limits().message_bytes_max / 4 * 3
    }

    /// Sends packs in one call, those the queue could not take once more, and answers every request in them.
    pub(super) async fn send(self: Arc<Self>, packs: Vec<Vec<Entry>>) {
        let mut ready = Vec::with_capacity(packs.len());
        for entries in packs {
            self.make_ready(entries, &mut ready).await;
        }
        let waits = || ready.iter().flat_map(|pack| &pack.waiting).map(|waiting| waiting.by);
        let (Some(earliest), Some(latest)) = (waits().min(), waits().max()) else { return };
        let messages: Vec<Outgoing> = ready.iter().map(|pack| Outgoing::now(pack.body.clone())).collect();
        let mut ready: Vec<Option<Ready>> = ready.into_iter().map(Some).collect();
        let told = |place: usize, stored| {
            if let Some(pack) = ready[place].take() {
                if stored {
                    self.stored.add(pack.waiting.len() as u64);
                }
                tell(pack.waiting, if stored { Fate::Stored } else { Fate::Failed });
            }
        };
        self.outlet.put(&messages, (earliest, latest), told).await;
    }

    /// Makes packs of those requests whose time is not over: one, or several if they compress worse than expected.
    async fn make_ready(&self, entries: Vec<Entry>, ready: &mut Vec<Ready>) {
        let now = Instant::now();
        let (in_time, late): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.by > now);
        late.into_iter().for_each(|entry| reply(entry.reply, Fate::Late));
        let (requests, waiting): (Vec<_>, Vec<_>) = in_time
            .into_iter()
            .map(|Entry { request, permit, by, reply, .. }| (request, Waiting { reply, by, permit }))
            .unzip();
        let mut left = vec![(Pack { requests }, waiting)];
        while let Some((mut pack, mut waiting)) = left.pop() {
            let half = pack.requests.len() / 2;
            if half == 0 {
                ready.extend(self.make_one_ready(pack, waiting).await);
                continue;
            }
            let body = encode(&pack, self.level).await;
            if body.len() > self.outlet.limits().message_bytes_max {
                let rest = (Pack { requests: pack.requests.split_off(half) }, waiting.split_off(half));
                left.push(rest);
                left.push((pack, waiting));
                continue;
            }
            self.count(&pack, &body);
            ready.push(Ready { body, waiting });
        }
    }

    /// A pack of at most one request, spilled if it must be. What cannot be made to fit is answered here.
    async fn make_one_ready(&self, mut pack: Pack, waiting: Vec<Waiting>) -> Option<Ready> {
        let by = waiting.iter().map(|waiting| waiting.by).max()?;
        let limit = self.outlet.limits().message_bytes_max;
        match timeout_at(by, fit(&mut pack, self.level, limit, &*self.spill)).await {
            Ok(Ok(body)) => {
                self.count(&pack, &body);
                Some(Ready { body, waiting })
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot make a pack fit the queue");
                tell(waiting, Fate::Failed);
                None
            }
            Err(_) => {
                tell(waiting, Fate::Late);
                None
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "histograms; counts and sizes are far below 2^52")]
    fn count(&self, pack: &Pack, packed: &Bytes) {
        self.metrics.pack_requests.record(pack.requests.len() as f64);
        self.metrics.pack_bytes.record(packed.len() as f64);
        let (inline, spilled): (Vec<_>, Vec<_>) = pack.requests.iter().partition(|r| inline_len(r).is_some());
        self.metrics.spilled.increment(spilled.len() as u64);
        self.shrinks_to.note(inline.into_iter().filter_map(inline_len).sum(), packed.len());
    }
}

/// How long its body is, if that is here.
pub(super) fn inline_len(request: &PackedRequest) -> Option<usize> {
    request.body.inline().map(Bytes::len)
}

fn tell(waiting: Vec<Waiting>, fate: Fate) {
    for Waiting { reply: to, permit, .. } in waiting {
        reply(to, fate);
        drop(permit);
    }
}

/// Nobody waits any more when the caller went away or its time was over; that changes nothing here.
fn reply(to: oneshot::Sender<Fate>, fate: Fate) {
    to.send(fate).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_hold_more_the_better_bodies_compress_within_bounds() {
        let shrinks = ShrinksTo::default();
        assert_eq!(shrinks.unpacked(100_000), 100_000, "nothing is known yet");
        (0..50).for_each(|_| shrinks.note(500_000, 100_000));
        let unpacked = shrinks.unpacked(100_000);
        assert!((480_000..=500_000).contains(&unpacked), "{unpacked}");
        (0..50).for_each(|_| shrinks.note(1_000_000, 1_000));
        assert_eq!(shrinks.unpacked(100_000), UNPACKED_MAX);
        (0..50).for_each(|_| shrinks.note(1_000, 1_100));
        assert_eq!(shrinks.unpacked(100_000), 100_000);
    }
}
