//! A settings file flattened to dotted names, each with the line it stands on.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::ConfigMistake;

/// What a file gives for one name.
#[derive(Debug)]
pub(super) struct FileValue {
    pub(super) line: usize,
    pub(super) given: Given,
}

/// A scalar as text, or a list of them.
#[derive(Debug)]
pub(super) enum Given {
    One(String),
    Many(Vec<String>),
}

/// Reads the whole file; every syntax error and every value of a shape no setting has becomes a mistake.
pub(super) fn flatten(
    name: &str,
    text: &str,
    mistakes: &mut Vec<ConfigMistake>,
) -> BTreeMap<String, FileValue> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = match error.span() {
            Some(span) => format!("{name}:{}", line_of(text, &span)),
            None => name.to_owned(),
        };
        mistakes.push(ConfigMistake { place, name: None, message: format!("no TOML: {}", error.message()) });
    }
    let mut walk = Walk { file: name, text, found: BTreeMap::new(), mistakes };
    walk.table("", table.get_ref());
    walk.found
}

struct Walk<'a> {
    file: &'a str,
    text: &'a str,
    found: BTreeMap<String, FileValue>,
    mistakes: &'a mut Vec<ConfigMistake>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            match value.get_ref() {
                DeValue::Table(inner) => self.table(&name, inner),
                _ => self.leaf(name, value),
            }
        }
    }

    fn leaf(&mut self, name: String, value: &Spanned<DeValue<'_>>) {
        let line = line_of(self.text, &value.span());
        let given = match value.get_ref() {
            DeValue::Array(elements) => {
                elements.iter().map(|e| scalar(e.get_ref())).collect::<Option<Vec<_>>>().map(Given::Many)
            }
            one => scalar(one).map(Given::One),
        };
        match given {
            Some(given) => {
                self.found.insert(name, FileValue { line, given });
            }
            None => self.mistakes.push(ConfigMistake {
                place: format!("{}:{line}", self.file),
                name: Some(name),
                message: "is neither text, number, true, false nor a list of them".into(),
            }),
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str().to_owned()),
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Float(float) => Some(float.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
}
