mod api;
mod cookie_sync;
mod fixtures;
mod places;
mod registration;
mod routes;

use super::parse;

/// A small file without mistakes.
pub(super) const GOOD: &str = r#"[partner]
name = "Acme"
version = "1.0"

[registration]
account_settings = [{ type = "text", id = "apiKey", name = "Key", required = true }]

[registration.events]
supported_event_types = ["custom_event"]

[registration.audiences]

[api]
base_url = "https://api.example.com"

[auth]
kind = "bearer"
token = "settings.apiKey"

[[routes]]
name = "list"
takes = "subscription"
method = "POST"
path = "/lists"
item = { name = "subscription.name" }
capture = { list_id = "response.id" }

[[routes]]
name = "members"
takes = "membership"
group = "subscription.captured.list_id"
method = "POST"
path = "/lists/{{ group }}"
item = { id = "identity('email')" }

[[routes]]
name = "track"
takes = "event"
method = "POST"
path = "/track"
item = { name = "event.name" }
"#;

pub(super) fn mistakes(text: &str) -> Vec<String> {
    match parse(text, "acme.toml") {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
    }
}

/// What the good file says when `from` is replaced in it.
pub(super) fn with(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    mistakes(&GOOD.replacen(from, to, 1))
}

#[track_caller]
pub(super) fn says(found: &[String], wanted: &str) {
    assert!(found.iter().any(|line| line.contains(wanted)), "{wanted:?} is not in {found:#?}");
}
