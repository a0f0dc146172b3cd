//! Looks into JSON text without parsing it: the members of an object and the elements of an array, each as its own
//! stretch of the text. Skipping a value needs no stack, so nesting of any depth passes; nothing here allocates for
//! a value it does not hand out. What a value means is left to the callers.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Value, value::RawValue};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The body as text: without a byte order mark, and with U+FFFD where it is not UTF-8. Borrowed unless repaired.
pub(super) fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(BOM).unwrap_or(body);
    // The repairing reader goes byte by byte; nearly all bodies need none.
    std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

/// Calls `each` with the name and the text of every member of the object, duplicates included, in their order.
///
/// # Errors
/// When the text is not one JSON object alone. `each` may have been called by then.
pub(super) fn members<'a>(
    object: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a str),
) -> Result<(), serde_json::Error> {
    let mut reader = Deserializer::from_str(object);
    reader.deserialize_map(Members(each))?;
    reader.end()
}

/// The text of every element of the array, `null` elements as `None`, so that positions stay true.
///
/// # Errors
/// When the text is not one JSON array alone.
pub(super) fn elements(array: &str) -> Result<Vec<Option<&str>>, serde_json::Error> {
    let mut reader = Deserializer::from_str(array);
    let found = reader.deserialize_seq(Elements)?;
    reader.end()?;
    Ok(found)
}

/// Parses one value. Escaped lone surrogates become U+FFFD.
///
/// # Errors
/// When the text is not JSON or nests deeper than 127 levels.
pub(super) fn value(raw: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(raw).or_else(|error| match without_lone_surrogates(raw) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    })
}

/// False for what means "nothing" (protocol.md 3): `null`, `""`, `{}`, `[]`, and an array of `null` alone.
/// `raw` is valid JSON without white space around it.
pub(super) fn is_something(raw: &str) -> bool {
    match raw.as_bytes() {
        [b'n', ..] | [b'"', b'"'] => false,
        [b'{', ..] => !raw[1..].trim_start().starts_with('}'),
        [b'[', ..] => has_element(raw[1..].trim_start()),
        _ => true,
    }
}

fn has_element(mut rest: &str) -> bool {
    while let Some(after) = rest.strip_prefix("null") {
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    !rest.starts_with(']')
}

/// The text with every lone `\uD800`…`\uDFFF` rewritten as `\ufffd`; `None` when there is none.
/// Such a half is what a sender leaves that cuts UTF-16 text in the middle of a character.
fn without_lone_surrogates(raw: &str) -> Option<String> {
    let mut repaired: Option<String> = None;
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = raw.get(at..).and_then(|rest| rest.find('\\')) {
        let escape = at + found;
        at = escape + 2;
        match code_unit(raw, escape) {
            Some(0xD800..=0xDBFF) if matches!(code_unit(raw, escape + 6), Some(0xDC00..=0xDFFF)) => {
                at = escape + 12;
            }
            Some(0xD800..=0xDFFF) => {
                let text = repaired.get_or_insert_default();
                text.push_str(&raw[kept..escape]);
                text.push_str("\\ufffd");
                at = escape + 6;
                kept = at;
            }
            _ => {}
        }
    }
    let mut text = repaired?;
    text.push_str(&raw[kept..]);
    Some(text)
}

/// The code unit of the `\uXXXX` at this position, if one stands there.
fn code_unit(raw: &str, at: usize) -> Option<u16> {
    let digits = raw.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

struct Members<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let raw: &'de RawValue = map.next_value()?;
            (self.0)(name, raw.get());
        }
        Ok(())
    }
}

struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<Option<&'de str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            found.push(Some(raw.get()).filter(|raw| *raw != "null"));
        }
        Ok(found)
    }
}

/// A member's name. Read as bytes, because as text a lone surrogate in it would fail the whole object.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Name<'de>, E> {
                Ok(Name(String::from_utf8_lossy(name)))
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(String::from_utf8_lossy(name).into_owned())))
            }
        }
        deserializer.deserialize_bytes(NameVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_28_null_empty_and_arrays_of_null_mean_nothing() {
        for nothing in ["null", "\"\"", "{}", "{ \n}", "[]", "[ ]", "[null]", "[ null , null ]"] {
            assert!(!is_something(nothing), "{nothing} is something");
        }
        for something in ["0", "false", "\"a\"", "{\"a\":null}", "[0]", "[null,{}]", "[null, \"]\"]", "[[]]"]
        {
            assert!(is_something(something), "{something} is nothing");
        }
    }

    #[test]
    fn trap_25_only_the_lone_half_is_replaced() {
        let raw = r#"["\uD83D\uDE00", "a\uD83D", "\uDE00b", "\\uD83D", "\uD83D\uD83D\uDE00", "\u0000"]"#;
        let read = value(raw).unwrap();
        let expected = ["😀", "a\u{FFFD}", "\u{FFFD}b", "\\uD83D", "\u{FFFD}😀", "\0"];
        assert_eq!(read, serde_json::json!(expected));
    }

    #[test]
    fn a_member_name_with_a_lone_surrogate_does_not_fail_its_object() {
        let mut names = Vec::new();
        members(r#"{"\uD83D":1,"type":2}"#, |name, _| names.push(name.into_owned())).unwrap();
        assert_eq!(names.len(), 2);
        assert_eq!(names[1], "type");
    }

    #[test]
    fn elements_keep_their_positions_around_nulls() {
        assert_eq!(elements(" [1, null,\"null\" ]").unwrap(), [Some("1"), None, Some("\"null\"")]);
        assert!(elements("{}").is_err() && elements("[1,]").is_err() && elements("[1] 2").is_err());
    }
}
