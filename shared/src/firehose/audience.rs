//! Audiences: who entered or left them, and which are connected (protocol.md 3.2 and 3.4).

use std::{fmt, sync::Arc};

use serde_json::{Value, json};

use super::{
    AudienceAction, Fields, Settings, SubscriptionAction, Unreadable, account,
    identity::IDENTITIES,
    raw,
    shape::{self, Shape, Table},
};

/// One user's change in one audience. `Debug` shows nothing of the user.
#[derive(Clone, PartialEq)]
pub struct Membership {
    /// Entered, left, or still a member with changed attributes.
    pub action: AudienceAction,
    /// mParticle's id of the audience; the full 64 bits occur.
    pub audience_id: i64,
    /// The audience's name, if it came.
    pub audience_name: Option<String>,
    /// The settings of the audience's connection, hidden ones included; null stays `None`.
    pub settings: Settings,
    /// Identities and `mpid` of the user, shared by all items of the profile.
    pub profile: Arc<Fields>,
    /// Who the user is inside this request: equal for entries of one user, so that they can be folded. The mpid if
    /// there is one, else all identities; a profile with neither is a user of its own.
    pub user_key: String,
    /// The audience entry, normalised, without its settings. `action` is the word of [`AudienceAction::wire`];
    /// `user_attributes` has entries `{key, action, value | list_value}`, where a null `value` is a tag.
    pub fields: Fields,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("action", &self.action)
            .field("audience_id", &self.audience_id)
            .finish_non_exhaustive()
    }
}

/// An audience was connected, changed or removed.
#[derive(Clone, PartialEq)]
pub struct SubscriptionRequest {
    /// Which of these.
    pub action: SubscriptionAction,
    /// mParticle's id of the audience; the full 64 bits occur.
    pub audience_id: i64,
    /// The audience's name, if it came.
    pub name: Option<String>,
    /// The connection's settings now; null stays `None`.
    pub settings: Settings,
    /// The settings before an update; empty when they did not come.
    pub previous_settings: Settings,
    /// All other members, normalised. `action` is the word of [`SubscriptionAction::wire`].
    pub fields: Fields,
}

impl fmt::Debug for SubscriptionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionRequest")
            .field("action", &self.action)
            .field("audience_id", &self.audience_id)
            .finish_non_exhaustive()
    }
}

pub(super) const SETTINGS: &str = "audience_subscription_settings";
pub(super) const PREVIOUS_SETTINGS: &str = "previous_audience_subscription_settings";

/// The members of a subscription request, but for account, settings and envelope.
pub(super) const SUBSCRIPTION: Table = &[
    ("audience_id", Shape::Integer),
    ("audience_name", Shape::Text),
    ("audience_description", Shape::Text),
    ("action", Shape::Text),
];

const ENTRY: Table = &[
    ("audience_id", Shape::Integer),
    ("audience_name", Shape::Text),
    ("action", Shape::Text),
    ("user_attributes", Shape::With(user_attributes)),
];

const PROFILE: Table = &[
    ("mpid", Shape::Text),
    ("user_identities", IDENTITIES),
    ("device_identities", IDENTITIES),
    ("partner_identities", IDENTITIES),
    ("user_attributes", Shape::TextMap), // v1
];

const ATTRIBUTE: Table =
    &[("key", Shape::Text), ("value", Shape::Text), ("list_value", Shape::TextList), ("action", Shape::Text)];

/// A user profile of a membership request, its audience entries still to be read.
pub(super) struct Profile<'a> {
    user_key: String,
    fields: Arc<Fields>,
    /// The text of each audience entry, `None` for null, with the action that its list implies (v1).
    pub(super) entries: Vec<(Option<&'a str>, Option<AudienceAction>)>,
}

impl<'a> Profile<'a> {
    /// Reads everything but the entries. `position` is the profile's place in `user_profiles`.
    pub(super) fn read(raw: &'a str, position: u32) -> Result<Self, Unreadable> {
        let mut fields = Fields::new();
        let (mut audiences, mut added, mut removed) = (None, None, None);
        raw::members(raw, |name, raw| match &*name {
            "audiences" => audiences = Some(raw),
            "added_audiences" => added = Some(raw),
            "removed_audiences" => removed = Some(raw),
            _ => {
                fields.shift_remove(&*name); // of duplicates the last, even if it can't be read
                if let Ok(value) = raw::value(raw) {
                    shape::place(&mut fields, &[PROFILE], name.into_owned(), value);
                }
            }
        })
        .map_err(|error| Unreadable::parsing("user profile", &error))?;

        let lists = [
            (audiences, None, "audiences"),
            (added, Some(AudienceAction::Add), "added_audiences"),
            (removed, Some(AudienceAction::Delete), "removed_audiences"),
        ];
        let mut entries = Vec::new();
        for (list, action, name) in lists {
            let Some(list) = list.filter(|raw| raw::is_something(raw)) else { continue };
            let found =
                raw::elements(list).map_err(|_| Unreadable::new(format!("{name} is not an array")))?;
            entries.extend(found.into_iter().map(|entry| (entry, action)));
        }
        Ok(Self { user_key: user_key(&fields, position), fields: Arc::new(fields), entries })
    }

