//! What the worker would send for some messages, without sending it: the same reading, routing, mapping and batching,
//! with every gate open and every audience taken as connected.

mod store;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use metrics::Counter;
use penstock_shared::{
    clock::Clock,
    firehose,
    ids::{AccountId, Address, ItemKey, Pod},
    pack::{PackedBody, PackedRequest, Pending},
    partner::Partner,
    spill::{Spill, SpillError, SpillKey},
    telemetry::WorkerMetrics,
};
use tokio::time::Instant;

use self::store::EveryAudience;
use crate::{
    call,
    credentials::{Credentials, SuspendConfig},
    destination::Call,
    gates::Admission,
    intake::ByteBudget,
    lanes::{LaneConfig, LaneKey, Lanes, Turn, Weigh},
    ledger::Ledger,
    mapping::Program,
    outcome::Outcome,
    split::{LaneDraft, LaterPacks, Planned, Splitter},
    subscriptions::Subscriptions,
};

/// What would become of some messages.
#[derive(Debug, Default)]
pub struct Preview {
    /// The calls, in the order they would be made.
    pub calls: Vec<PreviewedCall>,
    /// Items that are in none of them.
    pub unsent: Vec<Unsent>,
}

/// A call and where its items come from.
#[derive(Debug)]
pub struct PreviewedCall {
    /// The request, exactly.
    pub call: Call,
    /// Its items, in order.
    pub items: Vec<Origin>,
    /// Values of confidential settings, to be masked wherever the call is shown.
    pub secrets: Vec<String>,
}

/// Where an item comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The message's name, as it was given.
    pub message: String,
    /// Where it stands in the message.
    pub address: Address,
    /// Its idempotency key, for an item that is sent.
    pub key: Option<ItemKey>,
}

/// An item that is in no call, and why.
#[derive(Debug)]
pub struct Unsent {
    /// Which.
    pub origin: Origin,
    /// `filtered`, `retry` or `rejected`, and the reason.
    pub outcome: &'static str,
    /// The reason's word.
    pub reason: &'static str,
    /// More about it; may be empty.
    pub detail: String,
}

struct PreviewItem {
    draft: LaneDraft,
    origin: Origin,
    secrets: Vec<String>,
}

impl Weigh for PreviewItem {
    fn bytes(&self) -> usize {
        self.draft.json.len() + 1
    }
}

/// Goes through the messages as if each had been received at `now_ms`.
pub async fn preview(
    partner: &Arc<Partner>,
    program: &Arc<Program>,
    pod: &Pod,
    messages: &[(String, Bytes)],
    now_ms: i64,
) -> Preview {
    let splitter = splitter(partner, program, pod, now_ms);
    let begun = Instant::now();
    let config = LaneConfig { hold_max: Duration::MAX / 4, lane_items_max: usize::MAX };
    let mut lanes = Lanes::new(config, program.batches());
    let mut preview = Preview::default();
    for (name, body) in messages {
        let plan = splitter.plan_request(&packed(pod, body, now_ms), body.clone()).await;
        let secrets = secrets(partner, body);
        for item in plan.items {
            let mut origin = Origin { message: name.clone(), address: item.pending.address, key: None };
            match item.planned {
                Planned::Outcome(outcome) => preview.unsent.push(unsent(origin, &outcome)),
                Planned::Lane(draft) => {
                    origin.key = Some(draft.key.clone());
                    let lane = draft.lane.clone();
                    let item = PreviewItem { draft, origin, secrets: secrets.clone() };
                    // A lane without a bound takes every item.
                    let _full = lanes.push(&lane, item, begun);
                }
            }
        }
    }
    let later = begun + Duration::from_secs(86_400);
    while let Some(Turn::Go(batch)) = lanes.next(later, |_| Admission::Go) {
        add_call(&mut preview, partner, program, &batch.key, batch.items);
    }
    preview
}

