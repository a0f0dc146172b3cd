//! The accept loop: a cap on connections, a graceful stop. Our own, because `axum::serve` has neither a cap nor a
//! working header timeout.

use std::{future::poll_fn, io, sync::Arc, task::Poll, time::Duration};

use axum::Router;
use penstock_shared::telemetry::Gauge;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{CallLimits, StoppingConfig},
    serving::{Serving, Streams},
    tls::Certificates,
};

/// After a failing `accept`, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where connections come in.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    /// Without them, plain HTTP.
    pub(crate) certificates: Option<Arc<Certificates>>,
}

/// What the server needs.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) limits: CallLimits,
    pub(crate) stopping: StoppingConfig,
    pub(crate) connections: Gauge,
}

impl Server {
    /// Serves until `stop`, waits the deregistration delay, closes the doors and finishes the calls in flight.
    /// False when some were not finished by the drain deadline.
    pub(crate) async fn serve(self, doors: Vec<Door>, stop: CancellationToken) -> bool {
        let Self { router, limits, stopping, connections } = self;
        let (streams, closing) = (Streams::new(), CancellationToken::new());
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let serving = Arc::new(Serving::new(router, limits, streams.clone(), closing.clone()));
        let last_call = async {
            stop.cancelled().await;
            sleep(stopping.deregistration_delay).await;
        };
        tokio::pin!(last_call);
        let mut tasks = JoinSet::new();
        loop {
            let accept = async {
                let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
                (accept(&doors).await, permit)
            };
            let (accepted, permit) = tokio::select! {
                biased;
                () = &mut last_call => break,
                Some(_) = tasks.join_next() => continue,
                accepted = accept => accepted,
            };
            match accepted {
                Ok((stream, tls)) => {
                    let (serving, open) = (serving.clone(), Open::new(connections.clone()));
                    tasks.spawn(async move {
                        serving.connection(stream, tls).await;
                        drop((permit, open));
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((doors, serving));
        closing.cancel();
        let finish = async {
            while tasks.join_next().await.is_some() {}
            streams.finish().await;
        };
        let drained = timeout(stopping.drain_deadline, finish).await.is_ok();
        tasks.shutdown().await;
        streams.cut().await;
        drained
    }
}

/// The next connection of any door, and what it begins with.
///
/// # Cancel safety
/// When dropped, no connection is lost.
async fn accept(doors: &[Door]) -> io::Result<(TcpStream, Option<Arc<ServerConfig>>)> {
    poll_fn(|cx| {
        for Door { listener, certificates } in doors {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                let tls = certificates.as_ref().map(|certificates| certificates.current());
                return Poll::Ready(accepted.map(|(stream, _)| (stream, tls)));
            }
        }
        Poll::Pending
    })
    .await
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
