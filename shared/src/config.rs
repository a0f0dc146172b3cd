//! Settings from a file, the environment and the command line: one dotted name each, every mistake reported at once.
//!
//! `ingress.linger_max_ms` is `linger_max_ms` of the table `[ingress]` in the file and the variable
//! `PENSTOCK_INGRESS_LINGER_MAX_MS`. A flag wins over a variable, a variable over the file, the file over the
//! default; an empty variable counts as not given. A setting that is a secret can also be read from a file whose path
//! stands in the variable with `_FILE` appended (or the setting with `_file` appended).
//!
//! Each binary's struct is filled by a `read(&mut Settings)` of its own. A getter that finds a mistake records it and
//! returns the default, so that reading goes on; [`Settings::finish`] then refuses to start.

mod file;
mod lookup;
mod report;
mod unknown;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    net::SocketAddr,
    ops::RangeInclusive,
    time::Duration,
};

use secrecy::SecretString;

pub use report::{ConfigErrors, ConfigMistake, Effective, EffectiveSetting, Origin};

use file::FileValue;
use lookup::{Found, not_empty};

/// What begins every variable of ours.
pub const VARIABLE_PREFIX: &str = "PENSTOCK_";

/// Reads one environment variable by name.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where settings come from.
#[derive(Default)]
pub struct Sources<'a> {
    /// The settings file: its name, for mistakes, and its text.
    pub file: Option<(&'a str, &'a str)>,
    /// Reads one environment variable; `None` for an empty environment.
    pub variable: Option<Variable<'a>>,
    /// The names of all variables that exist, to warn of those of ours that nothing reads.
    pub variable_names: Vec<String>,
    /// From the command line, by dotted name.
    pub flags: BTreeMap<String, String>,
}

/// Reads settings by name, and remembers each value and each mistake.
pub struct Settings<'a> {
    file_name: &'a str,
    file: BTreeMap<String, FileValue>,
    variable: Option<Variable<'a>>,
    variable_names: Vec<String>,
    flags: BTreeMap<String, String>,
    known: BTreeSet<String>,
    left: Vec<String>,
    effective: Effective,
    mistakes: Vec<ConfigMistake>,
}

impl fmt::Debug for Settings<'_> {
    /// Values are left out: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("file", &self.file_name).field("mistakes", &self.mistakes).finish()
    }
}

impl<'a> Settings<'a> {
    /// Takes the sources; a file that is no TOML is a mistake, and what of it can be read is read.
    pub fn new(sources: Sources<'a>) -> Self {
        let mut mistakes = Vec::new();
        let (file_name, text) = sources.file.unwrap_or(("settings file", ""));
        let file = file::flatten(file_name, text, &mut mistakes);
        Self {
            file_name,
            file,
            variable: sources.variable,
            variable_names: sources.variable_names,
            flags: sources.flags,
            known: BTreeSet::new(),
            left: Vec::new(),
            effective: Effective::default(),
            mistakes,
        }
    }

    /// A span of time in whole milliseconds.
    pub fn millis(&mut self, name: &'static str, default_ms: u64, range_ms: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.whole(name, default_ms, range_ms, "milliseconds"))
    }

    /// A span of time in whole milliseconds that need not be given.
    pub fn optional_millis(&mut self, name: &'static str, range_ms: RangeInclusive<u64>) -> Option<Duration> {
        self.optional_whole(name, range_ms, "milliseconds").map(Duration::from_millis)
    }

    /// A size in bytes.
    pub fn bytes(&mut self, name: &'static str, default: usize, range: RangeInclusive<usize>) -> usize {
        self.size(name, default, range, "bytes")
    }

    /// A size in bytes that need not be given.
    pub fn optional_bytes(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.optional_whole(name, range, "bytes")
    }

    /// How many of something.
    pub fn count(&mut self, name: &'static str, default: usize, range: RangeInclusive<usize>) -> usize {
        self.size(name, default, range, "a whole number")
    }

    /// How many of something, if that is given.
    pub fn optional_count(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.optional_whole(name, range, "a whole number")
    }

