use serde_json::json;

use super::*;

fn read(event: &Value) -> HttpEvent {
    read_text(&event.to_string())
}

fn read_text(text: &str) -> HttpEvent {
    match Payload::read(text.as_bytes()) {
        Payload::Call(event) => *event,
        other => panic!("{text} is an HTTP event and not {other:?}"),
    }
}

/// The event with its first `from` replaced, as JSON that `Value` cannot hold.
fn damaged(event: &Value, from: &str, to: &[u8]) -> Vec<u8> {
    let text = event.to_string();
    let (before, after) = text.split_once(from).unwrap();
    [before.as_bytes(), to, after.as_bytes()].concat()
}

fn url_event() -> Value {
    json!({
        "version": "2.0", "rawPath": "/a/b", "rawQueryString": "c=d%20e&f=%26",
        "headers": { "authorization": "Token abc", "x-one": "1,2" },
        "cookies": ["a=1", "b=2"],
        "queryStringParameters": { "c": "d e" },
        "requestContext": { "http": { "method": "POST", "path": "/a/b" }, "timeEpoch": 1 },
        "body": "{\"x\":\"\\ud800 \u{e9}\"}", "isBase64Encoded": false,
    })
}

fn balancer_event() -> Value {
    json!({
        "requestContext": { "elb": { "targetGroupArn": "arn" } },
        "httpMethod": "POST", "path": "/a",
        "queryStringParameters": { "z": "d%20e", "a": "%26" },
        "headers": { "authorization": "Token abc" },
        "body": "eyJ4IjoxfQ==", "isBase64Encoded": true,
    })
}

fn api_event() -> Value {
    json!({
        "resource": "/{proxy+}", "path": "/a", "httpMethod": "GET",
        "headers": { "x-one": "2" }, "multiValueHeaders": { "x-one": ["1", "2"] },
        "queryStringParameters": { "c": "e" }, "multiValueQueryStringParameters": { "c": ["d e", "&"] },
        "requestContext": { "stage": "prod", "httpMethod": "GET" },
        "body": null, "isBase64Encoded": false,
    })
}

#[test]
fn a_function_url_event_is_the_call_it_was() {
    let event = read(&url_event());
    assert_eq!(event.shape(), Shape::V2);
    let request = event.into_request();
    assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, "/a/b?c=d%20e&f=%26"));
    assert_eq!(request.headers()["authorization"], "Token abc");
    assert_eq!(request.headers()["x-one"], "1,2");
    assert_eq!(request.headers().get_all("cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(request.body(), "{\"x\":\"\\ud800 \u{e9}\"}".as_bytes());
}

#[test]
fn a_load_balancers_event_is_the_call_it_was() {
    let event = read(&balancer_event());
    assert_eq!(event.shape(), Shape::Single);
    let request = event.into_request();
    assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, "/a?z=d%20e&a=%26"));
    assert_eq!(request.headers()["authorization"], "Token abc");
    assert_eq!(request.body().as_ref(), br#"{"x":1}"#);
}

#[test]
fn a_load_balancer_that_sends_lists_gets_lists() {
    let mut event = balancer_event();
    let headers = event.as_object_mut().unwrap().remove("headers").unwrap();
    event["multiValueHeaders"] = json!({ "authorization": [headers["authorization"], "Bearer x"] });
    let event = read(&event);
    assert_eq!(event.shape(), Shape::Multi);
    let request = event.into_request();
    assert_eq!(request.headers().get_all("authorization").iter().count(), 2);
}

#[test]
fn a_rest_api_event_is_the_call_it_was_with_its_query_escaped_again() {
    let event = read(&api_event());
    assert_eq!(event.shape(), Shape::Multi);
    let request = event.into_request();
    assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::GET, "/a?c=d%20e&c=%26"));
    assert_eq!(request.headers().get_all("x-one").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert!(request.body().is_empty());
}

#[test]
fn of_joined_authorization_headers_each_is_there_to_be_judged() {
    let mut event = url_event();
    event["headers"]["authorization"] = json!("Bearer of-a-customer, Token abc");
    let request = read(&event).into_request();
    let values: Vec<_> = request.headers().get_all("authorization").iter().collect();
    assert_eq!(values, ["Bearer of-a-customer, Token abc", "Bearer of-a-customer", "Token abc"]);
}

