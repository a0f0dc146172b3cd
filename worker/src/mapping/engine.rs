//! The expression language: minijinja's, without I/O, bounded by fuel, with the filters and functions that
//! `docs/partner-toml.md` lists.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value,
    value::{Kwargs, Rest, ValueKind},
};
use penstock_shared::ids::hex;

use super::value::{ExactNumber, Record, from_json};

/// Instructions and produced data one evaluation may use: thousands of times what a mapping leaf needs.
const FUEL: u64 = 200_000;

/// The one environment: it holds no data, so every partner and every evaluation shares it.
pub(crate) static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(100);
    engine.add_filter("sha256", sha256);
    engine.add_filter("digits", digits);
    engine.add_filter("scalars", scalars);
    engine.add_filter("without", without);
    engine.add_filter("seconds", seconds);
    engine.add_filter("iso8601", iso8601);
    engine.add_filter("integer", integer);
    engine.add_filter("number", number);
    engine.add_filter("boolean", boolean);
    engine.add_filter("fromjson", fromjson);
    engine.add_function(
        "identity",
        |state: &State, kind: String, encoding: Option<String>, kwargs: Kwargs| {
            pick(state, "user_identities", Some(&kind), encoding, &kwargs)
        },
    );
    engine.add_function(
        "device_identity",
        |state: &State, kind: String, encoding: Option<String>, kwargs: Kwargs| {
            pick(state, "device_identities", Some(&kind), encoding, &kwargs)
        },
    );
    engine.add_function("partner_identity", |state: &State, kwargs: Kwargs| {
        pick(state, "partner_identities", None, None, &kwargs)
    });
    engine
});

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// Absent stays absent, so that a filter on a missing member leaves the member out.
fn is_absent(value: &Value) -> bool {
    value.is_undefined() || value.is_none()
}

/// The text of a scalar; numbers as they were written.
fn text_of(value: &Value) -> Option<String> {
    match value.downcast_object_ref::<ExactNumber>() {
        Some(exact) => Some(exact.0.clone()),
        None if value.as_str().is_some() || value.is_number() => Some(value.to_string()),
        None => None,
    }
}

fn millis_of(value: &Value) -> Result<i64, Error> {
    value.as_i64().ok_or_else(|| wrong("milliseconds since 1970 are meant"))
}

/// Whole seconds of milliseconds.
fn seconds(value: Value) -> Result<Value, Error> {
    if is_absent(&value) { Ok(value) } else { Ok(Value::from(millis_of(&value)?.div_euclid(1000))) }
}

/// RFC 3339 text, UTC, of milliseconds.
fn iso8601(value: Value) -> Result<Value, Error> {
    if is_absent(&value) {
        return Ok(value);
    }
    let time = jiff::Timestamp::from_millisecond(millis_of(&value)?)
        .map_err(|_| wrong("the time is out of range"))?;
    Ok(Value::from(time.to_string()))
}

/// An integer from a number or numeric text; a fraction is cut off. Anything else is an error.
fn integer(value: Value) -> Result<Value, Error> {
    if is_absent(&value) || value.is_integer() {
        return Ok(value);
    }
    let text = text_of(&value).ok_or_else(|| wrong("an integer is meant"))?;
    let text = text.trim();
    if let Ok(integer) = text.parse::<i128>() {
        return Ok(Value::from(integer));
    }
    let float = finite(text).ok_or_else(|| wrong("an integer is meant"))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "cutting the fraction off is what is asked; `as` saturates"
    )]
    let integer = float.trunc() as i128;
    Ok(Value::from(integer))
}

/// A number from numeric text, digit by digit; anything else is an error.
fn number(value: Value) -> Result<Value, Error> {
    if is_absent(&value) || value.is_number() || value.downcast_object_ref::<ExactNumber>().is_some() {
        return Ok(value);
    }
    let text = text_of(&value).ok_or_else(|| wrong("a number is meant"))?;
    match serde_json::from_str::<serde_json::Number>(text.trim()) {
        Ok(number) => Ok(from_json(&serde_json::Value::Number(number))),
        Err(_) => Err(wrong("a number is meant")),
    }
}

/// `NaN`, `Infinity` and `12.5d` are no numbers here, unlike in some readers (protocol.md 5.1).
fn finite(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|float| plain && float.is_finite())
}

/// true or false, from a boolean or the words in any case; anything else is an error.
fn boolean(value: Value) -> Result<Value, Error> {
    if is_absent(&value) || value.kind() == ValueKind::Bool {
        return Ok(value);
    }
    match text_of(&value).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        Some("true" | "1") => Ok(Value::from(true)),
        Some("false" | "0") => Ok(Value::from(false)),
        _ => Err(wrong("true or false is meant")),
    }
}

