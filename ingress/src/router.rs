//! From a request to its answer: one handler on every path, because mParticle may be given any (protocol.md 1.1), and
//! around it what makes a panic an answer, and an answer one that is heard. Nothing here ever redirects, but the cookie
//! sync pixel, which browsers call by GET.

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{extract::State, handler::Handler as _};
use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request::Parts};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use penstock_shared::{firehose::RequestKind, ids::Pod, telemetry::IngressMetrics};
use tokio::time::Instant;
use tower::Service;

use crate::{
    answer::{Answer, Shed, Situation, Unreadable},
    auth::{Access, Caller},
    body::{self, BytesInFlight, FIRST_BYTES, Read, ReadError, ReadLimits, Source},
    calls::Calls,
    core::{Core, Received, turned_away},
    endpoints::Endpoints,
};

/// Read from a caller without a valid token: enough for a registration request, which is under 1 KB.
const STRANGER_BYTES_MAX: usize = 64 * 1024;
/// Held of all such callers together. They have a pool of their own, so that they cannot keep data out.
pub(crate) const STRANGERS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Read on and thrown away of what such a caller sends beyond that, so that it hears why.
const STRANGER_DISCARDED: usize = 256 * 1024;
/// What is left of a body when its call is answered early is read on so far and so long, and the connection serves on;
/// with more it is closed.
const REST_BYTES_MAX: usize = 64 * 1024;
const REST_DEADLINE: Duration = Duration::from_secs(1);
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");

/// What the handler needs.
#[derive(Debug)]
pub(crate) struct Ingress {
    pub(crate) core: Core,
    pub(crate) access: Access,
    pub(crate) endpoints: Endpoints,
    pub(crate) bytes_in_flight: Arc<BytesInFlight>,
    /// The same for callers without a valid token.
    pub(crate) strangers_bytes: Arc<BytesInFlight>,
}

/// What a call is answered from: everything, and the connection it came by.
#[derive(Clone)]
struct Calling {
    ingress: Arc<Ingress>,
    calls: Calls,
}

/// What answers the calls of one connection. There is one handler, so nothing is routed: a call costs no look-up.
pub(crate) fn service(
    ingress: Arc<Ingress>,
    calls: Calls,
) -> impl Service<
    Request<Incoming>,
    Response = Response<axum::body::Body>,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ use<> {
    any.with_state(Calling { ingress, calls })
}

async fn any(
    State(Calling { ingress, calls }): State<Calling>,
    request: Request<axum::body::Body>,
) -> Response<Full<Bytes>> {
    let is_head = request.method() == Method::HEAD;
    let response = respond(&ingress, request, &calls).await;
    let response = if is_head { without_body(response) } else { response };
    response.map(Full::new)
}

/// The answer to HEAD: as long as it says, and not sent. hyper sees to that over HTTP/1.1 alone.
fn without_body(mut response: Response<Bytes>) -> Response<Bytes> {
    if response.status() != StatusCode::NO_CONTENT {
        let length = response.body().len();
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response.body_mut().clear();
    response
}

/// Answers a request of one of a connection's `calls`, whatever it is.
///
/// # Cancel safety
/// When dropped, the message is either stored or not.
async fn respond<B>(ingress: &Ingress, request: Request<B>, calls: &Calls) -> Response<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (head, body) = request.into_parts();
    let mut body = Source::new(body);
    let mut response = receive(ingress, &head, &mut body).await;
    let stranger = match response.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::METHOD_NOT_ALLOWED => ingress.caller(&head).1 != Caller::Authentic,
        _ => false,
    };
    if stranger && head.version < Version::HTTP_2 {
        // Who may not send data may not rest here either: connections are for those who may.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if !body.ended() && !finish(&head.headers, &mut body).await {
        calls.leave_body();
        if head.version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}

/// Reads what little is left of a body. False when there is more, or it does not come.
async fn finish<B>(headers: &HeaderMap, body: &mut Source<B>) -> bool
where
    B: Body<Data = Bytes> + Unpin,
{
    // Who waits for a word to go on gets the answer instead.
    !headers.contains_key(header::EXPECT)
        && body.discard(REST_BYTES_MAX, Instant::now() + REST_DEADLINE).await
}

/// The same for a body that is here already: no connection hears of what is left of it.
///
/// # Cancel safety
/// When dropped, the message is either stored or not.
pub(crate) async fn respond_whole(ingress: &Ingress, request: Request<Bytes>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    receive(ingress, &head, &mut Source::new(Full::new(body))).await
}

async fn receive<B>(ingress: &Ingress, head: &Parts, body: &mut Source<B>) -> Response<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
{
    let received = AssertUnwindSafe(decide(ingress, head, body)).catch_unwind().await;
    received.unwrap_or_else(|panic| panicked(&*panic, &ingress.core.metrics))
}

