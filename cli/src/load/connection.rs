//! One connection: a blocking socket that is kept while it lives, and made anew when it does not.

use std::{
    io::{self, ErrorKind, IoSlice, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Failure,
    reply::{Head, Reply},
};

/// A connection that was idle for longer is looked at before it is used: the server may have closed it, and a request
/// written into it would be one that failed.
const IDLE_UNSEEN_MAX: Duration = Duration::from_secs(1);
/// First size of the buffer for answers.
const READ_BYTES: usize = 4 * 1024;

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    /// Everything of the request before the digits of its length.
    signed: Vec<u8>,
    /// The same without the authorization.
    unsigned: Vec<u8>,
}

impl Target {
    /// POST to that path of a server without TLS. `authorization` is the whole value of the header.
    pub(crate) fn new(address: SocketAddr, host: &str, path: &str, authorization: Option<&str>) -> Self {
        let head = |authorization: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{authorization}content-length: "
            )
            .into_bytes()
        };
        let signed = authorization.map(|value| head(&format!("authorization: {value}\r\n")));
        let unsigned = head("");
        Self { address, signed: signed.unwrap_or_else(|| unsigned.clone()), unsigned }
    }
}

/// A connection to the target; made when it is first needed.
pub(super) struct Connection<'a> {
    target: &'a Target,
    timeout: Duration,
    stream: Option<TcpStream>,
    /// When it was last of use.
    used: Instant,
    buffer: Vec<u8>,
}

impl<'a> Connection<'a> {
    pub(super) fn new(target: &'a Target, timeout: Duration) -> Self {
        Self { target, timeout, stream: None, used: Instant::now(), buffer: vec![0; READ_BYTES] }
    }

    /// Sends a body, `signed` with the authorization, and reads the answer. A connection that failed is not used again.
    pub(super) fn exchange(&mut self, body: &[u8], signed: bool) -> Result<Reply<'_>, Failure> {
        let idle = self.used.elapsed() > IDLE_UNSEEN_MAX;
        let mut stream = match self.stream.take().filter(|stream| !idle || is_open(stream)) {
            Some(stream) => stream,
            None => self.connect().map_err(|_| Failure::Connect)?,
        };
        let length = format!("{}\r\n\r\n", body.len());
        let target_head = if signed { &self.target.signed } else { &self.target.unsigned };
        write(&mut stream, &mut [target_head, length.as_bytes(), body]).map_err(|error| failure(&error))?;
        let head = read(&mut stream, &mut self.buffer)?;
        if head.stays {
            self.stream = Some(stream);
            self.used = Instant::now();
        }
        let body = &self.buffer[head.length..head.length + head.body_length];
        Ok(Reply { status: head.status, body })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.target.address, self.timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        Ok(stream)
    }
}

/// Whether the other side has neither closed the connection nor said anything unasked.
fn is_open(stream: &TcpStream) -> bool {
    let silent = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
    stream.set_nonblocking(true).is_ok()
        && stream.peek(&mut [0]).is_err_and(silent)
        && stream.set_nonblocking(false).is_ok()
}

/// Writes all parts, in one call when the socket takes them.
fn write(stream: &mut TcpStream, parts: &mut [&[u8]; 3]) -> io::Result<()> {
    while parts.iter().any(|part| !part.is_empty()) {
        let mut written = match stream.write_vectored(&parts.map(IoSlice::new)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for part in parts.iter_mut() {
            let of_it = written.min(part.len());
            *part = &part[of_it..];
            written -= of_it;
        }
    }
    Ok(())
}

/// Reads one whole answer to the beginning of `buffer`.
fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Head, Failure> {
    let (mut filled, mut head) = (0, None);
    loop {
        if head.is_none() {
            head = Head::read(&buffer[..filled]).map_err(|_| Failure::Unreadable)?;
        }
        let needed = head.map_or(filled + 1, |head: Head| head.length + head.body_length);
        match head {
            Some(head) if filled == needed => return Ok(head),
            // More than was asked for: nothing of ours.
            Some(_) if filled > needed => return Err(Failure::Unreadable),
            _ => {}
        }
        if buffer.len() < needed {
            buffer.resize(needed.next_power_of_two(), 0);
        }
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(Failure::Broken),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failure(&error)),
        }
    }
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Failure::Timeout,
        _ => Failure::Broken,
    }
}
