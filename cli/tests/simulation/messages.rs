//! What mParticle sends in a run, and, for each item of it, what is to become of it: written down here, by hand, so
//! that the code under test has no say in it.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use penstock_shared::{
    ids::{AccountId, Pod},
    mint::mint,
};
use serde_json::{Value, json};

/// How an item is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// At the partner.
    Delivered,
    /// Nowhere: a route drops it.
    Dropped,
    /// The partner never takes it: a dead letter.
    Refused,
    /// The account has no API key: a dead letter.
    NoKey,
}

/// One item, and what the partner is to get of it.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) request: String,
    pub(crate) address: String,
    pub(crate) account: i64,
    pub(crate) route: &'static str,
    /// Without its key.
    pub(crate) payload: Value,
    pub(crate) fate: Fate,
    pub(crate) audience: Option<i64>,
    pub(crate) message_ms: i64,
}

/// A change of a subscription.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) request: String,
    pub(crate) account: i64,
    pub(crate) audience: i64,
    pub(crate) is_remove: bool,
    pub(crate) message_ms: i64,
}

/// What ingress is to answer, once it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Stored,
    /// 200, and nothing is queued.
    Noop,
    Unreadable,
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) at: Duration,
    pub(crate) body: Bytes,
    pub(crate) reply: Reply,
}

/// All messages of a run and what is to become of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) messages: Vec<Message>,
    /// By what tells the item apart at the partner.
    pub(crate) items: BTreeMap<String, Expected>,
    pub(crate) changes: Vec<Change>,
}

/// The value that the list of an audience is known by.
pub(crate) fn list_key(account: i64, audience: i64) -> String {
    mint(&pod(), AccountId::from(account), audience, "listKey")
}

pub(crate) fn pod() -> Pod {
    Pod::new("us1").unwrap()
}

pub(crate) fn audience_name(audience: i64) -> String {
    format!("Audience {audience}")
}

struct Writer<'a> {
    rng: &'a mut fastrand::Rng,
    book: Book,
    /// Numbers everything.
    next: u32,
    message_ms: i64,
    at: Duration,
    account: i64,
}

impl Book {
    /// 15 to 45 messages within five minutes.
    pub(crate) fn write(seed: u64, origin_ms: i64) -> Self {
        let rng = &mut fastrand::Rng::with_seed(seed ^ 0x6d65_7373);
        let messages = rng.usize(15..=45);
        let mut writer =
            Writer { rng, book: Self::default(), next: 0, message_ms: 0, at: Duration::ZERO, account: 0 };
        for _ in 0..messages {
            writer.at = Duration::from_millis(writer.rng.u64(0..=300_000));
            // Distinct, so that the order of changes is never in doubt.
            writer.message_ms = origin_ms
                + i64::try_from(writer.at.as_millis()).unwrap() * 100
                + i64::from(writer.next % 100);
            writer.account = writer.rng.i64(1001..=1003);
            writer.message();
        }
        writer.book
    }
}

