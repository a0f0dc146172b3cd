//! Over real sockets, against a server that answers by a script.

mod tls;

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{reply::Head, *};

const PATIENCE: Duration = Duration::from_secs(30);

/// Answers each request with what `answer` makes of its body; an empty answer closes the connection.
fn serve(answer: impl Fn(&str) -> String + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            std::thread::spawn(move || answer_all(stream.unwrap(), &answer));
        }
    });
    address
}

fn answer_all(stream: impl Read + Write, answer: &impl Fn(&str) -> String) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(digits) = line.strip_prefix("content-length: ") {
                length = digits.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = answer(std::str::from_utf8(&body).unwrap());
        if answer.is_empty() {
            return;
        }
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn plan(address: SocketAddr, connections: usize) -> Plan {
    let target = Target::new(address, "localhost", "/", Some("Token t"));
    Plan { target, connections, timeout: PATIENCE, look_every: Duration::ZERO }
}

fn at_once(turns: u64) -> Pace {
    Pace::Open(Box::new((0..turns).map(|_| Duration::ZERO)))
}

/// Sends each turn's number, and checks that the answer is it.
#[derive(Default)]
struct Numbers {
    seen: Mutex<Vec<u64>>,
}

impl Traffic for Numbers {
    fn body<'a>(&'a self, turn: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        scratch.extend_from_slice(turn.to_string().as_bytes());
        scratch
    }

    fn ended(&self, turn: u64, ending: &Ending<'_>, _: &Line) {
        if let Ending::Answered { reply, .. } = ending {
            assert_eq!(reply.body, turn.to_string().as_bytes());
        }
        self.seen.lock().unwrap().push(turn);
    }
}

/// Closes the line when that turn has ended.
struct StopAt(u64);

impl Traffic for StopAt {
    fn body<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
        b"x"
    }

    fn ended(&self, turn: u64, _: &Ending<'_>, line: &Line) {
        if turn == self.0 {
            line.close();
        }
    }
}

#[test]
fn every_turn_of_the_schedule_is_sent_once_and_hears_its_own_answer() {
    let traffic = Numbers::default();
    let line = Line::new(Pace::Open(poisson(20_000.0, Duration::from_millis(25), 7)), PATIENCE);
    let turns = poisson(20_000.0, Duration::from_millis(25), 7).count() as u64;
    let report = run(&plan(serve(ok), 8), &line, &traffic).unwrap();
    let mut seen = traffic.seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..turns).collect::<Vec<_>>());
    assert_eq!((report.sent, report.taken, report.dropped), (turns, turns, 0));
    assert_eq!(report.statuses, [(200, turns)].into());
    assert_eq!(report.timeline.iter().map(|second| second.taken).sum::<u64>(), turns);
    assert!(report.latency_ms.p50 > 0.0 && report.latency_ms.max >= report.latency_ms.p999);
}

#[test]
fn a_closed_loop_sends_as_soon_as_a_connection_is_free() {
    let line = Line::new(Pace::Closed(Duration::from_secs(3_600)), PATIENCE);
    let report = run(&plan(serve(ok), 2), &line, &StopAt(50)).unwrap();
    assert!(report.taken > 50, "{report:?}");
}

#[test]
fn answers_may_gather_so_that_servers_need_not_wake_the_load_for_each() {
    let line = Line::new(Pace::Closed(Duration::from_secs(3_600)), PATIENCE);
    let plan = Plan { look_every: Duration::from_millis(1), ..plan(serve(ok), 1) };
    let report = run(&plan, &line, &StopAt(50)).unwrap();
    assert!(
        report.taken > 50 && report.seconds >= 0.045,
        "looked at more than once a millisecond: {report:?}"
    );
}

#[test]
fn a_turn_that_is_put_back_is_sent_again_before_the_run_ends() {
    #[derive(Default)]
    struct Again(AtomicU64);
    impl Traffic for Again {
        fn body<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
            b"x"
        }
        fn ended(&self, turn: u64, _: &Ending<'_>, line: &Line) {
            let tries = self.0.fetch_add(1, Ordering::Relaxed);
            if tries < 5 {
                assert!(line.push(Turn { at: line.now() + Duration::from_millis(4), number: turn }));
            }
        }
    }
    let refuse = |_: &str| "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
    let line = Line::new(at_once(1), PATIENCE);
    let report = run(&plan(serve(refuse), 3), &line, &Again::default()).unwrap();
    assert_eq!((report.sent, report.refused, report.taken), (6, 6, 0));
    assert!(report.seconds >= 0.02, "{report:?}");
}

