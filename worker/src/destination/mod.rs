//! The partner, as a seam: something that takes a call and gives an answer. [`http::HttpDestination`] is the engine
//! that `partner.toml` drives; a partner with needs beyond it implements [`Destination`] in Rust.

mod address;
pub mod http;

use std::fmt;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use penstock_shared::ids::{AccountId, ItemKey, Pod};
use url::Url;

/// Makes calls to the partner.
#[async_trait]
pub trait Destination: fmt::Debug + Send + Sync + 'static {
    /// Makes one call and waits for the whole answer, within the partner's deadline. Never tries twice: the queue is
    /// the retry mechanism.
    ///
    /// # Cancel safety
    /// When dropped, the partner may or may not have taken the items.
    async fn call(&self, call: &Call) -> Result<Answer, CallError>;
}

/// One request to the partner's API. `Debug` shows nothing of what it carries.
#[derive(Clone)]
pub struct Call {
    /// The pod of the items.
    pub pod: Pod,
    /// The account of the items.
    pub account: AccountId,
    /// Name of the route.
    pub route: String,
    /// HTTP method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers, credentials among them; those are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON, or nothing.
    pub body: Option<Bytes>,
    /// Keys of the items inside, in the body's order.
    pub items: Vec<ItemKey>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("pod", &self.pod)
            .field("account", &self.account)
            .field("route", &self.route)
            .field("method", &self.method)
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

/// What the partner answered. `Debug` shows the status alone.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, cut at the limit of `partner.toml`.
    pub body: Bytes,
    /// Whether the body is longer than that.
    pub is_cut: bool,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Connect, reset, TLS, a body that broke off.
    #[error("no answer: {0}")]
    Network(String),
    /// No answer within the deadline.
    #[error("no answer in time")]
    Timeout,
    /// The URL leads to an address that must not be called.
    #[error(
        "refused to call {0}: it is no public address; set allow_private_addresses = true in [api] to allow it"
    )]
    PrivateAddress(String),
}
