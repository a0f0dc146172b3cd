//! An HTTP/1.1 connection that knows when its header is late, when it has rested too long, when its caller takes no
//! answer, and how to end so that the caller hears the last one.
//!
//! hyper's own header timeout is one for both, and a connection is to rest for minutes between two calls: longer than
//! the load balancer in front keeps it, or that answers 502 for us. HTTP/2 has other means: see [`crate::serving`].

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::calls::Calls;

/// A connection whose last call was answered before its body was read to the end is read on, so far and so long:
/// closed with bytes unread it would be reset, and the caller might never see the answer.
pub(crate) const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// How long a connection may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// From the first byte of a header to its end; and for the caller to take a byte more of an answer.
    pub(crate) header: Duration,
    /// Between two calls.
    pub(crate) idle: Duration,
}

/// What is waited for, outside of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first byte of a header.
    Resting,
    /// The rest of it.
    Header,
    /// Nothing any more; the caller is still sending.
    Lingering { left: usize },
}

/// A stream whose reads fail when a header takes longer than its deadline, counted from the first byte that arrives
/// after an answer, and end when no such byte arrives in time; and whose writes fail when the caller takes nothing for
/// as long as a header may take.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    calls: Calls,
    seen: u64,
    deadlines: Deadlines,
    phase: Phase,
    until: Instant,
    /// Made when first needed and moved when it goes off: a call that arrives in time costs no timer.
    alarm: Option<Pin<Box<Sleep>>>,
    /// While nothing more can be written: until when something must be.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Connection<S> {
    /// The first header is to be read by `until`.
    pub(crate) fn new(stream: S, calls: Calls, deadlines: Deadlines, until: Instant) -> Self {
        Self { stream, calls, seen: 0, deadlines, phase: Phase::Header, until, alarm: None, stalled: None }
    }

    /// Ready at `until`.
    fn poll_until(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(self.until)));
        if alarm.deadline() > self.until {
            alarm.as_mut().reset(self.until);
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            if alarm.deadline() >= self.until {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(self.until);
        }
    }

    /// Fails what was `written` when nothing could be for the header deadline. Without it, who sends one call after
    /// another and reads no answer is kept for ever: hyper holds the next call back and reads no further while an
    /// answer is unsent, so none of the deadlines of reads is looked at.
    fn bounded<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let longest = self.deadlines.header;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + longest)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller takes no answer")))
    }

    fn enter(&mut self, phase: Phase, longest: Duration) {
        (self.phase, self.until) = (phase, Instant::now() + longest);
    }

    /// Whether a call was answered since this was last asked; then the connection rests.
    fn rests_anew(&mut self) -> bool {
        let begun = self.calls.begun();
        let anew = begun != self.seen && self.calls.being_answered() == 0;
        if anew {
            self.seen = begun;
            self.enter(Phase::Resting, self.deadlines.idle);
        }
        anew
    }
}

impl<S: AsyncRead + Unpin> Connection<S> {
    /// Ready when the caller has stopped sending, or has sent enough.
    fn poll_linger(&mut self, mut left: usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && left > 0 => {
                    left = left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.phase = Phase::Lingering { left };
                    return self.poll_until(cx);
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.calls.being_answered() > 0 {
            // The body has a deadline of its own.
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        self.rests_anew();
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                if self.phase == Phase::Resting {
                    let header = self.deadlines.header;
                    self.enter(Phase::Header, header);
                } else if Instant::now() >= self.until {
                    // There is always a byte, and never an end.
                    return Poll::Ready(Err(late()));
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                ready!(self.poll_until(cx));
                // To rest is no fault: that ends as if the caller had closed.
                Poll::Ready(if self.phase == Phase::Resting { Ok(()) } else { Err(late()) })
            }
            other => other,
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "header deadline")
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes a write before the socket has, so an answer may be stuck here as well.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        let flushed = ready!(self.bounded(flushed, cx));
        // hyper still waits for the read it began during the call, and looks again when something wakes it.
        if self.rests_anew() && self.poll_until(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let left = match self.phase {
            Phase::Lingering { left } => left,
            Phase::Resting | Phase::Header => {
                self.enter(Phase::Lingering { left: LINGER_BYTES }, LINGER);
                LINGER_BYTES
            }
        };
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Ready(Ok(())) if self.calls.left_a_body() => self.poll_linger(left, cx).map(Ok),
            Poll::Pending => self.poll_until(cx).map(Ok),
            done => done,
        }
    }
}

#[cfg(test)]
mod tests;
