//! A partner that misbehaves as partners do, remembers what it took, and checks each call it gets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use penstock_shared::partner::Partner;
use penstock_worker::destination::{Answer, Call, CallError, Destination};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    faults::PartnerFaults,
    messages::{Book, Fate, list_key},
    pace::Pace,
    trace::Trace,
};

/// What became of an item at the partner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// How often it was taken.
    pub(crate) taken: u32,
    /// How often it was in a call that the worker cannot take for a success.
    pub(crate) failed: u32,
    /// It was refused, alone.
    pub(crate) refused: u32,
    key: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    faults: PartnerFaults,
    rng: fastrand::Rng,
    seen: BTreeMap<String, Seen>,
    keys: BTreeMap<String, String>,
    /// By its id: the account and audience it was made for.
    lists: BTreeMap<String, (i64, i64)>,
    doubts: u64,
    problems: Vec<String>,
    happened: BTreeSet<&'static str>,
}

/// The partner, shared by all workers.
#[derive(Debug)]
pub(crate) struct PartnerModel {
    state: Mutex<State>,
    book: Arc<Book>,
    trace: Arc<Trace>,
    timeout: Duration,
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    Throttles(Option<u16>),
    Breaks(u16),
    Resets,
    LosesAnswer,
    Hangs { takes: bool },
}

/// The way from one incarnation of a worker to the partner.
#[derive(Debug)]
pub(crate) struct Line {
    partner: Arc<PartnerModel>,
    worker: usize,
    pace: Pace,
}

