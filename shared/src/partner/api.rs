//! `[api]`: where the partner is and how it is called.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use url::{Host, Url};

use super::{
    Expr,
    field::Field,
    scope::{Place, Scope},
};
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

const USER_AGENT_MAX: usize = 200;

/// Reads `[api]`.
pub(super) fn read(field: &Field<'_>) -> Option<Api> {
    let table = field.table(&[
        "base_url",
        "base_urls",
        "timeout_ms",
        "connect_timeout_ms",
        "headers",
        "allow_private_addresses",
        "user_agent",
        "idempotency_header",
        "answer_bytes_max",
    ])?;
    let allow_private_addresses =
        table.get("allow_private_addresses").and_then(|it| it.boolean()).unwrap_or(false);
    let base_url = table
        .required("base_url", "where the partner's API is, https://…")
        .and_then(|it| read_url(&it, allow_private_addresses));
    let timeout_field = table.get("timeout_ms");
    let timeout = timeout_field
        .and_then(|it| it.millis(100..=120_000, "how long a call may take, in milliseconds"))
        .unwrap_or(Duration::from_secs(10));
    let connect_field = table.get("connect_timeout_ms");
    let connect = connect_field
        .as_ref()
        .and_then(|it| it.millis(100..=60_000, "how long connecting may take, in milliseconds"));
    if let Some((field, connect)) = connect_field.zip(connect)
        && connect > timeout
    {
        field.wrong("is above `timeout_ms`, which bounds the whole call");
    }
    let header = table.get("idempotency_header");
    let answer_bytes_max = table
        .get("answer_bytes_max")
        .and_then(|it| it.whole(1024..=64 * 1024 * 1024, "how many bytes of an answer are read"))
        .unwrap_or(1_048_576);
    let api = Api {
        base_url: base_url?,
        base_urls: table
            .get("base_urls")
            .map(|it| read_urls(&it, allow_private_addresses))
            .unwrap_or_default(),
        timeout,
        connect_timeout: connect.unwrap_or(Duration::from_secs(2).min(timeout)),
        headers: table.get("headers").map(|it| read_headers(&it)).unwrap_or_default(),
        allow_private_addresses,
        user_agent: table.get("user_agent").and_then(|it| read_user_agent(&it)),
        idempotency_header: header.and_then(|it| read_header_name(&it)),
        answer_bytes_max: usize::try_from(answer_bytes_max).unwrap_or(usize::MAX),
    };
    Some(api)
}

fn read_urls(field: &Field<'_>, allow_private: bool) -> BTreeMap<Pod, Url> {
    let mut urls = BTreeMap::new();
    for (name, field) in field.free_table().map(|table| table.fields()).unwrap_or_default() {
        let pod = Pod::new(name).map_err(|error| field.wrong_key(error.to_string())).ok();
        if let Some((pod, url)) = pod.zip(read_url(&field, allow_private)) {
            urls.insert(pod, url);
        }
    }
    urls
}

fn read_url(field: &Field<'_>, allow_private: bool) -> Option<Url> {
    let text = field.filled_text(2000, "a URL")?;
    let url = Url::parse(text).map_err(|error| field.wrong(format!("is not a URL: {error}"))).ok()?;
    let problem = if !["https", "http"].contains(&url.scheme()) || url.host().is_none() {
        Some("must begin with https://")
    } else if url.scheme() == "http" && !allow_private {
        Some(
            "would send keys in the clear; write https://, or allow_private_addresses = true for a partner nearby",
        )
    } else if !url.username().is_empty() || url.password().is_some() {
        Some("holds credentials; write them in [auth]")
    } else if url.query().is_some() || url.fragment().is_some() {
        Some("holds a query or fragment; write it in the routes' paths")
    } else if !allow_private && url.host().is_some_and(|host| is_private(&host)) {
        Some("is a private address; write allow_private_addresses = true if that is meant")
    } else {
        None
    };
    match problem {
        Some(problem) => {
            field.wrong(problem);
            None
        }
        None => Some(url),
    }
}

/// Whether a URL names, in so many words, an address that is not on the public internet. What a name resolves to is
/// the caller's to check.
fn is_private(host: &Host<&str>) -> bool {
    let v4 = |ip: std::net::Ipv4Addr| {
        ip.is_loopback()
            || ip.is_private()
            || ip.is_link_local()
            || ip.is_unspecified()
            || ip.octets()[0] == 0
    };
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => v4(*ip),
        Host::Ipv6(ip) => match ip.to_canonical() {
            IpAddr::V4(ip) => v4(ip),
            IpAddr::V6(ip) => {
                ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
            }
        },
    }
}

/// Headers that we write ourselves.
const OUR_HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "host",
    "connection",
    "transfer-encoding",
    "user-agent",
    "accept-encoding",
];

fn read_headers(field: &Field<'_>) -> Vec<(String, Expr)> {
    let mut headers: Vec<(String, Expr)> = Vec::new();
    for (name, field) in field.free_table().map(|table| table.fields()).unwrap_or_default() {
        if !is_header_name(name) {
            field.wrong_key(format!("`{name}` is not a header's name"));
        } else if OUR_HEADERS.contains(&name.to_lowercase().as_str()) {
            field.wrong_key(format!("`{name}` is written by the engine; leave it out"));
        } else if name.eq_ignore_ascii_case("authorization") {
            field.wrong_key("write credentials in [auth]");
        } else if headers.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
            field.wrong_key(format!("the header `{name}` stands here twice"));
        }
        if let Some(expr) = field.expr(&Scope::new(Place::Call)) {
            headers.push((name.to_owned(), expr));
        }
    }
    headers
}

fn read_user_agent(field: &Field<'_>) -> Option<String> {
    let text = field.filled_text(USER_AGENT_MAX, "a name and version")?;
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        field.wrong("may hold plain ASCII only");
    }
    Some(text.to_owned())
}

pub(super) fn read_header_name(field: &Field<'_>) -> Option<String> {
    let text = field.filled_text(100, "a header's name")?;
    if !is_header_name(text) {
        field.wrong("is not a header's name");
    } else if OUR_HEADERS.contains(&text.to_lowercase().as_str()) {
        field.wrong("is written by the engine; take another header");
    }
    Some(text.to_owned())
}

/// Whether `text` is a token as RFC 9110 5.6.2 has it.
pub(super) fn is_header_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
