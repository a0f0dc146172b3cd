//! The table: situation → status → what mParticle makes of it → what is kept. The one place that decides what
//! mParticle hears, so that no library's default answers here by accident. ARCHITECTURE.md shows it; a test keeps the
//! two the same, and `tests/it/exits.rs` drives an ingress into every row.
//!
//! What answers anyone else (probes, browsers) is outside it, and so is the little that hyper answers by itself to
//! what is no HTTP (`server.rs`).

mod situation;

use bytes::Bytes;
use http::StatusCode;
use penstock_shared::firehose::RequestKind;

pub use situation::{Shed, Situation, Unreadable};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What happened, for people. Situations with the same words are one row to them.
    pub situation: &'static str,
    /// What mParticle hears.
    pub status: StatusCode,
    /// What becomes of the bytes.
    pub kept: Kept,
}

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Stored durably, before the answer.
    Queued,
    /// A copy for a person, among the dead letters, as far as there is room for it.
    Quarantined,
    /// The same of the beginning alone.
    Beginning,
    /// Nothing. What can come back is expected to.
    Nothing,
    /// Unknown: the message may be stored, and comes back: a duplicate, never a loss.
    Unknown,
}

/// What mParticle does with a message, by the status it hears (protocol.md 1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Forgets it: it was taken.
    Done,
    /// Sends it again, a limited number of times.
    TriesAgain,
    /// Forgets it for ever: it is lost.
    Lost,
}

impl Then {
    /// What follows this status.
    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200 | 202 => Self::Done,
            408 | 429 | 500 | 502 | 503 | 504 => Self::TriesAgain,
            _ => Self::Lost,
        }
    }
}

impl Row {
    /// What mParticle does then.
    pub fn then(&self) -> Then {
        Then::of(self.status)
    }
}

const fn row(situation: &'static str, status: StatusCode, kept: Kept) -> Row {
    Row { situation, status, kept }
}

impl Situation {
    /// Its row of the table.
    pub fn row(self) -> Row {
        use StatusCode as Status;
        match self {
            Self::Stored => row("stored", Status::OK, Kept::Queued),
            Self::Noop | Self::Registration => {
                row("verification call, registration request", Status::OK, Kept::Nothing)
            }
            Self::TokensMissing => row("no token known here", Status::SERVICE_UNAVAILABLE, Kept::Nothing),
            // Lost, and deliberately: this caller, or these bytes, would be no better the next time.
            Self::TokenWrong => row(
                "token missing or wrong, and no registration request",
                Status::UNAUTHORIZED,
                Kept::Nothing,
            ),
            Self::NotPost => row("not a POST", Status::METHOD_NOT_ALLOWED, Kept::Nothing),
            Self::Unreadable(_) => {
                row("not a message, or of no known type", Status::BAD_REQUEST, Kept::Quarantined)
            }
            Self::TooLarge => row("longer than the limit", Status::PAYLOAD_TOO_LARGE, Kept::Beginning),
            // Tried again.
            Self::SlowBody => row("body too slow, or broken off", Status::REQUEST_TIMEOUT, Kept::Nothing),
            Self::EnvelopeUnreadable => row(
                "in an envelope, as functions get calls, that cannot be read",
                Status::SERVICE_UNAVAILABLE,
                Kept::Nothing,
            ),
            Self::NotNow(Shed::BytesInFlight | Shed::PackerFull) => {
                row("too many bytes or requests held", Status::SERVICE_UNAVAILABLE, Kept::Nothing)
            }
            Self::NotNow(Shed::QueueFailed | Shed::QueueSlow) => {
                row("queue or spill failed, or too slow", Status::SERVICE_UNAVAILABLE, Kept::Unknown)
            }
            Self::Panicked => row("a panic", Status::INTERNAL_SERVER_ERROR, Kept::Unknown),
        }
    }

    /// The status alone.
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// The word in `ingress_shed_total`, if this situation counts there.
    pub fn shed_word(self) -> Option<&'static str> {
        match self {
            Self::NotNow(shed) => Some(shed.word()),
            Self::TokensMissing => Some("tokens_missing"),
            Self::SlowBody => Some("slow_body"),
            Self::EnvelopeUnreadable => Some("envelope_unreadable"),
            _ => None,
        }
    }

    /// The body of an answer that is no success: a stable code and a sentence for whoever reads mParticle's logs.
    pub fn problem(self) -> (&'static str, &'static str) {
        match self {
            Self::Stored | Self::Noop | Self::Registration => ("ok", "accepted"),
            Self::NotPost => ("not_post", "send messages by POST"),
            Self::TokenWrong => {
                ("token_wrong", "the Authorization header is missing or its token is not known")
            }
            Self::TokensMissing => ("tokens_missing", "no token is configured here yet; try again"),
            Self::SlowBody => ("slow_body", "the body did not arrive in time; try again"),
            Self::EnvelopeUnreadable => ("envelope_unreadable", "cannot read the call's envelope; try again"),
            Self::TooLarge => ("too_large", "the body is longer than this endpoint takes"),
            Self::Unreadable(reason) => (reason.word(), "the body is not a message"),
            Self::NotNow(shed) => (shed.word(), "cannot store the message now; try again"),
            Self::Panicked => ("internal", "something is wrong here; try again"),
        }
    }
}

/// An answer, before any transport dresses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What happened.
    pub situation: Situation,
    /// What was asked, as far as it is known.
    pub kind: Option<RequestKind>,
    /// The JSON body.
    pub body: Bytes,
}

impl Answer {
    /// An answer with the standard response of its message type.
    pub fn with_body(situation: Situation, kind: RequestKind, body: Vec<u8>) -> Self {
        Self { situation, kind: Some(kind), body: body.into() }
    }

    /// An answer that is no success.
    pub fn problem(situation: Situation, kind: Option<RequestKind>) -> Self {
        let (code, message) = situation.problem();
        let body = serde_json::json!({ "code": code, "message": message }).to_string();
        Self { situation, kind, body: body.into() }
    }
}

#[cfg(test)]
mod tests;
