//! The HTTP engine over real sockets.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode as AxumStatus, header::LOCATION},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use penstock_shared::{
    ids::{AccountId, Pod},
    partner::{self, Api},
};
use penstock_worker::destination::{Answer, Call, CallError, Destination as _, http::HttpDestination};
use tokio::{io::AsyncReadExt as _, net::TcpListener, task::JoinSet};

const ANSWER_MAX: usize = 1024;

async fn echo(headers: HeaderMap, body: String) -> Response {
    let key = headers.get("x-key").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (AxumStatus::ACCEPTED, [("x-seen", key)], body).into_response()
}

async fn hang() -> Response {
    std::future::pending().await
}

/// Answers its header at once, and its body never.
async fn drip() -> Response {
    Response::new(Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>()))
}

async fn long() -> String {
    "x".repeat(ANSWER_MAX * 100)
}

async fn redirect() -> Response {
    (AxumStatus::FOUND, [(LOCATION, "/echo")]).into_response()
}

struct Partner {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

async fn partner() -> Partner {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/echo", any(echo))
        .route("/hang", any(hang))
        .route("/drip", any(drip))
        .route("/long", any(long))
        .route("/redirect", any(redirect));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Partner { address, _serving: serving }
}

fn api(allow_private_addresses: bool) -> Api {
    let text = include_str!("../fixture/partner.toml").replace("timeout_ms = 2000", "timeout_ms = 300");
    let partner = partner::parse(&text, "partner.toml").unwrap();
    Api { allow_private_addresses, answer_bytes_max: ANSWER_MAX, ..partner.api }
}

fn call(url: &str) -> Call {
    let mut secret = HeaderValue::from_static("hunter2");
    secret.set_sensitive(true);
    Call {
        pod: Pod::new("us1").unwrap(),
        account: AccountId::Known(1),
        route: "events".to_owned(),
        method: Method::POST,
        url: url.parse().unwrap(),
        headers: vec![(HeaderName::from_static("x-key"), secret)],
        body: Some("{\"email\":\"ada@example.com\"}".into()),
        items: Vec::new(),
    }
}

async fn send(path: &str) -> Result<Answer, CallError> {
    let partner = partner().await;
    let destination = HttpDestination::new(&api(true), 4).unwrap();
    destination.call(&call(&format!("http://{}{path}", partner.address))).await
}

#[tokio::test]
async fn a_call_arrives_whole_and_its_answer_comes_back_whole() {
    let answer = send("/echo").await.unwrap();
    assert_eq!(
        (answer.status, &answer.headers["x-seen"]),
        (StatusCode::ACCEPTED, &HeaderValue::from_static("hunter2"))
    );
    assert_eq!(answer.body, "{\"email\":\"ada@example.com\"}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_or_does_not_end_in_time_is_a_timeout() {
    for path in ["/hang", "/drip"] {
        let begun = tokio::time::Instant::now();
        assert_eq!(send(path).await.unwrap_err(), CallError::Timeout, "{path}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn an_answer_is_cut_where_the_file_says() {
    assert_eq!(send("/long").await.unwrap().body.len(), ANSWER_MAX);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    assert_eq!(send("/redirect").await.unwrap().status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_connection_that_breaks_is_a_network_error_without_the_url() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut breaking = JoinSet::new();
    breaking.spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            // Some of the request is read, then the connection is reset.
            let mut some = [0; 10];
            socket.read_exact(&mut some).await.unwrap();
            socket.set_zero_linger().unwrap();
        }
    });
    let destination = HttpDestination::new(&api(true), 4).unwrap();
    let error = destination.call(&call(&format!("http://{address}/users/hunter2"))).await.unwrap_err();
    assert!(matches!(&error, CallError::Network(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = destination.call(&call(&format!("http://{refused}/"))).await.unwrap_err();
    assert!(matches!(&error, CallError::Network(what) if what.starts_with("connect")), "{error:?}");
}

#[tokio::test]
async fn an_address_inside_is_refused_however_it_is_written() {
    let partner = partner().await;
    let destination = HttpDestination::new(&api(false), 4).unwrap();
    for host in ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "169.254.169.254"] {
        let url = format!("https://{host}:{}/echo", partner.address.port());
        let error = destination.call(&call(&url)).await.unwrap_err();
        assert!(matches!(&error, CallError::PrivateAddress(_)), "{host}: {error:?}");
    }
    // A name that leads inside is found out when it is resolved.
    let error = destination.call(&call(&format!("https://localhost:{}/echo", partner.address.port()))).await;
    assert!(matches!(&error, Err(CallError::Network(_))), "{error:?}");
    // Nor does a key travel in the clear.
    let error = destination.call(&call("http://partner.example.com/")).await;
    assert!(matches!(&error, Err(CallError::Network(_))), "{error:?}");
}

#[tokio::test]
async fn trap_98_debug_shows_neither_credentials_nor_content() {
    let shown = format!("{:?}", call("https://partner.example.com/users/ada"));
    assert!(!shown.contains("hunter2") && !shown.contains("ada"), "{shown}");
    let shown = format!("{:?}", send("/echo").await.unwrap());
    assert!(!shown.contains("hunter2") && !shown.contains("ada"), "{shown}");
}
