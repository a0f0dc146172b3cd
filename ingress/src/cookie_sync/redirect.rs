//! Where a call wants to be redirected: found, decoded once, and held against the list.
//!
//! Whoever can make us redirect to a host of his own has our good name for his links. So the URL must be one that no
//! two parsers read differently: visible ASCII without a backslash, `https://`, and an authority that is the host's
//! name letter by letter, without user, port (but 443), trailing dot or percent-encoding.

use std::ops::Range;

use penstock_shared::partner::CookieSync;
use url::Url;

use super::Refusal;

const SCHEME: &str = "https://";

/// A redirect URL that may be gone to, with the place of the id in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    url: String,
    id_macro: Range<usize>,
}

impl Target {
    /// The URL with this id in place of the macro; everything else is untouched.
    pub(super) fn with_id(&self, id: &str) -> String {
        let Range { start, end } = self.id_macro;
        [&self.url[..start], &encoded(id), &self.url[end..]].concat()
    }
}

/// Reads the redirect from the query.
///
/// # Errors
/// Why there is none to be followed.
pub(super) fn parse(query: &str, sync: &CookieSync) -> Result<Target, Refusal> {
    let url = decoded(parameter(query, &sync.redirect_parameter).ok_or(Refusal::RedirectMissing)?)
        .ok_or(Refusal::RedirectUnreadable)?;
    let authority = authority(&url).ok_or(Refusal::RedirectUnreadable)?;
    let parsed = Url::parse(&url).map_err(|_| Refusal::RedirectUnreadable)?;
    let host = url[authority.clone()].to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    if parsed.host_str() != Some(host) || !sync.allowed_hosts.iter().any(|rule| rule.allows(host)) {
        return Err(Refusal::HostRefused);
    }
    // Behind the authority only: an id is the user's to choose, and must not name a host.
    let id_macro = find(&url, authority.end, sync.id_macro.as_bytes()).ok_or(Refusal::MacroMissing)?;
    Ok(Target { url, id_macro })
}

/// The raw value of a parameter. The redirect is the last of the call, so the last of that name counts.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').rev().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Undoes `encodeURIComponent`, once. `None` when it cannot have been that: a question mark as it is (the URL was not
/// encoded, and what followed its first `&` is lost among the parameters), a stray percent sign, or what no URL holds
/// (controls, blanks, backslashes, other than ASCII). A plus is a plus.
fn decoded(value: &str) -> Option<String> {
    if value.contains('?') {
        return None;
    }
    let mut url = String::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let byte = if *first == b'%' { escaped(rest)? } else { *first };
        rest = if *first == b'%' { &rest[3..] } else { others };
        if !byte.is_ascii_graphic() || byte == b'\\' {
            return None;
        }
        url.push(char::from(byte));
    }
    Some(url)
}

/// The byte that `text` begins with an escape of, `%2F`.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Where the authority of an https URL stands.
fn authority(url: &str) -> Option<Range<usize>> {
    let scheme = url.get(..SCHEME.len())?;
    let behind = &url[SCHEME.len()..];
    let length = behind.find(['/', '?', '#']).unwrap_or(behind.len());
    (scheme.eq_ignore_ascii_case(SCHEME) && length > 0).then_some(SCHEME.len()..SCHEME.len() + length)
}

/// The first place at or behind `from` where `wanted` stands, each of its characters plain or percent-encoded.
fn find(url: &str, from: usize, wanted: &[u8]) -> Option<Range<usize>> {
    let bytes = url.as_bytes();
    (from..bytes.len()).find_map(|start| Some(start..start + length_of(&bytes[start..], wanted)?))
}

/// How many bytes of `text` spell `wanted`, if it begins with it.
fn length_of(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut length = 0;
    for byte in wanted {
        let rest = text.get(length..)?;
        length += if escaped(rest) == Some(*byte) {
            3
        } else if rest.first() == Some(byte) {
            1
        } else {
            return None;
        };
    }
    Some(length)
}

/// The id as a URL's query holds it: everything but unreserved characters percent-encoded.
fn encoded(id: &str) -> String {
    use std::fmt::Write as _;
    id.bytes().fold(String::with_capacity(id.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a String cannot fail");
        }
        text
    })
}
