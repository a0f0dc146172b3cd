//! Every row of the answer table, driven against the running server.

use std::time::Duration;

use futures::future::join_all;
use penstock_ingress::{config::TokensConfig, tokens::TokenList};
use penstock_shared::{
    firehose::RequestKind,
    ids::AccountId,
    pack::{PackedBody, Pending},
};

use crate::{
    client::{Client, TOKEN},
    faulty::Fault,
    harness::{EVENTS, NOOP, REGISTRATION, Running, config},
};

const SUBSCRIPTION: &[u8] = br#"{"type":"audience_subscription_request","id":"s-1","account":{"account_id":7},"audience_id":501,"audience_name":"Readers","action":"add"}"#;

#[tokio::test]
async fn a_message_is_stored_byte_for_byte_before_it_is_answered() {
    let running = Running::start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = running.call("POST /", &[TOKEN, ("traceparent", trace)], EVENTS).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json;charset=utf-8");
    assert_eq!(
        (answer.json()["type"].as_str(), answer.json()["id"].as_str()),
        (Some("event_processing_response"), Some("e-1"))
    );
    let stored = running.stored().await;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].body, PackedBody::Inline(EVENTS.into()));
    assert_eq!((stored[0].kind, stored[0].account), (Some(RequestKind::Events), AccountId::Known(7)));
    assert_eq!((stored[0].id.as_deref(), stored[0].trace.as_deref()), (Some("e-1"), Some(trace)));
    assert!(running.has_metric("ingress_requests_total{kind=\"events\",status=\"200\"} 1"));
}

#[tokio::test]
async fn trap_1_registration_needs_no_token() {
    let running = Running::start().await;
    for headers in [&[][..], &[("authorization", "Token wrong")], &[TOKEN]] {
        let answer = running.call("POST /", headers, REGISTRATION).await;
        assert_eq!((answer.status, answer.json()["name"].as_str()), (200, Some("Sandbox")));
        assert_eq!(answer.json()["type"], "module_registration_response");
    }
    assert_eq!(running.stored().await, []);
}

#[tokio::test]
async fn trap_2_registration_with_odd_members_or_without_id_is_answered() {
    let running = Running::start().await;
    let body = br#"{"account":{"account_id":1},"type":"module_registration_request"}"#;
    let answer = running.call("POST /", &[], body).await;
    assert_eq!(answer.status, 200);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
}

#[tokio::test]
async fn trap_3_data_without_a_valid_token_is_refused_and_not_stored() {
    let running = Running::start().await;
    let large = [EVENTS, " ".repeat(300_000).as_bytes()].concat();
    for headers in [&[][..], &[("authorization", "Token wrong")], &[("authorization", "Bearer sesame")]] {
        for body in [EVENTS, NOOP, b"not json", b"", &large] {
            let answer = running.call("POST /", headers, body).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "token_wrong"));
        }
    }
    assert_eq!((running.stored().await, running.quarantined().await), (vec![], vec![]));
}

#[tokio::test]
async fn trap_5_two_tokens_are_both_accepted() {
    let mut config = config();
    config.auth.tokens = TokensConfig::Given(TokenList::parse("sesame second").unwrap());
    let running = Running::start_with(config).await;
    for token in ["Token sesame", "token  second "] {
        assert_eq!(running.call("POST /", &[("authorization", token)], EVENTS).await.status, 200);
    }
}

#[tokio::test]
async fn trap_7_without_tokens_data_is_to_be_tried_again_and_registration_works() {
    let mut config = config();
    config.auth.tokens = TokensConfig::Nowhere;
    let running = Running::start_with(config).await;
    let answer = running.call("POST /", &[TOKEN], EVENTS).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "tokens_missing"));
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(running.call("POST /", &[], REGISTRATION).await.status, 200);
    let ready = running.readyz().await;
    assert_eq!((ready.status, ready.json()["checks"]["tokens"].as_str()), (503, Some("no tokens are known")));
}

#[tokio::test]
async fn without_auth_everyone_may_send() {
    let mut config = config();
    config.auth.tokens = TokensConfig::Nowhere;
    config.auth.no_auth = true;
    let running = Running::start_with(config).await;
    assert_eq!(running.call("POST /", &[], EVENTS).await.status, 200);
    assert_eq!(running.stored().await.len(), 1);
}

#[tokio::test]
async fn trap_7_with_the_queue_down_data_is_to_be_tried_again_and_the_rest_works() {
    let running = Running::start().await;
    running.until_ready().await;
    running.main.set(Fault::Unavailable);
    let answer = running.post(EVENTS).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "queue_failed"));
    assert_eq!(running.readyz().await.status, 200, "one failure says nothing");
    for _ in 0..2 {
        assert_eq!(running.post(EVENTS).await.status, 503);
    }
    assert_eq!(running.post(NOOP).await.status, 200);
    assert_eq!(running.post(REGISTRATION).await.status, 200);
    let ready = running.readyz().await;
    assert_eq!(ready.status, 503);
    assert!(running.has_metric("ingress_shed_total{reason=\"queue_failed\"} 3"));

    running.main.set(Fault::None);
    assert_eq!(running.post(EVENTS).await.status, 200);
    let ready = running.readyz().await;
    assert_eq!(ready.status, 200);
}

