//! The bytes of a connection: a non-blocking socket, with TLS over it where the target asks for that. A plain one costs
//! nothing of it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};

use super::tls::{Tls, TlsStream};

/// A socket, as it is or under TLS.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Begins to connect, and has `registry` say as `token` when there is something to do.
    ///
    /// # Errors
    /// When the system cannot even begin.
    pub(super) fn connect(
        address: SocketAddr,
        tls: Option<&Tls>,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        match tls {
            None => Ok(Self::Plain(socket)),
            Some(tls) => Ok(Self::Tls(Box::new(tls.over(socket)?))),
        }
    }

    /// Goes on with connecting, and with the handshake; true when a request may be written.
    ///
    /// # Errors
    /// When there will be no connection.
    pub(super) fn connected(&mut self) -> io::Result<bool> {
        let socket = match self {
            // What a socket that was connected once has to say is read first: it may tell more than its error.
            Self::Tls(stream) if stream.has_begun() => return stream.shake_hands(),
            Self::Tls(stream) => stream.socket(),
            Self::Plain(socket) => &*socket,
        };
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        match socket.peer_addr() {
            Ok(_) => socket.set_nodelay(true)?,
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(stream) => stream.shake_hands(),
        }
    }

    /// Whether the other side has neither closed a resting connection nor said something unasked.
    pub(super) fn is_silent(&mut self) -> bool {
        self.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
