//! TLS of its own: both protocols, a certificate that is renewed, a stop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use penstock_ingress::tls::{PairFiles, TlsConfig};
use reqwest::{Certificate, Version};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    client::{Client, TOKEN},
    faulty::Fault,
    harness::{EVENTS, Running, config},
};

const RELOAD_EVERY: Duration = Duration::from_millis(20);

/// A folder for a certificate and its key.
struct Pair(TempDir);

impl Pair {
    fn new() -> (Self, CertificateDer<'static>) {
        let pair = Self(tempfile::tempdir().unwrap());
        let cert = pair.renew();
        (pair, cert)
    }

    /// Writes another pair.
    fn renew(&self) -> CertificateDer<'static> {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = self.files();
        std::fs::write(files.cert, cert.pem()).unwrap();
        std::fs::write(files.key, signing_key.serialize_pem()).unwrap();
        cert.der().clone()
    }

    fn files(&self) -> PairFiles {
        PairFiles { cert: self.0.path().join("cert.pem"), key: self.0.path().join("key.pem") }
    }

    fn config(&self) -> TlsConfig {
        TlsConfig { files: self.files(), listen: None, reload_every: RELOAD_EVERY }
    }
}

async fn start(tls: TlsConfig) -> Running {
    let mut config = config();
    config.tls = Some(tls);
    Running::start_with(config).await
}

/// A connection of someone who believes this certificate alone.
async fn connect(
    address: SocketAddr,
    believed: &CertificateDer<'static>,
    protocols: &[&str],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(believed.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn http(believed: &CertificateDer<'_>, address: SocketAddr) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_certs_only([Certificate::from_der(believed).unwrap()])
        .resolve("localhost", address)
}

async fn post(client: &reqwest::Client, address: SocketAddr) -> reqwest::Response {
    let call = client.post(format!("https://localhost:{}/", address.port()));
    call.header("authorization", "Token sesame").body(EVENTS).send().await.unwrap()
}

#[tokio::test]
async fn both_protocols_are_served_as_the_caller_prefers() {
    let (pair, cert) = Pair::new();
    let running = start(pair.config()).await;
    for (builder, version) in [
        (http(&cert, running.address), Version::HTTP_2),
        (http(&cert, running.address).http1_only(), Version::HTTP_11),
        (http(&cert, running.address).tls_version_max(reqwest::tls::Version::TLS_1_2), Version::HTTP_2),
    ] {
        let client = builder.build().unwrap();
        for _ in 0..2 {
            let answer = post(&client, running.address).await;
            assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        }
    }
    // Who names no protocol speaks HTTP/1.1.
    let mut client = Client::over(connect(running.address, &cert, &[]).await.unwrap());
    assert_eq!(client.post(EVENTS).await.status, 200);
    assert_eq!(running.stored().await.len(), 7);
}

#[tokio::test]
async fn plain_http_is_served_beside_tls_when_asked_for() {
    let (pair, cert) = Pair::new();
    let running = start(TlsConfig { listen: Some(([127, 0, 0, 1], 0).into()), ..pair.config() }).await;
    let client = http(&cert, running.tls.unwrap()).build().unwrap();
    assert_eq!(post(&client, running.tls.unwrap()).await.status(), 200);
    assert_eq!(running.post(EVENTS).await.status, 200);
}

#[tokio::test]
async fn plain_http_is_not_served_where_tls_is_spoken() {
    let (pair, _) = Pair::new();
    let running = start(pair.config()).await;
    let mut plain = Client::connect(running.address).await;
    plain.head("POST /", &[TOKEN, ("content-length", "0")]).await;
    let heard = plain.closed().await;
    assert!(!heard.starts_with(b"HTTP/"), "{heard:?}");
    assert!(running.stored().await.is_empty());
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let (pair, cert) = Pair::new();
    let mut config = config();
    config.tls = Some(pair.config());
    config.calls.header_deadline = Duration::from_millis(100);
    let running = Running::start_with(config).await;
    let mut silent = Client::connect(running.address).await;
    assert_eq!(silent.closed().await, b"");
    // Nor may the header after it take for ever.
    let mut half = Client::over(connect(running.address, &cert, &[]).await.unwrap());
    half.write(b"POST / HTTP/1.1\r\nhost:").await;
    half.closed().await;
}

#[tokio::test]
async fn a_renewed_certificate_serves_new_connections_and_cuts_no_open_one() {
    let (pair, old) = Pair::new();
    let running = start(pair.config()).await;
    let mut open = Client::over(connect(running.address, &old, &[]).await.unwrap());
    assert_eq!(open.post(EVENTS).await.status, 200);
    let new = pair.renew();
    let mut renewed = loop {
        if let Ok(stream) = connect(running.address, &new, &[]).await {
            break Client::over(stream);
        }
    };
    assert_eq!(renewed.post(EVENTS).await.status, 200);
    assert_eq!(open.post(EVENTS).await.status, 200);
    assert!(connect(running.address, &old, &[]).await.is_err(), "the old one is gone");
}

#[tokio::test]
async fn trap_16_calls_in_flight_are_finished_at_a_stop_and_idle_connections_closed() {
    let (pair, cert) = Pair::new();
    let mut running = start(pair.config()).await;
    let gate = Fault::gate();
    running.main.set(gate.clone());
    let Fault::Gate { begun, open } = gate else { unreachable!() };
    let mut idle = Client::over(connect(running.address, &cert, &[]).await.unwrap());
    let http2 = http(&cert, running.address).build().unwrap();
    let http1 = http(&cert, running.address).http1_only().build().unwrap();
    let stop = async {
        begun.acquire().await.unwrap().forget();
        running.until_gauge("ingress_bytes_in_flight", |held| held == 2 * EVENTS.len()).await;
        running.stop.cancel();
        assert_eq!(idle.closed().await, b"");
        open.add_permits(1000);
    };
    let (first, second, ()) =
        tokio::join!(post(&http2, running.address), post(&http1, running.address), stop);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    assert_eq!(second.headers()["connection"], "close");
    running.ended().await.unwrap();
    assert_eq!(running.stored().await.len(), 2);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_ends_the_start() {
    let (pair, _) = Pair::new();
    let mut tls = pair.config();
    tls.files.key = pair.0.path().join("nowhere.pem");
    let mut running = start(tls).await;
    let error = running.ended().await.unwrap_err();
    assert!(
        matches!(&error, penstock_ingress::RunError::Tls(cause) if cause.to_string().contains("nowhere.pem")),
        "{error:?}"
    );
}
