//! What can be told of a request from the text of its top-level members alone. Ingress sorts by it and the worker
//! reads on from it, so the two never disagree on whether there is something to deliver.

use serde_json::Value;

use super::{RequestKind, SortError, coerce, raw};
use crate::ids::AccountId;

/// Longest `id` that is taken for one; longer ones are treated as absent, since the id travels in queue headers and
/// answers, and a real one has 36 characters.
const ID_BYTES_MAX: usize = 1024;
/// How much of an unknown `type` is kept for reports.
const TYPE_CHARS_MAX: usize = 60;

/// The text of the members that sorting needs; of duplicates the last, but of `type` the first that is not null.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    kind: Option<&'a str>,
    id: Option<&'a str>,
    account: Option<&'a str>,
    audience_id: Option<&'a str>,
    user_identities: Option<&'a str>,
    partner_identities: Option<&'a str>,
    mpid: Option<&'a str>,
    runtime_environment: Option<&'a str>,
    user_attributes: Option<&'a str>,
    user_attribute_lists: Option<&'a str>,
    consent_state: Option<&'a str>,
    system_notifications: Option<&'a str>,
    /// The `events` of an event request.
    pub(super) events: Option<&'a str>,
    /// The `user_profiles` of a membership request.
    pub(super) user_profiles: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Reads a whole body, and hands every top-level member to `each`.
    pub(super) fn read(text: &'a str, mut each: impl FnMut(&str, &'a str)) -> Result<Self, SortError> {
        match text.trim_ascii_start().as_bytes().first() {
            None => return Err(SortError::Empty),
            Some(b'{') => {}
            Some(_) => return Err(no_object(text)),
        }
        let mut facts = Self::default();
        let read = raw::members(text, |name, raw| {
            each(&name, raw);
            facts.note(&name, raw);
        });
        read.map(|()| facts).map_err(|error| refusal(text, &error))
    }

    fn note(&mut self, name: &str, raw: &'a str) {
        let member = match name {
            "type" if self.kind.is_some() || raw == "null" => return,
            "type" => &mut self.kind,
            "id" => &mut self.id,
            "account" => &mut self.account,
            "audience_id" => &mut self.audience_id,
            "events" => &mut self.events,
            "user_profiles" => &mut self.user_profiles,
            "user_identities" => &mut self.user_identities,
            "partner_identities" => &mut self.partner_identities,
            "mpid" => &mut self.mpid,
            "runtime_environment" => &mut self.runtime_environment,
            "user_attributes" => &mut self.user_attributes,
            "user_attribute_lists" => &mut self.user_attribute_lists,
            "consent_state" => &mut self.consent_state,
            "system_notifications" => &mut self.system_notifications,
            _ => return,
        };
        *member = Some(raw);
    }

    /// The kind of request, from `type`.
    pub(super) fn kind(&self) -> Result<RequestKind, SortError> {
        let raw = self.kind.filter(|raw| raw::is_something(raw)).ok_or(SortError::TypeMissing)?;
        let Some(word) = string(raw) else { return Err(SortError::UnknownType("not a text".into())) };
        RequestKind::from_wire(&word)
            .ok_or_else(|| SortError::UnknownType(word.chars().take(TYPE_CHARS_MAX).collect()))
    }

    /// The request's id, if it is a text that is not empty.
    pub(super) fn id(&self) -> Option<String> {
        string(self.id?).filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()))
    }

    /// The account, as far as it can be read.
    pub(super) fn account(&self) -> AccountId {
        self.account_member("account_id").and_then(integer).map_or(AccountId::Unknown, AccountId::from)
    }

    /// The text of the account's member of this name.
    pub(super) fn account_member(&self, name: &str) -> Option<&'a str> {
        member(self.account?, name)
    }

    /// The audience of a subscription request.
    pub(super) fn audience_id(&self) -> Option<i64> {
        self.audience_id.and_then(integer)
    }

    /// Whether a request of this kind holds anything to deliver; false for verification calls (protocol.md 4.7).
    pub(super) fn deliverable(&self, kind: RequestKind) -> bool {
        match kind {
            RequestKind::Registration => false,
            RequestKind::Subscription | RequestKind::Dsr => true,
            RequestKind::Events => something(self.events) || self.has_user_data(),
            RequestKind::Membership => something(self.user_profiles),
        }
    }

    /// Whether an event request says who the user is and something about the user, so that it is a profile update
    /// even without events (protocol.md 4.7).
    pub(super) fn has_user_data(&self) -> bool {
        let who = [self.user_identities, self.partner_identities, self.mpid].into_iter().any(something)
            || something(self.runtime_environment.and_then(|raw| member(raw, "identities")));
        let what =
            [self.user_attributes, self.user_attribute_lists, self.consent_state, self.system_notifications];
        who && what.into_iter().any(something)
    }
}

fn something(raw: Option<&str>) -> bool {
    raw.is_some_and(raw::is_something)
}

/// The last member of this name; `None` also when `raw` is no object.
fn member<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    raw::members(raw, |each, raw| {
        if each == name {
            found = Some(raw);
        }
    })
    .ok()?;
    found
}

fn string(raw: &str) -> Option<String> {
    if !raw.starts_with('"') {
        return None;
    }
    if let Value::String(text) = raw::value(raw).ok()? { Some(text) } else { None }
}

fn integer(raw: &str) -> Option<i64> {
    // An array or object is no number, and may be large: don't parse it to find out.
    if raw.starts_with(['[', '{']) {
        return None;
    }
    coerce::integer(&raw::value(raw).ok()?)
}

/// Tells JSON that is no object from what is not JSON.
fn no_object(text: &str) -> SortError {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => SortError::NotAnObject,
        Err(error) => refusal(text, &error),
    }
}

fn refusal(text: &str, error: &serde_json::Error) -> SortError {
    let line_start =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let offset = line_start + error.column().saturating_sub(1);
    let detail = error.to_string();
    if detail.starts_with("trailing characters") {
        return SortError::TrailingBytes { offset };
    }
    // serde_json puts the line and column last; the offset says the same.
    let detail = detail.split(" at line ").next().unwrap_or_default().to_owned();
    SortError::NotJson { offset, detail }
}
