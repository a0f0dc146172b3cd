//! Data subject requests (protocol.md 3.5). A lost erasure is a legal matter, so nothing odd makes one unreadable.

use std::fmt;

use serde_json::Value;

use super::{
    Fields,
    identity::IDENTITIES_BY_TYPE,
    shape::{Shape, Table},
};

/// A data subject request. `Debug` shows nothing of the subject.
#[derive(Clone, PartialEq)]
pub struct Dsr {
    /// What is asked for.
    pub request_type: DsrType,
    /// When it was filed, ms since 1970 UTC, whichever of its four forms it came in; `None` when absent or absurd.
    pub submitted_time_ms: Option<i64>,
    /// All members, normalised; `submitted_time` in milliseconds.
    pub fields: Fields,
}

/// What a data subject asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DsrType {
    /// Erase what is known of the subject.
    Erasure,
    /// Another word, such as `access`, or "" when there is none: to be set aside for a person.
    Other(String),
}

/// The members of a data subject request, but for account and envelope.
pub(super) const DSR: Table = &[
    ("subject_request_id", Shape::Text),
    ("subject_request_type", Shape::Text),
    ("submitted_time", Shape::Time),
    ("subject_identities", IDENTITIES_BY_TYPE),
    ("api_version", Shape::Text),
    ("regulation", Shape::Text),
];

impl Dsr {
    pub(super) fn read(fields: Fields) -> Self {
        let request_type = match fields.get("subject_request_type").and_then(Value::as_str) {
            Some("erasure") => DsrType::Erasure,
            other => DsrType::Other(other.unwrap_or_default().to_owned()),
        };
        let submitted_time_ms = fields.get("submitted_time").and_then(Value::as_i64);
        Self { request_type, submitted_time_ms, fields }
    }
}

impl fmt::Debug for Dsr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dsr").field("request_type", &self.request_type).finish_non_exhaustive()
    }
}
