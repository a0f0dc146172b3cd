//! The built-in partner: a small, well-behaved API with a word for each item, lists, and a memory for item keys.

use std::collections::{BTreeMap, HashSet};

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::call::{Call, Reply, key_text};
use super::stats::{Counted, Tally, key_digest};

/// The sandbox's state beside its counters.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    /// What each list is known by, and the id it was given.
    lists: BTreeMap<ListIdentity, String>,
}

/// What a list is known by: its key, so that a renamed one stays the same list; its name if it has no key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ListIdentity {
    Key(String),
    Name(String),
}

/// What a path is for.
#[derive(Clone, Copy, Debug)]
enum Route<'a> {
    /// Takes items, under this member if the body is an object that has it.
    Items(&'static str),
    Members(&'a str),
    CreateList,
    RemoveList(&'a str),
}

fn route<'a>(method: &Method, path: &'a str) -> Option<(&'static str, Route<'a>)> {
    let mut parts = path.trim_matches('/').split('/');
    let parts = [parts.next()?, parts.next().unwrap_or(""), parts.next().unwrap_or(""), {
        let last = parts.next().unwrap_or("");
        parts.next().is_none().then_some(last)?
    }];
    match (method.as_str(), parts) {
        ("POST", ["events", "", "", ""]) => Some(("/events", Route::Items("events"))),
        ("POST", ["users", "", "", ""]) => Some(("/users", Route::Items("users"))),
        ("POST", ["erasures", "", "", ""]) => Some(("/erasures", Route::Items("erasures"))),
        ("POST", ["lists", "", "", ""]) => Some(("/lists", Route::CreateList)),
        ("DELETE", ["lists", id, "", ""]) if !id.is_empty() => Some(("/lists/{id}", Route::RemoveList(id))),
        ("PUT", ["lists", id, "members", ""]) => Some(("/lists/{id}/members", Route::Members(id))),
        ("POST", ["lists", id, "members", "remove"]) => {
            Some(("/lists/{id}/members/remove", Route::Members(id)))
        }
        _ => None,
    }
}

/// The path as it is counted: `{id}` for a list's id.
pub(crate) fn counted_path<'a>(method: &Method, path: &'a str) -> &'a str {
    route(method, path).map_or(path, |(counted, _)| counted)
}

impl Sandbox {
    /// Different lists created so far.
    pub(crate) fn lists(&self) -> u64 {
        self.lists.len() as u64
    }

    /// Answers one call. `item_fails` is asked once for each item that is otherwise good; `seen` knows the keys taken
    /// so far on `counted`, the path as it is counted.
    pub(crate) fn answer(
        &mut self,
        call: Call<'_>,
        counted: &str,
        seen: &Tally,
        item_fails: &mut dyn FnMut() -> bool,
    ) -> Reply {
        let Some((_, route)) = route(call.method, call.path) else {
            return Reply::new(404, json!({ "error": "there is no such path" }));
        };
        if let Route::RemoveList(id) | Route::Members(id) = route
            && !is_list_id(id)
        {
            return Reply::new(404, json!({ "error": "there is no such list" }));
        }
        if matches!(route, Route::RemoveList(_)) {
            return Reply::new(200, json!({ "status": "ok" }));
        }
        let Ok(body) = serde_json::from_slice::<Value>(call.body) else {
            return Reply::new(400, json!({ "error": "the body is not JSON" }));
        };
        let member = match route {
            Route::CreateList => return self.create_list(&body, call.headers),
            Route::Items(member) => member,
            _ => "members",
        };
        match items(body, member) {
            Some(items) => judge(&items, counted, seen, item_fails),
            None => Reply::new(400, json!({ "error": format!("the body holds no {member}") })),
        }
    }

    /// The same key gives the same list, in this run and any other. A call that comes again is known by its
    /// idempotency key.
    fn create_list(&mut self, body: &Value, headers: &HeaderMap) -> Reply {
        let key = key_text(body.get("key")).map(ListIdentity::Key);
        let Some(identity) = key.or_else(|| key_text(body.get("name")).map(ListIdentity::Name)) else {
            return Reply::new(400, json!({ "error": "a list needs a name or a key" }));
        };
        let known = self.lists.contains_key(&identity);
        let digest = key_digest(&format!("{identity:?}"));
        let call =
            headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map_or(digest, key_digest);
        let id = self.lists.entry(identity).or_insert_with(|| format!("L-{digest:016x}"));
        Reply::new(200, json!({ "list_id": id, "created": !known }))
            .with_items(vec![Counted::Accepted(Some(call))])
    }
}

/// Whether the sandbox could have given this id out; ids are the same in every run, so a restart forgets none.
fn is_list_id(id: &str) -> bool {
    id.strip_prefix("L-")
        .is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn items(body: Value, member: &str) -> Option<Vec<Value>> {
    match body {
        Value::Array(items) => Some(items),
        Value::Object(mut object) => match object.get_mut(member) {
            Some(Value::Array(items)) => Some(std::mem::take(items)),
            _ => Some(vec![Value::Object(object)]),
        },
        _ => None,
    }
}

fn judge(items: &[Value], path: &str, seen: &Tally, item_fails: &mut dyn FnMut() -> bool) -> Reply {
    let mut here = HashSet::new();
    let judged = items.iter().map(|item| {
        if !item.is_object() {
            return (json!({ "status": "bad", "reason": "not an object" }), Counted::Failed);
        }
        if item_fails() {
            return (json!({ "status": "busy", "reason": "try again" }), Counted::Failed);
        }
        let key = key_text(item.get("key")).map(|key| key_digest(&key));
        let again = key.is_some_and(|key| seen.has(path, key) || !here.insert(key));
        let word =
            if again { json!({ "status": "ok", "duplicate": true }) } else { json!({ "status": "ok" }) };
        (word, Counted::Accepted(key))
    });
    let (results, counted): (Vec<Value>, Vec<Counted>) = judged.unzip();
    Reply::new(200, json!({ "results": results })).with_items(counted)
}
