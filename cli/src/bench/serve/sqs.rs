//! A stand-in for SQS that takes messages and keeps none. It answers sends in the JSON protocol, and counts what SQS
//! would bill: a request for each 64 KB, or part of it, of what a call carries (<https://aws.amazon.com/sqs/pricing/>).
//! The size of a message is that of its body and of the names, types and values of its attributes.

mod delay;
mod request;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use self::{delay::Delay, request::Sent};

/// What one billed request carries at most.
pub(crate) const CHUNK_BYTES: u64 = 64 * 1_024;
/// A batch of 1 MiB in base64, and its envelope.
const BODY_BYTES_MAX: usize = 4 * 1_024 * 1_024;
const TARGET: &str = "x-amz-target";

/// What was asked of the stand-in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Calls that send.
    pub(crate) send_calls: u64,
    /// Messages sent by them.
    pub(crate) messages: u64,
    /// Bytes of these, as SQS measures them.
    pub(crate) payload_bytes: u64,
    /// Requests billed for the sends: by the payload of each call.
    pub(crate) billed_sends: u64,
    /// Requests billed for receiving each message by itself: by its own size.
    pub(crate) billed_receives: u64,
    /// Other calls.
    pub(crate) other_calls: u64,
}

impl Counts {
    /// What was added since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            send_calls: self.send_calls - earlier.send_calls,
            messages: self.messages - earlier.messages,
            payload_bytes: self.payload_bytes - earlier.payload_bytes,
            billed_sends: self.billed_sends - earlier.billed_sends,
            billed_receives: self.billed_receives - earlier.billed_receives,
            other_calls: self.other_calls - earlier.other_calls,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    send_calls: AtomicU64,
    messages: AtomicU64,
    payload_bytes: AtomicU64,
    billed_sends: AtomicU64,
    billed_receives: AtomicU64,
    other_calls: AtomicU64,
}

#[derive(Debug)]
struct StandIn {
    delay: Delay,
    counters: Counters,
}

/// # Errors
/// When the thread that keeps the delay cannot be started.
pub(super) fn router(delay: Duration) -> io::Result<Router> {
    let stand_in = StandIn { delay: Delay::new(delay)?, counters: Counters::default() };
    Ok(Router::new()
        .route("/stats", get(stats))
        .fallback(post(answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(stand_in)))
}

async fn stats(State(stand_in): State<Arc<StandIn>>) -> String {
    serde_json::to_string(&stand_in.counters.read()).expect("numbers under plain names")
}

async fn answer(State(stand_in): State<Arc<StandIn>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get(TARGET).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = match target.rsplit('.').next() {
        Some("SendMessageBatch") => Sent::of_batch(&body).map(|sent| {
            stand_in.counters.note(&sent);
            sent.batch_answer()
        }),
        Some("SendMessage") => Sent::of_one(&body).map(|sent| {
            stand_in.counters.note(&sent);
            sent.one_answer()
        }),
        Some("GetQueueAttributes") => {
            stand_in.counters.other_calls.fetch_add(1, Ordering::Relaxed);
            Some(r#"{"Attributes":{}}"#.to_owned())
        }
        _ => None,
    };
    let Some(answer) = answer else { return refused("InvalidAction") };
    if !stand_in.delay.wait().await {
        return refused("ServiceUnavailable");
    }
    ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer).into_response()
}

fn refused(code: &str) -> Response {
    let body = format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"not done by the stand-in"}}"#);
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
}

impl Counters {
    fn note(&self, sent: &Sent<'_>) {
        let whole: u64 = sent.sizes().sum();
        let chunks = |bytes: u64| bytes.div_ceil(CHUNK_BYTES).max(1);
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.send_calls, 1);
        add(&self.messages, sent.sizes().count() as u64);
        add(&self.payload_bytes, whole);
        add(&self.billed_sends, chunks(whole));
        add(&self.billed_receives, sent.sizes().map(chunks).sum());
    }

    fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            send_calls: read(&self.send_calls),
            messages: read(&self.messages),
            payload_bytes: read(&self.payload_bytes),
            billed_sends: read(&self.billed_sends),
            billed_receives: read(&self.billed_receives),
            other_calls: read(&self.other_calls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_billed_by_its_whole_payload_and_a_receive_by_each_message() {
        let counters = Counters::default();
        let text = "x".repeat(40_000);
        let batch = format!(
            r#"{{"Entries":[{{"Id":"0","MessageBody":"{text}"}},{{"Id":"1","MessageBody":"{text}"}},{{"Id":"2","MessageBody":"y"}}]}}"#
        );
        counters.note(&Sent::of_batch(batch.as_bytes()).unwrap());
        let expected = Counts {
            send_calls: 1,
            messages: 3,
            payload_bytes: 80_001,
            billed_sends: 2,
            billed_receives: 3,
            other_calls: 0,
        };
        assert_eq!(counters.read(), expected);
        assert_eq!(counters.read().since(expected), Counts::default());
    }
}