#[test]
fn idle_connections_stay_for_what_an_answer_brings_about() {
    struct Pair;
    impl Traffic for Pair {
        fn body<'a>(&'a self, turn: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
            scratch.extend_from_slice(turn.to_string().as_bytes());
            scratch
        }
        fn ended(&self, turn: u64, _: &Ending<'_>, line: &Line) {
            if turn == 0 {
                for number in [1, 2] {
                    assert!(line.push(Turn { at: line.now(), number }));
                }
            }
        }
    }
    // The two are answered only once both are there, which takes two connections.
    let both = Arc::new(std::sync::Barrier::new(2));
    let answer = move |body: &str| {
        if body != "0" {
            both.wait();
        }
        ok(body)
    };
    let report = run(&plan(serve(answer), 2), &Line::new(at_once(1), PATIENCE), &Pair).unwrap();
    assert_eq!((report.taken, report.failed.total()), (3, 0));
}

#[test]
fn closing_the_line_ends_a_run_early() {
    let line = Line::new(Pace::Open(constant(1_000.0, Duration::from_secs(3_600))), PATIENCE);
    let report = run(&plan(serve(ok), 4), &line, &StopAt(3)).unwrap();
    assert!((4..100_000).contains(&report.taken), "{report:?}");
}

#[test]
fn what_goes_wrong_is_counted_for_what_it_is() {
    let numbers = Numbers::default();
    let against = |answer: &'static str| {
        let line = Line::new(at_once(3), PATIENCE);
        run(&plan(serve(move |_| answer.to_owned()), 1), &line, &numbers).unwrap()
    };
    assert_eq!(against("").failed.broken, 3);
    assert_eq!(against("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").failed.unreadable, 3);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = Line::new(at_once(3), PATIENCE);
    assert_eq!(run(&plan(free, 2), &line, &numbers).unwrap().failed.connect, 3);
}

#[test]
fn a_connection_that_the_server_gives_up_is_made_anew() {
    let closing = |_: &str| "HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
    struct Silent;
    impl Traffic for Silent {
        fn body<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
            b""
        }
    }
    let report = run(&plan(serve(closing), 1), &Line::new(at_once(3), PATIENCE), &Silent).unwrap();
    assert_eq!((report.taken, report.failed.total()), (3, 0));
}

#[test]
fn a_connection_that_the_server_closes_after_its_answer_fails_no_request() {
    /// Begins a turn only once the connections of those before are closed.
    struct AfterTheOthers(Arc<AtomicU64>);
    impl Traffic for AfterTheOthers {
        fn begin(&self, turn: u64, _: &Line) -> bool {
            while self.0.load(Ordering::Acquire) < turn {
                std::thread::yield_now();
            }
            true
        }
        fn body<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
            b"x"
        }
        fn ended(&self, _: u64, ending: &Ending<'_>, _: &Line) {
            // The server did not see it, and the next one is not to wait for that.
            if let Ending::Failed { .. } = ending {
                self.0.fetch_add(1, Ordering::Release);
            }
        }
    }
    // Each connection is good for one answer, which does not say so.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let closed = Arc::new(AtomicU64::new(0));
    let counted = closed.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\nx") {
                let mut piece = [0; 1024];
                let read = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..read]);
            }
            stream.write_all(ok("").as_bytes()).unwrap();
            drop(stream);
            counted.fetch_add(1, Ordering::Release);
        }
    });
    let plan = plan(address, 1);
    let report = run(&plan, &Line::new(at_once(20), PATIENCE), &AfterTheOthers(closed)).unwrap();
    assert_eq!((report.taken, report.failed.total()), (20, 0), "{report:?}");
}

#[test]
fn an_answer_in_two_pieces_costs_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicU64::new(0));
    let counted = accepted.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut request = [0; 1024];
                while stream.read(&mut request).unwrap_or(0) > 0 {
                    for piece in ["HTTP/1.1 200 OK\r\ncontent-", "length: 0\r\n\r\n"] {
                        stream.write_all(piece.as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    let line = Line::new(at_once(200), PATIENCE);
    let report = run(&plan(address, 1), &line, &StopAt(u64::MAX)).unwrap();
    assert_eq!((report.taken, accepted.load(Ordering::Relaxed)), (200, 1));
}

/// More than sockets hold: it is not written before the server reads.
struct Long(Vec<u8>);

impl Default for Long {
    fn default() -> Self {
        Self(vec![b' '; 32 << 20])
    }
}

impl Traffic for Long {
    fn body<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
        &self.0
    }
}

#[test]
fn an_answer_that_comes_before_the_request_is_written_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(ok("early").as_bytes()).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let line = Line::new(at_once(1), PATIENCE);
    let plan = Plan { timeout: Duration::from_secs(5), ..plan(address, 1) };
    let report = run(&plan, &line, &Long::default()).unwrap();
    assert_eq!((report.taken, report.failed.total()), (1, 0), "{report:?}");
}

