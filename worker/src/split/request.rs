//! One request: read, item by item, and each item's way.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::digest;
use bytes::Bytes;
use penstock_shared::{
    firehose::{
        self, AudienceAction, Dsr, DsrType, Item, ItemContent, Membership, Request, SubscriptionAction,
        SubscriptionRequest,
    },
    ids::{AccountId, Address, ItemIdentity, ItemKey},
    mint::mint,
    pack::PackedRequest,
    partner::{Setting, SettingKind, Takes},
    subscription::{Subscription, SubscriptionChange, SubscriptionKey, SubscriptionState},
};

use super::{
    Splitter,
    plan::{LaneDraft, Plan, Planned, Selection, Wanted},
};
use crate::{
    item::{CallContext, DutyKind, SubscriptionDuty},
    lanes::LaneKey,
    mapping::{Context, RequestContext, context},
    outcome::{FilterReason, Outcome, RejectReason, RetryReason},
    route::{self, Routed},
    subscriptions::Standing,
};

/// A request being planned.
struct Planning<'a> {
    packed: &'a PackedRequest,
    body: Bytes,
    request: &'a Request,
    context: RequestContext,
    settings: u64,
    message_ms: i64,
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
            message_ms: request.timestamp_ms.unwrap_or(packed.received_at_ms),
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
        for item in &planning.request.items {
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

    async fn plan_item(&self, planning: &Planning<'_>, item: &Item, wanted: &Wanted) -> Planned {
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

    /// The user's data is an item of its own beside the events of the batch, where a route takes profiles.
    async fn plan_profile_beside_events(
        &self,
        planning: &Planning<'_>,
        selection: &Selection<'_>,
        plan: &mut Plan,
    ) {
        let request = planning.request;
        let is_item_already = request.items.iter().any(|item| item.address == Address::Profile);
        if is_item_already || !request.has_user_data() || !route::takes(&self.program, Takes::Profile) {
            return;
        }
        if let Some(wanted) = selection.wanted(Address::Profile) {
            let raw = planning.body.clone();
            let item = Item { address: Address::Profile, raw, content: Ok(ItemContent::Profile) };
            let planned = self.plan_item(planning, &item, &wanted).await;
            plan.add(&wanted, planned);
        }
    }

    async fn plan_membership(
        &self,
        planning: &Planning<'_>,
        item: &Item,
        membership: &Membership,
        wanted: &Wanted,
    ) -> Planned {
        let stored = if route::needs_subscriptions(&self.program) {
            match self.standing(planning, membership, wanted).await {
                Ok(stored) => Some(stored),
                Err(outcome) => return Planned::Outcome(outcome),
            }
        } else {
            None
        };
        if let Some(outcome) = self.lacking(membership, stored.as_ref()) {
            return Planned::Outcome(outcome);
        }
        let key = self.key(planning, item.address, None, &item.raw);
        let mut variables = planning.context.item(&key, "membership", wanted.item.attempts + 1);
        let defaults = &self.partner.subscription_settings;
        context::membership(&mut variables, membership, defaults, planning.message_ms, stored.as_ref());
        self.lane(planning, Takes::Membership, key, variables, &item.raw, None)
    }

    /// A setting of the audience's connection that is required and missing, or not what it was declared as: that
    /// entry alone fails (protocol.md trap 79).
    fn lacking(&self, membership: &Membership, stored: Option<&Subscription>) -> Option<Outcome> {
        if !route::takes(&self.program, Takes::Membership) {
            return None;
        }
        let value = |id: &str| {
            let own = membership.settings.get(id).and_then(|value| value.as_deref());
            let stored = || stored?.settings.get(id)?.as_deref();
            own.filter(|text| !text.trim().is_empty()).or_else(stored).map(str::trim).unwrap_or_default()
        };
        let problem = |setting: &Setting| match (value(&setting.id), setting.kind) {
            ("", _) => (setting.required && setting.default.is_none()).then_some("is missing or blank"),
            (text, SettingKind::Integer) => text.parse::<i64>().is_err().then_some("is no integer"),
            (text, SettingKind::Float) => {
                text.parse::<f64>().map_or(true, |number| !number.is_finite()).then_some("is no number")
            }
            (_, SettingKind::Text | SettingKind::Boolean) => None,
        };
        let (id, problem) = (self.partner.subscription_settings.iter())
            .find_map(|setting| Some((&setting.id, problem(setting)?)))?;
        Some(Outcome::rejected(
            RejectReason::SettingMissing,
            format!("the audience's setting `{id}` {problem}"),
        ))
    }

    async fn standing(
        &self,
        planning: &Planning<'_>,
        membership: &Membership,
        wanted: &Wanted,
    ) -> Result<Subscription, Outcome> {
        let key = subscription_key(planning, membership.audience_id);
        let age = self.age(planning.packed, &wanted.item);
        let standing = self.subscriptions.standing(&key, planning.message_ms, age).await;
        match standing.map_err(|error| store_failed(&error))? {
            Standing::Ready(stored) => Ok(*stored),
            Standing::Removed => Err(Outcome::Filtered(FilterReason::Removed)),
            Standing::Imply if !self.subscriptions.captures => {
                let change = implied_change(key, membership, planning.message_ms);
                let applied =
                    self.subscriptions.store.apply(&change).await.map_err(|error| store_failed(&error))?;
                Ok(applied.current)
            }
            Standing::Await | Standing::Imply => Err(Outcome::retry(RetryReason::AwaitingSubscription)),
        }
    }

    /// Subscriptions made up from memberships that have waited long enough, one for each audience; and those that
    /// were made up before and are still to be done.
    async fn plan_implied(&self, planning: &Planning<'_>, selection: &Selection<'_>, plan: &mut Plan) {
        if !self.subscriptions.captures || !route::needs_subscriptions(&self.program) {
            return;
        }
        let again: Vec<Address> =
            selection.named().filter(|address| matches!(address, Address::ImpliedSubscription(..))).collect();
        let mut implied = BTreeMap::new();
        for item in &planning.request.items {
            let (Address::Membership(m, n), Ok(ItemContent::Membership(membership))) =
                (item.address, &item.content)
            else {
                continue;
            };
            let address = Address::ImpliedSubscription(m, n);
            let is_again = again.contains(&address);
            let waits = match selection.wanted(item.address) {
                Some(wanted) if membership.action != AudienceAction::Delete => {
                    self.imply_now(planning, membership, &wanted).await
                }
                _ => false,
            };
            if is_again || (waits && again.is_empty()) {
                implied.entry(membership.audience_id).or_insert((address, item, membership));
            }
        }
        for (address, item, membership) in implied.into_values() {
            let wanted = selection.wanted(address).unwrap_or(Wanted {
                item: penstock_shared::pack::PendingItem::untried(address),
                is_first_seen: true,
            });
            let change = SubscriptionRequest {
                action: SubscriptionAction::Add,
                audience_id: membership.audience_id,
                name: membership.audience_name.clone(),
                settings: membership.settings.clone(),
                previous_settings: firehose::Settings::default(),
                fields: membership.fields.clone(),
            };
            let item =
                Item { address, raw: item.raw.clone(), content: Ok(ItemContent::Subscription(change)) };
            let planned = Box::pin(self.plan_item(planning, &item, &wanted)).await;
            plan.add(&wanted, planned);
        }
    }

    async fn imply_now(&self, planning: &Planning<'_>, membership: &Membership, wanted: &Wanted) -> bool {
        let key = subscription_key(planning, membership.audience_id);
        let age = self.age(planning.packed, &wanted.item);
        matches!(self.subscriptions.standing(&key, planning.message_ms, age).await, Ok(Standing::Imply))
    }

    async fn plan_subscription(
        &self,
        planning: &Planning<'_>,
        item: &Item,
        change: &SubscriptionRequest,
        wanted: &Wanted,
    ) -> Planned {
        let key = subscription_key(planning, change.audience_id);
        let change = &self.with_minted(&key, change);
        let applied =
            match self.subscriptions.store.apply(&stored_change(&key, change, planning.message_ms)).await {
                Ok(applied) => applied,
                Err(error) => return Planned::Outcome(store_failed(&error)),
            };
        self.subscriptions.forget(&key);
        if !applied.stored {
            return Planned::Outcome(Outcome::Filtered(FilterReason::Stale));
        }
        let duty = match change.action {
            SubscriptionAction::Add
                if self.subscriptions.captures && !applied.current.captured.is_empty() =>
            {
                return Planned::Outcome(Outcome::Filtered(FilterReason::Duplicate));
            }
            SubscriptionAction::Add => DutyKind::Create,
            SubscriptionAction::Update => DutyKind::Change,
            SubscriptionAction::Remove => DutyKind::Delete,
        };
        let own_id =
            format!("audience/{}/{}/{}", change.audience_id, change.action.wire(), planning.message_ms);
        let item_key = self.key(planning, item.address, Some(&own_id), &item.raw);
        let mut variables = planning.context.item(&item_key, "subscription", wanted.item.attempts + 1);
        let defaults = &self.partner.subscription_settings;
        context::subscription(&mut variables, change, defaults, Some(&applied.current));
        let duty = Some(SubscriptionDuty { key, change: duty });
        self.lane(planning, Takes::Subscription, item_key, variables, &item.raw, duty)
    }

    /// The first request of a subscription goes out before mParticle has our answer to it, so it lacks the hidden
    /// settings that we make; later ones bring them along.
    fn with_minted(&self, key: &SubscriptionKey, change: &SubscriptionRequest) -> SubscriptionRequest {
        let mut change = change.clone();
        for id in self.partner.minted_settings() {
            let minted = || Some(mint(&key.pod, key.account, key.audience_id, id));
            change.settings.entry(id.to_owned()).or_insert_with(minted);
        }
        change
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

    fn key(&self, planning: &Planning<'_>, address: Address, own_id: Option<&str>, raw: &[u8]) -> ItemKey {
        ItemKey::new(ItemIdentity {
            pod: &planning.packed.pod,
            account: planning.request.account.id,
            own_id,
            request_id: planning.request.id.as_deref(),
            address,
            raw,
        })
    }

    fn lane(
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
                };
                Planned::Lane(LaneDraft { lane, key, json, call: Arc::new(call), subscription })
            }
            Err(error) => Planned::Outcome(Outcome::rejected(RejectReason::MappingFailed, error.to_string())),
        }
    }
}

