//! Expression values → JSON, without losing a digit.

use minijinja::{Value, value::ValueKind};
use serde_json::Value as Json;

use super::{
    MappingError,
    value::{ExactNumber, MappedItem},
};

/// Deepest nesting of a mapped value.
const DEPTH_MAX: usize = 64;

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
