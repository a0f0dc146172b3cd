//! A server that answers by a script and remembers what came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A call as it came.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) body: Bytes,
    pub(super) message: Value,
    pub(super) authorization: Option<String>,
    /// How many came before it.
    pub(super) number: usize,
    /// How many of them with the same id.
    pub(super) seen: usize,
}

impl Call {
    pub(super) fn id(&self) -> String {
        self.message["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn kind(&self) -> String {
        self.message["type"].as_str().unwrap().to_owned()
    }
}

/// What is said to a call.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// No answer at all.
    pub(super) const NEVER: Self = Self { status: 0, body: Value::Null };

    /// A status without anything to read.
    pub(super) fn status(status: u16) -> Self {
        Self { status, body: Value::Null }
    }
}

/// The answer of somebody who keeps to the protocol.
pub(super) fn good(call: &Call) -> Answer {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let kind = call.kind().replace("_request", "_response");
    Answer { status: 200, body: json!({ "type": kind, "id": call.id(), "timestamp_ms": now_ms }) }
}

type Script = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

#[derive(Clone)]
struct Scripted {
    script: Script,
    calls: Arc<Mutex<Vec<Call>>>,
    seen: Arc<Mutex<HashMap<String, usize>>>,
    count: watch::Sender<usize>,
}

/// Ends when dropped.
pub(super) struct Server {
    pub(super) url: String,
    scripted: Scripted,
    _tasks: JoinSet<Result<(), std::io::Error>>,
}

impl Server {
    pub(super) async fn start(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mparticle?pod=us1", listener.local_addr().unwrap());
        let (calls, seen, count) = (Arc::default(), Arc::default(), watch::Sender::new(0));
        let scripted = Scripted { script: Arc::new(script), calls, seen, count };
        let router = Router::new().fallback(answer).with_state(scripted.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(axum::serve(listener, router).into_future());
        Self { url, scripted, _tasks: tasks }
    }

    /// Every call so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.scripted.calls.lock().unwrap().clone()
    }

    /// Waits until so many calls have come.
    pub(super) async fn has_calls(&self, calls: usize) {
        self.scripted.count.subscribe().wait_for(|count| *count >= calls).await.unwrap();
    }
}

async fn answer(State(scripted): State<Scripted>, headers: HeaderMap, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let call = {
        let mut calls = scripted.calls.lock().unwrap();
        let mut seen = scripted.seen.lock().unwrap();
        let seen = seen.entry(message["id"].as_str().unwrap().to_owned()).or_default();
        *seen += 1;
        let call = Call { body, message, authorization, number: calls.len(), seen: *seen - 1 };
        calls.push(call.clone());
        scripted.count.send_replace(calls.len());
        call
    };
    let answer = (scripted.script)(&call);
    if answer.status == 0 {
        std::future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(answer.status).unwrap();
    let body = if answer.body.is_null() { String::new() } else { answer.body.to_string() };
    (status, body).into_response()
}
