//! Reads a scalar as the reference reader does (protocol.md 3.0): numbers for texts, texts for numbers, "True" for
//! true, fractions for integers. Nothing passes through binary floating point. `None` means it can't be read so.

use serde_json::{Number, Value};

/// Below this a time is seconds, from it on milliseconds (protocol.md 3.3.4).
const SECONDS_BELOW: i64 = 100_000_000_000;
/// 2001-09-09; a time of fewer seconds than this was never a time (protocol.md trap 35).
const SECONDS_MIN: i64 = 1_000_000_000;
/// 10000-01-01, in milliseconds.
const MILLIS_END: i64 = 253_402_300_800_000;

/// Text; numbers keep their digits, booleans become `true` and `false`.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An integer; fractions are cut off, and what exceeds 64 bits is none.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => shifted(&number.to_string(), 0),
        Value::String(text) => shifted(text.trim(), 0),
        _ => None,
    }
}

/// A number of any size and precision, its digits kept.
pub(super) fn decimal(value: Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A boolean: also `"True"` in any case, and a number that is not zero.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        Value::Number(_) => integer(value).map(|number| number != 0),
        _ => None,
    }
}

/// A time as milliseconds since 1970 UTC: a number of seconds or milliseconds, by its size, as number or text, or
/// RFC 3339. A time before September 2001 or after the year 9999 is none.
pub(super) fn time_ms(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number_ms(&number.to_string()),
        Value::String(text) => {
            let text = text.trim();
            number_ms(text).or_else(|| {
                text.parse::<jiff::Timestamp>().ok().and_then(|at| plausible(at.as_millisecond()))
            })
        }
        _ => None,
    }
}

fn number_ms(text: &str) -> Option<i64> {
    let whole = shifted(text, 0)?;
    plausible(if whole < SECONDS_BELOW { shifted(text, 3)? } else { whole })
}

fn plausible(ms: i64) -> Option<i64> {
    (SECONDS_MIN * 1_000..MILLIS_END).contains(&ms).then_some(ms)
}

/// The integer part of a decimal number times 10 to the power of `shift`.
fn shifted(text: &str, shift: i64) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = whole.bytes().chain(fraction.bytes());
    if mantissa.len() <= usize::from(mantissa.contains('.')) || !digits.clone().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if digits.clone().all(|b| b == b'0') {
        return Some(0);
    }
    let point = i64::try_from(whole.len()).ok()?.saturating_add(exponent).saturating_add(shift);
    let mut number: i64 = 0; // kept negative: i64::MIN has no positive
    for _ in 0..point {
        // Ends: once a digit other than zero was met, twenty more steps overflow.
        let digit = digits.next().map_or(0, |b| i64::from(b - b'0'));
        number = number.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::firehose::raw;

    fn read(text: &str) -> Value {
        raw::value(text).unwrap()
    }

    #[test]
    fn trap_26_integers_beyond_2_to_the_53_are_exact() {
        assert_eq!(integer(&read("-1096377938905861812")), Some(-1_096_377_938_905_861_812));
        assert_eq!(integer(&read("-9223372036854775808")), Some(i64::MIN));
        assert_eq!(text(read("-5227515829034156637")), Some("-5227515829034156637".into()));
        assert_eq!(text(read("92233720368547758079")), Some("92233720368547758079".into()));
        assert_eq!(integer(&read("9223372036854775808")), None);
    }

    #[test]
    fn trap_27_scalars_are_read_across_their_types() {
        assert_eq!(text(read("1.50")), Some("1.50".into()));
        assert_eq!(text(read("true")), Some("true".into()));
        assert_eq!(integer(&json!(" 5 ")), Some(5));
        assert_eq!(integer(&read("5.99")), Some(5));
        assert_eq!(integer(&read("-5.99")), Some(-5));
        assert_eq!(integer(&read("1.5e3")), Some(1_500));
        assert_eq!(integer(&read("15e-1")), Some(1));
        assert_eq!(integer(&read("0e999999999")), Some(0));
        assert_eq!(integer(&read("1e999999999")), None);
        assert_eq!(integer(&read("1e99999999999999999999")), None);
        assert_eq!(boolean(&json!("True")), Some(true));
        assert_eq!(boolean(&json!(" FALSE")), Some(false));
        assert_eq!(boolean(&json!("yes")), None);
        assert_eq!((boolean(&json!(0)), boolean(&json!(1))), (Some(false), Some(true)));
        for none in ["", "-", ".", "5a", "0x5", "NaN", "Infinity"] {
            assert_eq!(integer(&json!(none)), None, "{none}");
            assert_eq!(decimal(json!(none)), None, "{none}");
        }
    }

    #[test]
    fn trap_30_amounts_keep_their_digits() {
        let digits = |text| decimal(read(text)).map(|number| number.to_string());
        assert_eq!(digits("89.960").as_deref(), Some("89.960"));
        assert_eq!(digits("0.1000000000000000055").as_deref(), Some("0.1000000000000000055"));
        assert_eq!(digits("1E+2").as_deref(), Some("1e+2"));
        assert_eq!(digits("\"11\"").as_deref(), Some("11"));
        assert_eq!(digits("-4.0").as_deref(), Some("-4.0"));
    }

    #[test]
    fn trap_35_60_91_times_are_read_in_every_form() {
        let expected = Some(1_714_592_744_065);
        assert_eq!(time_ms(&read("1714592744065")), expected);
        assert_eq!(time_ms(&json!("1714592744065")), expected);
        assert_eq!(time_ms(&read("1714592744.065999999")), expected);
        assert_eq!(time_ms(&json!("1714592744.065")), expected);
        assert_eq!(time_ms(&json!("2024-05-01T19:45:44.065Z")), expected);
        assert_eq!(time_ms(&read("1.714592744065E12")), expected);
        assert_eq!(time_ms(&read("1714592744")), Some(1_714_592_744_000));
        for absurd in
            ["0", "2", "-1", "1e300", "999999999", "1714592744065000000", "\"soon\"", "true", "null"]
        {
            assert_eq!(time_ms(&read(absurd)), None, "{absurd}");
        }
    }
}
