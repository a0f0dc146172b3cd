//! One value of the file, read as what it should be.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use toml::{Spanned, de::DeValue};

use super::{
    reader::{Reader, Table},
    suggestion::suggest,
};

/// A value of the file and where it stands.
pub(super) struct Field<'a> {
    pub(super) reader: &'a Reader<'a>,
    /// The key, `routes[0].batch.items_max`.
    pub(super) path: String,
    /// Where the key stands.
    pub(super) key_at: usize,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Field<'a> {
    /// Where the value begins.
    pub(super) fn at(&self) -> usize {
        self.value.span().start
    }

    /// Reports a mistake at the value.
    pub(super) fn wrong(&self, message: impl Into<String>) {
        self.reader.mistake(self.at(), &self.path, message);
    }

    /// Reports a mistake at the key.
    pub(super) fn wrong_key(&self, message: impl Into<String>) {
        self.reader.mistake(self.key_at, &self.path, message);
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.wrong(format!("expected {what}, found {}", type_name(self.value.get_ref())));
        None
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.get_ref().as_str().or_else(|| self.expected("text in quotes"))
    }

    /// Text that is not blank and has at most `max` characters; `meaning` completes "write …".
    pub(super) fn filled_text(&self, max: usize, meaning: &str) -> Option<&'a str> {
        let text = self.text()?;
        let length = text.chars().count();
        if text.trim().is_empty() {
            self.wrong(format!("is empty; write {meaning}"));
        } else if length > max {
            self.wrong(format!("has {length} characters, {} more than the {max} allowed", length - max));
        }
        Some(text)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.get_ref().as_bool().or_else(|| self.expected("true or false"))
    }

    /// A whole number in `range`; `meaning` completes "write …".
    pub(super) fn whole(&self, range: RangeInclusive<i64>, meaning: &str) -> Option<i64> {
        let Some(integer) = self.value.get_ref().as_integer() else {
            return self.expected("a whole number");
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => self.in_range(number, &range, meaning),
            Err(_) => self.in_range(
                if integer.as_str().starts_with('-') { i64::MIN } else { i64::MAX },
                &range,
                meaning,
            ),
        }
    }

    /// A number in `range`, written with or without a fraction; `meaning` completes "write …".
    pub(super) fn number(&self, range: RangeInclusive<f64>, meaning: &str) -> Option<f64> {
        let number = match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let Some(number) = number.filter(|number| number.is_finite()) else {
            return self.expected("a number");
        };
        self.in_range(number, &range, meaning)
    }

    fn in_range<N: PartialOrd + Display>(
        &self,
        number: N,
        range: &RangeInclusive<N>,
        meaning: &str,
    ) -> Option<N> {
        let (least, most) = (range.start(), range.end());
        let relation = if number < *least {
            format!("is below {least}")
        } else if number > *most {
            format!("is above {most}")
        } else {
            return Some(number);
        };
        self.wrong(format!("{number} {relation}; write {meaning} ({least} to {most})"));
        None
    }

    /// A time in milliseconds.
    pub(super) fn millis(&self, range: RangeInclusive<i64>, meaning: &str) -> Option<Duration> {
        self.whole(range, meaning).map(|ms| Duration::from_millis(ms.unsigned_abs()))
    }

    /// One of `words`.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.wrong(format!(
                "unknown word `{text}`; {}",
                suggest(text, words.iter().map(|(word, _)| *word))
            ));
        }
        found.map(|(_, value)| *value)
    }

    /// The elements of an array, each with its index in its path.
    pub(super) fn list(&self) -> Option<Vec<Field<'a>>> {
        let array = match self.value.get_ref() {
            DeValue::Array(array) => array,
            _ => return self.expected("a list"),
        };
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| Field {
            reader: self.reader,
            path: format!("{}[{index}]", self.path),
            key_at: value.span().start,
            value,
        };
        Some(array.iter().enumerate().map(element).collect())
    }

    /// A table with `known` keys.
    pub(super) fn table(&self, known: &[&'static str]) -> Option<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(Table::open(self.reader, &self.path, self.at(), entries, known)),
            _ => self.expected("a table"),
        }
    }

    /// A table whose keys are the writer's own.
    pub(super) fn free_table(&self) -> Option<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(entries) => Some(Table::open_free(self.reader, &self.path, self.at(), entries)),
            _ => self.expected("a table"),
        }
    }
}

/// A type of TOML in words.
fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
