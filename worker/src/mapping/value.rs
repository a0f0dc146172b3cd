//! JSON ↔ expression values, without losing a digit: a number that a 64-bit float would change stays text inside.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use indexmap::IndexMap;
use minijinja::{
    Value,
    value::{Enumerator, Object, ObjectRepr, ValueKind},
};
use serde_json::Value as Json;

use super::MappingError;

/// Deepest nesting of a mapped value.
const DEPTH_MAX: usize = 64;

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

/// Appends the JSON of an expression's result. False, and nothing appended, when it is undefined.
///
/// # Errors
/// When it holds what JSON has no word for (bytes, a function, NaN) or is nested deeper than 64 levels.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) -> Result<bool, MappingError> {
    write_at(value, out, 0)
}

/// The JSON of an expression's result; `None` when it is undefined.
///
/// # Errors
/// As [`write()`].
pub(crate) fn to_json(value: &Value) -> Result<Option<Json>, MappingError> {
    let mut text = Vec::new();
    if !write(value, &mut text)? {
        return Ok(None);
    }
    serde_json::from_slice(&text).map(Some).map_err(|_| MappingError::new("the result is no JSON"))
}

fn write_at(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<bool, MappingError> {
    if depth > DEPTH_MAX {
        return Err(MappingError::new("the result is nested too deep"));
    }
    match value.kind() {
        ValueKind::Undefined => return Ok(false),
        ValueKind::None => out.extend_from_slice(b"null"),
        ValueKind::Bool => out.extend_from_slice(if value.is_true() { b"true" } else { b"false" }),
        ValueKind::Number => write_number(value, out)?,
        ValueKind::String => write_text(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|e| MappingError::from_engine(&e))?;
            write_array(items, out, |item, out| write_at(&item, out, depth + 1))?;
        }
        ValueKind::Map => match value.downcast_object_ref::<MappedItem>() {
            Some(mapped) => out.extend_from_slice(&mapped.json),
            None => write_object(value, out, depth)?,
        },
        ValueKind::Plain => match value.downcast_object_ref::<ExactNumber>() {
            Some(exact) => out.extend_from_slice(exact.0.as_bytes()),
            None => return Err(MappingError::new("the result has no JSON form")),
        },
        _ => return Err(MappingError::new("the result has no JSON form")),
    }
    Ok(true)
}

/// Appends `"text"`.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text always serialises into memory");
}

/// Appends `[…]` of what `write_one` appends for each; an element it appends nothing for is left out.
pub(crate) fn write_array<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write_one: impl FnMut(T, &mut Vec<u8>) -> Result<bool, MappingError>,
) -> Result<(), MappingError> {
    out.push(b'[');
    let mut separator: &[u8] = b"";
    for item in items {
        let before = out.len();
        out.extend_from_slice(separator);
        if write_one(item, out)? {
            separator = b",";
        } else {
            out.truncate(before);
        }
    }
    out.push(b']');
    Ok(())
}

/// Appends `{…}` of named values; a member that `write_one` appends nothing for is left out.
pub(crate) fn write_members<T>(
    members: impl IntoIterator<Item = (T, String)>,
    out: &mut Vec<u8>,
    mut write_one: impl FnMut(T, &mut Vec<u8>) -> Result<bool, MappingError>,
) -> Result<(), MappingError> {
    out.push(b'{');
    let mut separator: &[u8] = b"";
    for (item, name) in members {
        let before = out.len();
        out.extend_from_slice(separator);
        write_text(&name, out);
        out.push(b':');
        if write_one(item, out)? {
            separator = b",";
        } else {
            out.truncate(before);
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_object(value: &Value, out: &mut Vec<u8>, depth: usize) -> Result<(), MappingError> {
    let keys = value.try_iter().map_err(|e| MappingError::from_engine(&e))?;
    let members = keys.map(|key| (key.clone(), key.as_str().map_or_else(|| key.to_string(), str::to_owned)));
    write_members(members, out, |key, out| {
        let item = value.get_item(&key).map_err(|e| MappingError::from_engine(&e))?;
        write_at(&item, out, depth + 1)
    })
}

fn write_number(value: &Value, out: &mut Vec<u8>) -> Result<(), MappingError> {
    if value.is_integer() {
        out.extend_from_slice(value.to_string().as_bytes());
        return Ok(());
    }
    let float = f64::try_from(value.clone()).map_err(|e| MappingError::from_engine(&e))?;
    let number = serde_json::Number::from_f64(float)
        .ok_or_else(|| MappingError::new("the result is not a finite number"))?;
    out.extend_from_slice(number.to_string().as_bytes());
    Ok(())
}

/// An item as mapped: expressions see into it, and it is written as the bytes it is.
#[derive(Debug)]
pub(crate) struct MappedItem {
    json: Bytes,
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
