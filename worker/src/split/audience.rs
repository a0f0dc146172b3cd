//! Audiences in a request: memberships and the subscriptions they wait for, each with its place in the store.

use std::collections::BTreeMap;

use penstock_shared::{
    firehose::{
        self, AudienceAction, Item, ItemContent, Membership, Request, SubscriptionAction, SubscriptionRequest,
    },
    ids::{AccountId, Address},
    mint::mint,
    pack::PendingItem,
    partner::{Setting, SettingKind, Takes},
    subscription::{Subscription, SubscriptionChange, SubscriptionKey, SubscriptionState},
};

use super::{
    Splitter,
    plan::{Plan, Planned, Selection, Wanted},
    request::{Planning, store_failed},
};
use crate::{
    item::{DutyKind, SubscriptionDuty},
    mapping::context,
    outcome::{FilterReason, Outcome, RejectReason, RetryReason},
    route,
    subscriptions::Standing,
};

impl Splitter {
    pub(super) async fn plan_membership(
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
            Standing::NeverConnected if membership.action == AudienceAction::Delete => {
                Err(Outcome::Filtered(FilterReason::NotConnected))
            }
            Standing::Await | Standing::Imply | Standing::NeverConnected => {
                Err(Outcome::retry(RetryReason::AwaitingSubscription))
            }
        }
    }

    /// Subscriptions made up from memberships that have waited long enough, one for each audience; and those that
    /// were made up before and are still to be done.
    pub(super) async fn plan_implied(
        &self,
        planning: &Planning<'_>,
        selection: &Selection<'_>,
        plan: &mut Plan,
    ) {
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
            let wanted = selection
                .wanted(address)
                .unwrap_or(Wanted { item: PendingItem::untried(address), is_first_seen: true });
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
        matches!(
            self.subscriptions.standing(&key, planning.message_ms, age).await,
            Ok(Standing::Imply | Standing::NeverConnected)
        )
    }

    pub(super) async fn plan_subscription(
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
        // A newer change may have overtaken the creation; as long as nothing was created, it is still to be done.
        let is_owed = change.action == SubscriptionAction::Add
            && self.subscriptions.captures
            && applied.current.state == SubscriptionState::Active
            && applied.current.captured.is_empty();
        if !applied.stored && !is_owed {
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

/// Changes of a user and audience that a later position of the same request overrules (protocol.md trap 73). An
/// attribute update overrules nothing.
pub(super) fn superseded(request: &Request) -> Vec<Address> {
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
