//! One request as the partner's API sees it, and what it says to it.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::stats::Counted;

/// A request, read to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    /// As it came, still percent-encoded.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// What the partner says, and what it has taken.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whole seconds for the `Retry-After` header.
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
    pub(crate) items: Vec<Counted>,
}

impl Reply {
    /// An answer that took no items.
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, retry_after: None, body, items: Vec::new() }
    }

    /// The same, with what became of the items.
    pub(crate) fn with_items(self, items: Vec<Counted>) -> Self {
        Self { items, ..self }
    }
}

/// The text of a member that is text or a number; keys come as either.
pub(crate) fn key_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
