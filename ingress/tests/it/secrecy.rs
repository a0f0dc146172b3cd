//! What must never stand in a log line.

use std::time::Duration;

use http::HeaderName;
use penstock_ingress::{auth::OAuthHeader, config::TokensConfig};
use penstock_testkit::Lines;

use crate::{
    faulty::Fault,
    harness::{Running, config},
};

#[tokio::test]
async fn trap_98_no_log_line_holds_a_body_a_setting_or_a_token() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For the whole process: lines of the tests beside this one are looked at as well.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, header) = (folder.path().join("tokens"), HeaderName::from_static("x-acme-token"));
    std::fs::write(&path, "sesame").unwrap();
    let mut config = config();
    config.auth.tokens = TokensConfig::File(path.clone());
    config.auth.reload = Duration::from_millis(100);
    config.auth.oauth_header = Some(OAuthHeader { name: header, accept: false });
    let mut running = Running::start_with(config).await;
    let body = br#"{"type":"event_processing_request","id":"id-secret","account":{"account_id":7,"account_settings":{"apiKey":"key-secret"}},"events":[{"user":"ada-secret"}]}"#;
    running.post(body).await;
    running.post(&body[..body.len() - 1]).await;
    running.post(br#"{"type":"type-secret"}"#).await;
    running.call("POST /", &[("authorization", "Token token-secret")], body).await;
    let pixel = "GET /cookie-sync?redirect=https%3A%2F%2Fcookiesync.mparticle.com%2Fv1%2Fsecret%3F%24%7BSANDBOX_ID%7D";
    running.call(pixel, &[("cookie", "sandbox_id=id-secret")], b"").await;
    running.call("GET /cookie-sync?redirect=https%3A%2F%2Fsecret.example", &[], b"").await;
    running.call("POST /", &[("x-acme-token", "oauth-secret")], body).await;
    let rewritten =
        [("{\"us1\": \"sesame\", \"sesame-pod\": \"secret\"}", "changed", 2), ("[\"secret\"", "failed", 1)];
    for (content, result, least) in rewritten {
        std::fs::write(&path, content).unwrap();
        let metric = format!("ingress_token_reloads_total{{result=\"{result}\"}}");
        running.until_gauge(&metric, |now| now >= least).await;
    }
    running.main.set(Fault::Unavailable);
    running.post(body).await;
    running.dead.set(Fault::Panic);
    running.post(b"body-secret").await;
    running.stop.cancel();
    running.ended().await.unwrap();
    let lines = lines.text();
    assert!(
        lines.contains("the tokens cannot be read again") && lines.contains("no endpoint here serves"),
        "{lines}"
    );
    assert!(lines.contains("ingress takes calls") && lines.contains("a call broke off"), "{lines}");
    let shown: Vec<&str> =
        lines.lines().filter(|line| line.contains("secret") || line.contains("sesame")).collect();
    assert_eq!(shown, Vec::<&str>::new());
}