impl PartnerModel {
    pub(crate) fn new(seed: u64, book: Arc<Book>, trace: Arc<Trace>, partner: &Partner) -> Arc<Self> {
        let state = State { rng: fastrand::Rng::with_seed(seed ^ 0x7061_7274), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), book, trace, timeout: partner.api.timeout })
    }

    /// The way to it for a new incarnation of a worker, held to the limits of `partner`.
    pub(crate) fn line(self: &Arc<Self>, worker: usize, partner: &Partner) -> Line {
        Line { partner: self.clone(), worker, pace: Pace::new(partner) }
    }

    pub(crate) fn set_faults(&self, faults: PartnerFaults) {
        self.state().faults = faults;
    }

    pub(crate) fn set_outage(&self, outage: bool) {
        self.state().faults.outage = outage;
    }

    /// By item; an item that never came is not there.
    pub(crate) fn seen(&self) -> BTreeMap<String, Seen> {
        self.state().seen.clone()
    }

    /// By id: account and audience.
    pub(crate) fn lists(&self) -> BTreeMap<String, (i64, i64)> {
        self.state().lists.clone()
    }

    /// Calls that were taken, and whose caller does not know.
    pub(crate) fn doubts(&self) -> u64 {
        self.state().doubts
    }

    /// What it found wrong with the calls it got.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    /// Which faults there were.
    pub(crate) fn happened(&self) -> BTreeSet<&'static str> {
        self.state().happened.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn mood(&self) -> Mood {
        let mut state = self.state();
        let State { faults, rng, happened, .. } = &mut *state;
        let mut happens = |word, percent: u8, rng: &mut fastrand::Rng| {
            let happens = percent > rng.u8(0..100);
            if happens {
                happened.insert(word);
            }
            happens
        };
        if faults.outage {
            return if rng.bool() { Mood::Resets } else { Mood::Breaks(503) };
        }
        if happens("throttled", faults.throttled, rng) {
            return Mood::Throttles(rng.bool().then(|| rng.u16(1..=30)));
        }
        if happens("broken", faults.broken, rng) {
            return Mood::Breaks([500, 502, 503][rng.usize(0..3)]);
        }
        if happens("reset", faults.reset, rng) {
            return Mood::Resets;
        }
        if happens("answer lost", faults.answer_lost, rng) {
            return Mood::LosesAnswer;
        }
        if happens("hangs", faults.hangs, rng) {
            return Mood::Hangs { takes: rng.bool() };
        }
        Mood::Takes
    }

    /// What tells each item apart, and the item; complains of a call that is not as it should be.
    fn open(&self, worker: usize, call: &Call) -> Vec<(String, Value)> {
        let body: Value = serde_json::from_slice(call.body.as_ref().unwrap()).unwrap();
        let items = match call.route.as_str() {
            "events" => body["events"].as_array().cloned().unwrap_or_default(),
            "users" => body["users"].as_array().cloned().unwrap_or_default(),
            "members-add" | "members-remove" => body["members"].as_array().cloned().unwrap_or_default(),
            _ => vec![body.clone()],
        };
        let account = i64::from(call.account);
        let mut state = self.state();
        let mut wrong =
            |what: String| state.problems.push(format!("worker {worker}, {}: {what}", call.route));
        if items.is_empty() || items.len() != call.items.len() {
            wrong(format!("{} items in the body, {} in the call", items.len(), call.items.len()));
        }
        let bearer = call.headers.iter().find(|(name, _)| *name == header::AUTHORIZATION);
        if bearer.is_none_or(|(_, value)| value.as_bytes() != format!("Bearer key-{account}").as_bytes()) {
            wrong(format!("account {account} with another's credentials"));
        }
        let list = call.url.path().split('/').nth(3).filter(|_| call.route.starts_with("members"));
        let audience = list.map(|id| state.lists.get(id).copied());
        if let Some(owner) = audience
            && owner.is_none_or(|(owner, _)| owner != account)
        {
            state.problems.push(format!("{}: list {list:?} is not account {account}'s", call.route));
        }
        let marker = |item: &Value| match call.route.as_str() {
            "events" => text(item, "name"),
            "users" => text(item, "email"),
            "erasures" => text(item, "request"),
            "list" => format!("list {account}/{}", item["audience"]),
            _ => {
                format!("{}/{}", text(item, "email"), audience.flatten().map_or(0, |(_, audience)| audience))
            }
        };
        let items: Vec<(String, Value)> = items.into_iter().map(|item| (marker(&item), item)).collect();
        for ((marker, item), key) in items.iter().zip(&call.items) {
            if let Err(problem) = state.check(&self.book, call, marker, item, key.as_str()) {
                state.problems.push(format!("worker {worker}, {}, `{marker}`: {problem}", call.route));
            }
        }
        items
    }

    /// Takes the call: the moment after which it has had its effect.
    fn take(&self, call: &Call, items: &[(String, Value)]) -> (u16, Value) {
        let mut state = self.state();
        let is_refused =
            |marker: &String| self.book.items.get(marker).is_some_and(|item| item.fate == Fate::Refused);
        match call.route.as_str() {
            "list" => (201, json!({ "list_id": state.list(call, items) })),
            "users" if items.iter().any(|(marker, _)| is_refused(marker)) => {
                state.happened.insert("batch refused");
                if let [(marker, _)] = items {
                    state.seen(marker).refused += 1;
                }
                (400, json!({ "error": "bad user" }))
            }
            "users" | "erasures" => {
                items.iter().for_each(|(marker, _)| state.seen(marker).taken += 1);
                (200, json!({}))
            }
            _ => {
                let results: Vec<Value> = items
                    .iter()
                    .map(|(marker, _)| {
                        if is_refused(marker) {
                            state.seen(marker).refused += 1;
                            return json!({ "status": "bad", "reason": "never" });
                        }
                        if state.faults.busy > state.rng.u8(0..100) {
                            state.happened.insert("busy");
                            state.seen(marker).failed += 1;
                            return json!({ "status": "busy" });
                        }
                        state.seen(marker).taken += 1;
                        json!({ "status": "ok" })
                    })
                    .collect();
                (200, json!({ "results": results }))
            }
        }
    }

    fn failed(&self, items: &[(String, Value)], is_doubtful: bool) {
        let mut state = self.state();
        state.doubts += u64::from(is_doubtful);
        items.iter().for_each(|(marker, _)| state.seen(marker).failed += 1);
    }

    async fn pause(&self) {
        let pause = Duration::from_millis(self.state().rng.u64(1..=150));
        sleep(pause).await;
    }
}

