//! The partner's cookie: read, made, set.

use aws_lc_rs::digest;
use http::{HeaderMap, header};
use penstock_shared::{ids::hex, partner::CookieSync};

/// Longest id that is taken over from a cookie, in characters.
const ID_MAX: usize = 128;

/// Every value of a cookie. A browser sends several of one name when they are set for several domains or paths.
pub(super) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers.get_all(header::COOKIE).iter();
    pairs.flat_map(|value| value.as_bytes().split(|byte| *byte == b';')).filter_map(move |pair| {
        let (found, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        (found.trim_ascii() == name.as_bytes()).then(|| value[1..].trim_ascii())
    })
}

/// The id in a cookie: the first value that can be one.
pub(super) fn id(headers: &HeaderMap, name: &str) -> Option<String> {
    let id = values(headers, name).find(|value| is_id(value))?;
    String::from_utf8(id.to_vec()).ok()
}

/// Whether a value can be an id: short, and of characters that ids are written in.
fn is_id(value: &[u8]) -> bool {
    (1..=ID_MAX).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=:@|%".contains(byte))
}

/// A new id, 32 hex digits. The generator runs through 2^64 states, so that two of a fleet's processes may come to the same
/// one; with the time beside it they do not make the same id. As a digest it tells nothing of the ids that follow.
pub(super) fn mint(draw: u128, now_ms: i64) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&draw.to_be_bytes());
    context.update(&now_ms.to_be_bytes());
    hex(&context.finish().as_ref()[..16])
}

/// The `Set-Cookie` of an id. `SameSite=None`, or no browser sends it from a customer's page; that needs `Secure`.
pub(super) fn set(sync: &CookieSync, id: &str) -> String {
    let domain = sync.domain.as_ref().map_or(String::new(), |domain| format!("; Domain={domain}"));
    let seconds = sync.max_age.as_secs();
    format!("{}={id}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=None{domain}", sync.cookie)
}
