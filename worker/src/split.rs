//! Message → requests → items: unpacks, reads tolerantly, and finds each item's way. What needs no call gets its
//! outcome here.

mod audience;
mod plan;
mod request;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use penstock_shared::{
    clock::Clock,
    ids::Address,
    pack::{Pack, PackError, PackedBody, PackedRequest, Pending, PendingItem},
    partner::Partner,
    spill::{Spill, SpillError},
};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};

use crate::{
    credentials::Credentials,
    in_flight::{InFlight, Received, Slot},
    intake::ByteBudget,
    item::LaneItem,
    lanes::LaneKey,
    ledger::Ledger,
    mapping::Program,
    outcome::{Outcome, RejectReason, RetryReason},
    subscriptions::Subscriptions,
};
use plan::Plan;
pub(crate) use plan::{LaneDraft, Planned};

/// What splitting needs.
#[derive(Debug)]
pub(crate) struct Splitter {
    pub(crate) program: Arc<Program>,
    pub(crate) partner: Arc<Partner>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) spill: Arc<dyn Spill>,
    pub(crate) clock: Clock,
    pub(crate) ledger: Arc<Ledger>,
    /// Memory for spilled bodies, which the queue's own messages do not tell of.
    pub(crate) spilled_bytes: ByteBudget,
    /// Memory for mapped items: a mapping may make much of little.
    pub(crate) mapped_bytes: ByteBudget,
}

fn spilled_len(pack: &Pack) -> usize {
    let spilled = pack.requests.iter().map(|request| match request.body {
        PackedBody::Inline(_) => 0,
        PackedBody::Spilled { bytes, .. } => bytes,
    });
    usize::try_from(spilled.sum::<u64>()).unwrap_or(usize::MAX)
}

/// An item on its way to its lane.
pub(crate) type Laned = (LaneKey, LaneItem);

/// Splits messages, `jobs_max` at once, until the input closes and all are split.
pub(crate) async fn run(
    splitter: Arc<Splitter>,
    jobs_max: usize,
    mut received: mpsc::Receiver<Received>,
    to_lanes: mpsc::Sender<Laned>,
    to_settle: mpsc::Sender<Arc<InFlight>>,
) -> Result<(), JoinError> {
    let mut jobs = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = jobs.join_next() => done?,
            message = received.recv(), if jobs.len() < jobs_max => {
                let Some(message) = message else { break };
                let (splitter, to_lanes, to_settle) = (splitter.clone(), to_lanes.clone(), to_settle.clone());
                jobs.spawn(async move { splitter.split(message, &to_lanes, to_settle).await });
            }
        }
    }
    while let Some(done) = jobs.join_next().await {
        done?;
    }
    Ok(())
}

impl Splitter {
    async fn split(
        &self,
        message: Received,
        to_lanes: &mpsc::Sender<Laned>,
        to_settle: mpsc::Sender<Arc<InFlight>>,
    ) {
        let mut message = message;
        let (requests, plans) = match Pack::decode(&message.body) {
            Ok(pack) => {
                message.permits.push(self.spilled_bytes.take(spilled_len(&pack)).await);
                let mut plans = Vec::with_capacity(pack.requests.len());
                for request in &pack.requests {
                    plans.push(self.plan(request).await);
                }
                (pack.requests, plans)
            }
            // Written by a newer ingress: a worker that can read it will. The message comes back by itself.
            Err(error @ (PackError::UnknownVersion(_) | PackError::UnknownCodec(_))) => {
                tracing::error!(%error, "a message is left to a newer worker");
                return;
            }
            Err(error) => {
                let request = self.unreadable_pack(&message);
                (
                    vec![request],
                    vec![Plan::whole(Outcome::rejected(RejectReason::PackUnreadable, error.to_string()))],
                )
            }
        };
        let (mut slots, mut first_seen) = (Vec::new(), 0);
        let mut laned = Vec::new();
        for (request, plan) in plans.into_iter().enumerate() {
            for item in plan.items {
                first_seen += usize::from(item.is_first_seen);
                let outcome = match item.planned {
                    Planned::Outcome(outcome) => Some(outcome),
                    Planned::Lane(lane) => {
                        laned.push(lane);
                        None
                    }
                };
                slots.push(Slot { request, pending: item.pending, outcome });
            }
        }
        // One message takes each budget once, and in this order, so no two wait for each other.
        let mapped = laned.iter().map(|lane| lane.json.len()).sum();
        message.permits.push(self.mapped_bytes.take(mapped).await);
        let held = self.ledger.received(slots.len(), first_seen);
        let tickets = InFlight::open(message, requests, slots, held, to_settle);
        for (ticket, lane) in tickets.into_iter().zip(laned) {
            let (key, item) = lane.with_ticket(ticket);
            if to_lanes.send((key, item)).await.is_err() {
                return;
            }
        }
    }

    async fn plan(&self, request: &PackedRequest) -> Plan {
        match self.body(&request.body).await {
            Ok(body) => self.plan_request(request, body).await,
            Err(error) => {
                let outcome = match error {
                    SpillError::Missing => Outcome::rejected(RejectReason::SpillMissing, error.to_string()),
                    SpillError::Unavailable(_) => Outcome::retry(RetryReason::StoreUnavailable),
                };
                Plan::same_for_all(request, &outcome)
            }
        }
    }

    async fn body(&self, body: &PackedBody) -> Result<Bytes, SpillError> {
        match body {
            PackedBody::Inline(body) => Ok(body.clone()),
            PackedBody::Spilled { key, .. } => self.spill.get(key).await,
        }
    }

    /// Keeps what cannot be unpacked as the body of a request of no known kind, so that it can be looked at.
    fn unreadable_pack(&self, message: &Received) -> PackedRequest {
        PackedRequest {
            pod: self.ledger.pod.clone(),
            kind: None,
            id: None,
            account: penstock_shared::ids::AccountId::Unknown,
            received_at_ms: self.clock.now_ms(),
            trace: None,
            body: PackedBody::Inline(message.body.clone()),
            pending: Pending::Items(vec![PendingItem::untried(Address::Whole)]),
        }
    }

    /// How old an item is: since receipt, or since it was redriven.
    fn age(&self, request: &PackedRequest, pending: &PendingItem) -> Duration {
        let since = pending.redriven_at_ms.unwrap_or(request.received_at_ms);
        Duration::from_millis(u64::try_from(self.clock.now_ms().saturating_sub(since)).unwrap_or(0))
    }
}
