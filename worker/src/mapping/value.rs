//! JSON → expression values, without losing a digit: a number that a 64-bit float would change stays text inside. The
//! way back is in `json.rs`.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use indexmap::IndexMap;
use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr},
};
use serde_json::Value as Json;

/// A JSON object as expressions see it: members in their order. `Debug` shows names alone: settings are among them.
#[derive(Default)]
pub(crate) struct Record(IndexMap<Arc<str>, Value>);

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Record {
    /// Sets a member; an undefined value leaves it out.
    pub(crate) fn set(&mut self, name: impl Into<Arc<str>>, value: Value) {
        if !value.is_undefined() {
            self.0.insert(name.into(), value);
        }
    }

    /// A member.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A copy that shares the members' values.
    pub(crate) fn fork(&self) -> Self {
        Self(self.0.clone())
    }

    /// The record as an expression value.
    pub(crate) fn into_value(self) -> Value {
        Value::from_object(self)
    }
}

impl Object for Record {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.clone())).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A number kept as it was written, since a float would change it: `89.960`, `1E+2`, forty digits.
#[derive(Debug)]
pub(crate) struct ExactNumber(pub(crate) String);

impl Object for ExactNumber {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A JSON value for expressions.
pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => from_number(&number.to_string()),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(from_json).collect::<Vec<_>>()),
        Json::Object(members) => from_members(members).into_value(),
    }
}

/// A JSON object for expressions, to be added to.
pub(crate) fn from_members(members: &serde_json::Map<String, Json>) -> Record {
    let mut record = Record::default();
    for (name, value) in members {
        record.set(name.as_str(), from_json(value));
    }
    record
}

fn from_number(text: &str) -> Value {
    if let Ok(integer) = text.parse::<i64>() {
        return Value::from(integer);
    }
    if let Ok(integer) = text.parse::<i128>() {
        return Value::from(integer);
    }
    match text.parse::<f64>() {
        Ok(float) if serde_json::Number::from_f64(float).is_some_and(|n| n.to_string() == text) => {
            Value::from(float)
        }
        _ => Value::from_object(ExactNumber(text.to_owned())),
    }
}

/// An item as mapped: expressions see into it, and it is written as the bytes it is.
#[derive(Debug)]
pub(crate) struct MappedItem {
    pub(super) json: Bytes,
    seen: OnceLock<Value>,
}

impl MappedItem {
    /// The mapped item as an expression value.
    pub(crate) fn value(json: Bytes) -> Value {
        Value::from_object(Self { json, seen: OnceLock::new() })
    }

    fn seen(&self) -> &Value {
        self.seen.get_or_init(|| {
            serde_json::from_slice(&self.json).map_or(Value::UNDEFINED, |json| from_json(&json))
        })
    }
}

impl Object for MappedItem {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.seen().get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.seen().try_iter().map(Iterator::collect).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::json::to_json;

    fn round_trip(text: &str) -> String {
        let json: Json = serde_json::from_str(text).unwrap();
        to_json(&from_json(&json)).unwrap().unwrap().to_string()
    }

    #[test]
    fn trap_26_and_30_numbers_pass_through_digit_by_digit() {
        for text in
            ["-1096377938905861812", "18446744073709551616", "89.960", "1E+2", "11", "11.0", "0.1", "-0.5"]
        {
            assert_eq!(round_trip(text).to_lowercase(), text.to_lowercase());
        }
        let forty = "1234567890123456789012345678901234567890";
        assert_eq!(round_trip(forty), forty);
    }

    #[test]
    fn members_keep_their_order_and_null_stays_null() {
        let text = r#"{"z":null,"a":[1,{"b":true}],"m":""}"#;
        assert_eq!(round_trip(text), text);
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        assert!(to_json(&Value::from(f64::NAN)).is_err());
        assert!(to_json(&Value::from_bytes(vec![1])).is_err());
    }
}
