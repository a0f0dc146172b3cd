//! The ingress as an AWS Lambda function: the same core, the same table of statuses, two more ways in.
//!
//! - **Direct invocation**, mParticle's own contract (protocol.md 2): the payload is the message, the result is the
//!   response message, and AWS has checked the caller. What mParticle is to try again is a function error.
//! - **HTTP events**, from a function URL, an API Gateway or a load balancer: as over HTTP, token and status included.
//!
//! An invocation ends only after the queue's word, as Lambda freezes the process then. What may be left over is a call
//! to the queue whose time was over: it ends, or is cut off, during the next invocation, and its message was answered as
//! one that may be stored.

mod event;
mod handler;
mod payload;
mod reply;
mod setup;

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::de::IgnoredAny;
use tokio::task::JoinSet;

use self::{payload::AroundTheParser, setup::Ready};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One thread: Lambda hands over one message at a time, and a function of less than 1,769 MB has no more than one CPU.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ready = match setup::ready().await {
        Ok(ready) => ready,
        Err(refused) => {
            let code = refused.exit_code();
            eprintln!("error: {:#}", anyhow::Error::from(refused));
            return ExitCode::from(code);
        }
    };
    match Box::pin(serve(ready)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the function ends: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Answers invocations until the platform ends the process.
async fn serve(ready: Ready) -> Result<(), anyhow::Error> {
    let Ready { front, packing } = ready;
    let mut packer = JoinSet::new();
    packer.spawn(packing.run());
    let front = &front;
    let answer = service_fn(|_: LambdaEvent<IgnoredAny>| handler::answer(front, payload::current()));
    let runtime = Runtime::new(answer).layer(AroundTheParser);
    tokio::select! {
        biased;
        _ = packer.join_next() => Err(anyhow::anyhow!("the packer broke off")),
        ended = runtime.run() => ended.map_err(|error| anyhow::anyhow!("the runtime API: {error}")),
    }
}
