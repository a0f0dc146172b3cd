//! Just enough HTTP to set the emulator up without the SDK that the tests are about.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{ACCESS_KEY, REGION};

/// The first call to a service makes the emulator load it, which takes seconds on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One call to a service.
pub(super) struct Call<'a> {
    pub(super) service: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) target: Option<&'a str>,
    pub(super) body: &'a Value,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self { service: "", method: "POST", path: "/", target: None, body: &Value::Null }
    }
}

/// Makes the call; the body of a 2xx answer.
pub(super) fn call(port: u16, call: &Call<'_>) -> anyhow::Result<Vec<u8>> {
    let body = if call.body.is_null() { String::new() } else { call.body.to_string() };
    // The emulator finds the service by the signature's scope, and does not check the signature.
    let scope = format!("{ACCESS_KEY}/20260101/{REGION}/{}/aws4_request", call.service);
    let mut request = format!(
        "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-amz-json-1.0\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n",
        call.method,
        call.path,
        body.len(),
    );
    if let Some(target) = call.target {
        request += &format!("X-Amz-Target: {target}\r\n");
    }
    let answer =
        exchange(port, format!("{request}\r\n{body}").as_bytes()).context("the emulator does not answer")?;
    let head_bytes = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no HTTP answer")?;
    let (head, body) = answer.split_at(head_bytes + 4);
    let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    ensure!(
        status.starts_with(b"2"),
        "the emulator answered {} {}",
        String::from_utf8_lossy(status),
        String::from_utf8_lossy(body)
    );
    Ok(body.to_vec())
}

/// Sends a request that closes its connection; everything that comes back.
pub(crate) fn exchange(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}
