//! Identities: who the user is (protocol.md 3.0.2).

use serde_json::Value;

use super::{
    Fields,
    shape::{self, Shape, Table},
};

const IDENTITY: Table = &[("type", Shape::Text), ("encoding", Shape::Text), ("value", Shape::Text)];

/// A list of `{type, encoding, value}`.
pub(super) const IDENTITIES: Shape = Shape::With(identities);

/// The identities by type of a data subject request.
pub(super) const IDENTITIES_BY_TYPE: Shape = Shape::With(by_type);

/// The value of the first identity of this type and encoding (`raw`, `md5`, `sha1` or `sha256`) in a list of them.
///
/// One user may have several of a type; the first is the deterministic choice (protocol.md 4.5). A hash is found
/// only when its encoding is asked for, so it is never taken for the address itself.
pub fn pick<'a>(identities: &'a Value, kind: &str, encoding: &str) -> Option<&'a str> {
    let is = |identity: &&Value, name, word| identity.get(name).and_then(Value::as_str) == Some(word);
    identities
        .as_array()?
        .iter()
        .filter(|identity| is(identity, "type", kind) && is(identity, "encoding", encoding))
        .filter_map(|identity| identity.get("value")?.as_str())
        .find(|value| !value.trim().is_empty())
}

/// Entries without type, encoding or value are left out; types nobody knows are kept.
fn identities(value: Value) -> Option<Value> {
    shape::list(value, |entry| {
        let fields = shape::normalise(shape::object(entry)?, &[IDENTITY]);
        ["type", "encoding", "value"]
            .iter()
            .all(|name| is_filled(&fields, name))
            .then_some(Value::Object(fields))
    })
}

/// Entries without a value are left out. The encoding is `raw` wherever it was seen, and its absence is no reason
/// to lose an erasure.
fn by_type(value: Value) -> Option<Value> {
    shape::map(value, |entry| {
        let fields = shape::normalise(shape::object(entry)?, &[IDENTITY]);
        is_filled(&fields, "value").then_some(Value::Object(fields))
    })
}

fn is_filled(fields: &Fields, name: &str) -> bool {
    fields.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn trap_53_the_first_filled_raw_email_is_picked_and_bad_entries_are_left_out() {
        let read = identities(json!([
            null,
            {"type": "email", "encoding": "sha256", "value": "abc"},
            {"type": "email", "encoding": "raw", "value": ""},
            {"type": "email", "encoding": "raw", "value": null},
            {"type": "email", "encoding": "raw"},
            {"type": "email", "value": "no@encoding"},
            {"encoding": "raw", "value": "no type"},
            "text",
            {"type": "customerId", "encoding": "raw", "value": 5},
            {"type": "email", "encoding": "raw", "value": "first@x"},
            {"type": "email", "encoding": "raw", "value": "second@x"},
        ]))
        .unwrap();
        assert_eq!(read.as_array().unwrap().len(), 4);
        assert_eq!(pick(&read, "email", "raw"), Some("first@x"));
        assert_eq!(pick(&read, "email", "sha256"), Some("abc"));
        assert_eq!(pick(&read, "customerId", "raw"), Some("5"));
        assert_eq!(pick(&read, "customer", "raw"), None);
        assert_eq!(pick(&json!(null), "email", "raw"), None);
    }

    #[test]
    fn trap_91_erasure_identities_of_unknown_type_are_kept() {
        let read =
            by_type(json!({"other6": {"value": "x"}, "email": {"encoding": "raw", "value": null}, "a": 1}));
        assert_eq!(read, Some(json!({"other6": {"value": "x"}})));
    }
}
