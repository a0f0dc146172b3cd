//! The cookie sync pixel (protocol.md 6): an image on a customer's page that mParticle's Web SDK has the browser call.
//! It is answered with a redirect that carries the partner's id of the browser to mParticle, which from then on sends it
//! as `$cookie_sync_id`.
//!
//! Needs no queue and no token, since browsers call it, and keeps nothing: the id lives in the cookie. Messages to
//! the same path are none of its business. No id is logged, and neither is any part of the call.

mod cookie;
mod redirect;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use penstock_shared::partner::{CookieSync, OptOutSignal, WithoutId};

use crate::core::Core;

/// Longest query of a call, in bytes. The Web SDK's are below 1 KB.
const QUERY_BYTES_MAX: usize = 8 * 1024;
/// One transparent pixel.
const PIXEL: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x21\xf9\x04\x01\x00\x00\x00\x00\
    \x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01\x44\x00\x3b";
/// Pages that isolate themselves (`Cross-Origin-Embedder-Policy: require-corp`) load no image without it.
const RESOURCE_POLICY: &str = "cross-origin-resource-policy";

/// Everything a call can end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Redirected with the id of the browser's cookie.
    KnownId,
    /// Redirected with an id made now, which the answer sets as a cookie.
    NewId,
    /// The person opted out: no redirect, no cookie.
    OptedOut,
    /// Not redirected.
    Refused(Refusal),
}

/// Why a call was not redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The parameter is not in the query.
    RedirectMissing,
    /// Its value is no plain https URL.
    RedirectUnreadable,
    /// Its host is not on the list: somebody tries to use us as a springboard, or the list lacks a host of mParticle's.
    HostRefused,
    /// It has no place for the id, so a sync would be taken as done that told nothing.
    MacroMissing,
    /// The query is longer than any call of mParticle's.
    TooLong,
}

impl Outcome {
    /// The word in `ingress_cookie_syncs_total`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::KnownId => "known_id",
            Self::NewId => "new_id",
            Self::OptedOut => "opted_out",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

impl Refusal {
    fn code(self) -> &'static str {
        match self {
            Self::RedirectMissing => "redirect_missing",
            Self::RedirectUnreadable => "redirect_unreadable",
            Self::HostRefused => "host_refused",
            Self::MacroMissing => "macro_missing",
            Self::TooLong => "too_long",
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::RedirectMissing => "the query has no redirect URL",
            Self::RedirectUnreadable => "the redirect is not a percent-encoded https URL",
            Self::HostRefused => "redirects go to mParticle's hosts only",
            Self::MacroMissing => "the redirect URL has no place for the id",
            Self::TooLong => "the query is too long",
        }
    }
}

impl Core {
    /// Answers and counts a call of the pixel; `None` when it is something else.
    pub(crate) fn sync_cookie(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<Response<Bytes>> {
        let sync = self.partner.cookie_sync.as_ref()?;
        if !matches!(*method, Method::GET | Method::HEAD) || uri.path() != sync.path {
            return None;
        }
        let mint = || {
            let draw = self.rng.lock().expect("nothing panics while it is held").u128(..);
            cookie::mint(draw, self.clock.now_ms())
        };
        let (response, outcome) = respond(sync, uri.query().unwrap_or_default(), headers, mint);
        self.metrics.cookie_syncs.of([outcome.word()]).increment(1);
        Some(response)
    }
}

/// The answer to a call of the pixel. `mint` makes an id for a browser that has none, and is asked only then.
pub(crate) fn respond(
    sync: &CookieSync,
    query: &str,
    headers: &HeaderMap,
    mint: impl FnOnce() -> String,
) -> (Response<Bytes>, Outcome) {
    let (mut response, outcome) = if opted_out(sync, headers) {
        (without_id(sync.without_id), Outcome::OptedOut)
    } else {
        match redirected(sync, query, headers, mint) {
            Ok(redirected) => redirected,
            Err(refusal) => (refused(refusal), Outcome::Refused(refusal)),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    (response, outcome)
}

fn opted_out(sync: &CookieSync, headers: &HeaderMap) -> bool {
    let says = |signal: &OptOutSignal| {
        let name = match signal {
            OptOutSignal::Gpc => "sec-gpc",
            OptOutSignal::Dnt => "dnt",
        };
        headers.get_all(name).iter().any(|value| value == "1")
    };
    sync.opt_out_signals.iter().any(says)
        || sync.opt_out_cookie.as_ref().is_some_and(|name| cookie::values(headers, name).next().is_some())
}

fn redirected(
    sync: &CookieSync,
    query: &str,
    headers: &HeaderMap,
    mint: impl FnOnce() -> String,
) -> Result<(Response<Bytes>, Outcome), Refusal> {
    if query.len() > QUERY_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let target = redirect::parse(query, sync)?;
    let known = cookie::id(headers, &sync.cookie);
    let outcome = if known.is_some() { Outcome::KnownId } else { Outcome::NewId };
    let id = known.unwrap_or_else(mint);
    // Both are visible ASCII by now: a value that could break out of its header has been refused above.
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Refusal::RedirectUnreadable);
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, value(&target.with_id(&id))?);
    // A cookie that is there stays as whoever set it wanted it: a later end would be another promise to the person.
    if outcome == Outcome::NewId {
        response.headers_mut().insert(header::SET_COOKIE, value(&cookie::set(sync, &id))?);
    }
    Ok((response, outcome))
}

fn without_id(answer: WithoutId) -> Response<Bytes> {
    let (status, body) = match answer {
        WithoutId::Image => (StatusCode::OK, PIXEL),
        WithoutId::NoContent => (StatusCode::NO_CONTENT, &[][..]),
    };
    let mut response = Response::new(Bytes::from_static(body));
    *response.status_mut() = status;
    if !body.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
    }
    response
}

/// No image, on purpose. A browser shows an image whatever its status, and the Web SDK would take the sync as done and
/// not call again for days, also after the mistake is mended. An answer that is no image is an error there, and the next
/// page calls again.
fn refused(refusal: Refusal) -> Response<Bytes> {
    let body = serde_json::json!({ "code": refusal.code(), "message": refusal.message() }).to_string();
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
