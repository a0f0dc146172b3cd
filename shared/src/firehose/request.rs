//! Reading a request item by item: each is parsed from its own bytes, so a bad one costs none of its neighbours.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Account, AudienceAction, Dsr, Event, Fields, Membership, RequestKind, RuntimeKind, SortError,
    SubscriptionRequest,
    audience::{PREVIOUS_SETTINGS, Profile, SETTINGS, SUBSCRIPTION},
    dsr::DSR,
    event::EVENT_REQUEST,
    facts::Facts,
    raw,
    shape::{self, Shape, Table},
};
use crate::ids::Address;

/// A request, read. `Debug` shows nothing of its content.
#[derive(Clone)]
pub struct Request {
    /// Which of the five.
    pub kind: RequestKind,
    /// Its `id`, as [`Sorted::id`](super::Sorted::id).
    pub id: Option<String>,
    /// When mParticle made it, ms since 1970 UTC; seconds are recognised. `None` when absent or absurd; a time in
    /// the future is kept.
    pub timestamp_ms: Option<i64>,
    /// The format's version, as text. Nothing may be decided by it.
    pub firehose_version: Option<String>,
    /// The customer.
    pub account: Account,
    /// The members of the request, normalised, envelope included; without events, profiles, account and settings.
    pub fields: Fields,
    /// What is to be delivered: events in the order of their times, all else in the order of the request.
    pub items: Vec<Item>,
    has_user_data: bool,
}

/// The smallest thing that is delivered, or fails, alone. `Debug` shows nothing of its bytes.
#[derive(Clone)]
pub struct Item {
    /// Where it stands in the request.
    pub address: Address,
    /// The bytes of the event; of the whole profile for a membership (the entry alone would not say whose it is);
    /// of the whole request for all else. Shared with the body, unless the body is not UTF-8.
    pub raw: Bytes,
    /// What it says, or why that can't be told.
    pub content: Result<ItemContent, Unreadable>,
}

impl Item {
    fn whole(body: &Bytes, content: Result<ItemContent, Unreadable>) -> Self {
        Self { address: Address::Whole, raw: body.clone(), content }
    }
}

/// What an item says.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemContent {
    /// One event.
    Event(Event),
    /// The user data of an event request without events: all in [`Request::fields`].
    Profile,
    /// One user's change in one audience.
    Membership(Membership),
    /// A user profile without any audience entry: nothing to deliver, but to be counted.
    BareProfile,
    /// A change of a subscription.
    Subscription(SubscriptionRequest),
    /// A data subject request.
    Dsr(Dsr),
}

/// Why an item, or a whole body, can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unreadable {
    /// What is wrong; holds nothing of the content.
    pub reason: Cow<'static, str>,
}

impl Unreadable {
    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }

    /// `error` comes from raw JSON or a `Value`, whose errors name positions and no content.
    pub(super) fn parsing(what: &str, error: &serde_json::Error) -> Self {
        Self::new(format!("{what}: {error}"))
    }
}

/// Reads a body. Null elements of lists are no items; positions in addresses count them all the same.
///
/// # Errors
/// [`Unreadable`] only when the whole can't be told to be a request: exactly when [`sort`](super::sort) refuses it.
/// A list that is no list makes one unreadable item of the whole.
pub fn read(body: &Bytes) -> Result<Request, Unreadable> {
    let body = match raw::text(body) {
        Cow::Borrowed(text) => body.slice_ref(text.as_bytes()),
        Cow::Owned(repaired) => Bytes::from(repaired),
    };
    let text = std::str::from_utf8(&body).expect("checked or repaired just above");
    let mut members = Members::default();
    let unreadable = |error: SortError| Unreadable::new(error.to_string());
    let facts = Facts::read(text, |name, raw| members.note(name, raw)).map_err(unreadable)?;
    let kind = facts.kind().map_err(unreadable)?;
    let fields = members.normalised(kind);

    let mut request = Request {
        kind,
        id: facts.id(),
        timestamp_ms: fields.get("timestamp_ms").and_then(Value::as_i64),
        firehose_version: fields.get("firehose_version").and_then(Value::as_str).map(str::to_owned),
        account: Account::read(&facts),
        fields,
        items: Vec::new(),
        has_user_data: kind == RequestKind::Events && facts.has_user_data(),
    };
    request.items = match kind {
        RequestKind::Registration => Vec::new(),
        RequestKind::Events => events(&request, &body, facts.events),
        RequestKind::Membership => memberships(&body, facts.user_profiles),
        RequestKind::Subscription => {
            let read = SubscriptionRequest::read(
                request.fields.clone(),
                members.raw(SETTINGS),
                members.raw(PREVIOUS_SETTINGS),
            );
            vec![Item::whole(&body, read.map(ItemContent::Subscription))]
        }
        RequestKind::Dsr => {
            let dsr = Dsr::read(request.fields.clone());
            vec![Item::whole(&body, Ok(ItemContent::Dsr(dsr)))]
        }
    };
    Ok(request)
}

impl Request {
    /// Whether an event request says who the user is and something about the user: with events, a profile update
    /// beside them; without, the [`ItemContent::Profile`] among the items.
    pub fn has_user_data(&self) -> bool {
        self.has_user_data
    }

