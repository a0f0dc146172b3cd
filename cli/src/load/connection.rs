//! One connection: a socket that is kept while it lives, and made anew when it does not. It never blocks.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
};

use mio::{Registry, Token};

use super::{
    Failure,
    reply::{Head, Reply},
    stream::Stream,
    tls::Tls,
};

/// First size of the buffer for answers.
const READ_BYTES: usize = 4 * 1024;

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    tls: Option<Tls>,
    /// Everything of the request before the digits of its length.
    signed: Vec<u8>,
    /// The same without the authorization.
    unsigned: Vec<u8>,
}

impl Target {
    /// POST to that path of a server, without TLS. `authorization` is the whole value of the header.
    pub(crate) fn new(address: SocketAddr, host: &str, path: &str, authorization: Option<&str>) -> Self {
        let head = |authorization: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{authorization}content-length: "
            )
            .into_bytes()
        };
        let signed = authorization.map(|value| head(&format!("authorization: {value}\r\n")));
        let unsigned = head("");
        Self { address, tls: None, signed: signed.unwrap_or_else(|| unsigned.clone()), unsigned }
    }

    /// The same under TLS.
    pub(crate) fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }
}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Resting,
    /// The handshake of TLS included.
    Connecting,
    Writing,
    Reading,
}

/// What came of looking at a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no exchange, or it goes on when the socket says more.
    Nothing,
    /// The answer is whole: see [`Connection::reply`].
    Answered,
    /// There will be none.
    Failed(Failure),
}

/// A connection to the target; made when it is first needed.
pub(super) struct Connection<'a> {
    target: &'a Target,
    token: Token,
    stream: Option<Stream>,
    /// Why it could not be made the last time it could not.
    refusal: Option<io::Error>,
    phase: Phase,
    request: Vec<u8>,
    written: usize,
    buffer: Vec<u8>,
    filled: usize,
    head: Option<Head>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(target: &'a Target, token: Token) -> Self {
        Self {
            target,
            token,
            stream: None,
            refusal: None,
            phase: Phase::Resting,
            request: Vec::new(),
            written: 0,
            buffer: vec![0; READ_BYTES],
            filled: 0,
            head: None,
        }
    }

    /// Begins to send a body, `signed` with the authorization. Not while another exchange goes on.
    pub(super) fn begin(&mut self, body: &[u8], signed: bool, registry: &Registry) -> Step {
        self.request.clear();
        self.request.extend_from_slice(if signed { &self.target.signed } else { &self.target.unsigned });
        write!(self.request, "{}\r\n\r\n", body.len()).expect("a Vec takes everything");
        self.request.extend_from_slice(body);
        (self.written, self.filled, self.head) = (0, 0, None);
        // The server may have closed it since the socket last said something: that is no request that failed.
        self.look();
        if self.stream.is_some() {
            self.phase = Phase::Writing;
            return self.write();
        }
        self.phase = Phase::Connecting;
        match Stream::connect(self.target.address, self.target.tls.as_ref(), self.token, registry) {
            Ok(stream) => {
                self.stream = Some(stream);
                Step::Nothing
            }
            Err(error) => self.refused(error),
        }
    }

    /// Goes on with what goes on, after the socket has said something.
    pub(super) fn advance(&mut self) -> Step {
        match self.phase {
            Phase::Resting => {
                self.look();
                Step::Nothing
            }
            Phase::Connecting => match self.stream.as_mut().map_or(Ok(false), Stream::connected) {
                Ok(true) => {
                    self.phase = Phase::Writing;
                    self.write_and_read()
                }
                Ok(false) => Step::Nothing,
                Err(error) => self.refused(error),
            },
            // The answer may have come meanwhile, and the socket says so only once.
            Phase::Writing => self.write_and_read(),
            Phase::Reading => self.read(),
        }
    }

    /// Keeps a resting connection only if the other side has neither closed it nor said something unasked. What woke us
    /// may be no more than room to write.
    fn look(&mut self) {
        self.stream = self.stream.take().and_then(|mut stream| stream.is_silent().then_some(stream));
    }

    fn write_and_read(&mut self) -> Step {
        match self.write() {
            Step::Nothing if self.phase == Phase::Reading => self.read(),
            step => step,
        }
    }

    fn write(&mut self) -> Step {
        let Some(stream) = &mut self.stream else { return self.fail(Failure::Broken) };
        loop {
            let rest = &self.request[self.written..];
            let written = if rest.is_empty() { stream.flush().map(|()| 0) } else { stream.write(rest) };
            match written {
                Ok(0) if rest.is_empty() => break,
                Ok(0) => return self.fail(Failure::Broken),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Nothing,
                Err(_) => return self.read_what_is_left(),
            }
        }
        self.phase = Phase::Reading;
        Step::Nothing
    }

    /// The other side takes no more, and may have answered before.
    fn read_what_is_left(&mut self) -> Step {
        let step = match self.read() {
            Step::Nothing => self.fail(Failure::Broken),
            step => step,
        };
        self.stream = None;
        step
    }

    fn read(&mut self) -> Step {
        loop {
            if self.head.is_none() {
                match Head::read(&self.buffer[..self.filled]) {
                    Ok(head) => self.head = head,
                    Err(_) => return self.fail(Failure::Unreadable),
                }
            }
            let needed = self.head.map_or(self.filled + 1, |head| head.length + head.body_length);
            if self.head.is_some() && self.filled >= needed {
                // More than was asked for is nothing of ours.
                return if self.filled == needed { self.answered() } else { self.fail(Failure::Unreadable) };
            }
            if self.buffer.len() < needed {
                self.buffer.resize(needed.next_power_of_two(), 0);
            }
            let Some(stream) = &mut self.stream else { return self.fail(Failure::Broken) };
            match stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return self.fail(Failure::Broken),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Nothing,
                Err(_) => return self.fail(Failure::Broken),
            }
        }
    }

    fn answered(&mut self) -> Step {
        self.phase = Phase::Resting;
        if self.head.is_some_and(|head| !head.stays) {
            self.stream = None;
        }
        Step::Answered
    }

    fn refused(&mut self, error: io::Error) -> Step {
        self.refusal = Some(error);
        self.fail(Failure::Connect)
    }

    fn fail(&mut self, failure: Failure) -> Step {
        (self.phase, self.stream) = (Phase::Resting, None);
        Step::Failed(failure)
    }

    /// The time of the exchange is over. The connection is not used again.
    pub(super) fn give_up(&mut self) -> Failure {
        if self.phase == Phase::Connecting {
            self.refused(io::Error::new(ErrorKind::TimedOut, "connecting has taken too long"));
            return Failure::Connect;
        }
        self.fail(Failure::Timeout);
        Failure::Timeout
    }

    /// Why it could not be made, if it ever could not: of the last time.
    pub(super) fn refusal(&self) -> Option<&io::Error> {
        self.refusal.as_ref()
    }

    /// The last answer, once it is whole.
    pub(super) fn reply(&self) -> Option<Reply<'_>> {
        let head = self.head?;
        let body = self.buffer.get(head.length..head.length + head.body_length)?;
        Some(Reply { status: head.status, body })
    }
}
