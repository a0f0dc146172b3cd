//! `penstock send`: sends messages to an ingress as mParticle would, byte for byte, and says what became of each.

pub(crate) mod message;
mod report;
mod sending;
#[cfg(test)]
mod tests;

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::exit::ExitStatus;

pub(crate) use self::sending::{Effort, Sent, client, send_all};

/// The pause before the second try that the verb asks for.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// Send messages to an ingress as mParticle would, and say what became of each.
#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// Where the ingress listens, for example http://127.0.0.1:8080/.
    #[arg(long, value_name = "URL", env = "PENSTOCK_SEND_URL")]
    url: Url,

    /// The token mParticle would send. Better given in the environment than on a command line others can see.
    #[arg(long, value_name = "TOKEN", env = "PENSTOCK_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,

    /// The ingress's own list of tokens, not as JSON: its first is sent if no other is given.
    #[arg(long, value_name = "TOKENS", env = "PENSTOCK_TOKENS", hide = true, hide_env_values = true)]
    tokens: Option<SecretString>,

    /// How often to send each message.
    #[arg(long, value_name = "N", default_value = "1", env = "PENSTOCK_SEND_REPEAT")]
    repeat: NonZeroU32,

    /// How many messages to have under way at once.
    #[arg(long, value_name = "N", default_value = "8", env = "PENSTOCK_SEND_CONCURRENCY")]
    concurrency: NonZeroUsize,

    /// How often to try each message, counting the first, while it is answered 408, 429, 500, 502, 503, 504 or nothing.
    #[arg(long, value_name = "N", default_value = "5", env = "PENSTOCK_SEND_ATTEMPTS")]
    attempts: NonZeroUsize,

    /// How long to wait for an answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000, env = "PENSTOCK_SEND_TIMEOUT_MS",
        value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout_ms: u64,

    /// One JSON line a message instead of the table.
    #[arg(long, env = "PENSTOCK_SEND_JSON")]
    json: bool,

    /// Files, each one message, sent untouched; a folder stands for its *.json files in the order of their names.
    #[arg(required = true, value_name = "MESSAGE.json")]
    messages: Vec<PathBuf>,
}

/// Sends what the arguments name.
///
/// # Errors
/// A file cannot be read, the token cannot be sent, or standard output cannot be written.
pub(crate) async fn run(args: SendArgs) -> Result<ExitStatus, anyhow::Error> {
    let messages = message::load(&args.messages)?;
    let token = args.token.or_else(|| first_of(args.tokens.as_ref()));
    let client = client(Duration::from_millis(args.timeout_ms)).context("cannot set up the client")?;
    let effort = Effort {
        repeat: args.repeat,
        concurrency: args.concurrency,
        attempts: args.attempts,
        pause_min: PAUSE_MIN,
        seed: fastrand::u64(..),
    };
    let each = |sent: &Sent| if args.json { report::json_line(sent, &mut io::stdout()) } else { Ok(()) };
    let all = send_all(&client, &args.url, token.as_ref(), &messages, effort, each).await?;
    if !args.json {
        report::table(&all, &mut io::stdout())?;
    }
    report::summary(&all, &mut io::stderr())?;
    Ok(status(&all))
}

fn status(all: &[Sent]) -> ExitStatus {
    match () {
        () if all.iter().all(Sent::is_taken) => ExitStatus::Done,
        () if all.iter().any(|sent| sent.answered) => ExitStatus::Failed,
        () => ExitStatus::Unavailable,
    }
}

pub(crate) fn first_of(tokens: Option<&SecretString>) -> Option<SecretString> {
    let first = tokens?
        .expose_secret()
        .split(|c: char| c.is_whitespace() || c == ',')
        .find(|token| !token.is_empty())?;
    if first.starts_with(['[', '{']) {
        return None;
    }
    Some(SecretString::from(first))
}
