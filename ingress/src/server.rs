//! The accept loop: a cap on connections, timeouts, a graceful stop. Our own, because `axum::serve` has neither a cap
//! nor a working header timeout.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use penstock_shared::telemetry::Gauge;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    config::{CallLimits, StoppingConfig},
    connection::{Calls, Connection},
};

/// Longest header with its line, in bytes, and so the read buffer of a connection. What is longer, or no HTTP, hyper
/// answers by itself (431, 400): the only statuses that are not from the table. mParticle's headers are far below.
const HEADER_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 200;
/// After a failing `accept`, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the server needs.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) limits: CallLimits,
    pub(crate) stopping: StoppingConfig,
    pub(crate) connections: Gauge,
}

impl Server {
    /// Serves until `stop`, waits the deregistration delay, closes the listener and finishes the calls in flight.
    /// False when some were not finished by the drain deadline.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> bool {
        let delay = self.stopping.deregistration_delay;
        let last_call = async {
            stop.cancelled().await;
            sleep(delay).await;
        };
        tokio::pin!(last_call);
        let room = Arc::new(Semaphore::new(self.limits.connections_max));
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        loop {
            let accept = async {
                let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
                (listener.accept().await, permit)
            };
            let (accepted, permit) = tokio::select! {
                biased;
                () = &mut last_call => break,
                Some(_) = tasks.join_next() => continue,
                accepted = accept => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = self.connection(stream, graceful.watcher());
                    let gauge = Open::new(self.connections.clone());
                    tasks.spawn(async move {
                        connection.await;
                        drop((permit, gauge));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let drained = timeout(self.stopping.drain_deadline, graceful.shutdown()).await.is_ok();
        tasks.shutdown().await;
        drained
    }

    fn connection(
        &self,
        stream: TcpStream,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> impl Future<Output = ()> + use<> {
        let calls = Calls::default();
        let router = self.router.clone();
        let begun = calls.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let answering = begun.begin();
            let router = router.clone();
            async move {
                let response = router.oneshot(request.map(axum::body::Body::new)).await;
                drop(answering);
                response.map_err(|never: Infallible| never)
            }
        });
        // Small answers must not wait for the acknowledgement of the ones before; where that cannot be set, they do.
        let no_delay = stream.set_nodelay(true);
        let stream = TokioIo::new(Connection::new(stream, calls, self.limits.header_deadline));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle_timeout)
            .max_buf_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(stream, service);
        let served = watcher.watch(served);
        async move {
            if let Err(error) = no_delay {
                tracing::debug!(%error, "cannot switch off Nagle's algorithm");
            }
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection broke off");
            }
        }
    }
}

/// Counts a connection as open until it is dropped.
struct Open(Gauge);

impl Open {
    fn new(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
