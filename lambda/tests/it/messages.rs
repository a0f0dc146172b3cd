//! Direct invocation: the payload is the message.

use penstock_shared::{clock::Clock, firehose::RequestKind, pack::Pending};
use penstock_testkit::emulator;
use serde_json::{Value, json};

use crate::function::{EVENTS, Function, NOOP, REGISTRATION, TOKEN, json, only_body, settings, stored};

#[tokio::test]
async fn a_message_is_stored_byte_for_byte_and_answered_with_its_id() {
    let (function, queues) = Function::start();
    let answered = function.invoke(EVENTS);
    let answer = json(&answered);
    assert_eq!((answered.status, &answer["type"]), (200, &json!("event_processing_response")));
    assert_eq!((&answer["id"], &answer["firehose_version"]), (&json!("e-1"), &json!("3.2.0")));
    assert_eq!(only_body(&queues.main).await, EVENTS);
}

#[tokio::test]
async fn what_is_stored_has_the_systems_time() {
    let (function, queues) = Function::start();
    let before = Clock::following_system().now_ms();
    let answer = json(&function.invoke(EVENTS));
    let after = Clock::following_system().now_ms();
    let request = stored(&queues.main).await.remove(0);
    assert!((before..=after).contains(&request.received_at_ms));
    assert!((before..=after).contains(&answer["timestamp_ms"].as_i64().unwrap()));
    assert_eq!((request.kind, request.pod.as_str()), (Some(RequestKind::Events), "us1"));
}

#[tokio::test]
async fn messages_that_come_one_after_another_are_each_stored() {
    let (function, queues) = Function::start();
    let answered: Vec<u16> = (0..10).map(|_| function.invoke(EVENTS).status).collect();
    assert_eq!(answered, [200; 10]);
    assert_eq!(stored(&queues.main).await.len(), 10);
}

#[tokio::test]
async fn verification_calls_and_registration_need_no_queue() {
    let queues = emulator().create_queues("lambda", 20).unwrap();
    let function = Function::start_with(&settings(&queues), &without_aws());
    let (noop, registration) = (json(&function.invoke(NOOP)), json(&function.invoke(REGISTRATION)));
    assert_eq!((&noop["type"], &noop["id"]), (&json!("event_processing_response"), &json!("n-1")));
    assert_eq!(registration["type"], "module_registration_response");
    assert!(registration["permissions"].is_object());
    assert!(stored(&queues.main).await.is_empty());
}

#[test]
fn with_the_queue_down_a_message_is_a_function_error_to_be_tried_again() {
    let queues = emulator().create_queues("lambda", 20).unwrap();
    let function = Function::start_with(&settings(&queues), &without_aws());
    let answered = function.invoke(EVENTS);
    let error = json(&answered);
    assert_eq!((answered.status, &error["errorType"]), (500, &json!("Penstock.TryAgain")));
    let reason = error["errorMessage"].as_str().unwrap();
    assert!(reason.starts_with("queue_failed: "), "{reason}");
    assert_eq!(function.invoke(NOOP).status, 200);
}

#[test]
fn with_the_queue_silent_a_message_is_a_function_error_within_the_budget() {
    // Nobody accepts here: the connection stands in the backlog and hears nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let queues = emulator().create_queues("lambda", 20).unwrap();
    let mut settings = settings(&queues);
    settings.retain(|(name, _)| *name != "PENSTOCK_INGRESS_ANSWER_BUDGET_MS");
    // So that neither does the start wait for long.
    settings.push(("PENSTOCK_AWS_CALL_TIMEOUT_MS", "500".into()));
    let function = Function::start_with(&settings, &aws_at(silent.local_addr().unwrap().port()));
    let error = json(&function.invoke(EVENTS));
    assert_eq!(error["errorMessage"], "queue_slow: cannot store the message now; try again");
}

#[tokio::test]
async fn what_is_no_message_is_a_result_and_a_copy_is_kept() {
    let (function, queues) = Function::start();
    let refused: [(&[u8], &str); 4] = [
        (br#"{"key1":"value1"}"#, "type_missing"),
        (br#"{"type":"sms_request"}"#, "unknown_type"),
        (b"[]", "not_an_object"),
        (b"no JSON \xff", "not_json"),
    ];
    for (payload, code) in refused {
        let answered = function.invoke(payload);
        let answer = json(&answered);
        assert_eq!((answered.status, &answer["code"]), (200, &json!(code)));
        assert_eq!((answer.get("type"), answer.get("errorType")), (None::<&Value>, None));
        assert_eq!(only_body(&queues.dead).await, payload);
    }
    assert!(stored(&queues.main).await.is_empty());
}

#[tokio::test]
async fn a_copy_says_that_it_is_unreadable() {
    let (function, queues) = Function::start();
    function.invoke(b"[]");
    let request = stored(&queues.dead).await.remove(0);
    let Pending::SetAside(reason) = request.pending else { panic!("{:?}", request.pending) };
    assert_eq!((request.kind, reason.code.as_str()), (None, "unreadable"));
}

#[tokio::test]
async fn a_byte_order_mark_is_accepted_and_kept() {
    let (function, queues) = Function::start();
    let message = [b"\xef\xbb\xbf", EVENTS].concat();
    assert_eq!(json(&function.invoke(&message))["id"], "e-1");
    assert_eq!(only_body(&queues.main).await, message);
}

#[test]
fn trap_98_no_log_line_holds_a_message_or_a_token() {
    let queues = emulator().create_queues("lambda", 20).unwrap();
    let mut settings = settings(&queues);
    settings.push(("PENSTOCK_LOG", "trace".into()));
    let function = Function::start_with(&settings, &emulator().env());
    let message = br#"{"type":"event_processing_request","events":[{"n":"confidential"}]}"#;
    assert_eq!(function.invoke(message).status, 200);
    assert_eq!(function.invoke(br#"{"type":"confidential"}"#).status, 200);
    assert_eq!(function.post(&[TOKEN], message).status, 200);
    assert_eq!(function.post(&[("Authorization", "Token confidential")], message).status, 401);
    let logs = function.logs();
    assert!(logs.contains("TRACE") && logs.contains("answered 401"), "{logs}");
    for secret in ["confidential", "sesame"] {
        assert!(!logs.contains(secret), "{secret} is in the log");
    }
}

/// Calls to AWS find nobody.
fn without_aws() -> Vec<(&'static str, String)> {
    // Whoever gets this port next, before the function does, is no SQS either.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    aws_at(port)
}

fn aws_at(port: u16) -> Vec<(&'static str, String)> {
    let mut env = Vec::from(emulator().env());
    env.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    env.push(("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")));
    env
}
