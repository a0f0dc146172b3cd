//! What holds for every body, however damaged: no panic, and sorter and reader agree.

use bytes::Bytes;
use proptest::prelude::*;

use super::{RequestKind, read, sort};

const MESSAGES: [&str; 6] = [
    r#"{"type":"event_processing_request","id":"6b5ac6c0-4f1b-4d9c-8d0a-000000000001","timestamp_ms":1714592744067,
    "firehose_version":"3.2.0","account":{"account_id":123456,"account_settings":{"apiKey":"k","flag":"True"}},
    "mpid":"-5227515829034156637","user_identities":[{"type":"email","encoding":"raw","value":"a@x"}],
    "user_attributes":{"tag":null,"$Age":"5"},"runtime_environment":{"type":"ios","is_debug":false,"identities":
    [{"type":"ios_vendor_id","encoding":"raw","value":"v"}]},"consent_state":{"gdpr_consent_state":{"p":
    {"consented":true,"timestamp":1525132800}}},"events":[{"type":"custom_event","id":"e1","timestamp_ms":
    1714592744000,"name":"n","attributes":{"a":"\uD83D\uDE00"}},null,{"type":"product_action","action":"purchase",
    "total_amount":89.960,"products":[{"id":"1","quantity":1.5}]}]}"#,
    r#"{"type":"event_processing_request","events":[],"mpid":"1","user_attributes":{"a":"b"}}"#,
    r#"{"type":"audience_membership_change_request","account":{"account_id":1},"user_profiles":[{"mpid":"1",
    "user_identities":[{"type":"email","encoding":"raw","value":"a@x"}],"audiences":[{"audience_id":5,"action":"add",
    "user_attributes":[{},{"key":"k","value":null,"action":"upsert"}]}]},{"added_audiences":[{"audience_id":6}]},{}]}"#,
    r#"{"type":"audience_subscription_request","audience_id":5,"audience_name":"n","action":"update",
    "audience_subscription_settings":{"list":"1"},"previous_audience_subscription_settings":{"list":null}}"#,
    r#"{"type":"dsr_processing_request","subject_request_type":"erasure","submitted_time":1714592744.067235000,
    "subject_identities":{"email":{"encoding":"raw","value":"a@x"}}}"#,
    r#"{"type":"module_registration_request","id":"x"}"#,
];

/// Bytes that matter to JSON, and some that do not.
const EDITS: &[u8] = b"{}[],:\"\\ntfu0159-+.eE \n\0\xFF\xC3\xED\xA0/";

/// Checks everything that must hold of any body.
fn check(body: Vec<u8>) {
    let body = Bytes::from(body);
    let (sorted, request) = match (sort(&body), read(&body)) {
        (Ok(sorted), Ok(request)) => (sorted, request),
        (Err(_), Err(_)) => return,
        (sorted, request) => panic!("the two disagree: {sorted:?} {request:?}"),
    };
    assert_eq!((sorted.kind, &sorted.id, sorted.account), (request.kind, &request.id, request.account.id));
    if sorted.kind != RequestKind::Registration {
        assert_eq!(sorted.deliverable, !request.items.is_empty(), "{}", String::from_utf8_lossy(&body));
    }
    let mut addresses: Vec<_> = request.items.iter().map(|item| item.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), request.items.len(), "an address names two items");
}

#[test]
fn whole_messages_are_read_and_agreed_on() {
    for message in MESSAGES {
        assert!(sort(message.as_bytes()).is_ok(), "{message}");
        check(message.as_bytes().to_vec());
    }
}

/// A value where a list or object belongs, of every kind.
fn odd_value() -> impl Strategy<Value = String> {
    let odd = [
        "null",
        "[]",
        "{}",
        "\"\"",
        "[null]",
        "[null,{}]",
        "[{}]",
        "0",
        "\"x\"",
        "true",
        "{\"a\":null}",
        "[[]]",
    ];
    prop::sample::select(odd.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn damaged_messages_never_panic_and_are_agreed_on(
        message in prop::sample::select(MESSAGES.to_vec()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, prop::sample::select(EDITS.to_vec())), 1..6),
    ) {
        let mut body = message.as_bytes().to_vec();
        for (at, how, byte) in edits {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => { body.remove(at); }
            }
        }
        check(body);
    }

    #[test]
    fn cut_messages_never_panic(message in prop::sample::select(MESSAGES.to_vec()), at in any::<prop::sample::Index>()) {
        check(message.as_bytes()[..at.index(message.len())].to_vec());
    }

    #[test]
    fn odd_values_in_every_place_that_decides_are_agreed_on(
        kind in prop::sample::select(RequestKind::ALL.to_vec()),
        values in prop::collection::vec(prop::option::of(odd_value()), 11),
    ) {
        let names = ["events", "user_profiles", "user_identities", "partner_identities", "mpid", "runtime_environment",
            "user_attributes", "user_attribute_lists", "consent_state", "system_notifications", "account"];
        let mut body = format!("{{\"type\":\"{}\"", kind.wire());
        for (name, value) in names.iter().zip(values) {
            if let Some(value) = value {
                body.push_str(&format!(",\"{name}\":{value}"));
            }
        }
        body.push('}');
        check(body.into_bytes());
    }
}
