//! The operator's listener: `/healthz`, `/readyz` and `/metrics`, on an address of its own.
//!
//! `/healthz` says that the process runs and touches nothing outside it, so that a fault of the cloud does not restart
//! the fleet. `/readyz` says whether traffic should come here.

use std::{collections::BTreeMap, convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::telemetry::MetricsHandle;

/// Probes and scrapers are few; more than this many at once wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failing `accept`, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether traffic should come here, and the checks that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    checks: BTreeMap<&'static str, Result<(), String>>,
}

impl Readiness {
    /// Ready as long as no check fails.
    pub fn new() -> Self {
        Self { checks: BTreeMap::new() }
    }

    /// Adds one check; `wrong` says in a few words what is wrong, without secrets.
    #[must_use]
    pub fn check(mut self, name: &'static str, fine: bool, wrong: &str) -> Self {
        self.checks.insert(name, if fine { Ok(()) } else { Err(wrong.to_owned()) });
        self
    }

    /// True when every check is fine.
    pub fn ready(&self) -> bool {
        self.checks.values().all(Result::is_ok)
    }

    fn json(&self) -> String {
        let mut text = format!("{{\"ready\":{},\"checks\":{{", self.ready());
        for (n, (name, result)) in self.checks.iter().enumerate() {
            let word = serde_json::Value::from(result.as_ref().err().map_or("ok", String::as_str));
            let comma = if n > 0 { "," } else { "" };
            write!(text, "{comma}\"{name}\":{word}").expect("writing to a String cannot fail");
        }
        text.push_str("}}\n");
        text
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks the process whether it is ready; called for each probe, so it answers from what is known.
pub type ReadinessCheck = Arc<dyn Fn() -> Readiness + Send + Sync>;

/// Serves until `stop`, which comes last of all: probes must be answered while the process drains.
///
/// # Cancel safety
/// When dropped, open connections are closed.
pub async fn serve(
    listener: TcpListener,
    readiness: ReadinessCheck,
    metrics: MetricsHandle,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (readiness, metrics) = (readiness.clone(), metrics.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let response = respond(&request, &readiness, &metrics);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection broke off");
            }
        });
    }
}

fn respond(
    request: &Request<Incoming>,
    readiness: &ReadinessCheck,
    metrics: &MetricsHandle,
) -> Response<Full<Bytes>> {
    const JSON: &str = "application/json";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return response(StatusCode::METHOD_NOT_ALLOWED, JSON, "{\"error\":\"only GET\"}\n".into());
    }
    match request.uri().path() {
        "/healthz" | "/livez" => {
            let version = env!("CARGO_PKG_VERSION");
            response(StatusCode::OK, JSON, format!("{{\"alive\":true,\"version\":\"{version}\"}}\n"))
        }
        "/readyz" => {
            let readiness = readiness();
            let status = if readiness.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, JSON, readiness.json())
        }
        "/metrics" => response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics.render()),
        _ => response(
            StatusCode::NOT_FOUND,
            JSON,
            "{\"error\":\"try /healthz, /readyz or /metrics\"}\n".into(),
        ),
    }
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    async fn ask(address: std::net::SocketAddr, line: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn probes_and_scrapes_are_answered_until_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_recorder, metrics) = crate::telemetry::local_recorder();
        let readiness: ReadinessCheck = Arc::new(|| {
            Readiness::new().check("queue", true, "").check("tokens", false, "no \"tokens\" are configured")
        });
        let stop = CancellationToken::new();
        let server = serve(listener, readiness, metrics, stop.clone());
        let client = async {
            assert!(ask(address, "GET /healthz").await.starts_with("HTTP/1.1 200 OK"));
            let ready = ask(address, "GET /readyz").await;
            assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
            let json = r#"{"ready":false,"checks":{"queue":"ok","tokens":"no \"tokens\" are configured"}}"#;
            assert!(ready.trim_end().ends_with(json), "{ready}");
            assert!(ask(address, "GET /metrics").await.starts_with("HTTP/1.1 200 OK"));
            assert!(ask(address, "GET /else").await.starts_with("HTTP/1.1 404 "));
            assert!(ask(address, "POST /readyz").await.starts_with("HTTP/1.1 405 "));
            stop.cancel();
        };
        tokio::join!(server, client);
    }
}
