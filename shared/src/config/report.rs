//! What reading the settings ended in: the effective values, or every mistake at once.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was given.
    Default,
    /// The settings file; place is `file:line`.
    File(String),
    /// An environment variable, by its name.
    Environment(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) | Self::Environment(place) => f.write_str(place),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// One setting as it is used. A secret's value is `[redacted]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// Dotted name, such as `ingress.linger_max_ms`.
    pub name: &'static str,
    /// The value as text; empty for an optional setting that was not given.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Every setting that was read, in order of reading, and what looked odd without being wrong.
#[derive(Clone, Debug, Default)]
pub struct Effective {
    /// The settings.
    pub settings: Vec<EffectiveSetting>,
    /// One sentence each, for instance a variable that no setting reads.
    pub warnings: Vec<String>,
}

impl Effective {
    /// Logs the warnings, and in one line at `info` every setting that is not at its default.
    pub fn log(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        let given: Vec<String> = self
            .settings
            .iter()
            .filter(|setting| setting.origin != Origin::Default)
            .map(|setting| format!("{} = {}", setting.name, setting.value))
            .collect();
        tracing::info!(settings = %given.join(", "), "{} settings differ from their defaults", given.len());
    }
}

impl fmt::Display for Effective {
    /// One setting a line: `name = value  # origin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for EffectiveSetting { name, value, origin } in &self.settings {
            writeln!(f, "{name} = {value}  # {origin}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMistake {
    /// `file:line`, a variable's name, `command line`, or `settings` when several disagree.
    pub place: String,
    /// The setting, if it is one.
    pub name: Option<String>,
    /// What is wrong and what would be right. Never holds a secret's value.
    pub message: String,
}

impl fmt::Display for ConfigMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}: {name} {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// Every mistake in the settings; displays as one line each.
#[derive(Clone, Debug, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigMistake>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}