    /// Reads one entry; `implied` is the action its list implies, if any.
    pub(super) fn membership(
        &self,
        raw: &str,
        implied: Option<AudienceAction>,
    ) -> Result<Membership, Unreadable> {
        let fields = raw::value(raw).map_err(|error| Unreadable::parsing("audience entry", &error))?;
        let mut fields =
            shape::object(fields).ok_or_else(|| Unreadable::new("audience entry is not an object"))?;
        let settings = fields.shift_remove(SETTINGS).map(account::read_settings).unwrap_or_default();
        let mut fields = shape::normalise(fields, &[ENTRY]);
        let audience_id = audience_id(&fields)?;
        let action = match (implied, fields.get("action").and_then(Value::as_str)) {
            (Some(action), _) => action,
            (None, Some(word)) => {
                AudienceAction::from_wire(word).ok_or_else(|| Unreadable::new("unknown audience action"))?
            }
            (None, None) => return Err(Unreadable::new("audience action is missing")),
        };
        fields.insert("action".into(), action.wire().into());
        Ok(Membership {
            action,
            audience_id,
            audience_name: text(&fields, "audience_name"),
            settings,
            profile: Arc::clone(&self.fields),
            user_key: self.user_key.clone(),
            fields,
        })
    }
}

impl SubscriptionRequest {
    /// Made from the request's members; `settings` and `previous` are the text of those members.
    pub(super) fn read(
        mut fields: Fields,
        settings: Option<&str>,
        previous: Option<&str>,
    ) -> Result<Self, Unreadable> {
        let audience_id = audience_id(&fields)?;
        let action = match fields.get("action").and_then(Value::as_str) {
            Some(word) => SubscriptionAction::from_wire(word)
                .ok_or_else(|| Unreadable::new("unknown subscription action"))?,
            None => return Err(Unreadable::new("subscription action is missing")),
        };
        fields.insert("action".into(), action.wire().into());
        let read = |raw: Option<&str>| {
            raw.and_then(|raw| raw::value(raw).ok()).map(account::read_settings).unwrap_or_default()
        };
        Ok(Self {
            action,
            audience_id,
            name: text(&fields, "audience_name"),
            settings: read(settings),
            previous_settings: read(previous),
            fields,
        })
    }
}

fn audience_id(fields: &Fields) -> Result<i64, Unreadable> {
    fields
        .get("audience_id")
        .and_then(Value::as_i64)
        .ok_or_else(|| Unreadable::new("audience_id is missing or not an integer of 64 bits"))
}

fn text(fields: &Fields, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn user_key(profile: &Fields, position: u32) -> String {
    if let Some(mpid) = text(profile, "mpid") {
        return format!("mpid {mpid}");
    }
    let lists = ["user_identities", "device_identities", "partner_identities"];
    let mut all: Vec<String> = lists
        .iter()
        .filter_map(|name| Some((name, profile.get(*name)?.as_array()?)))
        .flat_map(|(name, list)| list.iter().map(move |identity| identity_key(name, identity)))
        .collect();
    all.sort_unstable();
    if all.is_empty() { format!("profile {position}") } else { all.join(" ") }
}

/// The parts as JSON texts, so that no value can pass for two.
fn identity_key(list: &str, identity: &Value) -> String {
    json!([list, identity["type"], identity["encoding"], identity["value"]]).to_string()
}

/// The attributes of an audience entry; entries that name no key, or say nothing about it, are left out
/// (protocol.md 3.4; the official sample has `{}`).
fn user_attributes(value: Value) -> Option<Value> {
    shape::list(value, |entry| {
        let mut fields = shape::normalise(shape::object(entry)?, &[ATTRIBUTE]);
        text(&fields, "key")?;
        let has_value = fields.contains_key("value") || fields.contains_key("list_value");
        match fields.get("action").and_then(Value::as_str) {
            None if !has_value => return None,
            Some("delete") => {
                fields.shift_remove("value");
                fields.shift_remove("list_value");
            }
            None | Some("upsert") => {
                fields.insert("action".into(), "upsert".into());
                if !has_value {
                    fields.insert("value".into(), Value::Null);
                }
            }
            Some(_) => {}
        }
        Some(Value::Object(fields))
    })
}

#[cfg(test)]
mod tests;
