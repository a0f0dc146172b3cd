//! Measures the function: from the start of its process to the first answer, and from a message to its answer after
//! that. Lambda's runtime API and SQS are stand-ins in this process that answer at once, over plain HTTP, so the figures are
//! the function's own share of the time.
//!
//! ```sh
//! cargo build --release -p penstock-lambda
//! cargo run -p penstock-lambda --example measure -- target/release/bootstrap
//! ```

#[path = "../tests/it/standin.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "it is written for tests, which use more of it")]
mod standin;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use tokio::time::Instant;

/// Processes that are started for the first figure.
const STARTS: usize = 20;
/// Messages after the first, in the last of them.
const WARM: usize = 2_000;

/// The runtime API, for one process after the other.
#[derive(Default)]
struct Runtime {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    left: usize,
    sent: Option<Instant>,
    took: Vec<Duration>,
    answered: Option<Instant>,
}

fn main() {
    let program =
        std::env::args().nth(1).expect("the path of the function, such as target/release/bootstrap");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let message = std::fs::read(fixtures.join("messages/events-android.json")).expect("a sample message");
    let sqs = standin::StandIn::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let runtime = Arc::new(Runtime::default());
    let (serving, message) = (runtime.clone(), Arc::new(message));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (runtime, message) = (serving.clone(), message.clone());
            thread::spawn(move || runtime.serve(stream, &message));
        }
    });
    let partner = fixtures.join("partners/sandbox.toml");
    let mut starts: Vec<Duration> =
        (0..STARTS).map(|_| runtime.run(&mut function(&program, port, sqs.port, &partner), 1).0).collect();
    let (_, mut warm) = runtime.run(&mut function(&program, port, sqs.port, &partner), 1 + WARM);
    show("start of the process to the first answer", &mut starts);
    show("message to answer, after the first", &mut warm[1..]);
}

fn function(program: &str, runtime: u16, sqs: u16, partner: &Path) -> Command {
    let queue = |name: &str| format!("http://127.0.0.1:{sqs}/123456789012/{name}");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{runtime}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "measured")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .envs([("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")])
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{sqs}"))
        .env("PENSTOCK_PARTNER", partner)
        .env("PENSTOCK_SQS_MAIN_URL", queue("main"))
        .env("PENSTOCK_SQS_RETRY_URL", queue("retry"))
        .env("PENSTOCK_SQS_DEAD_URL", queue("dead"))
        .env("PENSTOCK_S3_BUCKET", "spill")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

impl Runtime {
    /// Starts the function and hands it so many messages: the time to the first answer, and that of each message.
    fn run(&self, function: &mut Command, messages: usize) -> (Duration, Vec<Duration>) {
        *self.state.lock().expect("no thread panics") = State { left: messages, ..State::default() };
        let started = Instant::now();
        let mut process = function.spawn().expect("the function can be started");
        let state = self.state.lock().expect("no thread panics");
        let state =
            self.done.wait_while(state, |state| state.took.len() < messages).expect("no thread panics");
        let first = state.answered.expect("there is an answer").duration_since(started);
        let took = state.took.clone();
        drop(state);
        process.kill().and_then(|()| process.wait()).expect("the function can be ended");
        (first, took)
    }

    fn serve(&self, stream: TcpStream, message: &[u8]) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut answers = stream.try_clone().ok()?;
        let mut calls = BufReader::new(stream);
        loop {
            let mut first = String::new();
            if calls.read_line(&mut first).ok()? == 0 {
                return None;
            }
            let mut bytes = 0;
            loop {
                let mut line = String::new();
                calls.read_line(&mut line).ok()?;
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(length) = line.strip_prefix("content-length:") {
                    bytes = length.trim().parse().ok()?;
                }
            }
            calls.read_exact(&mut vec![0; bytes]).ok()?;
            if first.starts_with("GET") {
                self.next(&mut answers, message)?;
            } else {
                assert!(first.contains("/response "), "not a result: {first}");
                self.note();
                answers.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").ok()?;
            }
        }
    }

    /// Hands over a message; `None`, and no answer, when there is none left.
    fn next(&self, answers: &mut TcpStream, message: &[u8]) -> Option<()> {
        let mut state = self.state.lock().ok()?;
        state.left = state.left.checked_sub(1)?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 99999999999999\r\n\
             lambda-runtime-invoked-function-arn: arn\r\nContent-Length: {}\r\n\r\n",
            message.len()
        );
        state.sent = Some(Instant::now());
        answers.write_all(&[head.as_bytes(), message].concat()).ok()
    }

    fn note(&self) {
        let now = Instant::now();
        let mut state = self.state.lock().expect("no thread panics");
        let sent = state.sent.take().expect("a message was handed over");
        state.took.push(now.duration_since(sent));
        state.answered.get_or_insert(now);
        self.done.notify_all();
    }
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at =
        |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1_000.0;
    println!(
        "{what} ({} of them): median {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}
