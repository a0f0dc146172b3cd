//! Sends packs to the queue and tells each request what became of it.

use std::{sync::Arc, time::Duration};

use penstock_shared::{
    pack::{CompressionLevel, Pack, PackedBody, fit},
    queue::{Outgoing, Queue, QueueError},
    spill::Spill,
    telemetry::IngressMetrics,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};

use super::{Entry, Fate};
use crate::{body::BytesPermit, health::Health};

/// A second try is made only if this much of the budget is left for it.
const SECOND_TRY: Duration = Duration::from_millis(20);

/// What sending needs.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) spill: Arc<dyn Spill>,
    pub(crate) level: CompressionLevel,
    pub(crate) send_timeout: Duration,
    pub(crate) metrics: Arc<IngressMetrics>,
    pub(crate) health: Arc<Health>,
}

/// A request that waits for the queue's word on its pack.
struct Waiting {
    reply: oneshot::Sender<Fate>,
    by: Instant,
    permit: BytesPermit,
}

/// A pack that is ready, and whose requests are in it.
struct Ready {
    message: Outgoing,
    waiting: Vec<Waiting>,
    stored: bool,
    again: bool,
}

impl Ready {
    /// When the last of its requests gives up.
    fn by(&self) -> Instant {
        self.waiting.iter().map(|waiting| waiting.by).max().expect("a pack is never empty")
    }
}

impl Sender {
    /// Most bytes of bodies a pack may hold so that even incompressible ones fit the queue, header included.
    pub(super) fn pack_bytes_max(&self) -> usize {
        self.queue.limits().message_bytes_max / 4 * 3
    }

    /// Sends packs in one call, those the queue could not take once more, and answers every request in them.
    pub(super) async fn send(self: Arc<Self>, packs: Vec<Vec<Entry>>) {
        let mut ready = Vec::with_capacity(packs.len());
        for entries in packs {
            if let Some(pack) = self.make_ready(entries).await {
                ready.push(pack);
            }
        }
        self.put(&mut ready, self.send_timeout).await;
        let now = Instant::now();
        for pack in &mut ready {
            pack.again &= pack.by() > now + SECOND_TRY;
        }
        let (mut again, done): (Vec<Ready>, Vec<Ready>) = ready.into_iter().partition(|pack| pack.again);
        done.into_iter().for_each(tell);
        if let Some(by) = again.iter().map(Ready::by).max() {
            self.put(&mut again, by.duration_since(Instant::now()).min(self.send_timeout)).await;
            again.into_iter().for_each(tell);
        }
    }

    /// Encodes a pack of those requests whose time is not over. What cannot be made to fit is answered here.
    async fn make_ready(&self, entries: Vec<Entry>) -> Option<Ready> {
        let now = Instant::now();
        let (in_time, late): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.by > now);
        late.into_iter().for_each(|entry| reply(entry.reply, Fate::Late));
        let (requests, waiting): (Vec<_>, Vec<_>) = in_time
            .into_iter()
            .map(|Entry { request, permit, by, reply }| (request, Waiting { reply, by, permit }))
            .unzip();
        let by = waiting.iter().map(|waiting| waiting.by).max()?;
        let mut pack = Pack { requests };
        let fitted =
            timeout_at(by, fit(&mut pack, self.level, self.queue.limits().message_bytes_max, &*self.spill))
                .await;
        let body = match fitted {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot make a pack fit the queue");
                waiting.into_iter().for_each(|waiting| reply(waiting.reply, Fate::Failed));
                return None;
            }
            Err(_) => {
                waiting.into_iter().for_each(|waiting| reply(waiting.reply, Fate::Late));
                return None;
            }
        };
        self.count(&pack, body.len());
        Some(Ready { message: Outgoing::now(body), waiting, stored: false, again: false })
    }

    #[expect(clippy::cast_precision_loss, reason = "histograms; counts and sizes are far below 2^52")]
    fn count(&self, pack: &Pack, bytes: usize) {
        self.metrics.pack_requests.record(pack.requests.len() as f64);
        self.metrics.pack_bytes.record(bytes as f64);
        let spilled =
            pack.requests.iter().filter(|request| matches!(request.body, PackedBody::Spilled { .. }));
        self.metrics.spilled.increment(spilled.count() as u64);
    }

    /// One call of the queue, and its word on each pack.
    async fn put(&self, packs: &mut [Ready], longest: Duration) {
        if packs.is_empty() {
            return;
        }
        let messages: Vec<Outgoing> = packs.iter().map(|pack| pack.message.clone()).collect();
        let no_word = || Err(QueueError::OutcomeUnknown(format!("no answer within {longest:?}")));
        let results = match timeout(longest, self.queue.send(&messages)).await {
            Ok(results) => results,
            Err(_) => messages.iter().map(|_| no_word()).collect(),
        };
        // One pack refused says nothing of the queue; none stored does.
        self.health.note_queue(results.iter().any(Result::is_ok));
        let results = results.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        for (pack, result) in packs.iter_mut().zip(results) {
            let result = result.unwrap_or_else(no_word);
            pack.stored = result.is_ok();
            // What may be stored already is not sent again: the caller's next try is duplicate enough.
            pack.again = matches!(result, Err(QueueError::Unavailable(_)));
            if let Err(error) = result {
                tracing::debug!(%error, requests = pack.waiting.len(), "the queue did not store a pack");
            }
        }
    }
}

fn tell(pack: Ready) {
    let fate = if pack.stored { Fate::Stored } else { Fate::Failed };
    for Waiting { reply: to, permit, .. } in pack.waiting {
        reply(to, fate);
        drop(permit);
    }
}

/// Nobody waits any more when the caller went away or its time was over; that changes nothing here.
fn reply(to: oneshot::Sender<Fate>, fate: Fate) {
    to.send(fate).ok();
}
