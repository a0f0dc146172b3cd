//! Brings an object's known members to the types of protocol.md 3, by tables of name and shape.
//!
//! Known members that are null or can't be read as their shape are left out (the raw bytes are kept elsewhere);
//! unknown members stay as they came.

use serde_json::{Map, Value};

use super::{Fields, coerce};

/// The members of one kind of object.
pub(super) type Table = &'static [(&'static str, Shape)];

/// What a known member is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Text; also every word of an enumeration, so an unknown word stays readable.
    Text,
    /// 64-bit integer.
    Integer,
    /// A number with its digits.
    Decimal,
    /// true or false.
    Bool,
    /// A time, brought to milliseconds since 1970 UTC.
    Time,
    /// Texts.
    TextList,
    /// Texts by name. A null value stays: it is a tag, distinct from "".
    TextMap,
    /// Lists of texts by name. A null value stays.
    ListMap,
    /// An object of its own.
    Object(Table),
    /// A list of objects.
    Objects(Table),
    /// Values of one shape by name.
    MapOf(&'static Shape),
    /// Whatever this function makes of it.
    With(fn(Value) -> Option<Value>),
    /// The old name of another member, used unless that one is there too.
    Formerly(&'static str, &'static Shape),
}

impl Shape {
    fn read(&self, value: Value) -> Option<Value> {
        match self {
            Self::Text => coerce::text(value).map(Value::String),
            Self::Integer => coerce::integer(&value).map(Value::from),
            Self::Decimal => coerce::decimal(value).map(Value::Number),
            Self::Bool => coerce::boolean(&value).map(Value::Bool),
            Self::Time => coerce::time_ms(&value).map(Value::from),
            Self::TextList => text_list(value),
            Self::TextMap => map(value, |value| nullable(value, |value| Self::Text.read(value))),
            Self::ListMap => map(value, |value| nullable(value, text_list)),
            Self::Object(table) => object(value).map(|fields| Value::Object(normalise(fields, &[table]))),
            Self::Objects(table) => list(value, |value| Self::Object(table).read(value)),
            Self::MapOf(shape) => map(value, |value| shape.read(value)),
            Self::With(read) => read(value),
            Self::Formerly(_, shape) => shape.read(value),
        }
    }
}

/// Reads every member by the first of the tables that knows it.
pub(super) fn normalise(fields: Fields, tables: &[Table]) -> Fields {
    let mut normal = Map::with_capacity(fields.len());
    for (name, value) in fields {
        place(&mut normal, tables, name, value);
    }
    normal
}

/// Reads one member by the first of the tables that knows it, and puts it in its place.
pub(super) fn place(fields: &mut Fields, tables: &[Table], name: String, value: Value) {
    let known = tables.iter().copied().flatten().find(|(known, _)| *known == name);
    match known.map(|(_, shape)| shape) {
        None => {
            fields.insert(name, value);
        }
        Some(Shape::Formerly(now, _)) if fields.contains_key(*now) => {}
        Some(shape) => {
            let name = if let Shape::Formerly(now, _) = shape { (*now).to_owned() } else { name };
            if let Some(value) = shape.read(value) {
                fields.insert(name, value);
            }
        }
    }
}

/// The object's members.
pub(super) fn object(value: Value) -> Option<Fields> {
    if let Value::Object(fields) = value { Some(fields) } else { None }
}

/// Every element that `read` can read; null elements are skipped.
pub(super) fn list(value: Value, read: impl FnMut(Value) -> Option<Value>) -> Option<Value> {
    let Value::Array(elements) = value else { return None };
    Some(elements.into_iter().filter(|element| !element.is_null()).filter_map(read).collect())
}

/// Every member that `read` can read.
pub(super) fn map(value: Value, mut read: impl FnMut(Value) -> Option<Value>) -> Option<Value> {
    let read_all =
        |fields: Fields| fields.into_iter().filter_map(|(name, value)| Some((name, read(value)?))).collect();
    object(value).map(read_all)
}

/// Texts; a lone text is a list of one.
fn text_list(value: Value) -> Option<Value> {
    match value {
        Value::Array(_) => list(value, |element| Shape::Text.read(element)),
        lone => Shape::Text.read(lone).map(|text| Value::Array(vec![text])),
    }
}

fn nullable(value: Value, read: impl FnOnce(Value) -> Option<Value>) -> Option<Value> {
    if value.is_null() { Some(Value::Null) } else { read(value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INNER: Table = &[("at_ms", Shape::Time), ("at", Shape::Formerly("at_ms", &Shape::Time))];
    const TABLE: Table = &[
        ("text", Shape::Text),
        ("count", Shape::Integer),
        ("map", Shape::TextMap),
        ("lists", Shape::ListMap),
        ("inner", Shape::Object(INNER)),
        ("many", Shape::Objects(INNER)),
        ("by_name", Shape::MapOf(&Shape::Object(INNER))),
    ];

    fn read(value: Value) -> Value {
        Value::Object(normalise(object(value).unwrap(), &[TABLE]))
    }

    #[test]
    fn trap_23_unknown_members_stay_as_they_came() {
        let unknown = json!({"extensions": {"deep": [{"er": null}]}, "n": 1.50, "nothing": null});
        assert_eq!(read(unknown.clone()), unknown);
    }

    #[test]
    fn trap_28_known_members_that_are_null_or_of_another_kind_are_left_out() {
        let odd = json!({"text": {}, "count": null, "map": [], "lists": "x", "inner": [1], "many": {}});
        assert_eq!(read(odd), json!({}));
    }

    #[test]
    fn trap_54_a_null_value_in_a_map_stays_a_tag() {
        let maps = json!({"map": {"tag": null, "empty": "", "n": 5, "b": true, "nested": {"a": 1}}});
        assert_eq!(read(maps), json!({"map": {"tag": null, "empty": "", "n": "5", "b": "true"}}));
        let lists = json!({"lists": {"tag": null, "l": [1, null, "a"], "one": "x"}});
        assert_eq!(read(lists), json!({"lists": {"tag": null, "l": ["1", "a"], "one": ["x"]}}));
    }

    #[test]
    fn trap_29_null_elements_are_skipped() {
        assert_eq!(read(json!({"many": [null, {"x": 1}, 5]})), json!({"many": [{"x": 1}]}));
    }

    #[test]
    fn trap_60_the_old_name_serves_when_the_new_one_is_missing() {
        let old = json!({"inner": {"at": 1_714_592_744}, "by_name": {"a": {"at_ms": "1714592744", "at": 1_600_000_000}}});
        let now = json!({"inner": {"at_ms": 1_714_592_744_000_i64}, "by_name": {"a": {"at_ms": 1_714_592_744_000_i64}}});
        assert_eq!(read(old), now);
    }
}
