//! The HTTP engine: one pooled client, deadlines, no redirects, no private addresses unless allowed.

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use penstock_shared::partner::Api;
use reqwest::{Client, redirect};
use url::Host;

use super::{
    Answer, Call, CallError, Destination,
    address::{PublicOnly, is_public},
};

const USER_AGENT: &str = concat!("penstock/", env!("CARGO_PKG_VERSION"));
/// Shorter than most load balancers keep theirs, so that we are the one who closes.
const IDLE_MAX: Duration = Duration::from_secs(50);

/// Calls the partner over HTTP.
#[derive(Debug)]
pub struct HttpDestination {
    client: Client,
    timeout: Duration,
    answer_bytes_max: usize,
    allow_private: bool,
}

/// The TLS back end could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client")]
pub struct ClientError(#[source] reqwest::Error);

impl HttpDestination {
    /// A client for the partner's API. `connections_max` idle connections are kept for each host.
    ///
    /// # Errors
    /// When TLS can't be set up, for instance without any root certificates.
    pub fn new(api: &Api, connections_max: usize) -> Result<Self, ClientError> {
        let mut builder = Client::builder()
            .user_agent(api.user_agent.as_deref().unwrap_or(USER_AGENT))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(api.connect_timeout)
            .pool_max_idle_per_host(connections_max)
            .pool_idle_timeout(IDLE_MAX);
        if !api.allow_private_addresses {
            builder = builder.dns_resolver(Arc::new(PublicOnly)).https_only(true);
        }
        Ok(Self {
            client: builder.build().map_err(ClientError)?,
            timeout: api.timeout,
            answer_bytes_max: api.answer_bytes_max,
            allow_private: api.allow_private_addresses,
        })
    }

    async fn exchange(&self, call: &Call) -> Result<Answer, CallError> {
        let mut request = self.client.request(call.method.clone(), call.url.clone());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        let mut response = request.send().await.map_err(|e| network(&e))?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        while body.len() < self.answer_bytes_max {
            match response.chunk().await.map_err(|e| network(&e))? {
                Some(chunk) => body.extend_from_slice(&chunk),
                None => break,
            }
        }
        let is_cut = body.len() >= self.answer_bytes_max && {
            let rest = response.chunk().await.map_err(|e| network(&e))?;
            body.len() > self.answer_bytes_max || rest.is_some_and(|chunk| !chunk.is_empty())
        };
        body.truncate(self.answer_bytes_max);
        Ok(Answer { status, headers, body: Bytes::from(body), is_cut })
    }

    /// The resolver is not asked for an address written as one, so these are looked at here.
    fn check_literal(&self, call: &Call) -> Result<(), CallError> {
        let literal = match call.url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.allow_private || is_public(literal) {
            Ok(())
        } else {
            Err(CallError::PrivateAddress(literal.to_string()))
        }
    }
}

#[async_trait]
impl Destination for HttpDestination {
    async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        self.check_literal(call)?;
        tokio::time::timeout(self.timeout, self.exchange(call)).await.unwrap_or(Err(CallError::Timeout))
    }
}

/// What went wrong, down to its root, without the URL: a path can hold a customer's values.
fn network(error: &reqwest::Error) -> CallError {
    if error.is_timeout() {
        return CallError::Timeout;
    }
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let stage = if error.is_connect() { "connect" } else { "exchange" };
    CallError::Network(format!("{stage}: {root}"))
}
