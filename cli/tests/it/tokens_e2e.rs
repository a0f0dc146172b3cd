//! Tokens of a running ingress: where they come from, and what becomes of them when that place changes or is away.

use std::path::Path;

use penstock_testkit::emulator::Emulator;

use crate::pipeline::{Service, fixture};
use crate::process::eventually;

const NOOP: &str =
    r#"{"type":"event_processing_request","id":"n","account":{"account_id":1001},"events":[]}"#;

/// An ingress on the embedded queue, with these settings and no other tokens.
async fn start(folder: &Path, settings: &[(&'static str, String)]) -> Service {
    let (sandbox, data) = (fixture("partners/sandbox.toml"), folder.join("data"));
    let mut settings = settings.to_vec();
    settings.push(("PENSTOCK_TOKENS", String::new()));
    let arguments = ["--partner", &sandbox, "--data-dir", data.to_str().unwrap()];
    Service::start("ingress", &arguments, &settings).await
}

async fn status(service: &Service, path: &str, token: &str) -> u16 {
    let client = reqwest::Client::new();
    let call = client.post(format!("{}{path}", service.ingress.trim_end_matches('/')));
    call.header("authorization", format!("Token {token}")).body(NOOP).send().await.unwrap().status().as_u16()
}

/// Calls with the token until it is answered so.
async fn until(service: &Service, path: &str, token: &str, wanted: u16) {
    eventually("the answer", async || match status(service, path, token).await {
        status if status == wanted => Ok(()),
        other => Err(format!("{token} at {path} is answered {other}")),
    })
    .await;
}

#[tokio::test]
async fn trap_7_tokens_of_a_secret_follow_its_rotation_and_outlast_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start().unwrap();
    let mut settings: Vec<(&'static str, String)> = emulator.env().into();
    settings.extend([
        ("PENSTOCK_TOKENS_SECRET", "penstock/tokens".to_owned()),
        ("PENSTOCK_TOKENS_SECRET_RELOAD_MS", "1000".to_owned()),
        ("PENSTOCK_ENDPOINTS", "eu1=/eu1".to_owned()),
    ]);
    let service = start(folder.path(), &settings).await;
    until(&service, "/", "tok-one", 503).await;

    emulator.create_secret("penstock/tokens", r#"{"us1": ["tok-one"], "eu1": "tok-eu"}"#).unwrap();
    until(&service, "/", "tok-one", 200).await;
    assert_eq!((status(&service, "/eu1", "tok-eu").await, status(&service, "/", "tok-eu").await), (200, 401));

    emulator.put_secret("penstock/tokens", "tok-two", &["AWSCURRENT"]).unwrap();
    until(&service, "/", "tok-two", 200).await;
    assert_eq!(status(&service, "/", "tok-one").await, 200, "the version before counts as well");
    emulator.put_secret("penstock/tokens", "tok-three", &["AWSCURRENT"]).unwrap();
    until(&service, "/", "tok-three", 200).await;
    assert_eq!(status(&service, "/", "tok-two").await, 200);
    assert_eq!(status(&service, "/", "tok-one").await, 401);

    drop(emulator);
    eventually("a reading that fails", async || {
        match service.metric("ingress_token_reloads_total", "failed").await {
            failed if failed >= 3 => Ok(()),
            failed => Err(format!("{failed} failed")),
        }
    })
    .await;
    for token in ["tok-two", "tok-three"] {
        assert_eq!(status(&service, "/", token).await, 200);
    }
    let said = service.stop().await.stderr;
    assert!(!said.contains("tok-"), "{said}");
    assert_eq!(said.matches("those known before stay valid").count(), 1, "{said}");
}

#[tokio::test]
async fn trap_5_tokens_of_a_file_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "tok-old").unwrap();
    let settings = [
        ("PENSTOCK_TOKENS_FILE", file.to_str().unwrap().to_owned()),
        ("PENSTOCK_TOKENS_RELOAD_MS", "100".to_owned()),
        ("PENSTOCK_TOKENS_GRACE_MS", "3000".to_owned()),
    ];
    let service = start(folder.path(), &settings).await;
    assert_eq!((status(&service, "/", "tok-old").await, status(&service, "/", "tok-new").await), (200, 401));
    std::fs::write(&file, "tok-new").unwrap();
    until(&service, "/", "tok-new", 200).await;
    assert_eq!(
        service.metric("ingress_tokens", "").await,
        2,
        "the list may be a mistake: both count for a while"
    );
    until(&service, "/", "tok-old", 401).await;
    assert_eq!(status(&service, "/", "tok-new").await, 200);
    let said = service.stop().await.stderr;
    assert_eq!(said.matches("the new list has none of the tokens before").count(), 1, "{said}");
    assert!(!said.contains("tok-"), "{said}");
}