#[test]
fn an_answer_before_the_request_is_written_is_heard_though_the_server_resets_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            assert!(stream.peek(&mut [0]).unwrap() > 0);
            stream.write_all(ok("early").as_bytes()).unwrap();
            // What was sent is not read: that makes the end a reset.
        }
    });
    let report = run(&plan(address, 1), &Line::new(at_once(3), PATIENCE), &Long::default()).unwrap();
    assert_eq!((report.taken, report.failed.total()), (3, 0), "{report:?}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = Plan { timeout: Duration::from_millis(150), ..plan(silent.local_addr().unwrap(), 2) };
    let report = run(&plan, &Line::new(at_once(3), PATIENCE), &StopAt(u64::MAX)).unwrap();
    assert_eq!((report.taken, report.failed.timeout), (0, 3), "{report:?}");
}

#[test]
fn waiting_for_a_connection_counts_as_latency() {
    let mut tally = Tally::new(Duration::ZERO);
    let ms = Duration::from_millis;
    tally.note(ms(10), ms(110), ms(120), Ok(200));
    let report = tally.report(0);
    let near = |value: f64, expected: f64| (value - expected).abs() < expected / 100.0;
    assert!(near(report.latency_ms.p50, 110.0) && near(report.served_ms.p50, 10.0), "{report:?}");
    assert!(near(report.late_ms.max, 100.0), "{report:?}");
}

#[test]
fn schedules_have_the_rate_asked_for_and_a_seed_repeats() {
    let second = Duration::from_secs(1);
    assert_eq!(constant(250.0, second).count(), 250);
    assert_eq!(constant(0.0, second).count() + poisson(0.0, second, 1).count(), 0);
    let starts: Vec<_> = poisson(10_000.0, second, 1).collect();
    assert!((9_500..10_500).contains(&starts.len()), "{}", starts.len());
    assert!(starts.is_sorted());
    assert_eq!(starts, poisson(10_000.0, second, 1).collect::<Vec<_>>());
}

#[test]
fn a_head_is_read_once_it_is_whole() {
    let head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 7\r\nconnection: Close\r\n\r\n{";
    assert_eq!(Head::read(&head[..head.len() - 2]), Ok(None));
    let read = Head::read(head).unwrap().unwrap();
    assert_eq!((read.status, read.body_length, read.stays), (202, 7, false));
    assert_eq!(&head[read.length..], b"{");
    for bad in ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "GET\r\n\r\n"] {
        assert!(Head::read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_turn_that_is_left_out_is_neither_sent_nor_counted() {
    #[derive(Default)]
    struct Odd(Numbers);
    impl Traffic for Odd {
        fn begin(&self, turn: u64, _: &Line) -> bool {
            turn % 2 == 1
        }
        fn body<'a>(&'a self, turn: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
            self.0.body(turn, scratch)
        }
        fn ended(&self, turn: u64, ending: &Ending<'_>, line: &Line) {
            self.0.ended(turn, ending, line);
        }
    }
    let (line, odd) = (Line::new(at_once(9), PATIENCE), Odd::default());
    let report = run(&plan(serve(ok), 2), &line, &odd).unwrap();
    assert_eq!((report.sent, report.taken), (4, 4));
    let mut seen = odd.0.seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [1, 3, 5, 7]);
}

#[test]
fn what_is_sent_while_things_settle_is_counted_nowhere() {
    let begun = Arc::new(AtomicU64::new(0));
    let counted = begun.clone();
    let address = serve(move |body| {
        counted.fetch_add(1, Ordering::Relaxed);
        ok(body)
    });
    let ms = Duration::from_millis;
    let starts = [0, 1, 2, 1_000, 1_001].map(ms).into_iter();
    let line = Line::new(Pace::Open(Box::new(starts)), PATIENCE).settling(ms(1_000));
    let report = run(&plan(address, 2), &line, &Numbers::default()).unwrap();
    assert_eq!((begun.load(Ordering::Relaxed), report.sent, report.taken), (5, 2, 2));
    assert_eq!(report.timeline.iter().map(|second| second.taken).sum::<u64>(), 2);
    // Its time begins there, too.
    assert!(report.seconds < 0.9 && report.late_ms.max < 900.0, "{report:?}");

    // Too late, both.
    let line = Line::new(Pace::Open(Box::new([ms(0); 2].into_iter())), Duration::ZERO).settling(ms(1));
    assert_eq!(run(&plan(address, 1), &line, &Numbers::default()).unwrap().dropped, 0);
}
