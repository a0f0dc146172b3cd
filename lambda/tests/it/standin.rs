//! A stand-in for SQS that does what a test says with the connections: it takes every batch of one.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

const STORED: &str = r#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"d"}],"Failed":[]}"#;
const ATTRIBUTES: &str = r#"{"Attributes":{}}"#;

/// What was called, by the connection of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Send(usize),
    Other(usize),
}

/// Listens on a port of its own until the process ends.
#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) port: u16,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    hangs_up: Arc<AtomicBool>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let standin =
            Self { port, connections: Arc::default(), calls: Arc::default(), hangs_up: Arc::default() };
        let serving = standin.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                serving.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream, number));
            }
        });
        standin
    }

    /// Closes every connection there is.
    pub(crate) fn close_all(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.shutdown(Shutdown::Both).ok();
        }
    }

    /// Hears the next message out, and then closes its connection without an answer.
    pub(crate) fn hang_up_once(&self) {
        self.hangs_up.store(true, Ordering::SeqCst);
    }

    /// Every call, in its order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn serve(&self, stream: TcpStream, number: usize) -> Option<()> {
        let mut answers = stream.try_clone().ok()?;
        let mut calls = BufReader::new(stream);
        loop {
            let (mut bytes, mut is_send) = (0, false);
            loop {
                let mut line = String::new();
                if calls.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(length) = line.strip_prefix("content-length:") {
                    bytes = length.trim().parse().ok()?;
                }
                is_send |= line == "x-amz-target: amazonsqs.sendmessagebatch";
            }
            calls.read_exact(&mut vec![0; bytes]).ok()?;
            let call = if is_send { Call::Send(number) } else { Call::Other(number) };
            self.calls.lock().unwrap().push(call);
            if is_send && self.hangs_up.swap(false, Ordering::SeqCst) {
                answers.shutdown(Shutdown::Both).ok()?;
                return None;
            }
            let body = if is_send { STORED } else { ATTRIBUTES };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}",
                body.len()
            );
            answers.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).ok()?;
        }
    }
}
