//! The table: situation → status, what is kept, why. The one place that decides what mParticle hears.
//!
//! 200 and 202 end a message, 408, 429, 500, 502, 503 and 504 bring it back a limited number of times, every other
//! status loses it for ever (protocol.md 1.4). So no library's default may answer here by accident.

use bytes::Bytes;
use http::StatusCode;
use penstock_shared::firehose::RequestKind;

/// Everything a call can end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// The queue has the message.
    Stored,
    /// A verification call: there is nothing to store (protocol.md 4.7).
    Noop,
    /// What can this integration do? Static, and answered with everything else down.
    Registration,
    /// Not a POST.
    NotPost,
    /// The token is missing or wrong, and the message is not a registration request.
    TokenWrong,
    /// No token was ever configured or read, so none can be judged.
    TokensMissing,
    /// The body did not arrive in time, or broke off.
    SlowBody,
    /// The body is longer than the absolute limit.
    TooLarge,
    /// The body is not a message; the reason is a metric label.
    Unreadable(&'static str),
    /// Our own limits are reached, or the queue did not take the message.
    NotNow(Shed),
    /// A bug.
    Panicked,
}

/// Why a call was answered 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// Too many bytes of bodies are held.
    BytesInFlight,
    /// Too many requests wait for the queue.
    PackerFull,
    /// The queue, or the spill, said no.
    QueueFailed,
    /// The queue did not answer within the budget; the message may be stored all the same.
    QueueSlow,
}

impl Shed {
    /// The word in `ingress_shed_total`.
    pub fn word(self) -> &'static str {
        match self {
            Self::BytesInFlight => "bytes_in_flight",
            Self::PackerFull => "packer_full",
            Self::QueueFailed => "queue_failed",
            Self::QueueSlow => "queue_slow",
        }
    }
}

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Stored durably, before the answer.
    Queued,
    /// A copy for a person, among the dead letters, as far as there is room for it.
    Quarantined,
    /// Nothing. What can come back is expected to.
    Nothing,
    /// Unknown: the message may be stored, and comes back: a duplicate, never a loss.
    Unknown,
}

impl Situation {
    /// The status mParticle hears, and what is kept.
    pub fn verdict(self) -> (StatusCode, Kept) {
        match self {
            Self::Stored => (StatusCode::OK, Kept::Queued),
            Self::Noop | Self::Registration => (StatusCode::OK, Kept::Nothing),
            // Permanent, and deliberate: these bytes, or this caller, would be no better the next time.
            Self::NotPost => (StatusCode::METHOD_NOT_ALLOWED, Kept::Nothing),
            Self::TokenWrong => (StatusCode::UNAUTHORIZED, Kept::Nothing),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Kept::Quarantined),
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, Kept::Quarantined),
            // Retried.
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, Kept::Nothing),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, Kept::Unknown),
            Self::NotNow(Shed::QueueSlow | Shed::QueueFailed) => {
                (StatusCode::SERVICE_UNAVAILABLE, Kept::Unknown)
            }
            Self::TokensMissing | Self::NotNow(Shed::BytesInFlight | Shed::PackerFull) => {
                (StatusCode::SERVICE_UNAVAILABLE, Kept::Nothing)
            }
        }
    }

    /// The status alone.
    pub fn status(self) -> StatusCode {
        self.verdict().0
    }

    /// The word in `ingress_shed_total`, if this situation counts there.
    pub fn shed_word(self) -> Option<&'static str> {
        match self {
            Self::NotNow(shed) => Some(shed.word()),
            Self::TokensMissing => Some("tokens_missing"),
            Self::SlowBody => Some("slow_body"),
            _ => None,
        }
    }

    /// The body of an answer that is no success: a stable code and a sentence for whoever reads mParticle's logs.
    fn problem(self) -> (&'static str, &'static str) {
        match self {
            Self::Stored | Self::Noop | Self::Registration => ("ok", "accepted"),
            Self::NotPost => ("not_post", "send messages by POST"),
            Self::TokenWrong => {
                ("token_wrong", "the Authorization header is missing or its token is not known")
            }
            Self::TokensMissing => ("tokens_missing", "no token is configured here yet; try again"),
            Self::SlowBody => ("slow_body", "the body did not arrive in time; try again"),
            Self::TooLarge => ("too_large", "the body is longer than this endpoint takes"),
            Self::Unreadable(reason) => (reason, "the body is not a message"),
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
mod tests {
    use super::*;

    const ALL: [(Situation, u16, Kept); 14] = [
        (Situation::Stored, 200, Kept::Queued),
        (Situation::Noop, 200, Kept::Nothing),
        (Situation::Registration, 200, Kept::Nothing),
        (Situation::NotPost, 405, Kept::Nothing),
        (Situation::TokenWrong, 401, Kept::Nothing),
        (Situation::TokensMissing, 503, Kept::Nothing),
        (Situation::SlowBody, 408, Kept::Nothing),
        (Situation::TooLarge, 413, Kept::Quarantined),
        (Situation::Unreadable("not_json"), 400, Kept::Quarantined),
        (Situation::NotNow(Shed::BytesInFlight), 503, Kept::Nothing),
        (Situation::NotNow(Shed::PackerFull), 503, Kept::Nothing),
        (Situation::NotNow(Shed::QueueFailed), 503, Kept::Unknown),
        (Situation::NotNow(Shed::QueueSlow), 503, Kept::Unknown),
        (Situation::Panicked, 500, Kept::Unknown),
    ];

    #[test]
    fn every_situation_has_the_status_of_the_protocol() {
        for (situation, status, kept) in ALL {
            assert_eq!(situation.verdict(), (StatusCode::from_u16(status).unwrap(), kept), "{situation:?}");
        }
    }

    #[test]
    fn success_is_said_only_of_what_is_stored_or_needs_no_storing() {
        for (situation, status, kept) in ALL {
            assert!(status != 200 || !matches!(kept, Kept::Unknown | Kept::Quarantined), "{situation:?}");
        }
    }

    #[test]
    fn what_is_not_kept_for_good_is_retried_or_deliberate() {
        let retried = [408, 429, 500, 502, 503, 504];
        for (situation, status, _) in ALL {
            let deliberate = matches!(status, 200 | 400 | 401 | 405 | 413);
            assert!(deliberate || retried.contains(&status), "{situation:?}");
        }
    }

    #[test]
    fn a_problem_has_a_code_for_programs() {
        let answer = Answer::problem(Situation::NotNow(Shed::QueueSlow), None);
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["code"], "queue_slow");
    }
}
