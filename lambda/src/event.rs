//! HTTP calls as AWS hands them to a function: an envelope of JSON around method, path, headers and body.
//!
//! Three makers, three shapes: function URLs and HTTP APIs (payload format 2.0), load balancers, and REST APIs (format
//! 1.0, also of HTTP APIs). An envelope has a `requestContext` that says how the call came, and no `type`; a
//! message has a `type`. No caller makes an envelope into a message or back: what a caller sends is a text inside it.
//! Nor does an envelope that cannot be read become a message: it holds the token, and its sender reads a status.

mod members;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use self::members::Members;

/// What stands in a query as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How the answer is to be wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Payload format 2.0.
    V2,
    /// Format 1.0, or a load balancer: each header has one value.
    Single,
    /// The same, but each header has a list of values. A load balancer that sends lists reads nothing else.
    Multi,
}

/// What a payload is.
#[derive(Debug)]
pub(crate) enum Payload {
    /// An HTTP call.
    Call(Box<HttpEvent>),
    /// An envelope whose call cannot be read, and how its answer is to be wrapped as far as that can be told.
    Unfit(Shape),
    /// A message, or what only its own reader can refuse.
    Message,
}

impl Payload {
    /// Tells what these bytes are. An envelope has an object `requestContext` and no text `type`, whatever else it holds.
    pub(crate) fn read(payload: &[u8]) -> Self {
        let text = String::from_utf8_lossy(payload);
        let Some(members) = Members::read(text.trim_start_matches('\u{feff}')) else { return Self::Message };
        if members.is_text("type") || !members.is_object("requestContext") {
            return Self::Message;
        }
        HttpEvent::read(payload)
            .map_or_else(|| Self::Unfit(shape_of(&members)), |event| Self::Call(event.into()))
    }
}

/// As [`HttpEvent::shape`], of an envelope that was not read. What names no maker is taken for a function URL's.
fn shape_of(members: &Members<'_>) -> Shape {
    let context = members.inside("requestContext");
    let is_balancer = context.is_some_and(|context| context.is_object("elb"));
    match (is_balancer, members.is_object("multiValueHeaders")) {
        (true, true) => Shape::Multi,
        (true, false) => Shape::Single,
        (false, _) => Shape::V2,
    }
}

/// An HTTP call in its envelope.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpEvent {
    request_context: Option<RequestContext>,
    http_method: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    path: Option<String>,
    query_string_parameters: Option<Map<String, Value>>,
    multi_value_query_string_parameters: Option<Map<String, Value>>,
    headers: Option<Map<String, Value>>,
    multi_value_headers: Option<Map<String, Value>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct RequestContext {
    http: Option<HttpContext>,
    elb: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct HttpContext {
    method: String,
}

impl HttpEvent {
    /// The call in an envelope; `None` if it does not fit. Of members of one name the last counts.
    fn read(envelope: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(envelope).ok()?;
        let event: Self = serde_json::from_value(value).ok()?;
        let by_context = event.request_context.as_ref().is_some_and(|context| context.http.is_some());
        (by_context || event.http_method.is_some()).then_some(event)
    }

    /// How the answer is to be wrapped.
    pub(crate) fn shape(&self) -> Shape {
        match (&self.request_context, &self.multi_value_headers) {
            (Some(RequestContext { http: Some(_), .. }), _) => Shape::V2,
            (_, Some(_)) => Shape::Multi,
            (_, None) => Shape::Single,
        }
    }

    /// The call as the server would have got it.
    pub(crate) fn into_request(self) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = self.method();
        *request.uri_mut() = self.uri();
        *request.headers_mut() = self.header_map();
        *request.body_mut() = body(self.body.unwrap_or_default(), self.is_base64_encoded.unwrap_or_default());
        request
    }

    /// What is no method is none of those that are served either, as GET is.
    fn method(&self) -> Method {
        let by_context = self.request_context.as_ref().and_then(|context| context.http.as_ref());
        let word = by_context.map(|http| http.method.as_str()).or(self.http_method.as_deref());
        word.and_then(|word| word.parse().ok()).unwrap_or_default()
    }

    /// The path and the query, or `/` when they are none: a message is taken on every path.
    fn uri(&self) -> Uri {
        let path = self.raw_path.as_deref().or(self.path.as_deref()).unwrap_or("/");
        let query = self.raw_query_string.clone().unwrap_or_else(|| self.query());
        let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        whole.parse().unwrap_or_default()
    }

    /// The query, put together again. A load balancer hands its parts over as they came, a REST API unescaped.
    fn query(&self) -> String {
        let as_they_came = self.request_context.as_ref().is_some_and(|context| context.elb.is_some());
        let escaped = |text: &str| match as_they_came {
            true => text.to_owned(),
            false => utf8_percent_encode(text, UNRESERVED).to_string(),
        };
        let parameters =
            self.multi_value_query_string_parameters.as_ref().or(self.query_string_parameters.as_ref());
        let pairs = parameters.into_iter().flatten().flat_map(|(name, value)| {
            texts(value).map(|text| format!("{}={}", escaped(name), escaped(text))).collect::<Vec<_>>()
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The headers; lists win, as they hold everything. A header that is none over HTTP is left out.
    fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        let given = self.multi_value_headers.as_ref().or(self.headers.as_ref());
        for (name, value) in given.into_iter().flatten() {
            let Ok(name) = name.parse::<HeaderName>() else { continue };
            texts(value).for_each(|text| add(&mut map, &name, text));
        }
        self.cookies.iter().flatten().for_each(|cookie| add(&mut map, &header::COOKIE, cookie));
        map
    }
}

/// Adds a header. Format 2.0 joins values of one name with commas; `Authorization` must be judged value by value.
fn add(map: &mut HeaderMap, name: &HeaderName, text: &str) {
    let mut append = |text: &str| {
        if let Ok(value) = HeaderValue::from_str(text.trim()) {
            map.append(name, value);
        }
    };
    append(text);
    if *name == header::AUTHORIZATION && text.contains(',') {
        text.split(',').for_each(append);
    }
}

/// A text, or the texts of a list.
fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let one = value.as_str();
    let many = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    one.into_iter().chain(many)
}

/// The body; what is said to be base64 and is not is taken as it stands, to be quarantined.
fn body(text: String, is_base64: bool) -> Bytes {
    if is_base64 && let Ok(bytes) = BASE64_STANDARD.decode(&text) {
        return bytes.into();
    }
    text.into_bytes().into()
}

#[cfg(test)]
mod tests;
