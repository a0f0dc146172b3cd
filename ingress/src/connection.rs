//! A connection that knows when its header is late.
//!
//! hyper's own header timeout also ends connections that rest between two calls, and those are to be kept for
//! minutes: longer than the load balancer in front keeps them, or it answers 502 for us.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// How many calls have begun and ended on a connection, together: odd while one is being answered. The service
/// counts; the connection looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<AtomicU64>);

impl Calls {
    /// A call's header is read.
    pub(crate) fn begin(&self) -> Answering {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }
}

/// A call that is being answered; over when dropped.
#[derive(Debug)]
pub(crate) struct Answering(Calls);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream whose reads fail when a header takes longer than its deadline, counted from the connection's beginning,
/// and from the first byte that arrives after an answer.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    calls: Calls,
    seen: u64,
    deadline: Duration,
    header: Option<Pin<Box<Sleep>>>,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, calls: Calls, header_deadline: Duration) -> Self {
        let header = Some(Box::pin(sleep_until(Instant::now() + header_deadline)));
        Self { stream, calls, seen: 0, deadline: header_deadline, header }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let calls = self.calls.0.load(Ordering::Relaxed);
        if calls != self.seen {
            // The header that the deadline was for is read.
            (self.seen, self.header) = (calls, None);
        }
        if calls % 2 == 1 {
            // The body has a deadline of its own.
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        if let Some(header) = &mut self.header
            && header.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "header deadline")));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before && self.header.is_none() {
            self.header = Some(Box::pin(sleep_until(Instant::now() + self.deadline)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_end_is_cut_off_at_its_deadline() {
        let (mut client, server) = duplex(64);
        let mut connection = Connection::new(server, Calls::default(), DEADLINE);
        let started = Instant::now();
        client.write_all(b"POST / HT").await.unwrap();
        let mut buffer = [0; 9];
        connection.read_exact(&mut buffer).await.unwrap();
        let error = connection.read(&mut buffer).await.unwrap_err();
        assert_eq!((error.kind(), started.elapsed()), (io::ErrorKind::TimedOut, DEADLINE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_rest_between_calls_but_not_within_a_header() {
        let (mut client, server) = duplex(64);
        let calls = Calls::default();
        let mut connection = Connection::new(server, calls.clone(), DEADLINE);
        let mut buffer = [0; 4];
        client.write_all(b"POST").await.unwrap();
        connection.read_exact(&mut buffer).await.unwrap();
        drop(calls.begin());

        let rest = DEADLINE * 20;
        let (read, ()) = tokio::join!(connection.read_exact(&mut buffer), async {
            tokio::time::sleep(rest).await;
            client.write_all(b"NEXT").await.unwrap();
        });
        read.unwrap();
        let started = Instant::now();
        let error = connection.read(&mut buffer).await.unwrap_err();
        assert_eq!((error.kind(), started.elapsed()), (io::ErrorKind::TimedOut, DEADLINE));
    }
}
