//! The complete partners in `fixtures/partners`, which are what users copy.

use minijinja::{Environment, Value, context};
use serde_json::json;

use super::super::*;

fn fixture(name: &str) -> Partner {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/partners").join(name);
    load(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn route<'a>(partner: &'a Partner, name: &str) -> &'a Route {
    partner.routes.iter().find(|route| route.name == name).expect("the route is there")
}

#[test]
fn complete_partners_are_free_of_mistakes() {
    for name in ["sandbox.toml", "webhook.toml", "iterable.toml"] {
        let partner = fixture(name);
        assert!(partner.routes.len() > 4, "{name}");
        assert!(partner.expressions().count() > 10, "{name}");
        assert_eq!(partner.templates().count(), partner.routes.iter().filter_map(Route::call).count());
    }
}

#[test]
fn sandbox_takes_every_kind_of_item() {
    let partner = fixture("sandbox.toml");
    for takes in Takes::ALL {
        assert!(
            partner.routes.iter().any(|route| route.takes == takes && route.call().is_some()),
            "{takes:?}"
        );
    }
    assert!(partner.captures());
    assert_eq!(partner.required_settings().collect::<Vec<_>>(), ["apiKey"]);
    assert_eq!(partner.minted_settings().collect::<Vec<_>>(), ["listKey"]);
    let sync = partner.cookie_sync.as_ref().unwrap();
    assert_eq!((sync.cookie.as_str(), sync.id_macro.as_str()), ("sandbox_id", "${SANDBOX_ID}"));
    let add = route(&partner, "members-add").call().unwrap();
    assert!(add.needs_subscription);
    assert_eq!(add.path.0.source, "/lists/{{ group }}/members");
    assert!(matches!(add.answer.items, ItemAnswers::Each { .. }));
}

#[test]
fn registration_document_has_the_shape_of_the_wire() {
    let setting = |type_, id, name, rest: serde_json::Value| {
        let mut setting = json!({"type": type_, "id": id, "name": name});
        setting.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        setting
    };
    let account_settings = json!([
        setting(
            "text",
            "apiKey",
            "API key",
            json!({
                "description": "From your sandbox account.", "visible": true, "required": true, "confidential": true,
            })
        ),
        setting(
            "boolean",
            "sendReceipts",
            "Send receipts",
            json!({
                "description": "Forward push receipts, too.", "visible": true, "checked": false,
            })
        ),
        setting(
            "text",
            "defaultCountryCode",
            "Country code",
            json!({
                "description": "For phone numbers without one.", "visible": true, "default_value": "1",
                "required": false, "confidential": false,
            })
        ),
    ]);
    let identity = |kind| json!({"type": kind, "encoding": "raw", "required": false});
    let document = serde_json::Value::Object(fixture("sandbox.toml").registration);
    let expected = json!({
        "sdk_version": "3.2.0",
        "name": "Sandbox",
        "description": "The partner that ships with Penstock, for trying things out.",
        "version": "1.0",
        "permissions": {
            "device_identities": [identity("ios_advertising_id"), identity("google_advertising_id")],
            "user_identities": [identity("email"), identity("customer"), identity("mobile_number")],
            "partner_identities": [identity("$cookie_sync_id")],
            "allow_user_attributes": true,
            "allow_audience_user_attributes": true,
            "allow_consent_state": true,
            "allow_access_mpid": true,
            "allow_eventless_batches": true,
        },
        "event_processing_registration": {
            "account_settings": account_settings,
            "supported_event_types": [
                "session_start", "session_end", "custom_event", "screen_view", "error",
                "privacy_setting_change", "user_attribute_change", "user_identity_change", "push_subscription",
                "application_state_transition", "push_message_receipt", "push_message_open", "product_action",
                "promotion_action", "impression", "attribution",
            ],
            "supported_runtime_environments": [
                "unknown", "android", "ios", "tvos", "mobileweb", "roku", "xbox", "firetv", "alexa", "smarttv",
            ],
            "supported_system_notification_types": ["gdpr_consent_state", "ccpa_consent_state"],
            "max_data_age_hours": 72,
        },
        "audience_processing_registration": {
            "account_settings": account_settings,
            "audience_subscription_settings": [setting("text", "listKey", "List key", json!({
                "visible": false, "required": false, "confidential": false,
            }))],
        },
        "dsr_processing_registration": {
            "account_settings": account_settings,
            "supported_dsr_types": ["erasure"],
            "domain": "sandbox.example.com",
        },
    });
    // As text, since the order of the members is part of the shape.
    assert_eq!(document.to_string(), expected.to_string());
}

#[test]
fn members_of_a_mapping_keep_the_order_of_the_file() {
    let partner = fixture("sandbox.toml");
    let call = route(&partner, "events").call().unwrap();
    let Some(Mapping::Object(members)) = &call.item else { panic!("not an object") };
    let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "key",
            "type",
            "name",
            "at",
            "email",
            "customer",
            "mpid",
            "platform",
            "attributes",
            "revenue",
            "products"
        ]
    );
    let Mapping::Each { list, name, .. } = &members[10].1 else { panic!("not an each") };
    assert_eq!((list.source.as_str(), name.as_str()), ("event.products", "product"));
    assert_eq!(list.path, "routes[1].item.products.$each");
}

#[test]
fn webhook_forwards_the_bytes_of_the_item() {
    let partner = fixture("webhook.toml");
    for name in ["events", "memberships", "subscriptions", "erasures"] {
        let Some(Mapping::Object(members)) = &route(&partner, name).call().unwrap().item else {
            panic!("{name}")
        };
        assert_eq!(members.last(), Some(&("data".to_owned(), Mapping::Raw)), "{name}");
    }
}

#[test]
fn iterable_keeps_to_the_documented_limits() {
    let partner = fixture("iterable.toml");
    let limits = |name: &str| {
        let call = route(&partner, name).call().unwrap();
        let rate = call.limits.rate_per_account.map(|rate| rate.per_second);
        (call.batch.items_max, call.batch.bytes_max, rate)
    };
    assert_eq!(limits("track"), (1000, 4_000_000, Some(10.0)));
    assert_eq!(limits("users"), (1000, 4_000_000, Some(5.0)));
    assert_eq!(limits("subscribe"), (1000, 4_000_000, Some(5.0)));
    let eu = crate::ids::Pod::new("eu1").unwrap();
    let us = crate::ids::Pod::new("us1").unwrap();
    assert_eq!(partner.api.base_url(&eu).as_str(), "https://api.eu.iterable.com/");
    assert_eq!(partner.api.base_url(&us).as_str(), "https://api.iterable.com/");
    assert!(matches!(&partner.auth, Auth::Header { header, .. } if header == "Api-Key"));
}

#[test]
fn known_filters_and_tests_are_those_of_the_engine() {
    let env = Environment::new();
    let holds = |source: String| -> bool {
        env.compile_expression(&source)
            .unwrap()
            .eval(context! {})
            .map(|value: Value| value.is_true())
            .unwrap()
    };
    for name in BUILTIN_FILTERS {
        assert!(holds(format!("'{name}' is filter")), "the engine has no filter {name}");
    }
    for name in TESTS {
        assert!(holds(format!("'{name}' is test")), "the engine has no test {name}");
    }
    for name in FILTERS {
        assert!(!holds(format!("'{name}' is filter")), "the engine has a filter {name} of its own");
    }
}
