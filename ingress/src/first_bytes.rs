//! HTTP/1.1 or HTTP/2? The first bytes say so: HTTP/2 begins with a preface that is no HTTP/1.1 request. With TLS the
//! client was told both (ALPN), and what it then sends decides all the same.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Reads as much as it takes to know, which waits for as long as the client likes: set a deadline. An end before the
/// first byte is an error of kind `UnexpectedEof`.
pub(crate) async fn sniff<S>(mut stream: S) -> io::Result<(Protocol, Replay<S>)>
where
    S: AsyncRead + Unpin,
{
    let mut first = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() && first[..length] == PREFACE[..length] {
        match stream.read(&mut first[length..]).await? {
            0 if length == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            read => length += read,
        }
    }
    let protocol = if first == PREFACE { Protocol::Http2 } else { Protocol::Http1 };
    Ok((protocol, Replay { stream, first, replayed: 0, length }))
}

/// A stream whose first bytes, read already, are read once more.
#[derive(Debug)]
pub(crate) struct Replay<S> {
    stream: S,
    first: [u8; PREFACE.len()],
    replayed: usize,
    length: usize,
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.replayed < self.length {
            let left = &self.first[self.replayed..self.length];
            let given = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..given]);
            self.replayed += given;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
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
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    /// What is told of bytes that arrive in pieces of `piece`, and what is read behind that.
    async fn sniffed(bytes: &'static [u8], piece: usize) -> (Protocol, Vec<u8>) {
        let (mut client, server) = duplex(piece);
        let write = async move {
            client.write_all(bytes).await.unwrap();
        };
        let read = async move {
            let (protocol, mut stream) = sniff(server).await.unwrap();
            let (mut read, mut buffer) = (Vec::new(), [0; 5]);
            loop {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => return (protocol, read),
                    length => read.extend_from_slice(&buffer[..length]),
                }
            }
        };
        tokio::join!(write, read).1
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_protocol_and_none_is_lost() {
        let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand frames".as_slice();
        let others =
            [b"POST / HTTP/1.1\r\n\r\n".as_slice(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", b"PRI", b"P"];
        for piece in [1, 7, 64] {
            assert_eq!(sniffed(http2, piece).await, (Protocol::Http2, http2.to_vec()));
            for other in others {
                assert_eq!(sniffed(other, piece).await, (Protocol::Http1, other.to_vec()), "{other:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_without_a_byte_is_no_call() {
        let (client, server) = duplex(64);
        drop(client);
        assert_eq!(sniff(server).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