#[tokio::test]
async fn trap_15_a_hanging_queue_is_answered_within_the_budget() {
    let mut config = config();
    config.calls.answer_budget = Duration::from_millis(30);
    let running = Running::start_with(config).await;
    running.main.set(Fault::Hang);
    let answer = running.post(EVENTS).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "queue_slow"));
    assert!(running.has_metric("ingress_shed_total{reason=\"queue_slow\"} 1"));
}

#[tokio::test]
async fn trap_17_a_panic_is_answered_500_and_the_server_lives() {
    let running = Running::start().await;
    running.dead.set(Fault::Panic);
    let mut client = Client::connect(running.address).await;
    let answer = client.post(b"no message").await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert_eq!(client.post(EVENTS).await.status, 200);
    assert!(running.has_metric("ingress_requests_total{kind=\"unsorted\",status=\"500\"} 1"));
}

#[tokio::test]
async fn trap_18_what_is_no_message_is_refused_and_a_copy_kept() {
    let running = Running::start().await;
    let bodies: [(&[u8], &str); 6] = [
        (b"", "empty"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b"{\"type\":", "not_json"),
        (b"{}", "type_missing"),
        (b"{\"type\":\"EVENT_PROCESSING_REQUEST\"}", "unknown_type"),
    ];
    for (body, code) in bodies {
        let answer = running.post(body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, code));
        let kept = running.quarantined().await;
        assert_eq!((kept.len(), &kept[0].body), (1, &PackedBody::Inline(body.to_vec().into())), "{code}");
        let Pending::SetAside(reason) = &kept[0].pending else { panic!("{:?}", kept[0].pending) };
        assert_eq!((reason.code.as_str(), kept[0].kind), ("unreadable", None));
        assert!(
            running.has_metric(&format!("ingress_quarantined_total{{reason=\"{code}\"}} 1"))
                || code == "not_an_object"
        );
    }
    assert_eq!(running.stored().await, []);
}

#[tokio::test]
async fn trap_18_what_is_no_message_is_refused_even_when_no_copy_can_be_kept() {
    let running = Running::start().await;
    running.dead.set(Fault::Unavailable);
    assert_eq!(running.post(b"null").await.status, 400);
    assert!(running.has_metric("ingress_quarantine_lost_total 1"));
}

#[tokio::test]
async fn a_body_over_the_absolute_limit_is_refused_and_its_beginning_kept() {
    let mut config = config();
    config.calls.body_bytes_max = 100_000;
    let running = Running::start_with(config).await;
    let body = [EVENTS, " ".repeat(100_001 - EVENTS.len()).as_bytes()].concat();
    let answer = running.post(&body).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    let kept = running.quarantined().await;
    let bytes = running.bytes(&kept[0]).await;
    assert!(!bytes.is_empty() && body.starts_with(&bytes));
    assert_eq!(running.post(&body[..100_000]).await.status, 200);
}

#[tokio::test]
async fn bodies_beyond_the_bytes_in_flight_are_shed() {
    let mut config = config();
    config.calls.bytes_in_flight_max = 10_000;
    let running = Running::start_with(config).await;
    let answer = running.post(&[EVENTS, " ".repeat(10_000).as_bytes()].concat()).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "bytes_in_flight"));
    assert_eq!(running.post(EVENTS).await.status, 200);
    assert!(running.has_metric("ingress_bytes_in_flight 0"));
}

#[tokio::test]
async fn requests_beyond_what_may_wait_are_shed() {
    let mut config = config();
    config.packing.requests_max = 1;
    config.packing.sends_max = 1;
    config.packing.waiting_max = 1;
    config.calls.answer_budget = Duration::from_millis(500);
    let running = Running::start_with(config).await;
    running.main.set(Fault::Hang);
    let answers = join_all((0..60).map(|_| running.post(EVENTS))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    assert!(answers.iter().any(|answer| answer.code() == "packer_full"));
}

#[tokio::test]
async fn trap_66_verification_calls_are_answered_and_not_stored() {
    let running = Running::start().await;
    assert_eq!(running.post(NOOP).await.json()["type"], "event_processing_response");
    for profiles in ["", r#","user_profiles":null"#, r#","user_profiles":[]"#] {
        let body = format!(
            r#"{{"type":"audience_membership_change_request","id":"m","account":{{"account_id":7}}{profiles}}}"#
        );
        let answer = running.post(body.as_bytes()).await;
        assert_eq!((answer.status, answer.json()["suspend_subscription"].as_bool()), (200, Some(false)));
    }
    assert_eq!(running.stored().await, []);
    assert!(running.has_metric("ingress_noops_total{kind=\"membership\"} 3"));
}

#[tokio::test]
async fn trap_80_a_repeated_subscription_has_the_same_hidden_settings() {
    let running = Running::start().await;
    let settings = |answer: crate::client::Answer| answer.json()["audience_subscription_settings"].clone();
    let first = settings(running.post(SUBSCRIPTION).await);
    assert_eq!(first["listKey"].as_str().unwrap().len(), 32);
    assert_eq!(settings(running.post(SUBSCRIPTION).await), first);
    let other = String::from_utf8(SUBSCRIPTION.into()).unwrap().replace("501", "502");
    assert_ne!(settings(running.post(other.as_bytes()).await), first);
    assert_eq!(running.stored().await.len(), 3);
}
