//! Tokens that are changed while ingress runs, and endpoints of several pods.

use std::{path::PathBuf, time::Duration};

use http::HeaderName;
use penstock_ingress::{
    Endpoints, IngressConfig, auth::OAuthHeader, config::TokensConfig, tokens::TokenList,
};
use penstock_shared::{firehose::RequestKind, ids::AccountId};

use crate::{
    client::Answer,
    harness::{EVENTS, REGISTRATION, Running, config},
};

const SUBSCRIPTION: &[u8] = br#"{"type":"audience_subscription_request","id":"s-1","account":{"account_id":7},"audience_id":501,"audience_name":"Readers","action":"add"}"#;

struct TokenFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl TokenFile {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("tokens"), _folder: folder }
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.path, text).unwrap();
    }

    /// Looked at ten times a second.
    fn config(&self) -> IngressConfig {
        let mut config = config();
        config.auth.tokens = TokensConfig::File(self.path.clone());
        config.auth.reload = Duration::from_millis(100);
        config
    }
}

fn given(text: &str, endpoints: &str) -> IngressConfig {
    let mut config = config();
    config.auth.tokens = TokensConfig::Given(TokenList::parse(text).unwrap());
    config.endpoints = Endpoints::parse(endpoints).unwrap();
    config
}

async fn post(running: &Running, path: &str, token: &str, body: &[u8]) -> Answer {
    running.call(&format!("POST {path}"), &[("authorization", &format!("Token {token}"))], body).await
}

async fn status(running: &Running, token: &str) -> u16 {
    post(running, "/", token, EVENTS).await.status
}

/// Calls with the token until it is answered so.
async fn until(running: &Running, token: &str, wanted: u16) {
    while status(running, token).await != wanted {}
}

#[tokio::test]
async fn trap_5_a_changed_token_file_counts_without_a_restart() {
    let file = TokenFile::new();
    file.write("old\n");
    let running = Running::start_with(file.config()).await;
    assert_eq!((status(&running, "old").await, status(&running, "new").await), (200, 401));
    file.write("old\nnew\n");
    until(&running, "new", 200).await;
    assert_eq!(status(&running, "old").await, 200);
    file.write("[\"new\"]");
    until(&running, "old", 401).await;
    assert_eq!(status(&running, "new").await, 200);
}

#[tokio::test]
async fn trap_7_a_token_file_that_is_spoiled_or_gone_turns_nobody_away() {
    let file = TokenFile::new();
    file.write("old");
    let running = Running::start_with(file.config()).await;
    running.until_ready().await;
    let failed = "ingress_token_reloads_total{result=\"failed\"}";
    for bad in [Some(""), Some("{\"us1\": 1}"), None] {
        match bad {
            Some(bad) => file.write(bad),
            None => std::fs::remove_file(&file.path).unwrap(),
        }
        // The second reading from now on began after the change.
        let before = running.gauge(failed);
        running.until_gauge(failed, |now| now >= before + 2).await;
        assert_eq!((status(&running, "old").await, status(&running, "new").await), (200, 401), "{bad:?}");
    }
    assert!(running.has_metric("ingress_tokens 1"));
    assert_eq!(running.readyz().await.status, 200);
    file.write("new");
    until(&running, "new", 200).await;
    assert_eq!(status(&running, "old").await, 200, "the new list may be the mistake");
}

#[tokio::test]
async fn trap_7_until_tokens_were_read_data_is_to_be_tried_again_and_registration_works() {
    let file = TokenFile::new();
    let running = Running::start_with(file.config()).await;
    let answer = post(&running, "/", "old", EVENTS).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "tokens_missing"));
    assert_eq!(running.call("POST /", &[], REGISTRATION).await.status, 200);
    assert_eq!(running.readyz().await.json()["checks"]["tokens"], "no tokens are known");
    file.write("old");
    until(&running, "old", 200).await;
    running.until_ready().await;
}

#[tokio::test]
async fn a_token_of_one_pod_is_wrong_at_the_endpoint_of_another() {
    let tokens = r#"{"us1": "of-us", "eu1": ["of-eu", "of-eu-next"]}"#;
    let running = Running::start_with(given(tokens, "eu1=/eu1 au1=/au1")).await;
    for (path, token, status) in [
        ("/", "of-us", 200),
        ("/events", "of-us", 200),
        ("/", "of-eu", 401),
        ("/eu1", "of-us", 401),
        ("/eu1/", "of-eu", 200),
        ("/eu1/events", "of-eu-next", 200),
        ("/au1", "of-us", 503),
    ] {
        assert_eq!(post(&running, path, token, EVENTS).await.status, status, "{path} {token}");
    }
    let stored: Vec<String> = running.stored().await.iter().map(|request| request.pod.to_string()).collect();
    assert_eq!(stored, ["us1", "us1", "eu1", "eu1"]);
}

#[tokio::test]
async fn trap_40_one_account_in_two_pods_is_kept_apart() {
    let running = Running::start_with(given("sesame", "eu1=/eu1 au1=au1.example.com")).await;
    let mut lists = Vec::new();
    for (path, host) in [("/", "ingress"), ("/eu1/audiences", "ingress"), ("/", "AU1.example.com:443")] {
        let line = format!("POST http://{host}{path}");
        let answer = running.call(&line, &[("authorization", "Token sesame")], SUBSCRIPTION).await;
        lists.push(answer.json()["audience_subscription_settings"]["listKey"].as_str().unwrap().to_owned());
    }
    lists.sort();
    lists.dedup();
    assert_eq!(lists.len(), 3, "each pod's audience has a key of its own");
    let stored = running.stored().await;
    let pods: Vec<&str> = stored.iter().map(|request| request.pod.as_str()).collect();
    assert_eq!(pods, ["us1", "eu1", "au1"]);
    for request in &stored {
        assert_eq!((request.kind, request.account), (Some(RequestKind::Subscription), AccountId::Known(7)));
    }
    assert_eq!(post(&running, "/eu1", "sesame", b"not json").await.status, 400);
    assert_eq!(running.quarantined().await[0].pod.as_str(), "eu1");
}

#[tokio::test]
async fn trap_6_the_header_of_oauth_lets_in_whom_it_is_configured_to() {
    let call = async |accept: bool, headers: &[(&str, &str)]| {
        let mut config = given("sesame", "");
        config.auth.oauth_header =
            Some(OAuthHeader { name: HeaderName::from_static("x-acme-token"), accept });
        Running::start_with(config).await.call("POST /", headers, EVENTS).await.status
    };
    assert_eq!(call(false, &[("X-Acme-Token", "of-a-customer")]).await, 401);
    assert_eq!(call(false, &[("X-Acme-Token", "sesame")]).await, 200);
    assert_eq!(call(true, &[("X-Acme-Token", "of-a-customer")]).await, 200);
    assert_eq!(call(true, &[("Authorization", "Token wrong")]).await, 401);
    assert_eq!(call(true, &[("Authorization", "Token sesame")]).await, 200);
}
