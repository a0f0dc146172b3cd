//! A partner that takes anything anywhere: for webhooks, and for measuring what comes.

use serde_json::{Value, json};

use super::call::{Call, Reply, key_text};
use super::stats::{Counted, key_digest};

/// Takes the call: each element of an array is an item, any other body is one.
pub(crate) fn answer(call: Call<'_>) -> Reply {
    let body = serde_json::from_slice::<Value>(call.body).unwrap_or(Value::Null);
    let items = match &body {
        Value::Array(elements) => elements.iter().map(item).collect(),
        other => vec![item(other)],
    };
    Reply::new(200, json!({ "ok": true })).with_items(items)
}

fn item(value: &Value) -> Counted {
    Counted::Accepted(key_text(value.get("key")).map(|key| key_digest(&key)))
}
