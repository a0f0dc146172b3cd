//! The same under TLS.

use std::{net::TcpStream, path::Path};

use mio::{Events, Poll, Token};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    version::{TLS12, TLS13},
};
use tempfile::TempDir;

use super::{super::stream::Stream, *};

/// What a server is asked for in a handshake: the name, and the protocol they agree on.
type Asked = (Option<String>, Option<Vec<u8>>);
type Secure = StreamOwned<ServerConnection, TcpStream>;

/// A server under TLS with a certificate of its own.
struct Server {
    address: SocketAddr,
    /// Of each connection that got through.
    asked: Arc<Mutex<Vec<Asked>>>,
    folder: TempDir,
}

impl Server {
    /// One that speaks this version, and talks so on each connection before it closes it properly.
    fn start(version: &'static SupportedProtocolVersion, talk: fn(&mut Secure)) -> Self {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cert.pem"), pair.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![pair.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (config, asked) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, noted) = (listener.local_addr().unwrap(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, noted) = (config.clone(), noted.clone());
                std::thread::spawn(move || converse(stream.unwrap(), config, talk, &noted));
            }
        });
        Self { address, asked, folder }
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.folder.path().join("cert.pem")
    }
}

fn converse(
    mut socket: TcpStream,
    config: Arc<ServerConfig>,
    talk: fn(&mut Secure),
    noted: &Mutex<Vec<Asked>>,
) {
    let mut session = ServerConnection::new(config).unwrap();
    while session.is_handshaking() {
        if session.complete_io(&mut socket).is_err() {
            return;
        }
    }
    let asked = (session.server_name().map(str::to_owned), session.alpn_protocol().map(<[u8]>::to_vec));
    noted.lock().unwrap().push(asked);
    let mut stream = StreamOwned::new(session, socket);
    talk(&mut stream);
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).ok();
}

fn answer_each(stream: &mut Secure) {
    answer_all(stream, &ok);
}

fn answer_one(stream: &mut Secure) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nx") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    stream.write_all(ok("").as_bytes()).unwrap();
}

fn secure_plan(address: SocketAddr, connections: usize, ca: &Path) -> Plan {
    let plan = plan(address, connections);
    Plan { target: plan.target.with_tls(Tls::new("localhost", Some(ca)).unwrap()), ..plan }
}

/// Keeps what was said of connections that could not be made.
#[derive(Default)]
struct Refusals(Mutex<Vec<String>>);

impl Traffic for Refusals {
    fn body<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
        b"x"
    }

    fn ended(&self, _: u64, ending: &Ending<'_>, _: &Line) {
        if let Ending::Failed { refusal: Some(refusal), .. } = ending {
            self.0.lock().unwrap().push(refusal.to_string());
        }
    }
}

/// Runs three turns that all get no connection, and returns what is said of that.
fn refused(plan: &Plan) -> Vec<String> {
    let traffic = Refusals::default();
    let report = run(plan, &Line::new(at_once(3), PATIENCE), &traffic).unwrap();
    assert_eq!((report.taken, report.failed.connect, report.failed.total()), (0, 3, 3), "{report:?}");
    let told = traffic.0.into_inner().unwrap();
    assert_eq!(told.len(), 3);
    told
}

#[test]
fn every_turn_is_sent_once_over_connections_that_are_kept() {
    for version in [&TLS13, &TLS12] {
        let server = Server::start(version, answer_each);
        let (traffic, line) = (Numbers::default(), Line::new(at_once(500), PATIENCE));
        let report = run(&secure_plan(server.address, 4, &server.certificate()), &line, &traffic).unwrap();
        assert_eq!((report.taken, report.failed.total()), (500, 0), "{report:?}");
        let mut seen = traffic.seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        let asked = server.asked.lock().unwrap();
        assert!(asked.len() <= 4, "{asked:?}");
        let expected = (Some("localhost".to_owned()), Some(b"http/1.1".to_vec()));
        assert!(asked.iter().all(|asked| *asked == expected), "{asked:?}");
    }
}

/// More than the socket and the records under way hold together.
fn large() -> String {
    "0123456789abcdefg".repeat(500_000)
}

