//! An emulator of AWS Lambda (`cargo lambda watch`, a Python package) that the test run starts itself. It plays the
//! control plane and function URLs on one side, and the runtime API on the other; the functions are started by who
//! tests them.
//!
//! The calls here block.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::emulator::{http::exchange, python};

/// The version the tests were written against.
pub const CARGO_LAMBDA_VERSION: &str = "1.9.2";

/// Runs a program until standard input ends: the process that holds the other end has then ended, even by a signal it
/// could not handle.
const UNTIL_PARENT_ENDS: &str = r#"exec 3<&0; "$@" </dev/null & child=$!
{ cat <&3 >/dev/null; kill $child; } 2>/dev/null &
wait $child"#;
/// A project of its own, for the emulator wants one, and knows no function but its programs. None is ever built.
const PROJECT: &str = "[package]\nname = \"functions\"\nedition = \"2024\"\nautobins = false\n[workspace]\n";
/// Functions there can be.
const FUNCTIONS: usize = 200;
/// Looks for its port, this far apart, so many times; a start takes less than a second on a machine with time for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS_MAX: usize = 6_000;

/// A running emulator. Ends when it is dropped.
#[derive(Debug)]
pub struct LambdaEmulator {
    process: Child,
    port: u16,
    functions: AtomicUsize,
}

/// What an invocation, or a call of a function URL, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// 200, or 500 for a function error; of a URL, the function's own.
    pub status: u16,
    /// The head, as it came.
    pub head: String,
    /// The result, or the function error.
    pub body: Vec<u8>,
}

/// The emulator that all tests of this process share, started by the first that asks.
///
/// # Panics
/// When it can't be started; the message says what is missing.
pub fn lambda_emulator() -> &'static LambdaEmulator {
    static SHARED: OnceLock<Result<LambdaEmulator, String>> = OnceLock::new();
    let started = SHARED.get_or_init(|| LambdaEmulator::start().map_err(|error| format!("{error:#}")));
    match started {
        Ok(emulator) => emulator,
        Err(error) => panic!("the Lambda emulator did not start: {error}"),
    }
}

impl LambdaEmulator {
    /// Starts an emulator of one's own, and waits until it takes calls.
    ///
    /// # Errors
    /// When there is no Python 3 or no cargo, or cargo-lambda can't be installed.
    pub fn start() -> anyhow::Result<Self> {
        let package = format!("cargo-lambda=={CARGO_LAMBDA_VERSION}");
        let programs =
            python::install(&format!("cargo-lambda-{CARGO_LAMBDA_VERSION}"), &["--no-deps", &package])?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut words = tempfile::tempfile()?;
        let mut process = Command::new("sh")
            .args(["-c", UNTIL_PARENT_ENDS, "sh"])
            .arg(programs.join("cargo-lambda"))
            .args(["lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", &port.to_string()])
            .current_dir(project()?)
            .stdin(Stdio::piped())
            .stdout(words.try_clone()?)
            .stderr(words.try_clone()?)
            .spawn()
            .context("`sh` can't be run")?;
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Self { process, port, functions: AtomicUsize::new(0) });
            }
            if process.try_wait()?.is_some() {
                let mut text = String::new();
                words.rewind()?;
                words.read_to_string(&mut text)?;
                bail!("cargo lambda watch ended: {}", text.trim());
            }
            thread::park_timeout(LOOK_EVERY);
        }
        process.kill().ok();
        process.wait().ok();
        bail!("cargo lambda watch did not listen in time")
    }

    /// The name of a function that no other caller gets.
    ///
    /// # Panics
    /// After 200 of them.
    pub fn function(&self) -> String {
        let number = self.functions.fetch_add(1, Ordering::Relaxed);
        assert!(number < FUNCTIONS, "the emulator knows no more functions");
        name(number)
    }

    /// The environment that makes a process answer the invocations of `function`.
    pub fn env(&self, function: &str) -> [(&'static str, String); 4] {
        [
            ("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{}/.rt/{function}", self.port)),
            ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ]
    }

    /// Invokes a function and waits for its result, for a minute at most. One that is not there yet is waited for.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn invoke(&self, function: &str, payload: &[u8]) -> anyhow::Result<Answered> {
        self.call("POST", &format!("/2015-03-31/functions/{function}/invocations"), &[], payload)
    }

    /// Calls a function's URL; `target` is path and query.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn call_url(
        &self,
        function: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Answered> {
        self.call(method, &format!("/lambda-url/{function}{target}"), headers, body)
    }

    fn call(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Answered> {
        let mut request = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.port,
            body.len(),
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let answer = exchange(self.port, &[request.as_bytes(), b"\r\n", body].concat())
            .context("the Lambda emulator does not answer")?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no HTTP answer")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no HTTP status")?;
        Ok(Answered { status, head, body: answer[end + 4..].to_vec() })
    }
}

impl Drop for LambdaEmulator {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}

fn project() -> anyhow::Result<PathBuf> {
    let folder = python::target_folder()?.join(format!("cargo-lambda-{CARGO_LAMBDA_VERSION}/project"));
    fs::create_dir_all(folder.join("src"))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().context("the emulator's project can't be locked")?;
    fs::write(folder.join("src/main.rs"), "fn main() {}\n")?;
    let programs =
        (0..FUNCTIONS).map(|n| format!("[[bin]]\nname = \"{}\"\npath = \"src/main.rs\"\n", name(n)));
    fs::write(folder.join("Cargo.toml"), PROJECT.to_owned() + &programs.collect::<String>())?;
    Ok(folder)
}

fn name(number: usize) -> String {
    format!("function-{number}")
}
