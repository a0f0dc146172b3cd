use super::*;

fn sorted(body: &str) -> Sorted {
    sort(body.as_bytes()).unwrap_or_else(|error| panic!("{body:.80}: {error}"))
}

fn refused(body: &str) -> &'static str {
    sort(body.as_bytes()).expect_err(body).code()
}

fn events(members: &str) -> Sorted {
    sorted(&format!(r#"{{"type":"event_processing_request"{members}}}"#))
}

fn membership(members: &str) -> Sorted {
    sorted(&format!(r#"{{"type":"audience_membership_change_request"{members}}}"#))
}

#[test]
fn trap_18_what_is_no_object_is_told_apart() {
    for body in ["", "  \n\t ", "\u{FEFF}", "\u{FEFF} "] {
        assert_eq!(refused(body), "empty", "{body:?}");
    }
    for body in ["null", "[]", "\"x\"", "5", "[{\"type\":\"dsr_processing_request\"}]"] {
        assert_eq!(refused(body), "not_an_object", "{body}");
    }
    for body in
        ["{", "{]", "nul", "[", "{\"type\":}", "{'type':1}", "{\"a\":1,}", "x=1", "{\"a\":01}", "\u{0}"]
    {
        assert_eq!(refused(body), "not_json", "{body}");
    }
}

#[test]
fn errors_say_where_without_saying_what() {
    let error = sort(b"{\"secret\":\n \"s3cret\" \"type\"}").unwrap_err();
    let SortError::NotJson { offset, detail } = &error else { panic!("{error}") };
    assert_eq!(*offset, 21);
    assert!(!detail.contains("s3cret") && !detail.contains("line"), "{detail}");
}

#[test]
fn trap_19_a_byte_order_mark_is_skipped() {
    assert_eq!(sorted("\u{FEFF}{\"type\":\"dsr_processing_request\"}").kind, RequestKind::Dsr);
}

#[test]
fn trap_20_invalid_utf_8_inside_texts_passes() {
    let body = b"{\"type\":\"dsr_processing_request\",\"\xFF\":\"\xC3\",\"id\":\"a\xFFb\"}";
    assert_eq!(sort(body).unwrap().id.as_deref(), Some("a\u{FFFD}b"));
    assert_eq!(sort(b"{\xFF\"type\":1}").unwrap_err().code(), "not_json");
}

#[test]
fn trap_21_of_duplicates_the_last_counts_but_of_type_the_first() {
    let body = r#"{"id":"a","type":null,"type":"dsr_processing_request","account":{"account_id":1},
        "type":"event_processing_request","id":"b","account":{"account_id":2,"account_id":3}}"#;
    let sorted = sorted(body);
    assert_eq!((sorted.kind, sorted.id.as_deref()), (RequestKind::Dsr, Some("b")));
    assert_eq!(sorted.account, AccountId::Known(3));
}

#[test]
fn trap_22_type_may_be_the_last_member_of_a_large_object() {
    let filler = "x".repeat(5 << 20);
    let body = format!(r#"{{"events":[{{"a":"{filler}"}}],"type":"event_processing_request"}}"#);
    assert!(sorted(&body).deliverable);
}

#[test]
fn trap_24_nesting_of_any_depth_passes_without_a_deep_stack() {
    let depth = 200_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let body = format!(
            r#"{{"x":{deep},"account":{{"account_id":{deep},"y":{deep}}},"id":{deep},"events":{deep},
            "runtime_environment":{deep},"type":"event_processing_request"}}"#
        );
        assert_eq!(sorted(&body).account, AccountId::Unknown);
        assert_eq!(refused(&format!("{{\"type\":{deep}}}")), "unknown_type");
    }
    assert_eq!(refused(&"[".repeat(depth)), "not_json");
}

#[test]
fn trap_25_lone_surrogates_and_odd_characters_pass() {
    let sorted = sorted(
        "{\"\\uD83D\":\"\\uDE00\",\"id\":\"a\\uD83D\",\"n\":\"\\u0000\u{FFFE}\u{FFFF}\",\"type\":\"dsr_processing_request\"}",
    );
    assert_eq!(sorted.id.as_deref(), Some("a\u{FFFD}"));
}

#[test]
fn trap_31_white_space_may_follow_and_nothing_else() {
    assert_eq!(sorted("{\"type\":\"dsr_processing_request\"} \r\n\t").kind, RequestKind::Dsr);
    let error = sort(b"{\"type\":\"dsr_processing_request\"}\n{}").unwrap_err();
    assert_eq!(error, SortError::TrailingBytes { offset: 34 });
    assert_eq!(refused("{\"type\":\"dsr_processing_request\"}\0"), "trailing_bytes");
}

#[test]
fn trap_32_only_the_five_requests_in_exact_spelling_are_known() {
    for kind in RequestKind::ALL {
        assert_eq!(sorted(&format!(r#"{{"type":"{}"}}"#, kind.wire())).kind, kind);
    }
    for word in
        ["\"EVENT_PROCESSING_REQUEST\"", "\"event_processing_response\"", "\"x\"", "5", "{\"a\":1}", "true"]
    {
        assert_eq!(refused(&format!("{{\"type\":{word}}}")), "unknown_type", "{word}");
    }
    for missing in ["{}", "{\"type\":null}", "{\"type\":\"\"}", "{\"Type\":\"dsr_processing_request\"}"] {
        assert_eq!(refused(missing), "type_missing", "{missing}");
    }
    let long = sort(format!("{{\"type\":\"{}\"}}", "é".repeat(100)).as_bytes());
    assert_eq!(long, Err(SortError::UnknownType("é".repeat(60))));
}

#[test]
fn trap_33_the_version_is_never_looked_at() {
    for version in ["null", "\"1.0\"", "\"9.9.0\"", "3.2", "{}"] {
        assert_eq!(events(&format!(r#","firehose_version":{version}"#)).kind, RequestKind::Events);
    }
}

#[test]
fn trap_34_any_text_is_an_id_and_nothing_else_is() {
    let id = |raw: &str| events(&format!(r#","id":{raw}"#)).id;
    assert_eq!(id("\"not a uuid\"").as_deref(), Some("not a uuid"));
    for none in ["null", "\"\"", "5", "{}", "[\"a\"]"] {
        assert_eq!(id(none), None, "{none}");
    }
    assert_eq!(id(&format!("\"{}\"", "a".repeat(1024))).map(|id| id.len()), Some(1024));
    assert_eq!(id(&format!("\"{}\"", "a".repeat(1025))), None);
}

#[test]
fn trap_36_the_account_is_read_leniently_or_unknown() {
    let account = |raw: &str| events(&format!(r#","account":{raw}"#)).account;
    for (raw, id) in
        [("5", 5), ("\"5\"", 5), ("5.9", 5), ("-7", -7), ("8794123497119088", 8_794_123_497_119_088)]
    {
        assert_eq!(account(&format!(r#"{{"account_id":{raw}}}"#)), AccountId::Known(id), "{raw}");
    }
    for raw in ["0", "null", "\"\"", "\"abc\"", "1e99", "{}", "true", "0.5"] {
        assert_eq!(account(&format!(r#"{{"account_id":{raw}}}"#)), AccountId::Unknown, "{raw}");
    }
    for odd in ["null", "{}", "[]", "5", "\"5\""] {
        assert_eq!(account(odd), AccountId::Unknown, "{odd}");
    }
    assert_eq!(events("").account, AccountId::Unknown);
}

#[test]
fn trap_41_42_event_requests_without_events_are_verification_calls() {
    for nothing in ["", r#","events":[]"#, r#","events":null"#, r#","events":[null]"#, r#","events":{}"#] {
        assert!(!events(nothing).deliverable, "{nothing}");
    }
    let identities_alone = r#","events":[],"user_identities":[{"type":"email"}],"user_attributes":{}"#;
    assert!(!events(identities_alone).deliverable);
    assert!(!events(r#","user_attributes":{"a":"b"}"#).deliverable);
    assert!(events(r#","events":[null,{}]"#).deliverable);
    assert!(events(r#","events":"odd""#).deliverable, "odd content is the worker's to judge");
}

#[test]
fn trap_42_user_data_without_events_is_a_profile_update() {
    let who = [
        r#""mpid":"1""#,
        r#""mpid":-5227515829034156637"#,
        r#""user_identities":[{}]"#,
        r#""partner_identities":[{}]"#,
        r#""runtime_environment":{"identities":[{}]}"#,
    ];
    let what = [
        r#""user_attributes":{"a":null}"#,
        r#""user_attribute_lists":{"a":[]}"#,
        r#""consent_state":{"gdpr_consent_state":{}}"#,
        r#""system_notifications":[{}]"#,
    ];
    for who in who {
        for what in what {
            assert!(events(&format!(",{what},{who}")).deliverable, "{who} {what}");
        }
    }
}

#[test]
fn trap_66_membership_requests_without_profiles_are_verification_calls() {
    for nothing in ["", r#","user_profiles":null"#, r#","user_profiles":[]"#, r#","user_profiles":[ null ]"#]
    {
        assert!(!membership(nothing).deliverable, "{nothing}");
    }
    assert!(membership(r#","user_profiles":[{}]"#).deliverable);
}

#[test]
fn trap_81_the_audience_of_a_subscription_is_exact() {
    let body = r#"{"audience_id":8794123497119088,"type":"audience_subscription_request"}"#;
    assert_eq!(sorted(body).audience_id, Some(8_794_123_497_119_088));
    assert!(sorted(body).deliverable);
    assert_eq!(events(r#","audience_id":5"#).audience_id, None);
}

#[test]
fn trap_2_registration_requests_are_never_queued() {
    let body = r#"{"type":"module_registration_request","account":{"account_id":5}}"#;
    assert_eq!((sorted(body).deliverable, sorted(body).id), (false, None));
}
