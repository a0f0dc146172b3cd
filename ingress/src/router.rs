//! Every route and the whole layer stack: one handler on every path, because mParticle may be given any (protocol.md
//! 1.1), and a layer that makes a panic an answer. Nothing here ever redirects, but the cookie sync pixel, which browsers
//! call by GET.

use std::{any::Any, sync::Arc};

use axum::{Router, body::Body, extract::State};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use penstock_shared::{firehose::RequestKind, telemetry::IngressMetrics};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    answer::{Answer, Shed, Situation, Unreadable},
    auth::{Access, Caller},
    body::{self, BytesInFlight, Read, ReadError, ReadLimits},
    core::{Core, Received, turned_away},
};

/// Read from a caller without a valid token: enough for a registration request, which is under 1 KB.
const STRANGER_BYTES_MAX: usize = 64 * 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=utf-8");

/// What the handler needs.
#[derive(Debug)]
pub(crate) struct Ingress {
    pub(crate) core: Core,
    pub(crate) access: Access,
    pub(crate) bytes_in_flight: Arc<BytesInFlight>,
}

/// The whole service.
pub(crate) fn router(ingress: Arc<Ingress>) -> Router {
    let metrics = ingress.core.metrics.clone();
    Router::new()
        .fallback(receive)
        .with_state(ingress)
        .layer(CatchPanicLayer::custom(move |panic| panicked(panic, &metrics)))
}

async fn receive(State(ingress): State<Arc<Ingress>>, request: Request<Body>) -> Response<Full<Bytes>> {
    if let Some(pixel) = ingress.core.sync_cookie(request.method(), request.uri(), request.headers()) {
        return pixel;
    }
    let started = Instant::now();
    let answer = ingress.answer(request).await;
    let response = dress(&answer);
    count(&ingress.core.metrics, &answer, started);
    response
}

impl Ingress {
    async fn answer(&self, request: Request<Body>) -> Answer {
        let (head, body) = request.into_parts();
        if head.method != Method::POST {
            return Answer::problem(Situation::NotPost, None);
        }
        let caller = self.access.judge(&head.headers);
        let limits = &self.core.limits;
        let read_limits = ReadLimits {
            kept: if caller == Caller::Authentic { limits.body_bytes_max } else { STRANGER_BYTES_MAX },
            discarded: limits.body_bytes_max,
            deadline: limits.body_deadline,
        };
        let trace = trace(&head.headers);
        let read = body::read(&head.headers, body, read_limits, &self.bytes_in_flight).await;
        match read {
            Ok(Read { bytes, permit }) => self.core.answer(Received { bytes, permit, caller, trace }).await,
            Err(ReadError::NoRoom) => Answer::problem(Situation::NotNow(Shed::BytesInFlight), None),
            Err(ReadError::Slow) => Answer::problem(Situation::SlowBody, None),
            Err(_) if caller != Caller::Authentic => turned_away(caller),
            Err(ReadError::TooLarge { first }) => self.core.too_large(first, trace).await,
            Err(ReadError::Damaged { packed, permit }) => {
                let reason = Unreadable::Encoding;
                let answer = self.core.unreadable(packed, reason, "damaged gzip".into(), trace).await;
                drop(permit);
                answer
            }
        }
    }
}

fn dress(answer: &Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body.clone()));
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

#[expect(clippy::needless_pass_by_value, reason = "the signature the layer asks for")]
fn panicked(panic: Box<dyn Any + Send>, metrics: &IngressMetrics) -> Response<Full<Bytes>> {
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
