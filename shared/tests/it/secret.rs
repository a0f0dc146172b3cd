//! A secret of Secrets Manager as the emulator keeps it, through a rotation.

use std::time::Duration;

use penstock_shared::aws::{
    ClientSettings,
    secret::{SecretError, StoredSecret},
    secretsmanager_client,
};
use penstock_testkit::emulator::emulator;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

fn secret_at(endpoint: &str, name: &str, call_timeout: Duration) -> StoredSecret {
    let client = secretsmanager_client(&crate::aws::config_for(endpoint), &ClientSettings::default());
    StoredSecret::new(client, name, call_timeout)
}

/// The current version, then those beside it.
async fn versions(secret: &StoredSecret) -> Vec<String> {
    let versions = secret.read().await.unwrap();
    let all = std::iter::once(&versions.current).chain(&versions.beside);
    all.map(|version| version.expose_secret().to_owned()).collect()
}

#[tokio::test]
async fn trap_5_through_a_rotation_the_versions_before_and_after_are_read() {
    let emulator = emulator();
    let name = emulator.unique("tokens");
    emulator.create_secret(&name, "one").unwrap();
    let secret = secret_at(emulator.endpoint(), &name, Duration::from_secs(60));
    assert_eq!(versions(&secret).await, ["one"]);
    emulator.put_secret(&name, "two", &["AWSPENDING"]).unwrap();
    assert_eq!(versions(&secret).await, ["one", "two"]);
    emulator.put_secret(&name, "three", &["AWSCURRENT"]).unwrap();
    let rotated = versions(&secret).await;
    assert_eq!(rotated[0], "three");
    assert!(rotated.contains(&"one".to_owned()), "{rotated:?}");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_an_error_and_not_an_empty_one() {
    let secret = secret_at(emulator().endpoint(), "nobody-made-it", Duration::from_secs(60));
    let error = secret.read().await.unwrap_err();
    assert!(error.to_string().contains("AWSCURRENT"), "{error}");
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_an_error_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let secret = secret_at(&endpoint, "tokens", Duration::from_millis(50));
    let error = secret.read().await.unwrap_err();
    assert!(matches!(&error, SecretError::Call { .. }), "{error}");
    assert!(error.to_string().contains("no answer within 50 ms"), "{error}");
    drop(listener);
    assert!(secret.read().await.is_err());
}
