//! The servers to compare with, each a process of its own: `penstock bench serve …`.

mod bare;
mod naive;
pub(super) mod sqs;

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;

use crate::{exit::ExitStatus, listen::listener};

/// What an accepted message is answered, of the length of a real answer.
const ANSWER: &str = r#"{"type":"event_processing_response","id":"00000000-0000-4000-8000-000000000000","timestamp_ms":1764201600000}"#;

/// Serve one of the servers to compare with, on a free port, until killed.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ServeArgs {
    /// Reads a body and answers: the least an HTTP server can do.
    Bare,
    /// Sends each body to SQS as a message of its own: the design that comes to mind first.
    Naive {
        /// The queue.
        #[arg(long)]
        queue_url: String,
    },
    /// Answers what SQS answers to sends, and counts what SQS would bill. Keeps nothing.
    Sqs {
        /// From the end of a request to its answer.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000))]
        delay_ms: u64,
    },
}

/// # Errors
/// When it cannot listen, or breaks off.
pub(super) async fn run(args: ServeArgs) -> Result<ExitStatus, anyhow::Error> {
    let (name, router) = match args {
        ServeArgs::Bare => ("bare", bare::router()),
        ServeArgs::Naive { queue_url } => ("naive", naive::router(queue_url).await),
        ServeArgs::Sqs { delay_ms } => ("sqs", sqs::router(Duration::from_millis(delay_ms))?),
    };
    serve(name, router).await
}

async fn serve(name: &str, router: Router) -> Result<ExitStatus, anyhow::Error> {
    let listener = listener(([127, 0, 0, 1], 0).into()).context("cannot listen")?;
    println!("{name} listening on http://{}", listener.local_addr()?);
    // As ingress has it: an answer never waits for the acknowledgement of the one before.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, router).await.context("the server broke off")?;
    Ok(ExitStatus::Done)
}
