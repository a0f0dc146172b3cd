//! Every mistake of a file is told, and where it stands.

use super::{super::*, GOOD, mistakes, says, with};

#[test]
fn the_good_file_is_good() {
    assert_eq!(mistakes(GOOD), Vec::<String>::new());
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_their_places() {
    let text = r#"[partner]
name = ""
versoin = "1.0"

[registration]
[registration.events]
supported_event_types = ["custom_evnet"]

[api]
base_url = "https://api.example.com"
timeout_ms = 5
retries = 3

[auth]
kind = "none"

[[routes]]
name = "Track"
takes = "event"
method = "POST"
path = "track"
batch = { items_max = 0 }
item = { a = "evnet.name", b = "1 +", c = "event.name | shout" }
"#;
    let expected = [
        "acme.toml:1:1: partner.version: `version` is missing; write the integration's version, like \"1.0\"",
        "acme.toml:2:8: partner.name: is empty; write the partner's name",
        "acme.toml:3:1: partner.versoin: unknown key `versoin`; did you mean `version`?",
        "acme.toml:7:26: registration.events.supported_event_types[0]: unknown word `custom_evnet`; did you mean \
         `custom_event`?",
        "acme.toml:11:14: api.timeout_ms: 5 is below 100; write how long a call may take, in milliseconds (100 to \
         120000)",
        "acme.toml:12:1: api.retries: unknown key `retries`; known here: base_url, base_urls, timeout_ms, \
         connect_timeout_ms, headers, allow_private_addresses, user_agent, idempotency_header, answer_bytes_max",
        "acme.toml:18:8: routes[0].name: must be 1 to 40 lower-case letters, digits and hyphens",
        "acme.toml:21:8: routes[0].path: must begin with a slash",
        "acme.toml:22:23: routes[0].batch.items_max: 0 is below 1; write how many items one call may carry (1 to \
         10000)",
        "acme.toml:23:15: routes[0].item.a: `evnet` is not there; did you mean `event`?",
        "acme.toml:23:33: routes[0].item.b: not an expression: unexpected end of input, expected expression",
        "acme.toml:23:44: routes[0].item.c: unknown filter `shout`; did you mean `sort`?",
    ];
    let found = mistakes(text);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn text_that_is_not_toml_is_told_beside_other_mistakes_and_nothing_is_called_missing() {
    let text = GOOD.replacen("version = \"1.0\"", "version = ", 1).replacen("[api]", "[api", 1);
    let text = text.replacen("kind = \"bearer\"", "kind = bearer", 1).replacen("\"POST\"", "\"SEND\"", 1);
    let found = mistakes(&text);
    for (line, found) in [3, 13, 17].iter().zip(&found) {
        assert!(found.starts_with(&format!("acme.toml:{line}:")), "{found}");
    }
    assert!(found[3].contains("routes[0].method: unknown word `SEND`"), "{found:#?}");
    assert_eq!(found.len(), 4, "{found:#?}");
}

#[test]
fn places_count_lines_and_characters() {
    let found =
        with("item = { name = \"event.name\" }", "item = { 'größe' = \"1\", x = '''\n  1 +\n  nope'''}");
    says(&found, "acme.toml:42:1: routes[2].item.x: `nope` is not there");
    let found = with("name = \"event.name\"", "'größe' = \"nope\"");
    says(&found, "acme.toml:41:21: routes[2].item.größe: `nope` is not there");
}

#[test]
fn a_file_that_is_not_there_is_no_mistake_of_its_text() {
    let error = load(Path::new("/nowhere/acme.toml")).unwrap_err();
    assert!(matches!(&error, LoadError::Io { .. }));
    assert_eq!(error.to_string(), "can't read /nowhere/acme.toml");
}
