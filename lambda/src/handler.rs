//! One invocation: what its payload is, who answers it, and what the result means to mParticle.

use bytes::Bytes;
use http::StatusCode;
use lambda_runtime::Diagnostic;
use penstock_ingress::{Front, answer::Then};
use serde::Deserialize;

use crate::{event::Payload, reply::Reply};

/// A function error: the only way to say "try again" to who invokes a function directly.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TryAgain {
    reason: String,
}

impl From<TryAgain> for Diagnostic {
    fn from(error: TryAgain) -> Self {
        Self { error_type: "Penstock.TryAgain".to_owned(), error_message: error.reason }
    }
}

/// Answers an invocation.
///
/// # Errors
/// [`TryAgain`] when a message that came directly is not stored, and may be the next time. An HTTP event always has an
/// answer: it has a status to say so.
///
/// # Cancel safety
/// When dropped, the message is either stored or not.
pub(crate) async fn answer(front: &Front, payload: impl Future<Output = Bytes>) -> Result<Reply, TryAgain> {
    let payload = payload.await;
    let (shape, response) = match Payload::read(&payload) {
        Payload::Call(event) => (event.shape(), front.answer_http(event.into_request()).await),
        Payload::Unfit(shape) => (shape, front.answer_unreadable_envelope()),
        Payload::Message => {
            let (status, body) = front.answer(payload).await;
            note(status, &body);
            return direct(status, &body);
        }
    };
    note(response.status(), response.body());
    Ok(Reply::http(shape, response))
}

/// The result of a direct invocation, which has no status.
///
/// What over HTTP is lost for good (400, 413: the body is no message, and a copy of it was quarantined) is a result here
/// and no error. A function error is tried again, so the same bytes would come again, fail again, and at the end
/// of the retries count against the integration, or switch a customer's audience off; nobody would be helped. The result
/// is the problem's JSON: it has no `type`, so who reads it cannot take it for the response to a message.
fn direct(status: StatusCode, body: &Bytes) -> Result<Reply, TryAgain> {
    if Then::of(status) == Then::TriesAgain {
        let Problem { code, message } = problem(body);
        return Err(TryAgain { reason: format!("{code}: {message}") });
    }
    Ok(Reply::message(body))
}

/// Nobody asks a function for its metrics, so what was not accepted is a log line.
fn note(status: StatusCode, body: &Bytes) {
    if !status.is_success() && !status.is_redirection() {
        let code = problem(body).code;
        tracing::warn!(status = status.as_u16(), code, "answered {status}: {code}");
    }
}

#[derive(Deserialize)]
struct Problem<'a> {
    code: &'a str,
    message: &'a str,
}

fn problem(body: &[u8]) -> Problem<'_> {
    serde_json::from_slice(body).unwrap_or(Problem { code: "unknown", message: "try again" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Bytes = Bytes::from_static(br#"{"code":"queue_slow","message":"try again"}"#);

    #[test]
    fn a_status_that_is_retried_is_a_function_error_with_its_reason() {
        for status in [408, 429, 500, 502, 503, 504] {
            let error = direct(StatusCode::from_u16(status).unwrap(), &BODY).unwrap_err();
            let expected = Diagnostic {
                error_type: "Penstock.TryAgain".into(),
                error_message: "queue_slow: try again".into(),
            };
            assert_eq!(Diagnostic::from(error), expected);
        }
    }

    #[test]
    fn any_other_status_is_a_result_with_the_body_as_it_is() {
        for status in [200, 400, 401, 413] {
            let reply = direct(StatusCode::from_u16(status).unwrap(), &BODY).unwrap();
            assert_eq!(serde_json::to_vec(&reply).unwrap(), BODY);
        }
    }
}
