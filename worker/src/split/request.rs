//! One request: read, item by item, and each item's way.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::digest;
use bytes::Bytes;
use penstock_shared::{
    firehose::{self, Dsr, DsrType, Item, ItemContent, Request},
    ids::{Address, ItemIdentity, ItemKey},
    pack::PackedRequest,
    partner::{Setting, Takes},
};

use super::{
    Splitter,
    audience::superseded,
    plan::{LaneDraft, Plan, Planned, Selection, Wanted},
};
use crate::{
    credentials::Origin,
    item::{CallContext, SubscriptionDuty},
    lanes::LaneKey,
    mapping::{Context, RequestContext, context},
    outcome::{FilterReason, Outcome, RejectReason, RetryReason},
    route::{self, Routed},
};

/// Items planned before other tasks get their turn: mapping is work without a pause of its own.
const YIELD_EVERY: usize = 16;

/// How far ahead of us a sender's clock may be; a later time would keep every later change out (protocol.md trap 35).
const AHEAD_MAX_MS: i64 = 24 * 60 * 60 * 1000;

/// A request being planned.
pub(super) struct Planning<'a> {
    pub(super) packed: &'a PackedRequest,
    pub(super) body: Bytes,
    pub(super) request: &'a Request,
    pub(super) context: RequestContext,
    pub(super) settings: u64,
    pub(super) origin: Option<Origin>,
    pub(super) message_ms: i64,
}

impl Splitter {
    pub(crate) async fn plan_request(&self, packed: &PackedRequest, body: Bytes) -> Plan {
        let request = match firehose::read(&body) {
            Ok(request) => request,
            Err(error) => {
                let outcome = Outcome::rejected(RejectReason::Unreadable, error.reason.to_string());
                return Plan::same_for_all(packed, &outcome);
            }
        };
        if let Some(setting) =
            self.partner.account_settings.iter().find(|setting| is_missing(setting, &request))
        {
            let outcome = Outcome::rejected(
                RejectReason::SettingMissing,
                format!("the setting `{}` is missing or blank", setting.id),
            );
            return self.plan_same(packed, &request, &outcome);
        }
        let planning = Planning {
            packed,
            context: RequestContext::new(&request, &self.partner, &packed.pod, packed.received_at_ms),
            body,
            request: &request,
            settings: fingerprint(&request),
            origin: self.credentials.arrived(&packed.pod, &request.account, packed.received_at_ms),
            message_ms: message_ms(&request, packed),
        };
        self.plan_items(&planning).await
    }

    /// The same outcome for each item that is to be done.
    fn plan_same(&self, packed: &PackedRequest, request: &Request, outcome: &Outcome) -> Plan {
        let selection = Selection::of(packed);
        let mut plan = Plan::default();
        for wanted in request.items.iter().filter_map(|item| selection.wanted(item.address)) {
            plan.add(&wanted, Planned::Outcome(outcome.clone()));
        }
        if self.has_profile_beside_events(request)
            && let Some(wanted) = selection.wanted(Address::Profile)
        {
            plan.add(&wanted, Planned::Outcome(outcome.clone()));
        }
        for wanted in selection.left_of(&plan) {
            plan.add(&wanted, Planned::Outcome(outcome.clone()));
        }
        plan
    }

