use serde_json::json;

use super::*;

const USER: &str = r#""user_identities":[{"type":"email","encoding":"raw","value":"a@x"}]"#;

fn profile(json: &str) -> Profile<'_> {
    Profile::read(json, 0).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn entry(json: &str) -> Result<Membership, Unreadable> {
    profile("{}").membership(json, None)
}

fn attributes(json: &str) -> Value {
    let entry = entry(&format!(r#"{{"audience_id":1,"action":"add","user_attributes":{json}}}"#)).unwrap();
    entry.fields.get("user_attributes").cloned().unwrap_or_default()
}

#[test]
fn trap_67_empty_attribute_entries_are_skipped() {
    assert_eq!(attributes("[{ }, null, 5, {\"key\":\"\",\"value\":\"x\"}, {\"key\":\"k\"}]"), json!([]));
}

#[test]
fn trap_68_remove_in_a_membership_means_delete_and_delete_in_a_subscription_remove() {
    let membership = entry(r#"{"audience_id":1,"action":"remove"}"#).unwrap();
    assert_eq!((membership.action, &membership.fields["action"]), (AudienceAction::Delete, &json!("delete")));
    let fields = shape::object(json!({"audience_id": 1, "action": "delete"})).unwrap();
    let subscription = SubscriptionRequest::read(fields, None, None).unwrap();
    assert_eq!(
        (subscription.action, &subscription.fields["action"]),
        (SubscriptionAction::Remove, &json!("remove"))
    );
}

#[test]
fn trap_69_an_entry_without_a_known_action_or_audience_is_unreadable() {
    let reason = |json| entry(json).unwrap_err().reason;
    assert_eq!(reason(r#"{"audience_id":1,"action":"s3cret"}"#), "unknown audience action");
    assert_eq!(reason(r#"{"audience_id":1,"action":null}"#), "audience action is missing");
    assert!(reason("{}").starts_with("audience_id is missing"));
    assert!(
        reason(r#"{"audience_id":9223372036854775808,"action":"add"}"#).starts_with("audience_id is missing")
    );
    assert_eq!(reason("[]"), "audience entry is not an object");
}

#[test]
fn trap_70_attribute_update_is_an_action_of_its_own() {
    let membership = entry(r#"{"audience_id":1,"action":"attribute_update"}"#).unwrap();
    assert_eq!(membership.action, AudienceAction::AttributeUpdate);
}

#[test]
fn trap_71_attributes_are_set_listed_tagged_or_removed() {
    let read = attributes(
        r#"[{"key":"set","value":5,"action":"upsert"}, {"key":"list","list_value":["a",1],"action":"upsert"},
        {"key":"tag","value":null,"action":"upsert"}, {"key":"tag2","action":"upsert"},
        {"key":"both","value":"v","list_value":["l"],"action":"upsert"}, {"key":"empty","value":"","action":"upsert"},
        {"key":"gone","value":"old","list_value":["x"],"action":"delete"}, {"key":"plain","value":"v"}]"#,
    );
    let expected = json!([
        {"key": "set", "value": "5", "action": "upsert"},
        {"key": "list", "list_value": ["a", "1"], "action": "upsert"},
        {"key": "tag", "action": "upsert", "value": null},
        {"key": "tag2", "action": "upsert", "value": null},
        {"key": "both", "value": "v", "list_value": ["l"], "action": "upsert"},
        {"key": "empty", "value": "", "action": "upsert"},
        {"key": "gone", "action": "delete"},
        {"key": "plain", "value": "v", "action": "upsert"},
    ]);
    assert_eq!(read, expected);
}

#[test]
fn trap_78_a_subscription_may_lack_its_previous_settings() {
    let fields =
        || shape::object(json!({"audience_id": 7, "action": "update", "audience_name": "n"})).unwrap();
    let read = SubscriptionRequest::read(fields(), Some(r#"{"list":5,"none":null}"#), None).unwrap();
    assert_eq!((read.audience_id, read.name.as_deref()), (7, Some("n")));
    assert_eq!((read.settings["list"].as_deref(), read.settings["none"].as_deref()), (Some("5"), None));
    assert!(read.previous_settings.is_empty());
    let with = SubscriptionRequest::read(fields(), None, Some(r#"{"list":"4"}"#)).unwrap();
    assert_eq!(with.previous_settings["list"].as_deref(), Some("4"));
    let without = SubscriptionRequest::read(shape::object(json!({"audience_id": 1})).unwrap(), None, None);
    assert_eq!(without.unwrap_err().reason, "subscription action is missing");
}

#[test]
fn trap_81_audience_ids_are_exact_in_64_bits() {
    let membership = entry(r#"{"audience_id":9223372036854775807,"action":"add"}"#).unwrap();
    assert_eq!(membership.audience_id, i64::MAX);
    assert_eq!(
        entry(r#"{"audience_id":"8794123497119088","action":"add"}"#).unwrap().audience_id,
        8_794_123_497_119_088
    );
}

#[test]
fn settings_of_an_entry_are_apart_from_its_fields() {
    let membership =
        entry(r#"{"audience_id":1,"action":"add","audience_subscription_settings":{"key":"s3cret","n":5}}"#)
            .unwrap();
    assert_eq!(membership.settings["n"].as_deref(), Some("5"));
    assert!(!membership.fields.contains_key(SETTINGS));
    assert!(!format!("{membership:?}").contains("s3cret"));
}

#[test]
fn trap_73_entries_of_one_user_have_one_key_and_others_another() {
    let key = |json: &str, position| Profile::read(json, position).unwrap().user_key;
    let both = r#"{"mpid":5,"user_identities":[]}"#;
    assert_eq!(key(both, 0), key(r#"{"mpid":"5"}"#, 3));
    let identities = r#"{"type":"a","encoding":"raw","value":"1"},{"type":"b","encoding":"raw","value":"2"}"#;
    let turned = r#"{"type":"b","encoding":"raw","value":"2"},{"type":"a","encoding":"raw","value":"1"}"#;
    let list = |name: &str, entries: &str| format!(r#"{{"{name}":[{entries}]}}"#);
    assert_eq!(key(&list("user_identities", identities), 0), key(&list("user_identities", turned), 1));
    assert_ne!(key(&list("user_identities", identities), 0), key(&list("partner_identities", identities), 0));
    assert_ne!(key("{}", 0), key("{}", 1));
}

#[test]
fn a_profile_is_read_around_odd_members() {
    let deep = "[".repeat(500) + &"]".repeat(500);
    let json = format!(r#"{{"mpid":"1","mpid":{deep},"x":{deep},"y":1,{USER},"device_identities":5}}"#);
    let profile = profile(&json);
    assert_eq!(profile.fields.keys().collect::<Vec<_>>(), ["y", "user_identities"]);
}