#[test]
fn a_body_larger_than_any_buffer_arrives_whole() {
    struct Large(String);
    impl Traffic for Large {
        fn body<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
            self.0.as_bytes()
        }
        fn ended(&self, _: u64, ending: &Ending<'_>, _: &Line) {
            let Ending::Answered { reply, .. } = ending else { panic!("{ending:?}") };
            assert_eq!(reply.body, b"whole");
        }
    }
    let server = Server::start(&TLS13, |stream| {
        answer_all(stream, &|body: &str| ok(if body == large() { "whole" } else { "damaged" }));
    });
    let plan = secure_plan(server.address, 1, &server.certificate());
    assert_eq!(run(&plan, &Line::new(at_once(3), PATIENCE), &Large(large())).unwrap().taken, 3);
}

#[test]
fn a_connection_that_the_server_closes_between_calls_fails_none() {
    let server = Server::start(&TLS13, answer_one);
    let plan = secure_plan(server.address, 1, &server.certificate());
    let line = Line::new(Pace::Open(constant(20.0, Duration::from_millis(500))), PATIENCE);
    let report = run(&plan, &line, &StopAt(u64::MAX)).unwrap();
    assert_eq!((report.taken, report.failed.total()), (10, 0), "{report:?}");
    assert_eq!(server.asked.lock().unwrap().len(), 10);
}

#[test]
fn a_certificate_of_another_authority_or_name_is_no_connection_and_the_reason_is_told() {
    let (server, other) = (Server::start(&TLS13, answer_each), Server::start(&TLS13, answer_each));
    for told in refused(&secure_plan(server.address, 1, &other.certificate())) {
        assert!(told.contains("invalid peer certificate") && told.contains("no authority"), "{told}");
    }
    let plain = plan(server.address, 1);
    let tls = Tls::new("acme.example", Some(&server.certificate())).unwrap();
    for told in refused(&Plan { target: plain.target.with_tls(tls), ..plain }) {
        assert!(told.contains("acme.example"), "{told}");
    }
    assert!(server.asked.lock().unwrap().is_empty());
}

#[test]
fn a_server_without_tls_is_no_connection_and_the_reason_is_told() {
    let server = Server::start(&TLS13, answer_each);
    let nonsense = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nonsense.local_addr().unwrap();
    std::thread::spawn(move || {
        // Kept open, as closing one with something unread in it would be a reset.
        let mut open = Vec::new();
        for stream in nonsense.incoming() {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 4_096]).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
            open.push(stream);
        }
    });
    for told in refused(&secure_plan(address, 1, &server.certificate())) {
        assert!(told.contains("does the server speak TLS"), "{told}");
    }
    let closing = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closing.local_addr().unwrap();
    std::thread::spawn(move || closing.incoming().for_each(drop));
    for told in refused(&secure_plan(address, 1, &server.certificate())) {
        assert!(told.contains("handshake has broken off"), "{told}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = secure_plan(silent.local_addr().unwrap(), 3, &server.certificate());
    for told in refused(&Plan { timeout: Duration::from_millis(150), ..plan }) {
        assert!(told.contains("too long"), "{told}");
    }
}

#[test]
fn what_a_server_without_tls_answers_is_the_reason_though_it_resets_the_connection() {
    let server = Server::start(&TLS13, answer_each);
    let tls = Tls::new("localhost", Some(&server.certificate())).unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
    let address = plain.local_addr().unwrap();
    let mut stream = Stream::connect(address, Some(&tls), Token(0), poll.registry()).unwrap();
    let (mut other, _) = plain.accept().unwrap();
    // What the socket says is waited for, so that there is nothing else to be told than what is expected of it.
    let mut until = |said: fn(&mio::event::Event) -> bool| loop {
        poll.poll(&mut events, Some(PATIENCE)).unwrap();
        assert!(!events.is_empty(), "the socket says nothing");
        if events.iter().any(said) {
            return;
        }
    };
    until(mio::event::Event::is_writable);
    assert!(!stream.connected().unwrap());
    assert!(other.peek(&mut [0]).unwrap() > 0);
    other.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
    // What was said to it is not read: that makes the end a reset.
    drop(other);
    until(mio::event::Event::is_error);
    let told = stream.connected().unwrap_err().to_string();
    assert!(told.contains("does the server speak TLS"), "{told}");
}
