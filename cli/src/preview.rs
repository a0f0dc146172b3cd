//! `penstock preview`: the exact HTTP requests some messages become, without sending one.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
};

use penstock_shared::{clock::Clock, ids::Pod};
use penstock_worker::preview::{Origin, Preview, PreviewedCall, Unsent, preview};
use serde_json::{Value, json};
use url::Url;

use crate::{
    exit::ExitStatus,
    partner_file::PartnerFile,
    send::message,
    setup::{self, Refused},
};

const MASK: &str = "[redacted]";

/// Print the exact HTTP requests that messages become, as JSON lines; send nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each line is {\"call\": …} or {\"unsent\": …}. Secrets are shown as [redacted]; audiences count as connected.\n\n\
Examples:\n  penstock preview --partner partner.toml message.json\n  penstock preview --partner fixtures/partners/iterable.toml fixtures/messages | head -3"
)]
pub(crate) struct PreviewArgs {
    /// The integration.
    #[arg(long, value_name = "FILE", env = "PENSTOCK_PARTNER")]
    partner: PathBuf,

    /// The pod whose base URL is used.
    #[arg(long, value_name = "POD", default_value = "us1", env = "PENSTOCK_POD")]
    pod: String,

    /// Show calls to this base URL instead of partner.toml's, as a service with this setting would make them.
    #[arg(long, value_name = "URL", env = "PENSTOCK_PARTNER_URL")]
    partner_url: Option<Url>,

    /// Files, each one message; a folder stands for its *.json files.
    #[arg(required = true, value_name = "MESSAGE.json")]
    messages: Vec<PathBuf>,
}

/// # Errors
/// A message cannot be read, or standard output cannot be written.
pub(crate) async fn run(args: PreviewArgs) -> Result<ExitStatus, anyhow::Error> {
    let (mut partner, program) = match PartnerFile::load(&args.partner).compile() {
        Ok(loaded) => loaded,
        Err(Refused(status)) => return Ok(status),
    };
    if let Some(url) = args.partner_url {
        setup::override_url(&mut partner, url);
    }
    let pod = match Pod::new(&args.pod) {
        Ok(pod) => pod,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitStatus::Usage);
        }
    };
    let messages: Vec<_> =
        message::load(&args.messages)?.into_iter().map(|message| (message.file, message.body)).collect();
    let now = Clock::system().now_ms();
    let preview = preview(&Arc::new(partner), &Arc::new(program), &pod, &messages, now).await;
    match print(&preview) {
        // `head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitStatus::Done),
        other => {
            other?;
            Ok(ExitStatus::Done)
        }
    }
}

fn print(preview: &Preview) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for call in &preview.calls {
        writeln!(out, "{}", json!({ "call": shown_call(call) }))?;
    }
    for unsent in &preview.unsent {
        writeln!(out, "{}", json!({ "unsent": shown_unsent(unsent) }))?;
    }
    let (calls, unsent) = (preview.calls.len(), preview.unsent.len());
    let items: usize = preview.calls.iter().map(|call| call.items.len()).sum();
    eprintln!("{calls} calls with {items} items; {unsent} items in none");
    Ok(())
}

fn shown_call(previewed: &PreviewedCall) -> Value {
    let PreviewedCall { call, items, secrets } = previewed;
    let masked = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
    let headers: serde_json::Map<String, Value> = call
        .headers
        .iter()
        .map(|(name, value)| {
            let shown = match value.to_str() {
                Ok(text) if !value.is_sensitive() => masked(text),
                _ => MASK.to_owned(),
            };
            (name.to_string(), Value::from(shown))
        })
        .collect();
    // The body is shown as it is sent; only values of confidential settings are masked in it.
    let body = call.body.as_ref().map(|body| {
        let text = masked(&String::from_utf8_lossy(body));
        serde_json::from_str(&text).unwrap_or(Value::from(text))
    });
    json!({
        "route": call.route,
        "account": i64::from(call.account),
        "method": call.method.as_str(),
        "url": masked(call.url.as_str()),
        "headers": headers,
        "body": body,
        "items": items.iter().map(shown_origin).collect::<Vec<_>>(),
    })
}

fn shown_origin(origin: &Origin) -> Value {
    json!({
        "message": origin.message,
        "item": origin.address.to_string(),
        "key": origin.key.as_ref().map(ToString::to_string),
    })
}

fn shown_unsent(unsent: &Unsent) -> Value {
    json!({
        "message": unsent.origin.message,
        "item": unsent.origin.address.to_string(),
        "outcome": unsent.outcome,
        "reason": unsent.reason,
        "detail": unsent.detail,
    })
}
