//! HTTP events: a function URL's, a load balancer's, a REST API's.

use std::io::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::function::{EVENTS, Function, NOOP, REGISTRATION, TOKEN, json, only_body, stored};

#[tokio::test]
async fn a_call_of_the_url_with_the_token_is_stored_byte_for_byte() {
    let (function, queues) = Function::start();
    let answered = function.post(&[TOKEN, ("Content-Type", "application/json")], EVENTS);
    assert_eq!(answered.status, 200);
    assert!(answered.head.contains("content-type: application/json;charset=utf-8"), "{}", answered.head);
    assert_eq!(json(&answered)["id"], "e-1");
    assert_eq!(only_body(&queues.main).await, EVENTS);
}

#[tokio::test]
async fn a_call_of_the_url_without_the_token_is_refused_and_not_stored() {
    let (function, queues) = Function::start();
    for headers in [&[][..], &[("Authorization", "Token open")]] {
        let answered = function.post(headers, EVENTS);
        assert_eq!((answered.status, &json(&answered)["code"]), (401, &json!("token_wrong")));
    }
    assert_eq!(function.post(&[], REGISTRATION).status, 200);
    assert!(stored(&queues.main).await.is_empty());
}

#[tokio::test]
async fn a_gzipped_body_is_unpacked() {
    let (function, queues) = Function::start();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(EVENTS).unwrap();
    let headers = [TOKEN, ("Content-Type", "application/octet-stream"), ("Content-Encoding", "gzip")];
    assert_eq!(function.post(&headers, &packer.finish().unwrap()).status, 200);
    assert_eq!(only_body(&queues.main).await, EVENTS);
}

#[tokio::test]
async fn statuses_are_those_of_the_server() {
    let (function, queues) = Function::start();
    assert_eq!(function.call("GET", &[TOKEN], b"").status, 405);
    assert_eq!(function.post(&[TOKEN], b"[]").status, 400);
    assert_eq!(function.post(&[TOKEN], NOOP).status, 200);
    assert_eq!(only_body(&queues.dead).await, b"[]");
    assert!(stored(&queues.main).await.is_empty());
}

#[tokio::test]
async fn a_load_balancers_event_is_answered_in_its_own_envelope() {
    let (function, queues) = Function::start();
    let answer = json(&function.invoke(balancer(&json!({ "authorization": "Token sesame" })).as_bytes()));
    assert_eq!((&answer["statusCode"], &answer["statusDescription"]), (&json!(200), &json!("200 OK")));
    assert_eq!(answer["isBase64Encoded"], false);
    assert_eq!(answer["headers"]["content-type"], "application/json;charset=utf-8");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["id"], "e-1");
    assert_eq!(only_body(&queues.main).await, EVENTS);
    let refused = json(&function.invoke(balancer(&json!({})).as_bytes()));
    assert_eq!(refused["statusDescription"], "401 Unauthorized");
}

#[tokio::test]
async fn a_rest_apis_event_is_answered_in_its_own_envelope() {
    let (function, queues) = Function::start();
    let event = json!({
        "resource": "/{proxy+}", "path": "/in", "httpMethod": "POST",
        "headers": { "Authorization": "Token sesame" },
        "multiValueHeaders": { "Authorization": ["Token sesame"] },
        "requestContext": { "stage": "prod", "httpMethod": "POST" },
        "body": std::str::from_utf8(EVENTS).unwrap(), "isBase64Encoded": false,
    });
    let answer = json(&function.invoke(event.to_string().as_bytes()));
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["multiValueHeaders"]["content-type"], json!(["application/json;charset=utf-8"]));
    assert_eq!(only_body(&queues.main).await, EVENTS);
}

#[tokio::test]
async fn an_envelope_that_cannot_be_read_is_to_come_again_and_nothing_of_it_is_kept_or_logged() {
    let (function, queues) = Function::start();
    let sound = balancer(&json!({ "authorization": "Token sesame" }));
    let url = sound.replace("\"elb\"", "\"http\"");
    for (envelope, description) in [(&sound, json!("503 Service Unavailable")), (&url, Value::Null)] {
        let answer = json(&function.invoke(envelope.replace("true", r#""\ud800""#).as_bytes()));
        assert_eq!((&answer["statusCode"], &answer["statusDescription"]), (&json!(503), &description));
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["code"], "envelope_unreadable");
    }
    assert!(stored(&queues.dead).await.is_empty());
    assert!(stored(&queues.main).await.is_empty());
    let logs = function.logs();
    assert_eq!(logs.lines().filter(|line| line.contains("answered 503")).count(), 2, "{logs}");
    assert!(!logs.contains("sesame"), "{logs}");
}

fn balancer(headers: &Value) -> String {
    let event = json!({
        "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/1" } },
        "httpMethod": "POST", "path": "/in", "queryStringParameters": {}, "headers": headers,
        "body": BASE64_STANDARD.encode(EVENTS), "isBase64Encoded": true,
    });
    event.to_string()
}
