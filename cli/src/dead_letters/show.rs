//! Dead letters for people and scripts. Account settings are never shown.

use std::io::{self, Write as _};

use bytes::Bytes;
use penstock_shared::{
    pack::{PackedBody, PackedRequest, Pending},
    spill::{Spill, SpillError},
};
use serde_json::{Value, json};

use super::{
    Filter,
    letter::{Letter, fits, reasons},
};
use crate::exit::ExitStatus;

/// One line for each request of each letter that fits.
pub(super) fn list(letters: &[Letter], filter: &Filter, as_json: bool) -> io::Result<ExitStatus> {
    let mut out = io::stdout().lock();
    let fitting: Vec<&Letter> = letters.iter().filter(|letter| letter.fits(filter)).collect();
    if !as_json && !fitting.is_empty() {
        writeln!(
            out,
            "{:<13} {:<25} {:<12} {:<13} {:>5}  REASON",
            "ID", "SINCE", "ACCOUNT", "KIND", "ITEMS"
        )?;
    }
    for letter in &fitting {
        if letter.pack.is_none() {
            let (id, bytes) = (&letter.id, letter.message.body.len());
            if as_json {
                writeln!(out, "{}", json!({ "id": id, "reason": "pack_unreadable", "bytes": bytes }))?;
            } else {
                writeln!(
                    out,
                    "{id:<13} {:<25} {:<12} {:<13} {:>5}  pack_unreadable",
                    since(letter),
                    "-",
                    "-",
                    "-"
                )?;
            }
        }
        for request in letter.requests().iter().filter(|request| fits(request, filter)) {
            for (code, items, detail) in reasons(request) {
                if as_json {
                    writeln!(out, "{}", json_line(letter, request, &code, items, &detail))?;
                } else {
                    let kind = request.kind.map_or("unsorted", |kind| kind.label());
                    let (id, since, account) = (&letter.id, since(letter), request.account.to_string());
                    writeln!(
                        out,
                        "{id:<13} {since:<25} {account:<12} {kind:<13} {items:>5}  {code}: {detail}"
                    )?;
                }
            }
        }
    }
    eprintln!("{} dead letters", fitting.len());
    Ok(ExitStatus::Done)
}

fn since(letter: &Letter) -> String {
    jiff::Timestamp::from_millisecond(letter.message.sent_at_ms)
        .map_or_else(|_| "-".into(), |time| time.to_string())
}

fn json_line(letter: &Letter, request: &PackedRequest, code: &str, items: usize, detail: &str) -> Value {
    json!({
        "id": letter.id,
        "since_ms": letter.message.sent_at_ms,
        "pod": request.pod.as_str(),
        "account": i64::from(request.account),
        "kind": request.kind.map(|kind| kind.label()),
        "request_id": request.id,
        "items": items,
        "reason": code,
        "detail": detail,
    })
}

/// One letter as indented JSON.
pub(super) async fn one(letter: &Letter, spill: &dyn Spill) -> io::Result<ExitStatus> {
    let mut requests = Vec::new();
    for request in letter.requests() {
        requests.push(shown(request, &body(request, spill).await));
    }
    let whole = json!({ "id": letter.id, "since_ms": letter.message.sent_at_ms, "receives": letter.message.receive_count, "requests": requests });
    let text = serde_json::to_string_pretty(&whole).map_err(io::Error::other)?;
    writeln!(io::stdout(), "{text}")?;
    Ok(ExitStatus::Done)
}

fn shown(request: &PackedRequest, body: &Value) -> Value {
    let pending = match &request.pending {
        Pending::All => json!("all"),
        Pending::SetAside(reason) => {
            json!({ "set_aside": reason.code, "detail": reason.detail, "at_ms": reason.at_ms })
        }
        Pending::Items(items) => items
            .iter()
            .map(|item| {
                let reason = item.dead.as_ref();
                json!({
                    "item": item.address.to_string(),
                    "attempts": item.attempts,
                    "reason": reason.map(|reason| &reason.code),
                    "detail": reason.map(|reason| &reason.detail),
                    "at_ms": reason.map(|reason| reason.at_ms),
                })
            })
            .collect(),
    };
    json!({
        "pod": request.pod.as_str(),
        "account": i64::from(request.account),
        "kind": request.kind.map(|kind| kind.label()),
        "request_id": request.id,
        "received_at_ms": request.received_at_ms,
        "pending": pending,
        "body": body,
    })
}

/// The body with the values of account settings redacted; one that is no JSON as a note of its length alone, since it
/// cannot be told what in it is secret.
async fn body(request: &PackedRequest, spill: &dyn Spill) -> Value {
    match original(request, spill).await {
        Err(error) => json!({ "missing": error.to_string() }),
        Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
            Ok(mut body) => {
                redact(&mut body);
                body
            }
            Err(error) => json!({ "unreadable": error.to_string(), "bytes": bytes.len() }),
        },
    }
}

/// The body as it was received.
pub(super) async fn original(request: &PackedRequest, spill: &dyn Spill) -> Result<Bytes, SpillError> {
    match &request.body {
        PackedBody::Inline(bytes) => Ok(bytes.clone()),
        PackedBody::Spilled { key, .. } => spill.get(key).await,
    }
}

fn redact(body: &mut Value) {
    let settings = body.get_mut("account").and_then(|account| account.get_mut("account_settings"));
    match settings {
        Some(Value::Object(settings)) => settings.values_mut().for_each(|value| *value = json!("[redacted]")),
        Some(other) => *other = json!("[redacted]"),
        None => {}
    }
}