async fn decide<B>(ingress: &Ingress, head: &Parts, body: &mut Source<B>) -> Response<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
{
    if let Some(pixel) = ingress.core.sync_cookie(&head.method, &head.uri, &head.headers) {
        return pixel;
    }
    let started = Instant::now();
    let answer = ingress.answer(head, body).await;
    counted(&ingress.core.metrics, &answer, started)
}

/// The response to a call of which nothing can be read, not even who calls.
pub(crate) fn respond_unread(ingress: &Ingress) -> Response<Bytes> {
    let answer = Answer::problem(Situation::EnvelopeUnreadable, None);
    counted(&ingress.core.metrics, &answer, Instant::now())
}

fn counted(metrics: &IngressMetrics, answer: &Answer, started: Instant) -> Response<Bytes> {
    let response = dress(answer);
    count(metrics, answer, started);
    response
}

impl Ingress {
    async fn answer<B>(&self, head: &Parts, body: &mut Source<B>) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if head.method != Method::POST {
            return Answer::problem(Situation::NotPost, None);
        }
        let (pod, caller) = self.caller(head);
        let (limits, pool) = self.limits(caller);
        let trace = trace(&head.headers);
        match body::read(&head.headers, body, limits, pool).await {
            Ok(Read { bytes, permit }) => {
                self.core.answer(Received { pod, bytes, permit, caller, trace }).await
            }
            Err(ReadError::NoRoom) => Answer::problem(Situation::NotNow(Shed::BytesInFlight), None),
            Err(ReadError::Slow) => Answer::problem(Situation::SlowBody, None),
            Err(_) if caller != Caller::Authentic => turned_away(caller),
            Err(ReadError::TooLarge { first, permit }) => {
                let answer = self.core.too_large(pod, first, trace).await;
                drop(permit);
                answer
            }
            Err(ReadError::Damaged { packed, permit }) => {
                let reason = Unreadable::Encoding;
                let detail = "damaged gzip".to_owned();
                let answer = self.core.unreadable(pod, packed, reason, detail, trace).await;
                drop(permit);
                answer
            }
        }
    }

    /// Who calls, and which pod's endpoint.
    fn caller(&self, head: &Parts) -> (&Pod, Caller) {
        let pod = self.endpoints.pod_of(&head.uri, &head.headers).unwrap_or(&self.core.pod);
        (pod, self.access.judge(pod, &head.headers))
    }

    /// How much of a caller's body is read, and out of which pool.
    fn limits(&self, caller: Caller) -> (ReadLimits, &Arc<BytesInFlight>) {
        let (most, deadline) = (self.core.limits.body_bytes_max, self.core.limits.body_deadline);
        match caller {
            Caller::Authentic => {
                let limits = ReadLimits { kept: most, first: FIRST_BYTES, discarded: most, deadline };
                (limits, &self.bytes_in_flight)
            }
            Caller::Stranger | Caller::Unjudged => {
                let (kept, discarded) = (STRANGER_BYTES_MAX, STRANGER_DISCARDED);
                (ReadLimits { kept, first: 0, discarded, deadline }, &self.strangers_bytes)
            }
        }
    }
}

fn dress(answer: &Answer) -> Response<Bytes> {
    let mut response = Response::new(answer.body.clone());
    *response.status_mut() = answer.situation.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    match answer.situation.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

fn panicked(panic: &(dyn Any + Send), metrics: &IngressMetrics) -> Response<Bytes> {
    let message =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = message.unwrap_or("no message"), "a call broke off");
    let response = dress(&Answer::problem(Situation::Panicked, None));
    count_status(metrics, None, response.status());
    response
}

/// Counts an answer, and how long it took.
pub(crate) fn count(metrics: &IngressMetrics, answer: &Answer, started: Instant) {
    count_status(metrics, answer.kind, answer.situation.status());
    metrics.answer_duration.of([label(answer.kind)]).record(started.elapsed().as_secs_f64());
    if let Some(word) = answer.situation.shed_word() {
        metrics.shed.of([word]).increment(1);
    }
}

fn count_status(metrics: &IngressMetrics, kind: Option<RequestKind>, status: StatusCode) {
    metrics.requests.of([label(kind), status.as_str()]).increment(1);
}

fn label(kind: Option<RequestKind>) -> &'static str {
    kind.map_or("unsorted", RequestKind::label)
}

/// The caller's `traceparent`, if it is one: `00-<32 hex digits>-<16>-<2>`.
fn trace(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let fits = lengths == [2, 32, 16, 2] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    fits.then(|| text.to_owned())
}
