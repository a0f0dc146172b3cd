//! What was given and nothing read: mistakes in the file, warnings in the environment.

use std::collections::BTreeSet;

use super::{ConfigMistake, Settings, VARIABLE_PREFIX, variable_name};
use crate::nearest::nearest;

impl Settings<'_> {
    pub(super) fn unknown_keys(&mut self) {
        let given =
            self.file.iter().map(|(name, value)| (name, format!("{}:{}", self.file_name, value.line)));
        let flags = self.flags.keys().map(|name| (name, "command line".to_owned()));
        let known = || self.known.iter().map(String::as_str);
        let unknown: Vec<ConfigMistake> = given
            .chain(flags)
            .filter(|(name, _)| !self.known.contains(*name))
            .filter(|(name, _)| !self.left.iter().any(|table| name.starts_with(table)))
            .map(|(name, place)| ConfigMistake {
                place,
                name: Some(name.clone()),
                message: match nearest(name, known()) {
                    Some(meant) => format!("is no setting; did you mean {meant}?"),
                    None => "is no setting".into(),
                },
            })
            .collect();
        self.mistakes.extend(unknown);
    }

    pub(super) fn unknown_variables(&mut self) {
        let known: BTreeSet<String> = self.known.iter().map(|name| variable_name(name)).collect();
        let left: Vec<String> = self.left.iter().map(|table| variable_name(table)).collect();
        for name in self.variable_names.iter().filter(|name| name.starts_with(VARIABLE_PREFIX)) {
            if known.contains(name) || left.iter().any(|table| name.starts_with(table)) {
                continue;
            }
            self.effective.warnings.push(match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("nothing reads the variable {name}; did you mean {meant}?"),
                None => format!("nothing reads the variable {name}"),
            });
        }
    }
}
