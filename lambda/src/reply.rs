//! What an invocation results in: a response message as it is, or an HTTP answer in the envelope its caller reads.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Response, header};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::event::Shape;

/// The result of an invocation; serialises to exactly its bytes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Reply {
    /// A response message, or a problem.
    Message(Box<RawValue>),
    /// An HTTP answer.
    Http(Box<HttpReply>),
}

/// An HTTP answer in its envelope.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpReply {
    status_code: u16,
    /// A load balancer wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<Value>>,
    body: String,
    is_base64_encoded: bool,
}

impl Reply {
    /// The answer to a direct invocation. `json` is one of ours.
    pub(crate) fn message(json: &Bytes) -> Self {
        let text = String::from_utf8_lossy(json).into_owned();
        Self::Message(RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The answer to an HTTP event.
    pub(crate) fn http(shape: Shape, response: Response<Bytes>) -> Self {
        let (mut head, body) = response.into_parts();
        let status = head.status;
        let mut reply = HttpReply {
            status_code: status.as_u16(),
            status_description: (shape != Shape::V2).then(|| status.to_string()),
            headers: None,
            multi_value_headers: None,
            cookies: None,
            is_base64_encoded: std::str::from_utf8(&body).is_err(),
            body: String::new(),
        };
        reply.body = match String::from_utf8(body.into()) {
            Ok(text) => text,
            Err(not_text) => BASE64_STANDARD.encode(not_text.as_bytes()),
        };
        match shape {
            Shape::V2 => {
                let cookies = head.headers.get_all(header::SET_COOKIE);
                reply.cookies = Some(cookies.iter().filter_map(|value| text(value.as_bytes())).collect());
                head.headers.remove(header::SET_COOKIE);
                reply.headers = Some(single(&head.headers));
            }
            Shape::Single => reply.headers = Some(single(&head.headers)),
            Shape::Multi => reply.multi_value_headers = Some(multi(&head.headers)),
        }
        Self::Http(Box::new(reply))
    }
}

/// The last value of each.
fn single(headers: &HeaderMap) -> Map<String, Value> {
    let pairs = headers.iter().filter_map(|(name, value)| Some((name.to_string(), text(value.as_bytes())?)));
    pairs.collect()
}

fn multi(headers: &HeaderMap) -> Map<String, Value> {
    let values = |name| headers.get_all(name).iter().filter_map(|value| text(value.as_bytes())).collect();
    headers.keys().map(|name| (name.to_string(), Value::Array(values(name)))).collect()
}

fn text(value: &[u8]) -> Option<Value> {
    std::str::from_utf8(value).ok().map(Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn response() -> Response<Bytes> {
        let builder = Response::builder().status(503).header("retry-after", "1");
        let builder = builder.header("set-cookie", "a=1").header("set-cookie", "b=2");
        builder.body(Bytes::from_static(b"{}")).unwrap()
    }

    fn wrapped(shape: Shape) -> Value {
        serde_json::to_value(Reply::http(shape, response())).unwrap()
    }

    #[test]
    fn format_2_has_its_cookies_apart() {
        let expected = json!({
            "statusCode": 503, "headers": { "retry-after": "1" }, "cookies": ["a=1", "b=2"],
            "body": "{}", "isBase64Encoded": false,
        });
        assert_eq!(wrapped(Shape::V2), expected);
    }

    #[test]
    fn a_load_balancer_gets_a_description_and_headers_as_it_sends_them() {
        let single = json!({
            "statusCode": 503, "statusDescription": "503 Service Unavailable",
            "headers": { "retry-after": "1", "set-cookie": "b=2" },
            "body": "{}", "isBase64Encoded": false,
        });
        assert_eq!(wrapped(Shape::Single), single);
        let multi = json!({
            "statusCode": 503, "statusDescription": "503 Service Unavailable",
            "multiValueHeaders": { "retry-after": ["1"], "set-cookie": ["a=1", "b=2"] },
            "body": "{}", "isBase64Encoded": false,
        });
        assert_eq!(wrapped(Shape::Multi), multi);
    }

    #[test]
    fn a_body_that_is_no_text_goes_as_base64() {
        let response = Response::new(Bytes::from_static(b"GIF\xff"));
        let reply = serde_json::to_value(Reply::http(Shape::V2, response)).unwrap();
        assert_eq!((&reply["body"], &reply["isBase64Encoded"]), (&json!("R0lG/w=="), &json!(true)));
    }

    #[test]
    fn a_message_is_written_as_it_is() {
        let json = Bytes::from_static(b"{\"id\" : 1.50}");
        assert_eq!(serde_json::to_vec(&Reply::message(&json)).unwrap(), json);
    }
}
