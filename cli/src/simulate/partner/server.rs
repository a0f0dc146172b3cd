//! A request's way through the simulated partner: fault, limit, handling, record, latency, answer.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use penstock_shared::clock::Clock;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::call::{Call, Reply};
use super::cut::Wire;
use super::fail::{FailRules, Fault};
use super::iterable::Iterable;
use super::pace::{Bucket, Latency};
use super::record::{Entry, RecordFailed, Recorder, body_value, masked_headers, masked_query};
use super::sandbox::{self, Sandbox};
use super::stats::{Stats, Tally};
use super::{Behaviour, Kind, echo, iterable};

/// Where the counters are read.
const STATS_PATH: &str = "/_stats";
/// The largest body that is read; four times what the strictest API here takes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A caller who sends its body slower than this gets a 408.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a request hangs under the `hang` fault: longer than any client here waits.
const HANG: Duration = Duration::from_secs(120);

/// Whose API is played.
#[derive(Debug)]
enum Partner {
    Sandbox(Sandbox),
    Iterable(Iterable),
    Echo,
}

/// One running simulated partner.
#[derive(Debug)]
pub(crate) struct Simulation {
    clock: Clock,
    started: Instant,
    rules: FailRules,
    latency: Latency,
    recorder: Option<Recorder>,
    state: Mutex<Judge>,
    /// Ends hangs and delays early.
    pub(crate) stop: CancellationToken,
}

/// What decides over requests, one at a time.
#[derive(Debug)]
struct Judge {
    rng: fastrand::Rng,
    partner: Partner,
    tally: Tally,
    bucket: Option<Bucket>,
    requests: u64,
    items: u64,
}

/// How one request ends.
#[derive(Debug)]
struct Verdict {
    /// None when it is not handled at all.
    reply: Option<Reply>,
    fault: Option<Fault>,
    delay: Duration,
}

impl Verdict {
    /// The answer that goes out; a lost one does not.
    fn answer(&self) -> Option<&Reply> {
        self.reply.as_ref().filter(|_| self.fault != Some(Fault::Lost))
    }
}

impl Simulation {
    /// A partner that has seen nothing yet; windows of the fail rules count from now.
    pub(crate) fn new(behaviour: Behaviour, recorder: Option<Recorder>) -> Self {
        let now = Instant::now();
        Self {
            clock: behaviour.clock,
            started: now,
            rules: behaviour.fail,
            latency: behaviour.latency,
            recorder,
            state: Mutex::new(Judge {
                rng: fastrand::Rng::with_seed(behaviour.seed),
                partner: match behaviour.kind {
                    Kind::Sandbox => Partner::Sandbox(Sandbox::default()),
                    Kind::Iterable => Partner::Iterable(Iterable::default()),
                    Kind::Echo => Partner::Echo,
                },
                tally: Tally::default(),
                bucket: behaviour.limit.map(|rate| Bucket::new(rate, now)),
                requests: 0,
                items: 0,
            }),
            stop: CancellationToken::new(),
        }
    }

    /// A reading of the counters.
    pub(crate) fn stats(&self) -> Stats {
        let judge = self.judge();
        let lists = match &judge.partner {
            Partner::Sandbox(sandbox) => sandbox.lists(),
            Partner::Iterable(iterable) => iterable.lists(),
            Partner::Echo => 0,
        };
        judge.tally.read(lists)
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.state.lock().expect("nothing panics while it judges")
    }

    fn decide(&self, call: Call<'_>, unread: Option<Reply>) -> Verdict {
        let (since_start, now) = (self.started.elapsed(), Instant::now());
        let mut judge = self.judge();
        let judge = &mut *judge;
        judge.requests += 1;
        let fault = self.rules.request(judge.requests, since_start, &mut judge.rng);
        let delay = self.latency.draw(&mut judge.rng);
        let counted = counted_path(&judge.partner, call.method, call.path);
        let counted = format!("{} {counted}", call.method);
        let reply = match fault {
            Some(Fault::Reset | Fault::Hang) => None,
            Some(Fault::Status(status)) => Some(simulated(status)),
            Some(Fault::Lost) | None => Some(match judge.bucket.as_mut().map_or(Ok(()), |b| b.take(now)) {
                Err(seconds) => throttled(seconds),
                Ok(()) => unread.unwrap_or_else(|| judge.handle(call, &counted, &self.rules, since_start)),
            }),
        };
        let verdict = Verdict { reply, fault, delay };
        let items = verdict.reply.as_ref().map_or(&[][..], |reply| &reply.items);
        judge.tally.count(&counted, verdict.answer().map(|reply| reply.status), items);
        verdict
    }

