//! A small HTTP/1.1 client that can also misbehave.

use std::{collections::BTreeMap, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

pub(crate) const TOKEN: (&str, &str) = ("authorization", "Token sesame");

/// One connection.
pub(crate) struct Client<S = TcpStream>(BufReader<S>);

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// One that came over no wire.
    pub(crate) fn of(response: http::Response<bytes::Bytes>) -> Self {
        let value = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = response.headers().iter().map(|(name, text)| (name.to_string(), value(text)));
        Self {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.body().to_vec(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }

    /// The stable word of an answer that is no success.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn head(line: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nhost: ingress\r\n{headers}\r\n")
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    pub(crate) async fn head(&mut self, line: &str, headers: &[(&str, &str)]) {
        self.write(head(line, headers).as_bytes()).await;
    }

    pub(crate) async fn call(&mut self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", length.as_str())]].concat();
        self.write(&[head(line, &headers).as_bytes(), body].concat()).await;
        if line.starts_with("HEAD ") { self.read_head().await } else { self.read().await }
    }

    pub(crate) async fn post(&mut self, body: &[u8]) -> Answer {
        self.call("POST /", &[TOKEN], body).await
    }

    /// One answer; an interim one (100) has no body.
    pub(crate) async fn read(&mut self) -> Answer {
        let mut answer = self.read_head().await;
        let length = answer.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body = vec![0; length];
        self.0.read_exact(&mut answer.body).await.unwrap();
        answer
    }

    async fn read_head(&mut self) -> Answer {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).await.unwrap() > 0, "connection closed, after {lines:?}");
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let split = |line: &String| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Answer { status, headers: lines[1..].iter().map(split).collect(), body: Vec::new() }
    }

    /// Writes what the server may stop reading before its end.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.ok();
    }

    /// Waits for the server to close the connection, whatever it still says.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.ok();
        rest
    }
}