    async fn plan_items(&self, planning: &Planning<'_>) -> Plan {
        let selection = Selection::of(planning.packed);
        let superseded = superseded(planning.request);
        let mut seen: BTreeMap<String, ()> = BTreeMap::new();
        let mut plan = Plan::default();
        for (n, item) in planning.request.items.iter().enumerate() {
            if n % YIELD_EVERY == 0 {
                tokio::task::yield_now().await;
            }
            // All are looked at, wanted or not: a change that is done already still supersedes an earlier one.
            let duplicate = own_id(item).is_some_and(|id| seen.insert(id.to_owned(), ()).is_some());
            let Some(wanted) = selection.wanted(item.address) else { continue };
            let planned = if duplicate {
                Planned::Outcome(Outcome::Filtered(FilterReason::Duplicate))
            } else if superseded.contains(&item.address) {
                Planned::Outcome(Outcome::Filtered(FilterReason::Superseded))
            } else {
                self.plan_item(planning, item, &wanted).await
            };
            plan.add(&wanted, planned);
        }
        self.plan_profile_beside_events(planning, &selection, &mut plan).await;
        self.plan_implied(planning, &selection, &mut plan).await;
        // What an earlier version of the file, or of us, made an item is none any more: it must not vanish uncounted.
        for wanted in selection.left_of(&plan) {
            let outcome = match wanted.item.address {
                Address::Profile | Address::ImpliedSubscription(..) => {
                    Outcome::Filtered(FilterReason::NoRoute)
                }
                _ => Outcome::rejected(RejectReason::Unreadable, "the request has no such item"),
            };
            plan.add(&wanted, Planned::Outcome(outcome));
        }
        plan
    }

    pub(super) async fn plan_item(&self, planning: &Planning<'_>, item: &Item, wanted: &Wanted) -> Planned {
        if wanted.item.not_before_ms > self.clock.now_ms() {
            let after = Some(self.clock.until(wanted.item.not_before_ms));
            return Planned::Outcome(Outcome::Retry { reason: RetryReason::NotDue, after });
        }
        let content = match &item.content {
            Ok(content) => content,
            Err(error) => {
                return Planned::Outcome(Outcome::rejected(
                    RejectReason::Unreadable,
                    error.reason.to_string(),
                ));
            }
        };
        match content {
            ItemContent::BareProfile => Planned::Outcome(Outcome::Filtered(FilterReason::NoAudiences)),
            ItemContent::Event(event) => {
                let key = self.key(planning, item.address, event.id.as_deref(), &item.raw);
                let mut variables = planning.context.item(&key, "event", wanted.item.attempts + 1);
                context::event(&mut variables, event);
                self.lane(planning, Takes::Event, key, variables, &item.raw, None)
            }
            ItemContent::Profile => self.plan_profile(planning, item.address, &item.raw, wanted),
            ItemContent::Membership(membership) => {
                self.plan_membership(planning, item, membership, wanted).await
            }
            ItemContent::Subscription(change) => self.plan_subscription(planning, item, change, wanted).await,
            ItemContent::Dsr(dsr) => self.plan_dsr(planning, item, dsr, wanted),
        }
    }

    fn plan_profile(
        &self,
        planning: &Planning<'_>,
        address: Address,
        raw: &Bytes,
        wanted: &Wanted,
    ) -> Planned {
        let key = self.key(planning, address, None, raw);
        let variables = planning.context.item(&key, "profile", wanted.item.attempts + 1);
        self.lane(planning, Takes::Profile, key, variables, raw, None)
    }

    fn has_profile_beside_events(&self, request: &Request) -> bool {
        let is_item_already = request.items.iter().any(|item| item.address == Address::Profile);
        !is_item_already && request.has_user_data() && route::takes(&self.program, Takes::Profile)
    }

    /// The user's data is an item of its own beside the events of the batch, where a route takes profiles.
    async fn plan_profile_beside_events(
        &self,
        planning: &Planning<'_>,
        selection: &Selection<'_>,
        plan: &mut Plan,
    ) {
        if !self.has_profile_beside_events(planning.request) {
            return;
        }
        if let Some(wanted) = selection.wanted(Address::Profile) {
            let raw = planning.body.clone();
            let item = Item { address: Address::Profile, raw, content: Ok(ItemContent::Profile) };
            let planned = self.plan_item(planning, &item, &wanted).await;
            plan.add(&wanted, planned);
        }
    }