    /// Decides, and hands the record its line in the same breath.
    async fn settle(&self, parts: &Parts, body: Result<Bytes, Reply>) -> Result<Verdict, RecordFailed> {
        let at_ms = self.clock.now_ms();
        let (body, unread) = body.map_or_else(|unread| (Bytes::new(), Some(unread)), |body| (body, None));
        let (path, query) = (parts.uri.path(), parts.uri.query());
        let call = Call { method: &parts.method, path, query, headers: &parts.headers, body: &body };
        let Some(recorder) = &self.recorder else { return Ok(self.decide(call, unread)) };
        let slot = recorder.slot().await?;
        let verdict = self.decide(call, unread);
        let written = slot.fill(&Entry {
            at_ms,
            method: parts.method.as_str(),
            path,
            query: query.map(masked_query),
            headers: masked_headers(&parts.headers),
            body: body_value(&body),
            status: verdict.answer().map(|reply| reply.status),
            answer: verdict.answer().map(|reply| &reply.body),
            fault: verdict.fault.map(Fault::word),
        });
        written.await.unwrap_or(Err(RecordFailed))?;
        Ok(verdict)
    }
}

impl Judge {
    fn handle(&mut self, call: Call<'_>, counted: &str, rules: &FailRules, since_start: Duration) -> Reply {
        match &mut self.partner {
            Partner::Echo => echo::answer(call),
            Partner::Iterable(iterable) => iterable.answer(call, Instant::now()),
            Partner::Sandbox(sandbox) => {
                let mut item_fails = || {
                    self.items += 1;
                    rules.item(self.items, since_start, &mut self.rng)
                };
                sandbox.answer(call, counted, &self.tally, &mut item_fails)
            }
        }
    }
}

fn counted_path<'a>(partner: &Partner, method: &Method, path: &'a str) -> &'a str {
    match partner {
        Partner::Sandbox(_) => sandbox::counted_path(method, path),
        Partner::Iterable(_) => iterable::counted_path(method, path),
        Partner::Echo => path,
    }
}

/// Handles every request on every path.
pub(crate) async fn handle(
    State(simulation): State<Arc<Simulation>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET && parts.uri.path() == STATS_PATH {
        return respond(&Reply::new(200, json!(simulation.stats())));
    }
    let body = read(body).await;
    // A request that cannot be recorded is not answered: the record holds all that were.
    let Ok(verdict) = simulation.settle(&parts, body).await else { return cut(&wire) };
    let wait = if verdict.fault == Some(Fault::Hang) { HANG } else { verdict.delay };
    if !wait.is_zero() {
        // Stopping shortens the wait and nothing else.
        simulation.stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
    verdict.answer().map_or_else(|| cut(&wire), respond)
}

async fn read(body: Body) -> Result<Bytes, Reply> {
    match tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Reply::new(413, json!({ "error": "the body is too large or broke off" }))),
        Err(_) => Err(Reply::new(408, json!({ "error": "the body came too slowly" }))),
    }
}

/// The response that never leaves: the connection refuses to be written to.
fn cut(wire: &Wire) -> Response {
    wire.cut();
    Response::new(Body::empty())
}

fn respond(reply: &Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body.to_string()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn throttled(seconds: u64) -> Reply {
    Reply { retry_after: Some(seconds), ..Reply::new(429, error("above the rate limit")) }
}

fn simulated(status: u16) -> Reply {
    Reply { retry_after: (status == 429).then_some(1), ..Reply::new(status, error("simulated")) }
}

fn error(text: &str) -> Value {
    json!({ "error": text })
}
