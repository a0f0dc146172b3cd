use serde_json::json;

use super::*;

fn read(event: &str) -> Event {
    Event::read(event).unwrap_or_else(|error| panic!("{event:.80}: {error}"))
}

fn fields(event: &str) -> Value {
    Value::Object(read(event).fields)
}

#[test]
fn trap_21_of_duplicate_members_the_last_counts() {
    assert_eq!(fields(r#"{"type":"error","message":"a","message":"b"}"#)["message"], "b");
}

#[test]
fn trap_24_only_an_event_that_is_too_deep_is_unreadable() {
    let deep = |depth| format!(r#"{{"type":"error","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(Event::read(&deep(126)).is_ok());
    assert!(Event::read(&deep(128)).unwrap_err().reason.contains("recursion limit"));
    assert!(Event::read(&deep(100_000)).is_err());
}

#[test]
fn trap_26_session_ids_are_exact() {
    let event = fields(r#"{"type":"session_start","session_id":-1096377938905861812}"#);
    assert_eq!(event["session_id"], json!(-1_096_377_938_905_861_812_i64));
}

#[test]
fn trap_28_nulls_are_as_absent() {
    let nulls = r#"{"type":"custom_event","id":null,"timestamp_ms":null,"name":null,"attributes":null,"location":null}"#;
    let event = read(nulls);
    assert_eq!(event.fields.keys().collect::<Vec<_>>(), ["type"]);
    assert_eq!((event.id, event.timestamp_ms), (None, None));
}

#[test]
fn trap_30_63_amounts_are_exact_negative_or_missing() {
    let event = fields(
        r#"{"type":"product_action","action":"refund","total_amount":-89.960,"tax_amount":"1.50","shipping_amount":11,
        "products":[{"id":5,"quantity":1.5,"price":0.1000000000000000055,"position":"3"},null,{"name":"no price"}]}"#,
    );
    assert_eq!(event["total_amount"].to_string(), "-89.960");
    assert_eq!(event["tax_amount"].to_string(), "1.50");
    assert_eq!(event["shipping_amount"].to_string(), "11");
    assert_eq!(event["products"].as_array().unwrap().len(), 2);
    assert_eq!(event["products"][0]["price"].to_string(), "0.1000000000000000055");
    assert_eq!(event["products"][0]["quantity"].to_string(), "1.5");
    assert_eq!((&event["products"][0]["id"], &event["products"][0]["position"]), (&json!("5"), &json!(3)));
}

#[test]
fn trap_44_an_event_may_lack_its_id_and_time() {
    let event = read(r#"{"type":"session_start"}"#);
    assert_eq!((event.kind, event.id, event.timestamp_ms), (EventType::SessionStart, None, None));
    assert_eq!(read(r#"{"type":"session_start","id":""}"#).id, None);
}

#[test]
fn trap_47_unknown_words_inside_an_event_are_kept() {
    let event = read(r#"{"type":"custom_event","custom_event_type":"new_kind"}"#);
    assert_eq!(
        (event.kind, &event.fields["custom_event_type"]),
        (EventType::CustomEvent, &json!("new_kind"))
    );
    assert_eq!(fields(r#"{"type":"product_action","action":"barter"}"#)["action"], "barter");
    let transition = r#"{"type":"application_state_transition","application_state":"asleep"}"#;
    assert_eq!(fields(transition)["application_state"], "asleep");
}

#[test]
fn trap_49_both_spellings_of_taking_off_the_wish_list_are_one() {
    for word in ["remove_from_wish_list", "remove_from_wishlist"] {
        let event = fields(&format!(r#"{{"type":"product_action","action":"{word}"}}"#));
        assert_eq!(event["action"], "remove_from_wish_list");
    }
}

#[test]
fn trap_56_an_attribute_change_may_change_nothing() {
    let event = fields(r#"{"type":"user_attribute_change","added":null}"#);
    assert_eq!(event, json!({"type": "user_attribute_change"}));
    let event = fields(r#"{"type":"user_attribute_change","added":{"$Age":5,"tag":null}}"#);
    assert_eq!(event["added"], json!({"$Age": "5", "tag": null}));
}

#[test]
fn trap_57_every_entry_of_an_identity_change_is_kept() {
    let event = fields(
        r#"{"type":"user_identity_change","added":[{"type":"customer","encoding":"raw","value":"c"},
        {"type":"email","encoding":"raw","value":"a@x"},{"type":"email","encoding":"raw","value":""}]}"#,
    );
    assert_eq!(event["added"].as_array().unwrap().len(), 2);
    assert_eq!(crate::firehose::pick(&event["added"], "email", "raw"), Some("a@x"));
}

#[test]
fn trap_58_a_push_payload_is_text_whatever_it_holds() {
    for payload in [r#""{\"a\":\"{\\\"b\\\":1}\"}""#, r#""not json""#] {
        let event = fields(&format!(r#"{{"type":"push_message_receipt","payload":{payload}}}"#));
        assert!(event["payload"].is_string());
    }
    assert!(read(r#"{"type":"push_message_open"}"#).fields.get("payload").is_none());
}

#[test]
fn positions_of_products_are_integers_and_of_promotions_texts() {
    let event = fields(r#"{"type":"promotion_action","action":"view","promotions":[{"position":1}]}"#);
    assert_eq!(event["promotions"], json!([{"position": "1"}]));
    let event = fields(r#"{"type":"impression","impressions":[{"products":[{"position":1.0}]},null]}"#);
    assert_eq!(event["impressions"], json!([{"products": [{"position": 1}]}]));
}

#[test]
fn unreadable_events_say_why_and_nothing_else() {
    let reason = |event: &str| Event::read(event).unwrap_err().reason;
    assert_eq!(reason("\"s3cret\""), "event is not an object");
    assert_eq!(reason("{}"), "event type is missing");
    assert_eq!(reason("{\"type\":\"s3cret\"}"), "unknown event type");
    assert_eq!(reason("{\"type\":5}"), "unknown event type");
}