impl State {
    fn seen(&mut self, marker: &str) -> &mut Seen {
        self.seen.entry(marker.to_owned()).or_default()
    }

    fn check(
        &mut self,
        book: &Book,
        call: &Call,
        marker: &str,
        item: &Value,
        key: &str,
    ) -> Result<(), String> {
        let account = i64::from(call.account);
        if call.route == "list" {
            let audience = item["audience"].as_i64().unwrap_or_default();
            let name = crate::messages::audience_name(audience);
            let expected = json!({ "key": list_key(account, audience), "name": name, "audience": audience });
            return if *item == expected { Ok(()) } else { Err(format!("{item} is not {expected}")) };
        }
        let expected = book.items.get(marker).ok_or("was never sent")?;
        let mut payload = item.clone();
        let sent_key = payload.as_object_mut().and_then(|members| members.remove("key"));
        if sent_key.as_ref().and_then(Value::as_str) != Some(key) {
            return Err(format!("its key is {sent_key:?}, the call's {key}"));
        }
        if payload != expected.payload {
            return Err(format!("{payload} is not {}", expected.payload));
        }
        if (account, call.route.as_str()) != (expected.account, expected.route) {
            return Err(format!("came for account {account} by another route or account than it should"));
        }
        if !matches!(expected.fate, Fate::Delivered | Fate::Refused) {
            return Err(format!("should not have come: {:?}", expected.fate));
        }
        let known = self.seen(marker).key.get_or_insert_with(|| key.to_owned()).clone();
        let owner = self.keys.entry(key.to_owned()).or_insert_with(|| marker.to_owned());
        if known != key || owner != marker {
            return Err(format!("its key was {known}, is {key}, which is `{owner}`'s"));
        }
        Ok(())
    }

    /// Creates the list, or finds the one that this key has created.
    fn list(&mut self, call: &Call, items: &[(String, Value)]) -> String {
        let audience = items[0].1["audience"].as_i64().unwrap_or_default();
        let of = (i64::from(call.account), audience);
        if let Some((id, _)) = self.lists.iter().find(|(_, owner)| **owner == of) {
            return id.clone();
        }
        let id = format!("L{}", self.lists.len() + 1);
        self.lists.insert(id.clone(), of);
        id
    }
}

fn text(item: &Value, member: &str) -> String {
    item[member].as_str().unwrap_or_default().to_owned()
}

#[async_trait]
impl Destination for Line {
    async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let partner = &self.partner;
        let paced = self.pace.begin(call);
        if let Err(problem) = &paced {
            partner.state().problems.push(format!("worker {}: {problem}", self.worker));
        }
        let items = partner.open(self.worker, call);
        let mood = partner.mood();
        let markers: Vec<&str> = items.iter().map(|(marker, _)| marker.as_str()).collect();
        partner.trace.note(format_args!(
            "worker {} calls {} {markers:?}: {mood:?}",
            self.worker,
            call.url.path()
        ));
        partner.pause().await;
        let (status, after, body) = match mood {
            Mood::Takes | Mood::LosesAnswer => {
                let (status, body) = partner.take(call, &items);
                if mood == Mood::LosesAnswer {
                    partner.failed(&items, true);
                    partner.pause().await;
                    return Err(CallError::Network("reset".to_owned()));
                }
                (status, None, body)
            }
            Mood::Resets => {
                partner.failed(&items, false);
                return Err(CallError::Network("reset".to_owned()));
            }
            Mood::Hangs { takes } => {
                if takes {
                    partner.take(call, &items);
                }
                partner.failed(&items, takes);
                sleep(partner.timeout).await;
                return Err(CallError::Timeout);
            }
            Mood::Throttles(after) => (429, after, Value::Null),
            Mood::Breaks(status) => {
                partner.failed(&items, false);
                (status, None, Value::Null)
            }
        };
        partner.pause().await;
        let mut headers = HeaderMap::new();
        if let Some(seconds) = after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            self.pace.close(call, Duration::from_secs(seconds.into()), Instant::now());
        }
        partner.trace.note(format_args!("partner answers worker {} {status}", self.worker));
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.to_string().into(),
            is_cut: false,
        })
    }
}
