//! Sorting: what ingress learns of a request, in one pass over its bytes and without parsing what it does not need.
//! The worker judges the content.

use super::{RequestKind, facts::Facts, raw};
use crate::ids::AccountId;

/// What ingress must know of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted {
    /// Which of the five requests it is.
    pub kind: RequestKind,
    /// The request's `id`, if it is a text of 1 to 1,024 bytes; not necessarily a UUID.
    pub id: Option<String>,
    /// The customer's account, as far as it can be read.
    pub account: AccountId,
    /// False when there is nothing to queue: registration requests and verification calls (protocol.md 4.7).
    pub deliverable: bool,
    /// The audience of a subscription request; `None` for all others.
    pub audience_id: Option<i64>,
}

/// Why a body is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SortError {
    /// Nothing but white space.
    #[error("the body is empty")]
    Empty,
    /// Broken JSON.
    #[error("not JSON at byte {offset}: {detail}")]
    NotJson {
        /// Where, counted from 0 behind a byte order mark.
        offset: usize,
        /// What was expected; holds nothing of the body.
        detail: String,
    },
    /// JSON, but `null`, a text, a number or an array.
    #[error("not a JSON object")]
    NotAnObject,
    /// Something follows the object.
    #[error("bytes after the object, at byte {offset}")]
    TrailingBytes {
        /// Where, counted from 0 behind a byte order mark.
        offset: usize,
    },
    /// No `type`, or an empty one.
    #[error("`type` is missing")]
    TypeMissing,
    /// A `type` that is none of the five, cut to 60 characters.
    #[error("`type` is none of the five requests: `{0}`")]
    UnknownType(String),
}

impl SortError {
    /// A word for metrics and reports.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotJson { .. } => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::TypeMissing => "type_missing",
            Self::UnknownType(_) => "unknown_type",
        }
    }
}

/// Sorts a body. A known type with odd content is sorted without complaint; whatever is deliverable here has at
/// least one item for [`read`](super::read).
///
/// A byte order mark, duplicate members, invalid UTF-8 inside texts and nesting of any depth pass.
///
/// # Errors
/// [`SortError`] when the body is not one JSON object with the `type` of a request.
pub fn sort(body: &[u8]) -> Result<Sorted, SortError> {
    let text = raw::text(body);
    let facts = Facts::read(&text, |_, _| {})?;
    let kind = facts.kind()?;
    Ok(Sorted {
        kind,
        id: facts.id(),
        account: facts.account(),
        deliverable: facts.deliverable(kind),
        audience_id: if kind == RequestKind::Subscription { facts.audience_id() } else { None },
    })
}

#[cfg(test)]
mod tests;