/// JSON inside text, such as a push payload; text that is no JSON is an error (protocol.md trap 58).
fn fromjson(value: Value) -> Result<Value, Error> {
    match value.as_str().map(serde_json::from_str::<serde_json::Value>) {
        Some(Ok(json)) => Ok(from_json(&json)),
        Some(Err(_)) => Err(wrong("JSON is meant")),
        None => Ok(value),
    }
}

/// Lower-case hex of a text's SHA-256. An empty text has none: nobody's address is not to become somebody's hash.
fn sha256(value: Value) -> Result<Value, Error> {
    if is_absent(&value) {
        return Ok(value);
    }
    let text = text_of(&value).ok_or_else(|| wrong("a text is meant"))?;
    if text.is_empty() {
        return Ok(Value::UNDEFINED);
    }
    Ok(Value::from(hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())))
}

/// The digits of a text, and the characters in `keep`.
fn digits(value: Value, keep: Option<String>) -> Result<Value, Error> {
    if is_absent(&value) {
        return Ok(value);
    }
    let text = text_of(&value).ok_or_else(|| wrong("a text is meant"))?;
    let keep = keep.unwrap_or_default();
    Ok(Value::from(text.chars().filter(|c| c.is_ascii_digit() || keep.contains(*c)).collect::<String>()))
}

/// An object whose texts that are numbers, or true or false, became such. Only what reads exactly so: `007` is a code.
fn scalars(value: Value) -> Result<Value, Error> {
    map_members(value, |_, member| {
        Some(match member.as_str() {
            Some("true") => Value::from(true),
            Some("false") => Value::from(false),
            Some(text) if finite(text).is_some() && !text.contains(['e', 'E', '+']) => {
                let number = serde_json::from_str::<serde_json::Number>(text);
                number.map_or_else(|_| member.clone(), |number| from_json(&serde_json::Value::Number(number)))
            }
            _ => member,
        })
    })
}

/// An object without these members.
fn without(value: Value, names: Rest<String>) -> Result<Value, Error> {
    map_members(value, |name, member| (!names.iter().any(|left_out| left_out == name)).then_some(member))
}

fn map_members(value: Value, map: impl Fn(&str, Value) -> Option<Value>) -> Result<Value, Error> {
    if is_absent(&value) {
        return Ok(value);
    }
    if value.kind() != ValueKind::Map {
        return Err(wrong("an object is meant"));
    }
    let mut record = Record::default();
    for key in value.try_iter()? {
        let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        if let Some(member) = map(&name, value.get_item(&key)?) {
            record.set(name, member);
        }
    }
    Ok(record.into_value())
}

/// The first identity of the type and encoding with a value (protocol.md trap 53: a deterministic choice, and a
/// hashed one is never taken for a raw one).
fn pick(
    state: &State<'_, '_>,
    list: &str,
    kind: Option<&str>,
    encoding: Option<String>,
    kwargs: &Kwargs,
) -> Result<Value, Error> {
    let named = kwargs.get::<Option<String>>("encoding")?;
    let encoding = encoding.or(named).unwrap_or_else(|| "raw".to_owned());
    kwargs.assert_all_used()?;
    let identities = state.lookup("user").unwrap_or_default().get_attr(list).unwrap_or_default();
    if is_absent(&identities) {
        return Ok(Value::UNDEFINED);
    }
    for identity in identities.try_iter()? {
        let member = |name: &str| identity.get_attr(name).unwrap_or_default();
        let fits = kind.is_none_or(|kind| member("type").as_str() == Some(kind))
            && member("encoding").as_str() == Some(encoding.as_str());
        let value = member("value");
        if fits && value.as_str().is_some_and(|text| !text.trim().is_empty()) {
            return Ok(value);
        }
    }
    Ok(Value::UNDEFINED)
}

#[cfg(test)]
mod tests {
    use penstock_shared::partner::{FILTERS, FUNCTIONS};

    use super::*;

    #[test]
    fn every_filter_and_function_that_partner_toml_allows_is_there() {
        let kind = |source: String| {
            let result = ENGINE.compile_expression_owned(source).unwrap().eval(Value::UNDEFINED);
            result.err().map(|error| error.kind())
        };
        for filter in FILTERS {
            assert_ne!(kind(format!("1 | {filter}")), Some(ErrorKind::UnknownFilter), "{filter}");
        }
        for function in FUNCTIONS {
            assert_ne!(kind(format!("{function}('email')")), Some(ErrorKind::UnknownFunction), "{function}");
        }
    }
}
