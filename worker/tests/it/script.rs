//! A partner that answers by script, and remembers what it got.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use penstock_worker::destination::{Answer, Call, CallError, Destination};
use serde_json::{Value, json};
use tokio::time::Instant;

/// What the partner does with one call.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(u16, Value),
    RetryAfter(u16, &'static str),
    Reset,
    Hang,
    /// Taken, and the answer lost.
    TakenThenReset,
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Json(200, json!({}))
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Json(status, json!({}))
    }
}

/// One call, as the partner got it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Got {
    pub(crate) at: Duration,
    pub(crate) account: i64,
    pub(crate) route: String,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Value,
    /// What it was answered.
    pub(crate) status: Option<u16>,
}

type Rule = Box<dyn FnMut(&Got) -> Option<Reply> + Send>;

pub(crate) struct Script {
    begun: Instant,
    latency: Duration,
    rule: Mutex<Rule>,
    replies: Mutex<BTreeMap<String, VecDeque<Reply>>>,
    got: Mutex<Vec<Got>>,
    next_list: Mutex<u32>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            latency: Duration::from_millis(20),
            rule: Mutex::new(Box::new(|_| None)),
            replies: Mutex::default(),
            got: Mutex::default(),
            next_list: Mutex::new(0),
        }
    }

    /// The next calls of the route get these, one each; then what the rule says, or what is usual.
    pub(crate) fn reply(&self, route: &str, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().entry(route.to_owned()).or_default().extend(replies);
    }

    pub(crate) fn rule(&self, rule: impl FnMut(&Got) -> Option<Reply> + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, route: &str) -> Vec<Got> {
        self.got().into_iter().filter(|got| got.route == route).collect()
    }

    /// The names of events in calls that were answered with this status, in order.
    pub(crate) fn events(&self, status: u16) -> Vec<String> {
        let calls = self.of("events").into_iter().filter(|got| got.status == Some(status));
        calls.flat_map(|got| names(&got)).collect()
    }

    fn usual(&self, got: &Got) -> Reply {
        match got.route.as_str() {
            "lists" => {
                let mut next = self.next_list.lock().unwrap();
                *next += 1;
                Reply::Json(201, json!({ "list": format!("L{next}") }))
            }
            "profiles" => {
                let users = got.body["users"].as_array().map_or(0, Vec::len);
                Reply::Json(200, json!({ "results": vec![json!({ "ok": true }); users] }))
            }
            _ => Reply::ok(),
        }
    }
}

/// The names of the events in a call.
pub(crate) fn names(got: &Got) -> Vec<String> {
    let events = got.body.as_array().into_iter().flatten();
    events.map(|event| event["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[async_trait]
impl Destination for Script {
    async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let header = |name: &str| {
            let value = call.headers.iter().find(|(each, _)| each.as_str() == name)?;
            Some(value.1.to_str().unwrap().to_owned())
        };
        let mut got = Got {
            at: self.begun.elapsed(),
            account: i64::from(call.account),
            route: call.route.clone(),
            path: call.url[url::Position::BeforePath..].to_owned(),
            authorization: header("authorization"),
            idempotency_key: header("idempotency-key"),
            body: call.body.as_ref().map_or(Value::Null, |body| serde_json::from_slice(body).unwrap()),
            status: None,
        };
        let scripted = self.replies.lock().unwrap().get_mut(&call.route).and_then(VecDeque::pop_front);
        let reply =
            scripted.or_else(|| (self.rule.lock().unwrap())(&got)).unwrap_or_else(|| self.usual(&got));
        got.status = match &reply {
            Reply::Json(status, _) | Reply::RetryAfter(status, _) => Some(*status),
            Reply::TakenThenReset => Some(200),
            Reply::Reset | Reply::Hang => None,
        };
        self.got.lock().unwrap().push(got);
        tokio::time::sleep(self.latency).await;
        let mut headers = HeaderMap::new();
        let (status, body) = match reply {
            Reply::Json(status, body) => (status, body),
            Reply::RetryAfter(status, after) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
                (status, Value::Null)
            }
            Reply::Reset | Reply::TakenThenReset => return Err(CallError::Network("reset".to_owned())),
            Reply::Hang => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                return Err(CallError::Timeout);
            }
        };
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.to_string().into(),
            is_cut: false,
        })
    }
}
