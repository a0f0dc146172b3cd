//! The parts under the getters: where a value is found, how it is remembered.

use std::{fmt::Display, ops::RangeInclusive};

use super::{
    ConfigMistake, EffectiveSetting, Origin, Settings,
    file::{FileValue, Given},
    variable_name,
};

pub(super) const REDACTED: &str = "[redacted]";

pub(super) struct Found {
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl Settings<'_> {
    pub(super) fn find(&mut self, name: &str) -> Option<Found> {
        self.known.insert(name.to_owned());
        if let Some(text) = self.flags.get(name) {
            return Some(Found { text: text.clone(), origin: Origin::Flag });
        }
        let variable = variable_name(name);
        if let Some(text) = self.foreign_variable(&variable) {
            return Some(Found { text: text.trim().to_owned(), origin: Origin::Environment(variable) });
        }
        let FileValue { line, given } = self.file.get(name)?;
        let text = match given {
            Given::One(text) => text.clone(),
            Given::Many(texts) => texts.join(" "),
        };
        Some(Found { text, origin: Origin::File(format!("{}:{line}", self.file_name)) })
    }

    pub(super) fn value<T: Display>(
        &mut self,
        name: &'static str,
        default: T,
        want: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        let Some(Found { text, origin }) = self.find(name) else {
            self.keep(name, default.to_string(), Origin::Default);
            return default;
        };
        let Some(value) = parse(&text) else {
            self.wrong(name, &origin, format!("is {}; write {want}", quoted(&text)));
            return default;
        };
        self.keep(name, value.to_string(), origin);
        value
    }

    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        want: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let Some(Found { text, origin }) = self.find(name) else {
            self.keep(name, String::new(), Origin::Default);
            return None;
        };
        let value = parse(&text);
        match &value {
            Some(value) => self.keep(name, show(value), origin),
            None => self.wrong(name, &origin, format!("is {}; write {want}", quoted(&text))),
        }
        value
    }

    pub(super) fn check<T, E: Display>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
        show: impl FnOnce(&str) -> String,
    ) -> Option<T> {
        let Some(Found { text, origin }) = self.find(name) else {
            self.keep(name, String::new(), Origin::Default);
            return None;
        };
        match check(&text) {
            Ok(value) => {
                self.keep(name, show(&text), origin);
                Some(value)
            }
            Err(error) => {
                self.wrong(name, &origin, format!("is wrong: {error}"));
                None
            }
        }
    }

    pub(super) fn whole(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> u64 {
        let want = format!("{} to {} ({unit})", range.start(), range.end());
        self.value(name, default, &want, |text| text.parse().ok().filter(|n| range.contains(n)))
    }

    pub(super) fn optional_whole(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Option<u64> {
        let want = format!("{} to {} ({unit})", range.start(), range.end());
        let parse = |text: &str| text.parse().ok().filter(|n| range.contains(n));
        self.optional(name, &want, parse, u64::to_string)
    }

    pub(super) fn size(
        &mut self,
        name: &'static str,
        default: usize,
        range: RangeInclusive<usize>,
        unit: &str,
    ) -> usize {
        let want = format!("{} to {} ({unit})", range.start(), range.end());
        self.value(name, default, &want, |text| text.parse().ok().filter(|n| range.contains(n)))
    }

    pub(super) fn secret_text(&mut self, name: &'static str) -> Option<(String, Origin)> {
        let direct = self.find(name);
        let by_file = self.find(&format!("{name}_file"));
        let (text, origin) = match (direct, by_file) {
            (None, None) => {
                self.keep(name, String::new(), Origin::Default);
                return None;
            }
            (Some(_), Some(by_file)) => {
                self.wrong(name, &by_file.origin, "is given both directly and as a file; keep one".into());
                return None;
            }
            (Some(found), None) => (found.text, found.origin),
            (None, Some(Found { text: path, origin })) => match std::fs::read_to_string(&path) {
                Ok(text) => (text.trim_end_matches(['\r', '\n']).to_owned(), origin),
                Err(error) => {
                    self.wrong(name, &origin, format!("cannot be read from {}: {error}", quoted(&path)));
                    return None;
                }
            },
        };
        if text.trim().is_empty() {
            self.wrong(name, &origin, "is given but holds nothing".into());
            return None;
        }
        self.keep(name, REDACTED.into(), origin.clone());
        Some((text, origin))
    }

    pub(super) fn keep(&mut self, name: &'static str, value: String, origin: Origin) {
        self.effective.settings.push(EffectiveSetting { name, value, origin });
    }

    pub(super) fn wrong(&mut self, name: &str, origin: &Origin, message: String) {
        self.mistakes.push(ConfigMistake { place: origin.to_string(), name: Some(name.to_owned()), message });
    }
}

pub(super) fn not_empty(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// The text in quotation marks, cut to 60 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}
