use minijinja::context;
use serde_json::json;

use super::*;
use crate::testing::{call_context, compiled, key, lane, partner_with};

fn rendered(
    edit: impl Fn(String) -> String,
    route: &str,
    settings: Value,
    group: Value,
    items: &[&str],
) -> Result<Call, MappingError> {
    let partner = partner_with(edit);
    let program = compiled(&partner);
    let items: Vec<(ItemKey, Bytes)> =
        (0u32..).zip(items).map(|(n, item)| (key(n), Bytes::from((*item).to_owned()))).collect();
    let items: Vec<_> = items.iter().map(|(key, json)| (key, json)).collect();
    render(&partner, &program, &lane(&program, route, 1), &call_context(settings, group), &items)
}

fn member_call(group: &str) -> Result<Call, MappingError> {
    rendered(|text| text, "members", context! { apiKey => "k" }, Value::from(group), &["{}"])
}

fn header<'a>(call: &'a Call, name: &str) -> Option<&'a HeaderValue> {
    call.headers.iter().find(|(each, _)| each.as_str() == name).map(|(_, value)| value)
}

#[test]
fn values_of_the_path_are_encoded_and_the_base_url_keeps_its_path() {
    let url = |group| member_call(group).unwrap().url.to_string();
    assert_eq!(url("L1"), "https://partner.example.com/v1/lists/L1/members?source=us1");
    assert_eq!(
        url("a/b?c#d%2F é"),
        "https://partner.example.com/v1/lists/a%2Fb%3Fc%23d%252F%20%C3%A9/members?source=us1"
    );
    assert_eq!(url("..."), "https://partner.example.com/v1/lists/.../members?source=us1");
}

#[test]
fn a_value_can_not_lead_to_another_path() {
    for climbing in [".", "..", ""] {
        let error = member_call(climbing).unwrap_err().to_string();
        assert!(error.contains("path"), "{error}");
    }
    let undefined = rendered(|text| text, "members", context! { apiKey => "k" }, Value::UNDEFINED, &["{}"]);
    assert!(undefined.is_err());
}

#[test]
fn a_missing_value_of_the_query_is_empty() {
    let edit = |text: String| text.replace("?source={{ pod }}", "?tier={{ settings.tier }}");
    let call = rendered(edit, "members", context! { apiKey => "k" }, Value::from(1), &["{}"]).unwrap();
    assert_eq!(call.url.query(), Some("tier="));
}

#[test]
fn another_pod_may_have_another_address() {
    let edit = |text: String| {
        text.replace(
            "timeout_ms = 2000",
            "timeout_ms = 2000\nbase_urls = { us1 = \"https://us.example.com\" }",
        )
    };
    let call = rendered(edit, "events", context! { apiKey => "k" }, Value::UNDEFINED, &["1"]).unwrap();
    assert_eq!(call.url.as_str(), "https://us.example.com/events");
}

#[test]
fn the_body_is_the_array_of_items_as_mapped_or_what_the_file_makes_of_them() {
    let items = ["{\"price\":89.960}", "{\"id\":18446744073709551616}"];
    let call = rendered(|text| text, "events", context! { apiKey => "k" }, Value::UNDEFINED, &items).unwrap();
    assert_eq!(call.body.unwrap(), "[{\"price\":89.960},{\"id\":18446744073709551616}]");
    let call =
        rendered(|text| text, "profiles", context! { apiKey => "k" }, Value::UNDEFINED, &items).unwrap();
    assert_eq!(call.body.unwrap(), "{\"users\":[{\"price\":89.960},{\"id\":18446744073709551616}]}");
    let call =
        rendered(|text| text, "lists", context! { apiKey => "k" }, Value::UNDEFINED, &items[..1]).unwrap();
    assert_eq!(call.body.unwrap(), items[0]);
}

#[test]
fn trap_98_credentials_and_headers_are_marked_and_never_shown() {
    let settings = context! { apiKey => "hunter2", tier => "hunter2" };
    let call = rendered(|text| text, "events", settings, Value::UNDEFINED, &["\"hunter2\""]).unwrap();
    assert_eq!(header(&call, "authorization").unwrap(), "Bearer hunter2");
    assert_eq!(header(&call, "x-tier").unwrap(), "hunter2");
    assert!(
        header(&call, "authorization").unwrap().is_sensitive()
            && header(&call, "x-tier").unwrap().is_sensitive()
    );
    assert!(!format!("{call:?} {:?}", call.headers).contains("hunter2"));
}

#[test]
fn an_undefined_header_is_not_sent_and_missing_credentials_fail() {
    let call = rendered(|text| text, "events", context! { apiKey => "k" }, Value::UNDEFINED, &["1"]).unwrap();
    assert_eq!(header(&call, "x-tier"), None);
    let error = rendered(|text| text, "events", context! {}, Value::UNDEFINED, &["1"]).unwrap_err();
    assert!(error.to_string().contains("token"), "{error}");
}

#[test]
fn basic_and_header_credentials_are_as_the_file_says() {
    let bearer = "kind = \"bearer\"\ntoken = \"settings.apiKey\"";
    let basic = |text: String| {
        text.replace(bearer, "kind = \"basic\"\nuser = \"settings.apiKey\"\npassword = \"''\"")
    };
    let call = rendered(basic, "events", context! { apiKey => "key" }, Value::UNDEFINED, &["1"]).unwrap();
    assert_eq!(header(&call, "authorization").unwrap(), "Basic a2V5Og==");
    let own = |text: String| {
        text.replace(bearer, "kind = \"header\"\nheader = \"Api-Key\"\nvalue = \"settings.apiKey\"")
    };
    let call = rendered(own, "events", context! { apiKey => "key" }, Value::UNDEFINED, &["1"]).unwrap();
    assert_eq!(header(&call, "api-key").unwrap(), "key");
}

#[test]
fn a_header_can_not_be_split_and_the_error_does_not_quote_it() {
    let settings = context! { apiKey => "hunter2\r\nX-Evil: 1" };
    let error = rendered(|text| text, "events", settings, Value::UNDEFINED, &["1"]).unwrap_err().to_string();
    assert!(!error.contains("hunter2") && error.contains("HTTP"), "{error}");
}

#[test]
fn the_idempotency_key_is_the_items_own_or_made_of_all() {
    let of = |items: &[&str]| {
        let call =
            rendered(|text| text, "events", context! { apiKey => "k" }, Value::UNDEFINED, items).unwrap();
        header(&call, "idempotency-key").unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(of(&["1"]), key(0).as_str());
    assert_eq!(of(&["1", "2"]), of(&["1", "2"]));
    assert!(of(&["1", "2"]) != of(&["1", "2", "3"]) && of(&["1", "2"]).len() == 32);
    assert_eq!(json!(of(&["1"])).as_str().unwrap().len(), 32);
}