#[test]
fn a_message_is_no_http_event_whatever_it_holds() {
    let mut disguised = url_event();
    disguised["type"] = json!("event_processing_request");
    let messages = [
        disguised.to_string(),
        r#"{"type":"event_processing_request","headers":3}"#.into(),
        r#"{"requestContext":null,"httpMethod":"POST"}"#.into(),
        r#"{"requestContext":"{}","httpMethod":"POST"}"#.into(),
        r#"{"requestContext":{},"t\u0079pe":"\ud800"}"#.into(),
        r#"["requestContext",{}]"#.into(),
        r#"{"key1":"value1"}"#.into(),
        "null".into(),
        "not JSON".into(),
        String::new(),
    ];
    for message in messages {
        assert!(matches!(Payload::read(message.as_bytes()), Payload::Message), "{message}");
    }
}

#[test]
fn an_envelope_that_does_not_fit_is_no_message() {
    let url = url_event();
    let mut without_method = balancer_event();
    without_method.as_object_mut().unwrap().remove("httpMethod");
    let mut lists = balancer_event();
    lists["multiValueHeaders"] = json!({});
    let cases = [
        (damaged(&url, "Token abc", b"Token \xff"), Shape::V2),
        (damaged(&url, r#""body":""#, br#""body":"\ud800"#), Shape::V2),
        (damaged(&url, "{", br#"{"\ud800":1,"#), Shape::V2),
        (damaged(&url, "{", b"\xef\xbb\xbf{"), Shape::V2),
        (damaged(&url, "false", b"0"), Shape::V2),
        (damaged(&url, r#""POST""#, b"null"), Shape::V2),
        (br#"{"requestContext":{}}"#.into(), Shape::V2),
        (br#"{"requestContext":{"connectionId":"of a web socket"}}"#.into(), Shape::V2),
        (br#"{"requestContext":{},"type":3}"#.into(), Shape::V2),
        (damaged(&api_event(), "false", b"0"), Shape::V2),
        (without_method.to_string().into(), Shape::Single),
        (damaged(&balancer_event(), "Token abc", br"\udfff"), Shape::Single),
        (damaged(&lists, "Token abc", br"\udfff"), Shape::Multi),
    ];
    for (envelope, expected) in cases {
        let shown = String::from_utf8_lossy(&envelope);
        let read = Payload::read(&envelope);
        assert!(matches!(read, Payload::Unfit(shape) if shape == expected), "{shown}: {read:?}");
    }
}

#[test]
fn what_is_null_is_absent_and_of_two_members_the_last_counts() {
    let mut event = url_event();
    for name in ["isBase64Encoded", "cookies", "queryStringParameters", "httpMethod", "type"] {
        event[name] = Value::Null;
    }
    assert!(read(&event).into_request().body().starts_with(b"{\"x\""));
    let twice = damaged(&event, "{", br#"{"body":"first","requestContext":3,"type":"t","#);
    let request = read_text(std::str::from_utf8(&twice).unwrap()).into_request();
    assert_eq!(request.method(), Method::POST);
    assert!(request.body().starts_with(b"{\"x\""));
}

#[test]
fn a_type_that_is_null_does_not_make_a_message() {
    let mut event = url_event();
    event["type"] = Value::Null;
    event["httpMethod"] = json!("GET");
    assert_eq!(read(&event).into_request().method(), Method::POST);
}

#[test]
fn what_is_odd_is_passed_over() {
    let mut event = url_event();
    event["rawPath"] = json!("no path");
    event["headers"] = json!({ "": "a", "x y": "b", "x-bad": "a\nb", "x-good": " c ", "x-number": 3 });
    event["isBase64Encoded"] = json!(true);
    let request = read(&event).into_request();
    assert_eq!(request.uri(), "/");
    assert_eq!(request.headers().keys().collect::<Vec<_>>(), ["x-good", "cookie"]);
    assert!(request.body().starts_with(b"{\"x\""));
}
