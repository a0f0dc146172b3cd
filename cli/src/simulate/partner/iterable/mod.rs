//! A stand-in for Iterable's API: the shapes, limits and answers that are public, so that a mapping can be tried
//! without an Iterable project.
//!
//! What is known comes from Iterable's own API reference and from integrations in public use. Where they are silent the
//! stand-in is strict: a body that only might be taken is refused. Any key is good, except that one that starts with
//! `bad` is answered as a revoked one. Addresses at `forgotten.example`, `not-found.example`, `invalid-data.example` and
//! `conflict.example`, and user ids that begin with `forgotten-`, `not_found-`, `invalid_data-` and `conflict-`, belong
//! to users whom bulk calls fail for; for addresses at `unnamed.example` they fail without naming them.

mod answer;
mod endpoint;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::answer::{bulk, judge, refused, single};
use self::endpoint::{Answers, Endpoint, check};
use self::shape::{Refusal, User};
use super::call::{Call, Reply};
use super::pace::Bucket;
use super::stats::{Counted, key_digest};

/// Rate limits kept at once, one a key and endpoint; idle ones are forgotten beyond this.
const BUCKETS_MAX: usize = 10_000;

/// The stand-in's state beside its counters.
#[derive(Debug, Default)]
pub(crate) struct Iterable {
    /// By the digest of the key and the endpoint: limits hold for one project.
    buckets: BTreeMap<(u64, &'static str), Bucket>,
    lists: BTreeMap<String, u64>,
}

/// The path as it is counted: `{user}` for an address or id.
pub(crate) fn counted_path<'a>(method: &Method, path: &'a str) -> &'a str {
    Endpoint::find(method, path).map_or(path, |(endpoint, _)| endpoint.path)
}

/// A user and the id under which Iterable knows an event or purchase again.
#[derive(Debug)]
struct Checked {
    user: User,
    id: Option<String>,
}

impl Iterable {
    /// Different lists created so far.
    pub(crate) fn lists(&self) -> u64 {
        self.lists.len() as u64
    }

    /// Answers one call.
    pub(crate) fn answer(&mut self, call: Call<'_>, now: Instant) -> Reply {
        self.taken(call, now).unwrap_or_else(|refusal| refused(&refusal))
    }

    fn taken(&mut self, call: Call<'_>, now: Instant) -> Result<Reply, Refusal> {
        let (endpoint, user_in_path) = Endpoint::find(call.method, call.path)
            .ok_or_else(|| Refusal::new(404, "NotFound", "there is no such endpoint"))?;
        let key = api_key(call)?;
        self.within_rate(&key, endpoint, now)?;
        if call.body.len() > endpoint.bytes_max {
            return Err(Refusal::new(413, "RequestEntityTooLarge", "the body is larger than 4 MB"));
        }
        if let Some(user) = user_in_path {
            return single(&user, None);
        }
        let body: Value = serde_json::from_slice(call.body)
            .map_err(|_| Refusal::new(400, "BadJsonBody", "the body is not JSON"))?;
        let checked = check(endpoint.shape, &body)?;
        match endpoint.answers {
            Answers::Single => {
                let only = checked.into_iter().next().expect("a single call is about one user");
                single(&only.user, only.id.as_deref())
            }
            Answers::List => Ok(self.create_list(&body)),
            Answers::Bulk { event_names } => Ok(bulk(&checked, event_names)),
        }
    }

    fn within_rate(&mut self, key: &str, endpoint: &Endpoint, now: Instant) -> Result<(), Refusal> {
        if self.buckets.len() >= BUCKETS_MAX {
            self.buckets.retain(|_, bucket| !bucket.is_idle(now));
        }
        let bucket = self
            .buckets
            .entry((key_digest(key), endpoint.path))
            .or_insert_with(|| Bucket::per_second(endpoint.per_second, now));
        // Iterable says nothing of when to come back.
        bucket.take(now).map_err(|_| Refusal::new(429, "RateLimitExceeded", "too many requests"))
    }

    fn create_list(&mut self, body: &Value) -> Reply {
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        let next = self.lists.len() as u64 + 1;
        let id = *self.lists.entry(name).or_insert(next);
        Reply::new(200, json!({ "listId": id })).with_items(vec![Counted::Accepted(None)])
    }
}

fn api_key(call: Call<'_>) -> Result<String, Refusal> {
    let bad = |reason: &str| Err(Refusal::new(401, "BadApiKey", reason));
    if call.query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("api_key="))) {
        return bad("a key in the query ends in logs; send it in the Api-Key header");
    }
    match call.headers.get("api-key").and_then(|key| key.to_str().ok()).map(str::trim) {
        None | Some("") => bad("the Api-Key header is missing"),
        Some(key) if key.starts_with("bad") => bad("invalid API key"),
        Some(key) => Ok(key.to_owned()),
    }
}

/// Counts a user's part of a call that was taken.
fn counted(checked: &Checked) -> Counted {
    match judge(&checked.user) {
        Ok(()) => Counted::Accepted(checked.id.as_deref().map(key_digest)),
        Err(_) => Counted::Failed,
    }
}
