use serde_json::json;

use super::*;
use crate::{
    firehose::{AudienceAction, DsrType, EventType, SubscriptionAction},
    ids::AccountId,
};

fn request(body: &str) -> Request {
    read(&Bytes::copy_from_slice(body.as_bytes())).unwrap_or_else(|error| panic!("{body:.80}: {error}"))
}

fn events(members: &str) -> Request {
    request(&format!(r#"{{"type":"event_processing_request",{members}}}"#))
}

fn memberships(profiles: &str) -> Request {
    request(&format!(r#"{{"type":"audience_membership_change_request","user_profiles":{profiles}}}"#))
}

fn addresses(request: &Request) -> Vec<String> {
    request.items.iter().map(|item| item.address.to_string()).collect()
}

fn event_ids(request: &Request) -> Vec<String> {
    let id = |item: &'_ Item| match &item.content {
        Ok(ItemContent::Event(event)) => event.id.clone(),
        _ => None,
    };
    request.items.iter().filter_map(id).collect()
}

fn membership(item: &Item) -> &Membership {
    match &item.content {
        Ok(ItemContent::Membership(membership)) => membership,
        other => panic!("not a membership: {other:?}"),
    }
}

#[test]
fn trap_19_20_25_texts_are_repaired_in_the_model() {
    let body = b"\xEF\xBB\xBF{\"type\":\"event_processing_request\",\"source_id\":\"a\xFFb\",\"events\":[{\"type\":\"error\",\"message\":\"\\uD83D\xC3\"}]}";
    let request = read(&Bytes::from_static(body)).unwrap();
    assert_eq!(request.fields["source_id"], "a\u{FFFD}b");
    let Ok(ItemContent::Event(event)) = &request.items[0].content else { panic!("not an event") };
    assert_eq!(event.fields["message"], "\u{FFFD}\u{FFFD}");
}

#[test]
fn items_share_the_bytes_of_the_body() {
    let body = Bytes::from_static(br#" {"type":"event_processing_request","events":[ {"type":"error"} ]} "#);
    let request = read(&body).unwrap();
    assert_eq!(request.items[0].raw, r#"{"type":"error"}"#);
    assert!(body.as_ptr_range().contains(&request.items[0].raw.as_ptr()));
}

#[test]
fn trap_21_23_duplicates_and_deep_unknown_members_cost_nothing() {
    let deep = "[".repeat(1000) + &"]".repeat(1000);
    let request = events(&format!(
        r#""mpid":"1","mpid":"2","runtime_environment":{{"type":"ios"}},"extensions":{deep},
        "runtime_environment":{{"type":"android","new":{{"a":[1]}}}},"other":{{"kept":[null]}},"events":[]"#
    ));
    assert_eq!(request.fields["mpid"], "2");
    assert_eq!(request.runtime(), Some(RuntimeKind::Android));
    assert_eq!(request.fields["runtime_environment"]["new"], json!({"a": [1]}));
    assert_eq!(request.fields["other"], json!({"kept": [null]}));
    assert!(!request.fields.contains_key("extensions"));
}

#[test]
fn trap_26_a_numeric_mpid_keeps_its_digits() {
    assert_eq!(events(r#""mpid":-5227515829034156637"#).fields["mpid"], "-5227515829034156637");
}

#[test]
fn trap_29_null_elements_are_skipped_and_positions_stay() {
    assert_eq!(addresses(&events(r#""events":[null,{"type":"error"},null,{"type":"error"}]"#)), ["e1", "e3"]);
    let profiles =
        r#"[null,{"audiences":[null,{"audience_id":1,"action":"add"},null]},{"audiences":[null]}]"#;
    assert_eq!(addresses(&memberships(profiles)), ["m1.1", "b2"]);
}

#[test]
fn trap_33_35_the_envelope_is_read_leniently() {
    let seconds = events(r#""timestamp_ms":"1714592744","firehose_version":3.2,"id":"x""#);
    assert_eq!(seconds.timestamp_ms, Some(1_714_592_744_000));
    assert_eq!(seconds.firehose_version.as_deref(), Some("3.2"));
    assert_eq!((seconds.id.as_deref(), &seconds.fields["id"]), (Some("x"), &json!("x")));
    for absurd in ["0", "2", "null", "{}", "-5"] {
        assert_eq!(events(&format!(r#""timestamp_ms":{absurd}"#)).timestamp_ms, None, "{absurd}");
    }
    assert_eq!(events(r#""timestamp_ms":4102444800000"#).timestamp_ms, Some(4_102_444_800_000));
}

#[test]
fn trap_36_37_account_and_settings_are_apart_from_the_fields() {
    let request = events(
        r#""account":{"account_id":"5","account_settings":{"apiKey":"s3cret","n":null}},
        "event_connection_settings":[{"secret":"s3cret"}],"events":[{"type":"error","message":"s3cret"},"s3cret"]"#,
    );
    assert_eq!(request.account.id, AccountId::Known(5));
    assert_eq!(request.account.text("apiKey"), Some("s3cret"));
    assert_eq!(request.fields.keys().collect::<Vec<_>>(), ["type"]);
    assert!(!format!("{request:?}").contains("s3cret"));
    for odd in ["null", "[]", r#"{"account_settings":[1]}"#, r#"{"account_settings":"x"}"#] {
        assert_eq!(events(&format!(r#""account":{odd}"#)).account, Account::default());
    }
}

#[test]
fn trap_41_42_no_events_give_no_item_or_the_profile() {
    for nothing in [r#""events":[]"#, r#""events":null"#, r#""x":1"#, r#""events":[null],"mpid":"1""#] {
        assert!(events(nothing).items.is_empty(), "{nothing}");
    }
    let update = events(r#""events":[],"mpid":"1","user_attributes":{"a":"b"}"#);
    assert!(matches!(
        update.items[..],
        [Item { address: Address::Profile, content: Ok(ItemContent::Profile), .. }]
    ));
    let beside = events(r#""events":[{"type":"error"}],"mpid":"1","user_attributes":{"a":"b"}"#);
    assert!(beside.has_user_data());
    assert_eq!(addresses(&beside), ["e0"]);
}

#[test]
fn trap_43_a_bad_event_costs_none_of_its_neighbours() {
    let deep = "[".repeat(300) + &"]".repeat(300);
    let request = events(&format!(
        r#""events":[{{"type":"new_kind"}},{{"type":"error","id":"a"}},5,{{"type":"error","x":{deep}}},{{}},{{"type":"error","id":"b"}}]"#
    ));
    assert_eq!(request.items.len(), 6);
    assert_eq!(event_ids(&request), ["a", "b"]);
    assert_eq!(request.items.iter().filter(|item| item.content.is_err()).count(), 4);
}

#[test]
fn lists_that_are_no_lists_make_one_unreadable_item() {
    for body in [
        r#"{"type":"event_processing_request","events":{"type":"error"}}"#,
        r#"{"type":"audience_membership_change_request","user_profiles":"x"}"#,
    ] {
        let request = request(body);
        assert!(
            matches!(request.items[..], [Item { address: Address::Whole, content: Err(_), .. }]),
            "{body}"
        );
    }
    let odd = memberships(r#"[5,{"audiences":{}},{"audiences":{"a":1}},{"audiences":[7]}]"#);
    assert_eq!(addresses(&odd), ["b0", "b1", "b2", "m3.0"]);
    assert_eq!(
        odd.items.iter().map(|item| item.content.is_ok()).collect::<Vec<_>>(),
        [false, true, false, false]
    );
}

#[test]
fn trap_46_events_are_in_the_order_of_their_times_stable_for_equal_ones() {
    let event = |id: &str, time: &str| format!(r#"{{"type":"error","id":"{id}"{time}}}"#);
    let time = |seconds: &str| format!(r#","timestamp_ms":17145927{seconds}000"#);
    let list = [
        event("c", &time("44")),
        event("a", &time("11")),
        event("d", &time("44")),
        event("none", ""),
        event("b", &time("11")),
    ];
    let request = events(&format!(r#""timestamp_ms":1714592733000,"events":[{}]"#, list.join(",")));
    assert_eq!(event_ids(&request), ["a", "b", "none", "c", "d"]);
    assert_eq!(addresses(&request), ["e1", "e4", "e3", "e0", "e2"]);
}

#[test]
fn trap_47_48_50_51_environments_of_any_kind_are_read() {
    let environment = |json: &str| events(&format!(r#""runtime_environment":{json}"#));
    assert_eq!(environment(r#"{"type":"mobileweb"}"#).runtime(), Some(RuntimeKind::Web));
    let unknown = environment(r#"{"type":"watch"}"#);
    assert_eq!((unknown.runtime(), &unknown.fields["runtime_environment"]["type"]), (None, &json!("watch")));
    assert_eq!(environment("{}").runtime(), None);
    assert_eq!(environment("[]").fields.get("runtime_environment"), None);
    let odd = environment(
        r#"{"type":"unknown","screen_width":0,"identities":[],"is_dst":false,"limit_ad_tracking":"True",
        "timezone_offset":5.5,"is_tablet":"True","screen_height":"5.0","att_timestamp_unixtime_ms":1714592744}"#,
    );
    let expected = json!({
        "type": "unknown", "screen_width": 0, "identities": [], "is_dst": "false", "limit_ad_tracking": "True",
        "timezone_offset": 5.5, "is_tablet": true, "screen_height": 5, "att_timestamp_unixtime_ms": 1_714_592_744_000_i64,
    });
    assert_eq!(odd.fields["runtime_environment"].to_string(), expected.to_string());
}

#[test]
fn trap_52_a_request_without_identities_is_whole() {
    let request = events(r#""mpid":"1","user_identities":[{"type":"email"}],"events":[{"type":"error"}]"#);
    assert_eq!((request.items.len(), &request.fields["user_identities"]), (1, &json!([])));
}

#[test]
fn trap_54_55_attributes_and_lists_stay_apart_and_tags_stay_null() {
    let request =
        events(r#""user_attributes":{"a":null,"b":"","c":5,"d":"x"},"user_attribute_lists":{"d":["y"]}"#);
    assert_eq!(request.fields["user_attributes"], json!({"a": null, "b": "", "c": "5", "d": "x"}));
    assert_eq!(request.fields["user_attribute_lists"], json!({"d": ["y"]}));
}

#[test]
fn trap_61_absent_consent_stays_absent() {
    assert!(!events(r#""consent_state":null"#).fields.contains_key("consent_state"));
}

#[test]
fn trap_62_development_data_is_marked() {
    assert!(events(r#""runtime_environment":{"is_debug":true}"#).is_development());
    assert!(!events(r#""runtime_environment":{"type":"ios"}"#).is_development());
    assert!(!events(r#""events":[]"#).is_development());
}

#[test]
fn nested_integration_attributes_are_left_out() {
    let request = events(r#""integration_attributes":{"Iterable.sdkVersion":"1","12":{"nested":"x"}}"#);
    assert_eq!(request.fields["integration_attributes"], json!({"Iterable.sdkVersion": "1"}));
}

#[test]
fn trap_65_a_thousand_events_are_a_thousand_items() {
    let list = vec![r#"{"type":"session_start"}"#; 1000].join(",");
    assert_eq!(events(&format!(r#""events":[{list}]"#)).items.len(), 1000);
}

#[test]
fn trap_69_a_bad_entry_costs_none_of_its_neighbours() {
    let request = memberships(
        r#"[{"mpid":"1","audiences":[{},{"audience_id":1,"action":"?"},{"audience_id":2,"action":"add"}]},5,
        {"mpid":"2","audiences":[{"audience_id":3,"action":"delete"}]}]"#,
    );
    assert_eq!(addresses(&request), ["m0.0", "m0.1", "m0.2", "b1", "m2.0"]);
    assert_eq!(
        (membership(&request.items[2]).audience_id, membership(&request.items[4]).audience_id),
        (2, 3)
    );
    assert_eq!(membership(&request.items[2]).profile["mpid"], "1");
}

#[test]
fn trap_72_profiles_without_audiences_are_counted_as_such() {
    let request =
        memberships(r#"[{},{"audiences":null,"mpid":"1"},{"audiences":[{"audience_id":1,"action":"add"}]}]"#);
    assert_eq!(addresses(&request), ["b0", "b1", "m2.0"]);
    assert_eq!(request.items[0].content, Ok(ItemContent::BareProfile));
}

#[test]
fn a_memberships_raw_bytes_say_whose_it_is() {
    let one = memberships(r#"[{"mpid":"1","audiences":[{"audience_id":1,"action":"add"}]}]"#);
    let other = memberships(r#"[{"mpid":"2","audiences":[{"audience_id":1,"action":"add"}]}]"#);
    assert_ne!(one.items[0].raw, other.items[0].raw);
}

#[test]
fn trap_89_the_first_version_of_memberships_is_converted() {
    let request = memberships(
        r#"[{"user_attributes":{"a":1},"user_identities":[{"type":"email","encoding":"raw","value":"a@x"}],
        "added_audiences":[{"audience_id":1,"audience_name":"n"},null],"removed_audiences":[{"audience_id":2}]}]"#,
    );
    assert_eq!(addresses(&request), ["m0.0", "m0.2"]);
    let (added, removed) = (membership(&request.items[0]), membership(&request.items[1]));
    assert_eq!((added.action, added.audience_id), (AudienceAction::Add, 1));
    assert_eq!(added.audience_name.as_deref(), Some("n"));
    assert_eq!((removed.action, removed.audience_id), (AudienceAction::Delete, 2));
    assert_eq!(removed.fields["action"], "delete");
    assert_eq!(added.profile["user_attributes"], json!({"a": "1"}));
}

#[test]
fn trap_76_a_subscription_is_one_item_of_the_whole() {
    let request = request(
        r#"{"type":"audience_subscription_request","audience_id":8794123497119088,"audience_name":"n","action":"add",
        "audience_description":"d","audience_subscription_settings":{"list":"s3cret"}}"#,
    );
    let [Item { address: Address::Whole, content: Ok(ItemContent::Subscription(read)), .. }] =
        &request.items[..]
    else {
        panic!("{request:?}")
    };
    assert_eq!((read.action, read.audience_id), (SubscriptionAction::Add, 8_794_123_497_119_088));
    assert_eq!(
        (read.settings["list"].as_deref(), &read.fields["audience_description"]),
        (Some("s3cret"), &json!("d"))
    );
    assert!(!request.fields.contains_key(SETTINGS));
}

#[test]
fn trap_91_92_data_subject_requests_are_read_in_every_form() {
    let dsr = |members: &str| {
        let request = request(&format!(r#"{{"type":"dsr_processing_request",{members}}}"#));
        match &request.items[..] {
            [Item { address: Address::Whole, content: Ok(ItemContent::Dsr(dsr)), .. }] => dsr.clone(),
            other => panic!("{other:?}"),
        }
    };
    for time in ["1714592744.067235000", "\"2024-05-01T19:45:44.067Z\"", "1714592744067", "\"1714592744067\""]
    {
        let read = dsr(&format!(r#""subject_request_type":"erasure","submitted_time":{time}"#));
        assert_eq!(
            (read.request_type, read.submitted_time_ms),
            (DsrType::Erasure, Some(1_714_592_744_067)),
            "{time}"
        );
    }
    let odd = dsr(
        r#""subject_request_type":"access","submitted_time":{},"subject_identities":{"other6":{"value":"x"}},
        "extensions":{"opendsr.mparticle.com":{"skip_waiting_period":true}}"#,
    );
    assert_eq!((odd.request_type, odd.submitted_time_ms), (DsrType::Other("access".into()), None));
    assert_eq!(odd.fields["subject_identities"], json!({"other6": {"value": "x"}}));
    assert_eq!(odd.fields["extensions"]["opendsr.mparticle.com"]["skip_waiting_period"], true);
    assert_eq!(dsr(r#""x":1"#).request_type, DsrType::Other(String::new()));
}

#[test]
fn registration_requests_have_no_items() {
    assert!(request(r#"{"type":"module_registration_request","events":[{}]}"#).items.is_empty());
}

#[test]
fn every_kind_of_event_is_read() {
    let list: Vec<String> =
        EventType::ALL.iter().map(|kind| format!(r#"{{"type":"{}"}}"#, kind.wire())).collect();
    let request = events(&format!(r#""events":[{}]"#, list.join(",")));
    assert!(request.items.iter().all(|item| item.content.is_ok()));
}