impl Writer<'_> {
    fn message(&mut self) {
        match self.rng.u8(0..100) {
            0..35 => self.events(),
            35..45 => self.profile(),
            45..60 => self.subscription(),
            60..85 => self.membership(),
            85..92 => self.erasure(),
            92..94 => self.without_key(),
            94..96 => self.unreadable(),
            96..98 => self.send("event_processing_request", json!({ "events": [] }), Reply::Noop),
            _ => self.send("module_registration_request", json!({}), Reply::Noop),
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn id(&self) -> String {
        format!("request-{}", self.book.messages.len())
    }

    fn send(&mut self, kind: &str, members: Value, reply: Reply) {
        let settings = json!({ "apiKey": format!("key-{}", self.account) });
        self.send_with(kind, &settings, members, reply);
    }

    fn send_with(&mut self, kind: &str, settings: &Value, members: Value, reply: Reply) {
        let mut message = json!({
            "type": kind,
            "id": self.id(),
            "timestamp_ms": self.message_ms,
            "firehose_version": "3.2.0",
            "account": { "account_id": self.account, "account_settings": settings },
        });
        if let (Value::Object(message), Value::Object(members)) = (&mut message, members) {
            message.extend(members);
        }
        self.push(message.to_string().into(), reply);
    }

    fn push(&mut self, body: Bytes, reply: Reply) {
        let message = Message { id: self.id(), at: self.at, body, reply };
        self.book.messages.push(message);
    }

    fn expect(&mut self, marker: String, address: String, route: &'static str, payload: Value, fate: Fate) {
        self.expect_of(marker, address, route, payload, fate, None);
    }

    fn expect_of(
        &mut self,
        marker: String,
        address: String,
        route: &'static str,
        payload: Value,
        fate: Fate,
        audience: Option<i64>,
    ) {
        let (request, account, message_ms) = (self.id(), self.account, self.message_ms);
        let expected = Expected { request, address, account, route, payload, fate, audience, message_ms };
        assert!(self.book.items.insert(marker, expected).is_none());
    }

    /// Sometimes the partner never takes the item.
    fn taken_or_refused(&mut self) -> Fate {
        if self.rng.u8(0..12) == 0 { Fate::Refused } else { Fate::Delivered }
    }

    fn one_event(&mut self, events: &mut Vec<Value>, email: &str, mpid: &str) {
        let (number, at) = (self.number(), self.message_ms - self.rng.i64(0..1000));
        let name = format!("event {number}");
        let is_receipt = self.rng.u8(0..6) == 0;
        let kind = if is_receipt { "push_message_receipt" } else { "custom_event" };
        let attributes = json!({ "n": number.to_string(), "ü": "\"quoted\" \u{1F600}" });
        let mut event = json!({ "type": kind, "id": format!("e-{number}"), "timestamp_ms": at, "attributes": attributes });
        if !is_receipt {
            event["name"] = name.clone().into();
        }
        if self.rng.u8(0..8) == 0 {
            // Compresses badly, so that some packs have to be spilled.
            let noise: String = (0..4_000).map(|_| self.rng.alphanumeric()).collect();
            event["attributes"]["noise"] = noise.into();
        }
        let payload = json!({ "name": name, "at": at, "email": email, "mpid": mpid, "attributes": event["attributes"] });
        let fate = if is_receipt { Fate::Dropped } else { self.taken_or_refused() };
        self.expect(name, format!("e{}", events.len()), "events", payload, fate);
        events.push(event);
    }

    fn events(&mut self) {
        let number = self.number();
        let (email, mpid) = (format!("u{number}@example.com"), number.to_string());
        let mut events = Vec::new();
        for _ in 0..self.rng.usize(1..=4) {
            self.one_event(&mut events, &email, &mpid);
        }
        let mut members = json!({ "mpid": mpid, "user_identities": identities(&email), "events": events });
        if self.rng.u8(0..3) == 0 {
            // The user's data is an item beside the events.
            members["user_attributes"] = json!({ "Plan": format!("plan {number}") });
            let payload = json!({ "email": email, "mpid": mpid, "attributes": members["user_attributes"] });
            let fate = self.taken_or_refused();
            self.expect(email, "p".to_owned(), "users", payload, fate);
        }
        self.send("event_processing_request", members, Reply::Stored);
    }

    fn profile(&mut self) {
        let number = self.number();
        let (email, mpid) = (format!("u{number}@example.com"), number.to_string());
        let attributes = json!({ "Plan": "print", "Since": "2019" });
        let payload = json!({ "email": email, "mpid": mpid, "attributes": attributes });
        let fate = self.taken_or_refused();
        self.expect(email.clone(), "p".to_owned(), "users", payload, fate);
        let members =
            json!({ "mpid": mpid, "user_identities": identities(&email), "user_attributes": attributes });
        self.send("event_processing_request", members, Reply::Stored);
    }

    fn subscription(&mut self) {
        let number = self.number();
        let audience = self.rng.i64(501..=502);
        let action = ["add", "add", "update", "remove"][self.rng.usize(0..4)];
        self.book.changes.push(Change {
            request: self.id(),
            account: self.account,
            audience,
            is_remove: action == "remove",
            message_ms: self.message_ms,
        });
        let members = json!({
            "audience_id": audience,
            "audience_name": audience_name(audience),
            "audience_subscription_settings": { "n": number.to_string() },
            "action": action,
        });
        self.send("audience_subscription_request", members, Reply::Stored);
    }

    fn membership(&mut self) {
        let mut profiles = Vec::new();
        for m in 0..self.rng.usize(1..=3) {
            let number = self.number();
            let (email, mpid) = (format!("m{number}@example.com"), number.to_string());
            let first = self.rng.i64(501..=502);
            let both = self.rng.u8(0..4) == 0;
            let mut entries = Vec::new();
            for (n, audience) in [first, 1003 - first].into_iter().take(1 + usize::from(both)).enumerate() {
                let action = ["add", "add", "add", "delete", "attribute_update"][self.rng.usize(0..5)];
                let (route, fate) = match action {
                    "add" => ("members-add", self.taken_or_refused()),
                    "delete" => ("members-remove", self.taken_or_refused()),
                    _ => ("attributes-only", Fate::Dropped),
                };
                let payload = json!({ "email": email, "mpid": mpid });
                let marker = format!("{email}/{audience}");
                self.expect_of(marker, format!("m{m}.{n}"), route, payload, fate, Some(audience));
                entries.push(json!({
                    "audience_id": audience,
                    "audience_name": audience_name(audience),
                    "audience_subscription_settings": { "listKey": list_key(self.account, audience) },
                    "action": action,
                }));
            }
            profiles
                .push(json!({ "mpid": mpid, "user_identities": identities(&email), "audiences": entries }));
        }
        self.send("audience_membership_change_request", json!({ "user_profiles": profiles }), Reply::Stored);
    }

    fn erasure(&mut self) {
        let subject = format!("subject {}", self.number());
        let payload = json!({ "request": subject, "regulation": "gdpr" });
        self.expect(subject.clone(), "w".to_owned(), "erasures", payload, Fate::Delivered);
        let members = json!({
            "subject_request_id": subject,
            "subject_request_type": "erasure",
            "submitted_time": 1_763_913_626,
            "subject_identities": { "email": { "encoding": "raw", "value": "gone@example.com" } },
            "api_version": "3.0",
            "regulation": "gdpr",
        });
        self.send("dsr_processing_request", members, Reply::Stored);
    }

    fn without_key(&mut self) {
        let name = format!("event {}", self.number());
        self.expect(name.clone(), "e0".to_owned(), "events", Value::Null, Fate::NoKey);
        let events = json!([{ "type": "custom_event", "name": name, "timestamp_ms": self.message_ms }]);
        self.send_with(
            "event_processing_request",
            &json!({ "apiKey": " " }),
            json!({ "events": events }),
            Reply::Stored,
        );
    }

    fn unreadable(&mut self) {
        let body = format!("{{\"type\":\"event_processing_request\",\"id\":\"{}\",", self.id());
        self.push(body.into(), Reply::Unreadable);
    }
}

fn identities(email: &str) -> Value {
    json!([{ "type": "email", "encoding": "raw", "value": email }])
}
