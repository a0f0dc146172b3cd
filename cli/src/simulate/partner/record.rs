//! The record: one JSON line a request, in the file before the answer is on the wire.

use std::io;
use std::path::Path;

use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot};

/// Lines that may wait for the file.
const LINES_WAITING_MAX: usize = 1_024;
/// Lines that go into one write.
const LINES_A_WRITE: usize = 256;
/// A secret shorter than this shows nothing of itself; a longer one its last four characters.
const SECRET_SHOWN_FROM: usize = 8;

/// One request as it is recorded.
#[derive(Debug, Serialize)]
pub(crate) struct Entry<'a> {
    /// When it came, milliseconds since 1970 UTC.
    pub(crate) at_ms: i64,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// The query with the values of secrets masked; null without one.
    pub(crate) query: Option<String>,
    pub(crate) headers: Map<String, Value>,
    /// The body as JSON if it is that, else as text; null if there was none.
    pub(crate) body: Value,
    /// The answer's status; null if none was given.
    pub(crate) status: Option<u16>,
    pub(crate) answer: Option<&'a Value>,
    /// The fault that `--fail` chose for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<&'static str>,
}

/// The record can no longer be written; the reason was logged where it happened.
#[derive(Debug, thiserror::Error)]
#[error("the record cannot be written")]
pub(crate) struct RecordFailed;

#[derive(Debug)]
struct Line {
    bytes: Vec<u8>,
    written: oneshot::Sender<Result<(), RecordFailed>>,
}

/// Hands lines to the task that owns the file.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(mpsc::Sender<Line>);

/// A place in the record, taken before a request is handled: once it is handled, nothing stands between it and its
/// line, not even a caller who hangs up.
#[derive(Debug)]
pub(crate) struct Slot<'a>(mpsc::Permit<'a, Line>);

impl Recorder {
    /// Opens `path` for appending, and gives the recorder together with the task that writes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) async fn open(path: &Path) -> io::Result<(Self, impl Future<Output = ()> + Send + use<>)> {
        let file = File::options().create(true).append(true).open(path).await?;
        let (lines, waiting) = mpsc::channel(LINES_WAITING_MAX);
        Ok((Self(lines), write(file, waiting)))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// The writing task has ended.
    ///
    /// # Cancel safety
    /// Nothing is recorded if it is dropped.
    pub(crate) async fn slot(&self) -> Result<Slot<'_>, RecordFailed> {
        self.0.reserve().await.map(Slot).map_err(|_| RecordFailed)
    }
}

impl Slot<'_> {
    /// Hands the entry over at once; the receiver resolves when it is in the file.
    pub(crate) fn fill(self, entry: &Entry<'_>) -> oneshot::Receiver<Result<(), RecordFailed>> {
        let mut bytes =
            serde_json::to_vec(entry).expect("an entry has text for keys and no number outside JSON");
        bytes.push(b'\n');
        let (written, done) = oneshot::channel();
        self.0.send(Line { bytes, written });
        done
    }
}

async fn write(mut file: File, mut waiting: mpsc::Receiver<Line>) {
    let mut lines = Vec::with_capacity(LINES_A_WRITE);
    let mut failed = false;
    while waiting.recv_many(&mut lines, LINES_A_WRITE).await > 0 {
        let bytes = lines.iter().map(|line| line.bytes.as_slice()).collect::<Vec<_>>().concat();
        // After one failure the file may end in half a line: nothing more goes behind it.
        if !failed && let Err(error) = append(&mut file, &bytes).await {
            tracing::error!(%error, "the record cannot be written; requests are no longer answered");
            failed = true;
        }
        for line in lines.drain(..) {
            // A caller who has hung up does not wait for the word.
            line.written.send(if failed { Err(RecordFailed) } else { Ok(()) }).ok();
        }
    }
}

async fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes).await?;
    file.flush().await
}

/// The body as it is recorded.
pub(crate) fn body_value(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// The headers as they are recorded: secrets masked, a repeated header's values joined by commas.
pub(crate) fn masked_headers(headers: &HeaderMap) -> Map<String, Value> {
    let mut masked = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            if names_a_secret(name.as_str()) { mask(&value) } else { value.into_owned() }
        });
        masked.insert(name.as_str().to_owned(), Value::String(values.collect::<Vec<_>>().join(", ")));
    }
    masked
}

/// The query as it is recorded: the values of secrets masked.
pub(crate) fn masked_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if names_a_secret(name) => format!("{name}={}", mask(value)),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    ["authorization", "api-key", "apikey", "token", "secret", "password", "signature", "cookie"]
        .iter()
        .any(|word| name.contains(word))
}

/// The scheme, if there is one, and the last four characters: enough to tell two apart, too little to use.
fn mask(value: &str) -> String {
    let (scheme, secret) = match value.split_once(' ') {
        Some((scheme, secret)) => (format!("{scheme} "), secret.trim()),
        None => (String::new(), value),
    };
    let hidden = secret.chars().count().saturating_sub(4);
    let shown: String = if secret.chars().count() < SECRET_SHOWN_FROM {
        String::new()
    } else {
        secret.chars().skip(hidden).collect()
    };
    format!("{scheme}****{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_show_their_scheme_and_last_four_at_most() {
        assert_eq!(mask("Bearer abcdefgh1234"), "Bearer ****1234");
        assert_eq!(mask("abcdefgh1234"), "****1234");
        assert_eq!(mask("short"), "****");
        assert_eq!(mask(""), "****");
    }

    #[test]
    fn headers_that_carry_secrets_are_masked_and_others_kept() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer abcdefgh1234".parse().unwrap());
        headers.insert("api-key", "0123456789".parse().unwrap());
        headers.insert("idempotency-key", "k-1".parse().unwrap());
        headers.append("x-two", "a".parse().unwrap());
        headers.append("x-two", "b".parse().unwrap());
        let masked = masked_headers(&headers);
        assert_eq!(masked["authorization"], "Bearer ****1234");
        assert_eq!(masked["api-key"], "****6789");
        assert_eq!(masked["idempotency-key"], "k-1");
        assert_eq!(masked["x-two"], "a, b");
    }

    #[test]
    fn queries_lose_their_keys_only() {
        assert_eq!(masked_query("a=1&api_key=0123456789&b"), "a=1&api_key=****6789&b");
    }

    #[test]
    fn bodies_are_json_or_text_and_numbers_keep_every_digit() {
        assert_eq!(body_value(b""), Value::Null);
        assert_eq!(body_value(b"not json"), "not json");
        assert_eq!(
            body_value(b"{\"n\":12345678901234567890.10}").to_string(),
            "{\"n\":12345678901234567890.10}"
        );
    }
}