    /// A number with a fraction, such as a share or a rate.
    pub fn decimal(&mut self, name: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let want = format!("a number from {} to {}", range.start(), range.end());
        self.value(name, default, &want, |text| {
            text.parse().ok().filter(|n: &f64| n.is_finite() && range.contains(n))
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &'static str, default: bool) -> bool {
        self.value(name, default, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        })
    }

    /// Text that is not empty.
    pub fn text(&mut self, name: &'static str, default: &str) -> String {
        self.value(name, default.to_owned(), "text that is not empty", not_empty)
    }

    /// Text that need not be given.
    pub fn optional_text(&mut self, name: &'static str) -> Option<String> {
        self.optional(name, "text that is not empty", not_empty, Clone::clone)
    }

    /// An IP address with its port.
    pub fn address(&mut self, name: &'static str, default: SocketAddr) -> SocketAddr {
        self.value(name, default, "an address with its port, such as 0.0.0.0:8080", |text| text.parse().ok())
    }

    /// An IP address with its port that need not be given.
    pub fn optional_address(&mut self, name: &'static str) -> Option<SocketAddr> {
        let want = "an address with its port, such as 0.0.0.0:8443";
        self.optional(name, want, |text| text.parse().ok(), SocketAddr::to_string)
    }

    /// One of a few words.
    pub fn choice<T: Clone>(
        &mut self,
        name: &'static str,
        default: &'static str,
        choices: &[(&str, T)],
    ) -> T {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let known = |text: &str| words.contains(&text).then(|| text.to_owned());
        let word = self.value(name, default.to_owned(), &format!("one of {}", words.join(", ")), known);
        let chosen = choices.iter().find(|(candidate, _)| *candidate == word);
        chosen.expect("the default is one of the choices").1.clone()
    }

    /// A value of a type with a check of its own, whose error says what would be right.
    pub fn parsed<T: Display, E: Display>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        let Some(Found { text, origin }) = self.find(name) else {
            self.keep(name, default.to_string(), Origin::Default);
            return default;
        };
        match parse(&text) {
            Ok(value) => {
                self.keep(name, value.to_string(), origin);
                value
            }
            Err(error) => {
                self.wrong(name, &origin, format!("is wrong: {error}"));
                default
            }
        }
    }

    /// A secret; also from the file that `<name>_file` names, without the line break at its end.
    pub fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        let (text, _) = self.secret_text(name)?;
        Some(text.into())
    }

    /// A value that need not be given, of a type with a check of its own, whose error says what would be right. A list
    /// of the file reaches the check as text with blanks between its elements.
    pub fn checked<T, E: Display>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.check(name, check, str::to_owned)
    }

    /// The same for a secret, which is never shown; the check's error must hold nothing of it.
    pub fn checked_secret<T, E: Display>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.check(name, check, |_| lookup::REDACTED.to_owned())
    }

    /// A variable that is not ours, such as `RUST_LOG`.
    pub fn foreign_variable(&self, name: &str) -> Option<String> {
        self.variable.and_then(|variable| variable(name)).filter(|text| !text.is_empty())
    }

    /// Names a table of the file, such as `worker`, that belongs to another binary: its keys are not mistakes here.
    pub fn leave(&mut self, table: &str) {
        self.left.push(format!("{table}."));
    }

    /// Records that settings disagree with each other; `message` says which and what would be right.
    pub fn disagree(&mut self, message: impl Into<String>) {
        self.mistakes.push(ConfigMistake { place: "settings".into(), name: None, message: message.into() });
    }

    /// Records what looks odd without being wrong; told once the process has started.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.effective.warnings.push(message.into());
    }

    /// Ends reading.
    ///
    /// # Errors
    /// With every mistake found, those keys of the file included that nothing read.
    pub fn finish(mut self) -> Result<Effective, ConfigErrors> {
        self.unknown_keys();
        self.unknown_variables();
        if self.mistakes.is_empty() { Ok(self.effective) } else { Err(ConfigErrors(self.mistakes)) }
    }
}

/// The environment variable of a setting.
pub fn variable_name(name: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", name.to_ascii_uppercase().replace('.', "_"))
}

#[cfg(test)]
mod tests;