fn add_call(
    preview: &mut Preview,
    partner: &Partner,
    program: &Program,
    lane: &LaneKey,
    items: Vec<PreviewItem>,
) {
    let parts: Vec<_> = items.iter().map(|item| (&item.draft.key, &item.draft.json)).collect();
    match call::render(partner, program, lane, &items[0].draft.call, &parts) {
        Ok(call) => {
            let secrets = items[0].secrets.clone();
            preview.calls.push(PreviewedCall {
                call,
                items: items.into_iter().map(|item| item.origin).collect(),
                secrets,
            });
        }
        Err(error) => {
            let outcome = Outcome::rejected(crate::outcome::RejectReason::MappingFailed, error.to_string());
            preview.unsent.extend(items.into_iter().map(|item| unsent(item.origin, &outcome)));
        }
    }
}

fn unsent(origin: Origin, outcome: &Outcome) -> Unsent {
    let (outcome, reason, detail) = match outcome {
        Outcome::Delivered => ("delivered", "", String::new()),
        Outcome::Filtered(reason) => ("filtered", reason.label(), String::new()),
        Outcome::Retry { reason, .. } => ("retry", reason.label(), String::new()),
        Outcome::Rejected { reason, detail } => ("rejected", reason.label(), detail.clone()),
    };
    Unsent { origin, outcome, reason, detail }
}

fn splitter(partner: &Arc<Partner>, program: &Arc<Program>, pod: &Pod, now_ms: i64) -> Splitter {
    let clock = Clock::starting_at(now_ms);
    let store = Arc::new(EveryAudience::new(program));
    let never = SuspendConfig { refusals: 0, over: Duration::ZERO };
    let credentials = Credentials::new(store.clone(), pod.clone(), clock, partner, never);
    let captures = program.calls().any(|call| !call.capture.is_empty());
    Splitter {
        program: program.clone(),
        partner: partner.clone(),
        subscriptions: Arc::new(Subscriptions::new(store, clock, captures, Duration::ZERO, Duration::ZERO)),
        credentials: Arc::new(credentials),
        spill: Arc::new(NoSpill),
        clock,
        ledger: Arc::new(Ledger::new(pod.clone(), WorkerMetrics::new())),
        later_packs: LaterPacks::new(Counter::noop()),
        spilled_bytes: ByteBudget::new(usize::MAX),
        mapped_bytes: ByteBudget::new(usize::MAX),
    }
}

fn packed(pod: &Pod, body: &Bytes, now_ms: i64) -> PackedRequest {
    let sorted = firehose::sort(body).ok();
    PackedRequest {
        pod: pod.clone(),
        kind: sorted.as_ref().map(|sorted| sorted.kind),
        id: sorted.as_ref().and_then(|sorted| sorted.id.clone()),
        account: sorted.as_ref().map_or(AccountId::Unknown, |sorted| sorted.account),
        received_at_ms: now_ms,
        trace: None,
        body: PackedBody::Inline(body.clone()),
        pending: Pending::All,
    }
}

/// The values of the account's confidential settings.
fn secrets(partner: &Partner, body: &Bytes) -> Vec<String> {
    let Ok(request) = firehose::read(body) else { return Vec::new() };
    let confidential = partner.account_settings.iter().filter(|setting| setting.confidential);
    let values = confidential.filter_map(|setting| request.account.text(&setting.id));
    values.filter(|value| value.len() >= 3).map(str::to_owned).collect()
}

/// Messages come from files, so nothing was ever spilled.
#[derive(Debug)]
struct NoSpill;

#[async_trait::async_trait]
impl Spill for NoSpill {
    async fn put(&self, _: &SpillKey, _: Bytes) -> Result<(), SpillError> {
        Err(SpillError::Unavailable("a preview stores nothing".to_owned()))
    }
    async fn get(&self, _: &SpillKey) -> Result<Bytes, SpillError> {
        Err(SpillError::Missing)
    }
    async fn delete(&self, _: &SpillKey) -> Result<(), SpillError> {
        Ok(())
    }
}