fn store_failed(error: &penstock_shared::subscription::StoreError) -> Outcome {
    tracing::warn!(%error, "the subscription store did not answer; the item waits");
    Outcome::retry(RetryReason::StoreUnavailable)
}

fn subscription_key(planning: &Planning<'_>, audience_id: i64) -> SubscriptionKey {
    let account: AccountId = planning.request.account.id;
    SubscriptionKey { pod: planning.packed.pod.clone(), account, audience_id }
}

fn stored_change(key: &SubscriptionKey, change: &SubscriptionRequest, message_ms: i64) -> SubscriptionChange {
    let state = match change.action {
        SubscriptionAction::Remove => SubscriptionState::Removed,
        SubscriptionAction::Add | SubscriptionAction::Update => SubscriptionState::Active,
    };
    let settings =
        (state == SubscriptionState::Active).then(|| change.settings.clone().into_iter().collect());
    SubscriptionChange {
        key: key.clone(),
        state,
        name: change.name.clone(),
        settings,
        changed_at_ms: message_ms,
    }
}

fn implied_change(key: SubscriptionKey, membership: &Membership, message_ms: i64) -> SubscriptionChange {
    SubscriptionChange {
        key,
        state: SubscriptionState::Active,
        name: membership.audience_name.clone(),
        settings: Some(membership.settings.clone().into_iter().collect()),
        changed_at_ms: message_ms,
    }
}

/// A required setting of the account that is missing or blank (protocol.md trap 38).
fn is_missing(setting: &Setting, request: &Request) -> bool {
    let value = request.account.settings.get(&setting.id).and_then(|value| value.as_deref());
    setting.required && setting.default.is_none() && value.is_none_or(|value| value.trim().is_empty())
}

/// Tells apart messages of one account whose settings differ (protocol.md trap 39).
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

/// Changes of a user and audience that a later position of the same request overrules (protocol.md trap 73). An
/// attribute update overrules nothing.
fn superseded(request: &Request) -> Vec<Address> {
    let mut last = BTreeMap::new();
    let mut superseded = Vec::new();
    for item in &request.items {
        let Ok(ItemContent::Membership(membership)) = &item.content else { continue };
        if membership.action == AudienceAction::AttributeUpdate {
            continue;
        }
        let user = (membership.user_key.clone(), membership.audience_id);
        superseded.extend(last.insert(user, item.address));
    }
    superseded
}
