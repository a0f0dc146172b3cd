//! Sending: each message tried until mParticle would stop, and what became of it.

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use futures::{Stream, StreamExt, pin_mut, stream};
use http::{HeaderMap, HeaderValue, header};
use reqwest::{Client, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::Url;

use super::message::Message;

/// The statuses after which mParticle sends a message again (protocol.md 1.4). Any other but 200 and 202 loses it.
const RETRIED: [u16; 6] = [408, 429, 500, 502, 503, 504];
/// The statuses that mParticle takes for success.
const TAKEN: [u16; 2] = [200, 202];
/// The longest pause, before jitter.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How much of an answer is read; a registration document is a small part of it.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How often each message is sent.
    pub(crate) repeat: NonZeroU32,
    /// Messages under way at once.
    pub(crate) concurrency: NonZeroUsize,
    /// Tries a message, counting the first.
    pub(crate) attempts: NonZeroUsize,
    /// The pause before the second try, before jitter; it doubles from there, up to five seconds.
    pub(crate) pause_min: Duration,
    /// Decides the jitter of the pauses between tries.
    pub(crate) seed: u64,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sent {
    /// The file it came from.
    pub(crate) file: String,
    /// The last try's status; none if it got no answer.
    pub(crate) status: Option<u16>,
    /// Why the last try got no answer: `connect`, `timeout` or `broken off`.
    pub(crate) failure: Option<&'static str>,
    /// How long the last try took to its answer's end.
    pub(crate) ms: u64,
    /// Tries made.
    pub(crate) tries: u32,
    /// The `type` in the answer, if it is JSON that has one.
    pub(crate) answer_type: Option<String>,
    /// The `id` in the answer, likewise.
    pub(crate) answer_id: Option<String>,
    /// Whether any try got an answer.
    #[serde(skip)]
    pub(crate) answered: bool,
}

impl Sent {
    /// Whether mParticle would have counted it as delivered.
    pub(crate) fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| TAKEN.contains(&status))
    }
}

/// One try.
#[derive(Debug)]
struct Try {
    status: Option<u16>,
    failure: Option<&'static str>,
    ms: u64,
    answer: AnswerHead,
}

/// The two members of an answer that are shown.
#[derive(Debug, Default, Deserialize)]
struct AnswerHead {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    id: Option<String>,
}

/// Sends the messages and gives what became of each, in the order given, the whole list once for each repetition;
/// `each` sees them as they end, so that one that waits for its next try holds up no other. `client` should be one made by [`client`].
///
/// # Errors
/// The token cannot be sent, or `each` failed; messages under way are then dropped.
pub(crate) async fn send_all(
    client: &Client,
    url: &Url,
    token: Option<&SecretString>,
    messages: &[Message],
    effort: Effort,
    mut each: impl FnMut(&Sent) -> io::Result<()>,
) -> Result<Vec<Sent>, SendError> {
    let headers = headers(token)?;
    let sending = sending(client, url, &headers, messages, effort);
    pin_mut!(sending);
    let mut all = Vec::new();
    while let Some((place, sent)) = sending.next().await {
        each(&sent).map_err(SendError::Telling)?;
        all.push((place, sent));
    }
    all.sort_unstable_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, sent)| sent).collect())
}

/// A client that behaves as mParticle's: no redirects, an answer within `timeout` or none.
///
/// # Errors
/// The TLS set-up of this machine cannot be used.
pub(crate) fn client(timeout: Duration) -> reqwest::Result<Client> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIME_MAX)
        .timeout(timeout)
        .user_agent(concat!("penstock-send/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Why sending stopped before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The token is not one that a header can carry.
    #[error("the token cannot be sent: it holds a line end or another character that no header may carry")]
    Token,
    /// What became of a message could not be told.
    #[error("cannot say what became of a message")]
    Telling(#[source] io::Error),
}

pub(super) fn headers(token: Option<&SecretString>) -> Result<HeaderMap, SendError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Token {}", token.expose_secret()));
        let mut value = value.map_err(|_| SendError::Token)?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

fn sending<'a>(
    client: &'a Client,
    url: &'a Url,
    headers: &'a HeaderMap,
    messages: &'a [Message],
    effort: Effort,
) -> impl Stream<Item = (usize, Sent)> + 'a {
    let mut rng = fastrand::Rng::with_seed(effort.seed);
    let all = (0..effort.repeat.get()).flat_map(move |_| messages);
    let sent = all.enumerate().map(move |(place, message)| {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(effort.pause_min)
            .with_max_delay(PAUSE_MAX)
            .with_max_times(effort.attempts.get() - 1)
            .with_jitter()
            .with_jitter_seed(rng.u64(..));
        async move { (place, send_one(client, url, headers, message, backoff).await) }
    });
    stream::iter(sent).buffer_unordered(effort.concurrency.get())
}

async fn send_one(
    client: &Client,
    url: &Url,
    headers: &HeaderMap,
    message: &Message,
    backoff: ExponentialBuilder,
) -> Sent {
    let (mut tries, mut answered) = (0, false);
    let last = (|| {
        tries += 1;
        attempt(client, url, headers, message)
    })
    .retry(backoff)
    .notify(|failed: &Try, _| answered |= failed.status.is_some())
    .await;
    let (Ok(last) | Err(last)) = last;
    Sent {
        file: message.file.clone(),
        status: last.status,
        failure: last.failure,
        ms: last.ms,
        tries,
        answer_type: last.answer.kind,
        answer_id: last.answer.id,
        answered: answered || last.status.is_some(),
    }
}

/// One try; an error if mParticle would try again.
async fn attempt(client: &Client, url: &Url, headers: &HeaderMap, message: &Message) -> Result<Try, Try> {
    let began = Instant::now();
    let request = client.post(url.clone()).headers(headers.clone()).body(message.body.clone());
    let answered = match request.send().await {
        Ok(response) => read(response).await,
        Err(error) => Err(error),
    };
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match answered {
        Ok((status, answer)) => {
            let tried = Try { status: Some(status), failure: None, ms, answer };
            if RETRIED.contains(&status) { Err(tried) } else { Ok(tried) }
        }
        Err(error) => {
            let failure = match () {
                () if error.is_connect() => "connect",
                () if error.is_timeout() => "timeout",
                () => "broken off",
            };
            Err(Try { status: None, failure: Some(failure), ms, answer: AnswerHead::default() })
        }
    }
}

async fn read(mut response: Response) -> reqwest::Result<(u16, AnswerHead)> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok((response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default()))
}