    /// The type of the runtime environment; `None` when there is none, or a word unknown here (the word itself
    /// stays in the fields).
    pub fn runtime(&self) -> Option<RuntimeKind> {
        RuntimeKind::from_wire(self.environment("type")?.as_str()?)
    }

    /// Whether the data is of a development build: `runtime_environment.is_debug`, the only mark of it
    /// (protocol.md 4.9).
    pub fn is_development(&self) -> bool {
        self.environment("is_debug").and_then(Value::as_bool).unwrap_or(false)
    }

    fn environment(&self, member: &str) -> Option<&Value> {
        self.fields.get("runtime_environment")?.get(member)
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("address", &self.address)
            .field("bytes", &self.raw.len())
            .field("content", &self.content)
            .finish()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("account", &self.account.id)
            .field("items", &self.items)
            .finish_non_exhaustive()
    }
}

/// The text of the members that go into [`Request::fields`] or are read apart.
#[derive(Default)]
struct Members<'a>(indexmap::IndexMap<String, &'a str>);

impl<'a> Members<'a> {
    fn note(&mut self, name: &str, raw: &'a str) {
        // The account and its settings are read apart; connection settings are of old and to be ignored.
        let elsewhere = ["account", "events", "user_profiles", "event_connection_settings"];
        if !elsewhere.contains(&name) {
            self.0.insert(name.to_owned(), raw);
        }
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    /// Members too deep to be parsed are left out.
    fn normalised(&self, kind: RequestKind) -> Fields {
        let own: Table = match kind {
            RequestKind::Registration | RequestKind::Membership => &[],
            RequestKind::Events => EVENT_REQUEST,
            RequestKind::Subscription => SUBSCRIPTION,
            RequestKind::Dsr => DSR,
        };
        let mut fields = Fields::with_capacity(self.0.len());
        for (name, raw) in
            self.0.iter().filter(|(name, _)| ![SETTINGS, PREVIOUS_SETTINGS].contains(&name.as_str()))
        {
            if let Ok(value) = raw::value(raw) {
                shape::place(&mut fields, &[ENVELOPE, own], name.clone(), value);
            }
        }
        fields
    }
}

const ENVELOPE: Table = &[
    ("type", Shape::Text),
    ("id", Shape::Text),
    ("timestamp_ms", Shape::Time),
    ("firehose_version", Shape::Text),
];

fn events(request: &Request, body: &Bytes, list: Option<&str>) -> Vec<Item> {
    let elements = match present("events", list) {
        Ok(elements) => elements,
        Err(unreadable) => return vec![Item::whole(body, Err(unreadable))],
    };
    if elements.is_empty() && request.has_user_data {
        return vec![Item { address: Address::Profile, ..Item::whole(body, Ok(ItemContent::Profile)) }];
    }
    let event = |(position, raw): (u32, &str)| Item {
        address: Address::Event(position),
        raw: body.slice_ref(raw.as_bytes()),
        content: Event::read(raw).map(ItemContent::Event),
    };
    let mut items: Vec<Item> = elements.into_iter().map(event).collect();
    // Real batches have equal times, so the sort must be stable; an event without a time has the message's.
    items.sort_by_key(|item| match &item.content {
        Ok(ItemContent::Event(event)) => event.timestamp_ms.or(request.timestamp_ms).unwrap_or(i64::MAX),
        _ => i64::MAX,
    });
    items
}

fn memberships(body: &Bytes, list: Option<&str>) -> Vec<Item> {
    match present("user_profiles", list) {
        Ok(profiles) => profiles.into_iter().flat_map(|(m, raw)| profile(body, m, raw)).collect(),
        Err(unreadable) => vec![Item::whole(body, Err(unreadable))],
    }
}

/// The items of one profile: its audience entries, or itself when it has none.
fn profile(body: &Bytes, m: u32, raw: &str) -> Vec<Item> {
    let item = |address, content| Item { address, raw: body.slice_ref(raw.as_bytes()), content };
    let profile = match Profile::read(raw, m) {
        Ok(profile) => profile,
        Err(unreadable) => return vec![item(Address::BareProfile(m), Err(unreadable))],
    };
    let entry = |(n, entry): (usize, &(Option<&str>, Option<AudienceAction>))| {
        let (raw, implied) = (entry.0?, entry.1);
        let content = profile.membership(raw, implied).map(ItemContent::Membership);
        Some(item(Address::Membership(m, position(n)), content))
    };
    let items: Vec<Item> = profile.entries.iter().enumerate().filter_map(entry).collect();
    if items.is_empty() { vec![item(Address::BareProfile(m), Ok(ItemContent::BareProfile))] } else { items }
}

/// The elements of a list that are not null, with their positions; none when the list is absent or empty.
fn present<'a>(name: &'static str, list: Option<&'a str>) -> Result<Vec<(u32, &'a str)>, Unreadable> {
    let Some(list) = list.filter(|raw| raw::is_something(raw)) else { return Ok(Vec::new()) };
    let elements = raw::elements(list).map_err(|_| Unreadable::new(format!("{name} is not an array")))?;
    let present = |(n, raw): (usize, Option<&'a str>)| Some((position(n), raw?));
    Ok(elements.into_iter().enumerate().filter_map(present).collect())
}

fn position(n: usize) -> u32 {
    u32::try_from(n).expect("a body is far below 4 GiB, so are the elements of a list")
}

#[cfg(test)]
mod tests;
