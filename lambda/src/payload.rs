//! Hands the payload around the runtime's parser.
//!
//! A message is bytes: what is queued is what came, to the byte, and what is no JSON is quarantined rather than answered
//! with the parser's error. So the runtime gets `null` to parse, and whoever answers asks for the bytes here. That also
//! keeps them from the runtime's own log lines, which show payloads at the level `trace`.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use lambda_runtime::{
    Error, LambdaInvocation,
    tower::{Layer, Service},
};
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static PAYLOAD: Bytes;
}

/// The bytes of the invocation that is being answered; empty outside one.
pub(crate) async fn current() -> Bytes {
    PAYLOAD.try_with(Bytes::clone).unwrap_or_default()
}

/// The layer; it belongs outermost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AroundTheParser;

impl<S> Layer<S> for AroundTheParser {
    type Service = Around<S>;

    fn layer(&self, inner: S) -> Around<S> {
        Around(inner)
    }
}

/// A service that is called with `null`, and whose future finds the bytes by [`current`].
#[derive(Clone, Debug)]
pub(crate) struct Around<S>(S);

impl<S> Service<LambdaInvocation> for Around<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    type Response = ();
    type Error = Error;
    type Future = TaskLocalFuture<Bytes, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> Self::Future {
        let payload = mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        PAYLOAD.scope(payload, self.0.call(invocation))
    }
}
