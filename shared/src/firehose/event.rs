//! Event requests: one user's batch, and its events of sixteen kinds (protocol.md 3.3).

use std::fmt;

use serde_json::Value;

use super::{
    EventType, Fields, Unreadable,
    consent::{CONSENT_STATE, NOTIFICATIONS},
    environment::ENVIRONMENT,
    identity::IDENTITIES,
    raw,
    shape::{self, Shape, Table},
};

/// One event. `Debug` shows its kind alone.
#[derive(Clone, PartialEq)]
pub struct Event {
    /// Which of the sixteen kinds.
    pub kind: EventType,
    /// mParticle's id of the event, if it has one: the right idempotency key at the partner.
    pub id: Option<String>,
    /// When it happened, ms since 1970 UTC; `None` when absent or absurd.
    pub timestamp_ms: Option<i64>,
    /// All members, normalised; `timestamp_ms` in milliseconds.
    pub fields: Fields,
}

impl Event {
    /// Reads one element of `events`.
    pub(super) fn read(raw: &str) -> Result<Self, Unreadable> {
        let fields = raw::value(raw).map_err(|error| Unreadable::parsing("event", &error))?;
        let fields = shape::object(fields).ok_or_else(|| Unreadable::new("event is not an object"))?;
        let kind = match fields.get("type") {
            Some(Value::String(word)) => EventType::from_wire(word),
            None | Some(Value::Null) => return Err(Unreadable::new("event type is missing")),
            Some(_) => None,
        };
        let kind = kind.ok_or_else(|| Unreadable::new("unknown event type"))?;
        let mut fields = shape::normalise(fields, &[own(kind), COMMON]);
        if kind == EventType::ProductAction && fields.get("action").is_some_and(|word| word == REGULAR) {
            fields.insert("action".into(), IRREGULAR.into());
        }
        let id = fields.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        let timestamp_ms = fields.get("timestamp_ms").and_then(Value::as_i64);
        Ok(Self { kind, id, timestamp_ms, fields })
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The wire's word for taking a product off a wish list, and the spelling one would expect (trap 49).
const IRREGULAR: &str = "remove_from_wish_list";
const REGULAR: &str = "remove_from_wishlist";

/// The members of an event request, but for the events, the account and the envelope.
pub(super) const EVENT_REQUEST: Table = &[
    ("source_id", Shape::Text),
    ("mpid", Shape::Text),
    ("user_identities", IDENTITIES),
    ("partner_identities", IDENTITIES),
    ("user_attributes", Shape::TextMap),
    ("user_attribute_lists", Shape::ListMap),
    ("runtime_environment", Shape::Object(ENVIRONMENT)),
    ("integration_attributes", Shape::TextMap),
    ("source_channel", Shape::Text),
    ("device_application_stamp", Shape::Text),
    ("consent_state", Shape::Object(CONSENT_STATE)),
    ("system_notifications", NOTIFICATIONS),
    ("platform_fields", Shape::Object(PLATFORM)),
];

const PLATFORM: Table = &[
    ("mp_account_id", Shape::Integer),
    ("mp_account_name", Shape::Text),
    ("workspace_id", Shape::Integer),
    ("workspace_name", Shape::Text),
    ("input_name", Shape::Text),
    ("app_name", Shape::Text),
    ("app_version", Shape::Text),
    ("dataplan_id", Shape::Text),
    ("dataplan_name", Shape::Text),
    ("dataplan_version", Shape::Integer),
];

const COMMON: Table = &[
    ("type", Shape::Text),
    ("id", Shape::Text),
    ("timestamp_ms", Shape::Time),
    ("source_id", Shape::Text),
    ("session_id", Shape::Integer),
    ("location", Shape::Object(LOCATION)),
    ("attributes", Shape::TextMap),
    ("custom_flags", Shape::TextMap),
];

const LOCATION: Table =
    &[("latitude", Shape::Decimal), ("longitude", Shape::Decimal), ("accuracy", Shape::Decimal)];

const PRODUCT: Table = &[
    ("id", Shape::Text),
    ("name", Shape::Text),
    ("brand", Shape::Text),
    ("category", Shape::Text),
    ("variant", Shape::Text),
    ("position", Shape::Integer),
    ("price", Shape::Decimal),
    ("quantity", Shape::Decimal), // 1.5 occurs
    ("total_amount", Shape::Decimal),
    ("coupon_code", Shape::Text),
    ("attributes", Shape::TextMap),
];

const PROMOTION: Table =
    &[("id", Shape::Text), ("name", Shape::Text), ("creative", Shape::Text), ("position", Shape::Text)];

const IMPRESSION: Table = &[("impression_list_name", Shape::Text), ("products", Shape::Objects(PRODUCT))];

/// The members of one kind of event, beside the common ones.
fn own(kind: EventType) -> Table {
    match kind {
        EventType::SessionStart => &[],
        EventType::SessionEnd => &[("session_length_ms", Shape::Integer)],
        EventType::CustomEvent => &[("name", Shape::Text), ("custom_event_type", Shape::Text)],
        EventType::ScreenView => &[("screen_name", Shape::Text)],
        EventType::Error => &[
            ("message", Shape::Text),
            ("is_crash", Shape::Bool),
            ("stack_trace", Shape::Text),
            ("breadcrumbs", Shape::TextList),
        ],
        EventType::PrivacySettingChange => &[("setting", Shape::Text), ("is_enabled", Shape::Bool)],
        EventType::UserAttributeChange => &[("added", Shape::TextMap), ("removed", Shape::TextMap)],
        EventType::UserIdentityChange => &[("added", IDENTITIES), ("removed", IDENTITIES)],
        EventType::PushSubscription => &[("action", Shape::Text), ("token", Shape::Text)],
        EventType::ApplicationStateTransition => &[
            ("application_state", Shape::Text),
            ("launch_referral", Shape::Text),
            ("referral_application", Shape::Text),
            ("launch_parameters", Shape::Text),
            ("source_package", Shape::Text),
        ],
        EventType::PushMessageReceipt | EventType::PushMessageOpen => &[("payload", Shape::Text)],
        EventType::ProductAction => &[
            ("action", Shape::Text),
            ("transaction_id", Shape::Text),
            ("affiliation", Shape::Text),
            ("total_amount", Shape::Decimal),
            ("tax_amount", Shape::Decimal),
            ("shipping_amount", Shape::Decimal),
            ("currency_code", Shape::Text),
            ("coupon_code", Shape::Text),
            ("products", Shape::Objects(PRODUCT)),
        ],
        EventType::PromotionAction => &[("action", Shape::Text), ("promotions", Shape::Objects(PROMOTION))],
        EventType::Impression => &[("impressions", Shape::Objects(IMPRESSION))],
        EventType::Attribution => &[
            ("name", Shape::Text),
            ("partner_name", Shape::Text),
            ("publisher_name", Shape::Text),
            ("campaign_name", Shape::Text),
        ],
    }
}

#[cfg(test)]
mod tests;
