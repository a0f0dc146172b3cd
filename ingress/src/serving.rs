//! One connection, from its first byte to its last: the TLS handshake, HTTP/1.1 or HTTP/2, their deadlines, its end.
//!
//! HTTP/2 is asked whether it lives (PING) whenever it has been quiet for the header deadline, and has as long to
//! answer. That also ends a header block that never ends: nothing may be sent within one, an answer neither. A
//! connection without calls rests as long as one of HTTP/1.1, and is then told to go (GOAWAY).

use std::{convert::Infallible, io, sync::Arc};

use axum::body::Body;
use http::Request;
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::{HttpService, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service as _;

use crate::{
    calls::Calls,
    config::CallLimits,
    connection::{Connection, Deadlines},
    first_bytes::{Protocol, Replay, sniff},
    router::{self, Ingress},
};

/// Longest header with its line, in bytes, and so the read buffer of a connection. What is longer, has more than the
/// hundred lines that hyper keeps without allocating, or is no HTTP, hyper answers by itself: 431, 414 or 400 to
/// HTTP/1.1, 431 or a reset to HTTP/2. These are the only statuses that are not from the table. mParticle's headers are
/// far below.
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Calls at once on one HTTP/2 connection; a client with more waits, as it was told.
const STREAMS_MAX: u32 = 256;
/// What may be sent ahead on one HTTP/2 stream, in bytes: a large body from another continent still comes in seconds.
const STREAM_WINDOW: u32 = 512 * 1024;
/// The same on a whole connection: the most that one caller's bodies hold beside the bytes in flight.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Of one answer, on its way to a slow reader.
const SEND_BUFFER: usize = 64 * 1024;
/// An HTTP/2 connection's rest is looked at so often in its longest, so it lasts up to a quarter longer.
const LOOKS: u32 = 4;

/// Why a connection ended before its time. Only for the curious: its calls are answered, or their callers try again.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("no handshake: {0}")]
    Handshake(io::Error),
    #[error("nothing was sent within the header deadline")]
    Silent,
    #[error("cannot read: {0}")]
    Read(io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// Serves connections. Shared by all of them.
#[derive(Debug)]
pub(crate) struct Serving {
    ingress: Arc<Ingress>,
    limits: CallLimits,
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
    closing: CancellationToken,
}

impl Serving {
    /// `closing`: finish what has begun and take nothing new. HTTP/2's calls run in `streams`.
    pub(crate) fn new(
        ingress: Arc<Ingress>,
        limits: CallLimits,
        streams: Streams,
        closing: CancellationToken,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        // Its deadlines are the connection's.
        http1.header_read_timeout(None).max_buf_size(HEADER_BYTES_MAX);
        let mut http2 = http2::Builder::new(streams);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).expect("32 KiB"))
            .keep_alive_interval(limits.header_deadline)
            .keep_alive_timeout(limits.header_deadline);
        Self { ingress, limits, http1, http2, closing }
    }

    /// Serves a connection to its end; with `tls`, one that begins with a handshake.
    pub(crate) async fn connection(&self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        // Small answers must not wait for the acknowledgement of the ones before; where that cannot be set, they do.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off Nagle's algorithm");
        }
        // One of its own, because it is looked at with every step.
        let closing = self.closing.child_token();
        let ended = match tls {
            None => self.serve(stream, &closing).await,
            Some(config) => Box::pin(self.serve_tls(stream, config, &closing)).await,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    async fn serve_tls(
        &self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        closing: &CancellationToken,
    ) -> Result<(), Ended> {
        let until = Instant::now() + self.limits.header_deadline;
        let handshake = timeout_at(until, TlsAcceptor::from(config).accept(stream));
        match closing.run_until_cancelled(handshake).await {
            // Nothing was asked yet.
            None => Ok(()),
            Some(Err(_)) => Err(Ended::Silent),
            Some(Ok(Err(error))) => Err(Ended::Handshake(error)),
            Some(Ok(Ok(stream))) => self.serve(stream, closing).await,
        }
    }

    async fn serve<S>(&self, stream: S, closing: &CancellationToken) -> Result<(), Ended>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let until = Instant::now() + self.limits.header_deadline;
        match closing.run_until_cancelled(timeout_at(until, sniff(stream))).await {
            None => Ok(()),
            Some(Err(_)) => Err(Ended::Silent),
            Some(Ok(Err(error))) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Some(Ok(Err(error))) => Err(Ended::Read(error)),
            Some(Ok(Ok((Protocol::Http1, stream)))) => self.http1(stream, until, closing).await,
            Some(Ok(Ok((Protocol::Http2, stream)))) => Box::pin(self.http2(stream, closing)).await,
        }
    }

    async fn http1<S>(
        &self,
        stream: Replay<S>,
        until: Instant,
        closing: &CancellationToken,
    ) -> Result<(), Ended>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let calls = Calls::default();
        let deadlines = Deadlines { header: self.limits.header_deadline, idle: self.limits.idle_timeout };
        let stream = TokioIo::new(Connection::new(stream, calls.clone(), deadlines, until));
        let mut served = std::pin::pin!(self.http1.serve_connection(stream, self.service(calls)));
        tokio::select! {
            biased;
            ended = served.as_mut() => return Ok(ended?),
            () = closing.cancelled() => {}
        }
        served.as_mut().graceful_shutdown();
        Ok(served.await?)
    }

    async fn http2<S>(&self, stream: Replay<S>, closing: &CancellationToken) -> Result<(), Ended>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let calls = Calls::default();
        let service = self.service(calls.clone());
        let mut served = std::pin::pin!(self.http2.serve_connection(TokioIo::new(stream), service));
        let (mut told, mut begun, mut quiet) = (false, 0, 0);
        loop {
            tokio::select! {
                biased;
                ended = served.as_mut() => return Ok(ended?),
                () = closing.cancelled(), if !told => {
                    told = true;
                    served.as_mut().graceful_shutdown();
                }
                () = sleep(self.limits.idle_timeout / LOOKS) => {
                    let rests = calls.being_answered() == 0 && calls.begun() == begun;
                    begun = calls.begun();
                    quiet = if rests { quiet + 1 } else { 0 };
                    if quiet == LOOKS {
                        served.as_mut().graceful_shutdown();
                    } else if quiet > LOOKS {
                        // It was told, and does not go: an answer may lie there that nobody reads.
                        return Ok(());
                    }
                }
            }
        }
    }

    /// What answers the calls of one connection.
    fn service(
        &self,
        calls: Calls,
    ) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send + 'static> + use<> {
        let service = router::service(self.ingress.clone(), calls.clone());
        service_fn(move |request: Request<Incoming>| {
            let answering = calls.begin();
            let answered = service.clone().call(request);
            async move {
                let response = answered.await;
                drop(answering);
                response
            }
        })
    }
}

/// Runs the calls of HTTP/2 connections, so that none outlives the server.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    running: TaskTracker,
    cut: CancellationToken,
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self { running: TaskTracker::new(), cut: CancellationToken::new() }
    }

    /// Waits for all of them.
    pub(crate) async fn finish(&self) {
        self.running.close();
        self.running.wait().await;
    }

    /// Cuts off those that still run.
    pub(crate) async fn cut(&self) {
        self.cut.cancel();
        self.finish().await;
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, call: F) {
        self.running.spawn(self.cut.child_token().run_until_cancelled_owned(call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_does_not_end_is_cut_off_with_the_rest() {
        let streams = Streams::new();
        let held = Arc::new(());
        let still = held.clone();
        streams.execute(async move {
            std::future::pending::<()>().await;
            drop(still);
        });
        assert!(futures::poll!(std::pin::pin!(streams.finish())).is_pending());
        streams.cut().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
