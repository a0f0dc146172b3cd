//! The accept loop: a cap on connections, a graceful stop. Our own, because `axum::serve` has neither a cap nor a
//! working header timeout.

use std::{future::poll_fn, io, sync::Arc, task::Poll, time::Duration};

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
    router::Ingress,
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
    pub(crate) ingress: Arc<Ingress>,
    pub(crate) limits: CallLimits,
    pub(crate) stopping: StoppingConfig,
    pub(crate) connections: Gauge,
}

impl Server {
    /// Serves until `stop`, waits the deregistration delay, closes the doors and finishes the calls in flight.
    /// False when some were not finished by the drain deadline.
    pub(crate) async fn serve(self, doors: Vec<Door>, stop: CancellationToken) -> bool {
        let Self { ingress, limits, stopping, connections } = self;
        let (streams, closing) = (Streams::new(), CancellationToken::new());
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let serving = Arc::new(Serving::new(ingress, limits, streams.clone(), closing.clone()));
        let last_call = async {
            stop.cancelled().await;
            sleep(stopping.deregistration_delay).await;
        };
        tokio::pin!(last_call);
        let (mut tasks, mut first) = (JoinSet::new(), 0);
        loop {
            let accept = async {
                let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
                (accept(&doors, &mut first).await, permit)
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

/// The next connection of any door, and what it begins with. The door after the one it came by is looked at `first`
/// the next time, so that a crowd or an error at one keeps nobody out at another.
///
/// # Cancel safety
/// When dropped, no connection is lost and no door has lost its turn.
async fn accept(doors: &[Door], first: &mut usize) -> io::Result<(TcpStream, Option<Arc<ServerConfig>>)> {
    poll_fn(|cx| {
        for step in 0..doors.len() {
            let turn = (*first + step) % doors.len();
            let Door { listener, certificates } = &doors[turn];
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                *first = turn + 1;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crowd_at_one_door_keeps_nobody_out_at_another() {
        let mut doors = Vec::new();
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            doors.push(Door { listener, certificates: None });
        }
        let addresses = [0, 1].map(|door: usize| doors[door].listener.local_addr().unwrap());
        // Whichever the crowd is at.
        for (crowded, quiet) in [(0, 1), (1, 0)] {
            let come = |door: usize| std::net::TcpStream::connect(addresses[door]).unwrap();
            let mut callers = vec![come(crowded), come(crowded), come(quiet)];
            let mut first = crowded;
            let mut turns = 0;
            while accept(&doors, &mut first).await.unwrap().0.local_addr().unwrap() == addresses[crowded] {
                callers.push(come(crowded));
                turns += 1;
                assert!(turns < 100, "the caller at the quiet door waits");
            }
            // The rest of the crowd.
            for _ in turns..callers.len() - 1 {
                accept(&doors, &mut first).await.unwrap();
            }
        }
    }
}
