//! `[api]` and `[auth]`: where the partner is, and how we prove who we are.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::Expr;
use crate::ids::Pod;

/// Where the partner's API is and how it is called.
#[derive(Clone, Debug)]
pub struct Api {
    /// What every route's path is appended to; https unless private addresses are allowed, no query.
    pub base_url: Url,
    /// Other base URLs for some pods.
    pub base_urls: BTreeMap<Pod, Url>,
    /// The longest one call may take, answer included; 100 ms to 120 s.
    pub timeout: Duration,
    /// The longest a connection may take to open; 100 ms to 60 s, and no longer than `timeout`.
    pub connect_timeout: Duration,
    /// Headers of every call, in the order of the file: name and expression. An undefined one is not sent.
    pub headers: Vec<(String, Expr)>,
    /// Whether loopback, link-local and private addresses may be called.
    pub allow_private_addresses: bool,
    /// The `User-Agent`; `None` for our own.
    pub user_agent: Option<String>,
    /// The header that carries the batch's idempotency key; `None` when the partner has none.
    pub idempotency_header: Option<String>,
    /// The longest answer that is read, in bytes; the rest is cut off.
    pub answer_bytes_max: usize,
}

impl Api {
    /// The base URL for a pod.
    pub fn base_url(&self, pod: &Pod) -> &Url {
        self.base_urls.get(pod).unwrap_or(&self.base_url)
    }
}

/// How we prove to the partner who we are. The expressions see `settings`, `pod`, `account`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// A header of the partner's own.
    Header {
        /// Its name.
        header: String,
        /// Its value.
        value: Expr,
    },
    /// `Authorization: Bearer …`.
    Bearer {
        /// The token.
        token: Expr,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The user name; no colon in it.
        user: Expr,
        /// The password.
        password: Expr,
    },
}
