//! Reads one HTTP/1.1 answer, as far as a load needs it: status, length, whether the connection stays. Pure.

/// The longest head that is read.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest body that is read.
pub(super) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply<'a> {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: &'a [u8],
}

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Where the body begins.
    pub(super) length: usize,
    pub(super) body_length: usize,
    pub(super) stays: bool,
}

/// What is no answer that this client reads: without a length, or in chunks, or not HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Head {
    /// Reads a head; `None` while its end has not arrived.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Unreadable> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if bytes.len() > HEAD_BYTES_MAX { Err(Unreadable) } else { Ok(None) };
        };
        let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let status = status(lines.next().unwrap_or_default()).ok_or(Unreadable)?;
        let (mut body_length, mut stays) = (None, true);
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Err(Unreadable) };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                body_length = number(value);
            } else if name.eq_ignore_ascii_case(b"connection") {
                stays = !value.eq_ignore_ascii_case(b"close");
            }
        }
        let body_length = match status {
            204 | 304 => 0,
            _ => body_length.filter(|length| *length <= BODY_BYTES_MAX).ok_or(Unreadable)?,
        };
        Ok(Some(Self { status, length: end + 4, body_length, stays }))
    }
}

fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.1 ")?;
    let status = number(rest.get(..3)?)?;
    u16::try_from(status).ok().filter(|status| *status >= 200)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
