//! mParticle's messages, small.

use serde_json::{Value, json};

use crate::bench::BEGUN_MS;

fn account(id: i64) -> Value {
    json!({ "account_id": id, "account_settings": { "apiKey": format!("key-{id}") } })
}

/// Events with these names, each with an id of its own.
pub(crate) fn events(account_id: i64, names: &[&str]) -> Value {
    let events: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            json!({
                "type": "custom_event", "id": format!("{account_id}-{name}"), "name": name,
                "timestamp_ms": BEGUN_MS + i64::try_from(n).unwrap(),
            })
        })
        .collect();
    json!({
        "type": "event_processing_request", "id": format!("r-{account_id}-{}", names.join("-")),
        "timestamp_ms": BEGUN_MS, "account": account(account_id), "events": events,
    })
}

/// A subscription change at `after_ms`.
pub(crate) fn subscription(account_id: i64, audience: i64, action: &str, after_ms: i64) -> Value {
    json!({
        "type": "audience_subscription_request", "id": format!("s-{audience}-{action}-{after_ms}"),
        "timestamp_ms": BEGUN_MS + after_ms, "account": account(account_id), "audience_id": audience,
        "audience_name": format!("audience {audience}"), "action": action,
        "audience_subscription_settings": { "folder": "f1" },
    })
}

/// Changes of some users in some audiences at `after_ms`: user, audience, action.
pub(crate) fn memberships(account_id: i64, changes: &[(&str, i64, &str)], after_ms: i64) -> Value {
    let profiles: Vec<Value> = changes
        .iter()
        .map(|(user, audience, action)| json!({
            "user_identities": [{ "type": "email", "encoding": "raw", "value": format!("{user}@example.com") }],
            "audiences": [{
                "audience_id": audience, "audience_name": format!("audience {audience}"), "action": action,
                "audience_subscription_settings": { "folder": "f1" },
            }],
        }))
        .collect();
    json!({
        "type": "audience_membership_change_request", "id": format!("m-{account_id}-{after_ms}-{}", changes.len()),
        "timestamp_ms": BEGUN_MS + after_ms, "account": account(account_id), "user_profiles": profiles,
    })
}

/// An erasure request.
pub(crate) fn erasure(account_id: Option<i64>, kind: &str) -> Value {
    let mut request = json!({
        "type": "dsr_processing_request", "id": "d-1", "timestamp_ms": BEGUN_MS,
        "subject_request_id": "dsr-1", "subject_request_type": kind, "submitted_time": 1_799_999_999.5,
        "subject_identities": { "email": { "encoding": "raw", "value": "a@example.com" }, "pebble": { "value": "x" } },
        "regulation": "gdpr", "extensions": { "more": [1, 2] },
    });
    if let Some(id) = account_id {
        request["account"] = account(id);
    }
    request
}
