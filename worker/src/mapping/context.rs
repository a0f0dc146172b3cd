//! The variables that expressions see, made from a request and its items. Names are those of `docs/partner-toml.md`.

use minijinja::Value;
use penstock_shared::{
    firehose::{Dsr, Event, Fields, Membership, Request, SubscriptionRequest},
    ids::{ItemKey, Pod},
    partner::{Partner, Setting},
    subscription::Subscription,
};

use super::value::{Record, from_json, from_members};

/// Request members that are the user's, and the names `user` has them under.
const USER_MEMBERS: [(&str, &str); 7] = [
    ("mpid", "mpid"),
    ("user_identities", "user_identities"),
    ("partner_identities", "partner_identities"),
    ("device_identities", "device_identities"),
    ("user_attributes", "attributes"),
    ("user_attribute_lists", "attribute_lists"),
    ("consent_state", "consent_state"),
];

/// The variables all items of a request share. Made once; items share the values.
#[derive(Debug)]
pub(crate) struct RequestContext {
    base: Record,
    settings: Value,
    account: Value,
}

/// The variables of one item, growing.
pub(crate) type Context = Record;

impl RequestContext {
    pub(crate) fn new(request: &Request, partner: &Partner, pod: &Pod, received_at_ms: i64) -> Self {
        let account = account(request.account.id, pod);
        let settings = settings(&request.account.settings, &partner.account_settings);
        let mut message = Record::default();
        message.set("id", Value::from(request.id.clone()));
        message.set("type", Value::from(request.kind.wire()));
        message.set("timestamp_ms", Value::from(request.timestamp_ms.unwrap_or(received_at_ms)));
        message.set("firehose_version", Value::from(request.firehose_version.clone()));
        let is_users = |name: &str| {
            name == "runtime_environment" || USER_MEMBERS.iter().any(|(member, _)| *member == name)
        };
        for (name, value) in request.fields.iter().filter(|(name, _)| !is_users(name)) {
            message.set(name.as_str(), from_json(value));
        }
        let mut base = Record::default();
        base.set("message", message.into_value());
        base.set("account", account.clone());
        base.set("settings", settings.clone());
        base.set("pod", Value::from(pod.as_str()));
        base.set("received_at_ms", Value::from(received_at_ms));
        base.set("user", user(&request.fields));
        if let Some(environment) = request.fields.get("runtime_environment") {
            base.set("environment", from_json(environment));
        }
        Self { base, settings, account }
    }

    /// The account's settings.
    pub(crate) fn settings(&self) -> Value {
        self.settings.clone()
    }

    /// The account's id and pod.
    pub(crate) fn account(&self) -> Value {
        self.account.clone()
    }

    /// The variables of one item, before its own.
    pub(crate) fn item(&self, key: &ItemKey, kind: &str, attempt: u32) -> Context {
        let mut item = Record::default();
        item.set("key", Value::from(key.as_str()));
        item.set("kind", Value::from(kind));
        item.set("attempt", Value::from(attempt));
        let mut context = self.base.fork();
        context.set("item", item.into_value());
        context
    }
}

/// Adds an event's own variables.
pub(crate) fn event(context: &mut Context, event: &Event) {
    let mut fields = from_members(&event.fields);
    fields.set("type", Value::from(event.kind.wire()));
    context.set("event", fields.into_value());
}

/// Adds a membership change's own variables. The stored subscription's settings win over the message's when they are
/// newer (protocol.md 4.2).
pub(crate) fn membership(
    context: &mut Context,
    membership: &Membership,
    declared: &[Setting],
    message_ms: i64,
    stored: Option<&Subscription>,
) {
    let newer = stored.filter(|stored| stored.changed_at_ms > message_ms);
    let mut audience = from_members(&membership.fields);
    audience.set("id", Value::from(membership.audience_id));
    audience.set(
        "name",
        Value::from(newer.map(|stored| stored.name.clone()).or_else(|| membership.audience_name.clone())),
    );
    audience.set("action", Value::from(membership.action.wire()));
    audience.set(
        "settings",
        newer.map_or_else(
            || settings(&membership.settings, declared),
            |stored| settings(&stored.settings, declared),
        ),
    );
    context.set("audience", audience.into_value());
    context.set("user", user(&membership.profile));
    if let Some(stored) = stored {
        let mut subscription = Record::default();
        subscription.set("audience_id", Value::from(stored.key.audience_id));
        subscription.set("name", Value::from(stored.name.as_str()));
        subscription.set("settings", settings(&stored.settings, declared));
        subscription.set("captured", captured(stored));
        context.set("subscription", subscription.into_value());
    }
}

/// Adds a subscription change's own variables.
pub(crate) fn subscription(
    context: &mut Context,
    change: &SubscriptionRequest,
    declared: &[Setting],
    stored: Option<&Subscription>,
) {
    let mut subscription = from_members(&change.fields);
    subscription.set("audience_id", Value::from(change.audience_id));
    subscription.set("name", Value::from(change.name.clone()));
    subscription.set("action", Value::from(change.action.wire()));
    subscription.set("settings", settings(&change.settings, declared));
    subscription.set("previous_settings", settings(&change.previous_settings, &[]));
    subscription.set("captured", stored.map_or_else(|| Record::default().into_value(), captured));
    context.set("subscription", subscription.into_value());
}

/// Adds a data subject request's own variables.
pub(crate) fn dsr(context: &mut Context, dsr: &Dsr) {
    let mut fields = from_members(&dsr.fields);
    fields.set("submitted_time_ms", Value::from(dsr.submitted_time_ms));
    context.set("dsr", fields.into_value());
}

/// `account`.
pub(crate) fn account(id: penstock_shared::ids::AccountId, pod: &Pod) -> Value {
    let mut account = Record::default();
    account.set("id", Value::from(i64::from(id)));
    account.set("pod", Value::from(pod.as_str()));
    account.into_value()
}

fn user(fields: &Fields) -> Value {
    let mut user = Record::default();
    for (member, name) in USER_MEMBERS {
        if let Some(value) = fields.get(member) {
            user.set(name, from_json(value));
        }
    }
    let devices = fields.get("runtime_environment").and_then(|environment| environment.get("identities"));
    if let Some(devices) = devices {
        user.set("device_identities", from_json(devices));
    }
    user.into_value()
}

/// Settings by id, as text; one that is absent or blank has its declared default.
fn settings<'a, M>(settings: M, declared: &[Setting]) -> Value
where
    M: IntoIterator<Item = (&'a String, &'a Option<String>)>,
{
    let mut record = Record::default();
    for (name, value) in settings {
        record.set(name.as_str(), value.as_deref().map_or_else(|| Value::from(()), Value::from));
    }
    for setting in declared {
        let Some(default) = &setting.default else { continue };
        let own = record.get(&setting.id);
        if own.is_none_or(|own| own.as_str().is_none_or(|text| text.trim().is_empty())) {
            let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            record.set(setting.id.as_str(), Value::from(text));
        }
    }
    record.into_value()
}

fn captured(stored: &Subscription) -> Value {
    let mut record = Record::default();
    for (name, value) in &stored.captured {
        record.set(name.as_str(), from_json(value));
    }
    record.into_value()
}
