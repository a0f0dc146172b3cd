//! The OAuth2 block of a registration: mParticle gets a token for each customer and forwards it (protocol.md 1.2).

use serde_json::{Map, Value};
use url::Url;

use super::super::{api::is_header_name, field::Field};

/// Longest URL that is taken.
const URL_MAX: usize = 2000;

/// Reads the block in the wire's shape.
pub(super) fn read(field: &Field<'_>) -> Option<Map<String, Value>> {
    let table = field.table(&[
        "authorization_url",
        "token_url",
        "refresh_url",
        "default_expires_in_seconds",
        "client_id",
        "access_token_type",
        "custom_header_name",
        "param_client_id_name",
        "param_secret_name",
        "scopes",
    ])?;
    let mut wire = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            wire.insert(key.to_owned(), value);
        }
    };
    let text = |key: &str| table.get(key).and_then(|it| it.filled_text(URL_MAX, "a text")).map(Value::from);
    put("type", Some("oauth2".into()));
    put(
        "authorization_url",
        table.required("authorization_url", "where customers consent").and_then(|it| url(&it)),
    );
    put("refresh_url", table.get("refresh_url").and_then(|it| url(&it)));
    put("token_url", table.required("token_url", "where tokens are given out").and_then(|it| url(&it)));
    put("grant_type", Some("authorization_code".into()));
    let expires = table.get("default_expires_in_seconds");
    put(
        "default_expires_in",
        expires.and_then(|it| it.whole(1..=31_536_000, "how long a token lives")).map(Value::from),
    );
    let client = table.required("client_id", "the id that mParticle has at your provider");
    put("client_id", client.and_then(|it| it.filled_text(URL_MAX, "an id")).map(Value::from));
    let kind = table
        .required("access_token_type", "bearer or custom_header")
        .and_then(|it| it.word(&[("bearer", "bearer"), ("custom_header", "custom_header")]));
    put("access_token_type", kind.map(Value::from));
    match (kind, table.get("custom_header_name")) {
        (Some("custom_header"), None) => {
            table.wrong("`custom_header_name` is missing; write the header that carries the token");
        }
        (Some("bearer"), Some(it)) => it.wrong_key("a bearer token has no header of its own; leave it out"),
        (_, Some(it)) if it.text().is_some_and(|name| !is_header_name(name)) => {
            it.wrong("is not a header's name")
        }
        _ => {}
    }
    for key in ["custom_header_name", "param_client_id_name", "param_secret_name"] {
        put(key, text(key));
    }
    put("scopes", table.get("scopes").map(|it| scopes(&it)).filter(|it| !it.is_empty()).map(Value::Array));
    Some(wire)
}

fn url(field: &Field<'_>) -> Option<Value> {
    let text = field.filled_text(URL_MAX, "a URL")?;
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => Some(text.into()),
        Ok(_) => {
            field.wrong("must begin with https://");
            None
        }
        Err(error) => {
            field.wrong(format!("is not a URL: {error}"));
            None
        }
    }
}

fn scopes(field: &Field<'_>) -> Vec<Value> {
    let scope = |field: &Field<'_>| {
        let table = field.table(&["name", "description"])?;
        let mut wire = Map::new();
        for key in ["name", "description"] {
            let text = table.required(key, "a text").and_then(|it| it.filled_text(URL_MAX, "a text"))?;
            wire.insert(key.to_owned(), text.into());
        }
        Some(Value::Object(wire))
    };
    field.list().unwrap_or_default().iter().filter_map(scope).collect()
}