    /// A data subject request is never filtered: what nobody takes is for a person to see (protocol.md 3.5).
    fn plan_dsr(&self, planning: &Planning<'_>, item: &Item, dsr: &Dsr, wanted: &Wanted) -> Planned {
        let reject = |detail: &str| Planned::Outcome(Outcome::rejected(RejectReason::UnhandledDsr, detail));
        if !matches!(dsr.request_type, DsrType::Erasure) {
            return reject("the data subject request is no erasure");
        }
        let key = self.key(planning, item.address, None, &item.raw);
        let mut variables = planning.context.item(&key, "erasure", wanted.item.attempts + 1);
        context::dsr(&mut variables, dsr);
        match self.lane(planning, Takes::Erasure, key, variables, &item.raw, None) {
            Planned::Outcome(Outcome::Filtered(FilterReason::NoRoute)) => reject("no route takes erasures"),
            planned => planned,
        }
    }

    pub(super) fn key(
        &self,
        planning: &Planning<'_>,
        address: Address,
        own_id: Option<&str>,
        raw: &[u8],
    ) -> ItemKey {
        ItemKey::new(ItemIdentity {
            pod: &planning.packed.pod,
            account: planning.request.account.id,
            own_id,
            request_id: planning.request.id.as_deref(),
            request_ms: planning.request.timestamp_ms,
            address,
            raw,
        })
    }

    pub(super) fn lane(
        &self,
        planning: &Planning<'_>,
        takes: Takes,
        key: ItemKey,
        variables: Context,
        raw: &Bytes,
        subscription: Option<SubscriptionDuty>,
    ) -> Planned {
        match route::route(&self.program, takes, variables, raw) {
            Ok(Routed::Filtered(reason)) => Planned::Outcome(Outcome::Filtered(reason)),
            Ok(Routed::Call { route, group, group_text, json }) => {
                let lane = LaneKey {
                    pod: planning.packed.pod.clone(),
                    account: planning.request.account.id,
                    route,
                    settings: planning.settings,
                    group: group_text,
                };
                let call = CallContext {
                    settings: planning.context.settings(),
                    account: planning.context.account(),
                    group,
                    origin: planning.origin,
                };
                Planned::Lane(LaneDraft { lane, key, json, call: Arc::new(call), subscription })
            }
            Err(error) => Planned::Outcome(Outcome::rejected(RejectReason::MappingFailed, error.to_string())),
        }
    }
}

pub(super) fn store_failed(error: &penstock_shared::subscription::StoreError) -> Outcome {
    tracing::warn!(%error, "the subscription store did not answer; the item waits");
    Outcome::retry(RetryReason::StoreUnavailable)
}

/// When the request was made; when it was received if it does not say, or says a day in the future.
fn message_ms(request: &Request, packed: &PackedRequest) -> i64 {
    let plausible = |ms: &i64| *ms <= packed.received_at_ms.saturating_add(AHEAD_MAX_MS);
    request.timestamp_ms.filter(plausible).unwrap_or(packed.received_at_ms)
}

/// A required setting of the account that is missing or blank (protocol.md trap 38).
fn is_missing(setting: &Setting, request: &Request) -> bool {
    let value = request.account.settings.get(&setting.id).and_then(|value| value.as_deref());
    setting.required && setting.default.is_none() && value.is_none_or(|value| value.trim().is_empty())
}

/// Tells apart messages of one account whose settings differ in anything that an expression can see, so that they never
/// share a call (protocol.md trap 39).
fn fingerprint(request: &Request) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    let sorted: BTreeMap<_, _> = request.account.settings.iter().collect();
    for (name, value) in sorted {
        for part in [Some(name.as_str()), value.as_deref()] {
            context.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            context.update(part.unwrap_or_default().as_bytes());
        }
    }
    let digest = context.finish();
    u64::from_be_bytes(digest.as_ref()[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
}

/// The event's own id; two events with one id have one effect (protocol.md trap 45).
fn own_id(item: &Item) -> Option<&str> {
    match &item.content {
        Ok(ItemContent::Event(event)) => event.id.as_deref(),
        _ => None,
    }
}
