//! The other parties of a cookie sync, over TLS: a customer's page with the steps of mParticle's Web SDK (protocol.md 6),
//! mParticle's sync host, and the partner's opt-out page. The partner's sync host is the ingress under test.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub(crate) const SHOP: &str = "shop.example";
pub(crate) const MPARTICLE: &str = "cookiesync.mparticle.com";
pub(crate) const PARTNER: &str = "sync.partner.example";
pub(crate) const OPT_OUT: &str = "www.partner.example";
pub(crate) const ELSEWHERE: &str = "elsewhere.example";
const PIXEL: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\
    \x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01\x44\x00\x3b";

/// A page that builds the image's URL as the Web SDK does, and notes in the document how its loading ended. `$REDIRECT`
/// stands for where mParticle's configuration has the pixel redirect.
const PAGE: &str = r#"<!doctype html><title>A customer's page</title><script>
const mpid = '-5418363127896183456';
const pixelUrl = 'https://sync.partner.example/cookie-sync?src=mparticle&amp;mpid=%%mpid%%&amp;redirect=';
const redirectUrl = '$REDIRECT';
const filled = text => text.replace(/&amp;/g, '&').replace('%%mpid%%', mpid);
const image = document.createElement('img');
const say = word => () => { document.documentElement.dataset.pixel = word; };
image.onload = say('loaded');
image.onerror = say('failed');
image.src = filled(pixelUrl) + encodeURIComponent(filled(redirectUrl));
</script>"#;
const TO_MPARTICLE: &str = "https://cookiesync.mparticle.com/v1/sync?esid=123456&amp;MPID=%%mpid%%&amp;ID=${SANDBOX_ID}&amp;Key=mpApiKey&amp;env=2";
const TO_ELSEWHERE: &str = "https://elsewhere.example/v1/sync?esid=123456&amp;ID=${SANDBOX_ID}";

/// Running servers; they end when dropped.
pub(crate) struct Sites {
    ours: u16,
    partners: u16,
    calls: Calls,
    _tasks: JoinSet<()>,
}

/// What was asked, as `host/path?query`.
type Calls = Arc<Mutex<Vec<String>>>;

impl Sites {
    /// Starts the servers; the partner's sync host is `ingress`, which speaks TLS.
    pub(crate) async fn start(ingress: SocketAddr) -> Self {
        let (acceptor, calls, mut tasks) = (acceptor(), Calls::default(), JoinSet::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap().port();
        tasks.spawn(accept(listener, acceptor, calls.clone()));
        Self { ours, partners: ingress.port(), calls, _tasks: tasks }
    }

    /// Every name there is, with its port.
    pub(crate) fn hosts(&self) -> [(&'static str, u16); 5] {
        let ours = self.ours;
        [(SHOP, ours), (MPARTICLE, ours), (OPT_OUT, ours), (ELSEWHERE, ours), (PARTNER, self.partners)]
    }

    /// What a host was asked, in order; favourite icons aside.
    pub(crate) fn asked(&self, host: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let paths = calls.iter().filter_map(|call| call.strip_prefix(host));
        paths.filter(|path| *path != "/favicon.ico").map(str::to_owned).collect()
    }
}

fn acceptor() -> TlsAcceptor {
    let names = [SHOP, MPARTICLE, OPT_OUT, ELSEWHERE].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, calls: Calls) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, calls) = (acceptor.clone(), calls.clone());
        connections.spawn(async move {
            // Browsers open connections that they do not use.
            if let Ok(stream) = acceptor.accept(stream).await {
                play(stream, calls).await;
            }
        });
    }
}

async fn play(stream: TlsStream<TcpStream>, calls: Calls) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, &calls);
        async { Ok::<_, std::convert::Infallible>(answer) }
    });
    http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

fn answer(request: &Request<Incoming>, calls: &Calls) -> Response<Full<Bytes>> {
    let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
    let path = request.uri().path_and_query().unwrap().as_str();
    calls.lock().unwrap().push(format!("{host}{path}"));
    let page = |redirect: &str| html(PAGE.replace("$REDIRECT", redirect));
    match (host.as_str(), request.uri().path()) {
        (SHOP, "/") => page(TO_MPARTICLE),
        (SHOP, "/misconfigured") => page(TO_ELSEWHERE),
        (OPT_OUT, "/opt-out") => {
            let mut response = html("<!doctype html><title>You are out</title>".to_owned());
            let cookie =
                "sandbox_optout=1; Domain=partner.example; Path=/; Max-Age=31536000; Secure; SameSite=None";
            response.headers_mut().insert(header::SET_COOKIE, cookie.parse().unwrap());
            response
        }
        (MPARTICLE, "/v1/sync") | (ELSEWHERE, _) => content("image/gif", PIXEL.into()),
        _ => Response::builder().status(404).body(Full::default()).unwrap(),
    }
}

fn html(text: String) -> Response<Full<Bytes>> {
    content("text/html; charset=utf-8", text.into())
}

fn content(kind: &str, body: Bytes) -> Response<Full<Bytes>> {
    Response::builder().header(header::CONTENT_TYPE, kind).body(Full::new(body)).unwrap()
}
