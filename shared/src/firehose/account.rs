//! The customer's account and what the customer typed for its settings (protocol.md 3.0.1).

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value;

use super::{Settings, coerce, facts::Facts, raw};
use crate::ids::AccountId;

/// The account of a request. Its settings hold credentials, so `Debug` shows their names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Which account.
    pub id: AccountId,
    /// Setting values by setting id, as text whatever they came as; null stays `None`.
    pub settings: Settings,
}

impl Account {
    /// A setting's text; `None` when it is absent, null or blank, which all mean the declared default.
    pub fn text(&self, setting: &str) -> Option<&str> {
        self.settings.get(setting)?.as_deref().filter(|text| !text.trim().is_empty())
    }

    /// A setting as a boolean, in any case. `None` also when it is neither true nor false.
    pub fn bool(&self, setting: &str) -> Option<bool> {
        coerce::boolean(&Value::from(self.text(setting)?))
    }

    /// A setting as an integer, a fraction cut off. `None` also when it is no number of 64 bits.
    pub fn integer(&self, setting: &str) -> Option<i64> {
        coerce::integer(&Value::from(self.text(setting)?))
    }

    pub(super) fn read(facts: &Facts<'_>) -> Self {
        let settings = facts.account_member("account_settings").and_then(|raw| raw::value(raw).ok());
        Self { id: facts.account(), settings: settings.map(read_settings).unwrap_or_default() }
    }
}

/// The account of a body that [`sort`](super::sort) accepts, as [`read`](super::read) finds it; without an id and
/// settings where there is none.
pub fn account(body: &[u8]) -> Account {
    let text = raw::text(body);
    Facts::read(&text, |_, _| {}).map(|facts| Account::read(&facts)).unwrap_or_default()
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// Settings as text; values that are objects or arrays are left out, and what is no object has no settings.
pub(super) fn read_settings(value: Value) -> Settings {
    let Value::Object(fields) = value else { return IndexMap::new() };
    let setting = |(name, value): (String, Value)| {
        if value.is_null() { Some((name, None)) } else { coerce::text(value).map(|text| (name, Some(text))) }
    };
    fields.into_iter().filter_map(setting).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(settings: Value) -> Account {
        Account { id: AccountId::Known(1), settings: read_settings(settings) }
    }

    #[test]
    fn trap_37_settings_are_read_leniently() {
        let account = account(
            json!({"null": null, "True": "True", "true": true, "five": 5, "empty": "", "n": " 7 ", "o": {}}),
        );
        assert_eq!((account.bool("True"), account.bool("true")), (Some(true), Some(true)));
        assert_eq!((account.integer("five"), account.integer("n")), (Some(5), Some(7)));
        assert_eq!(account.text("five"), Some("5"));
        for nothing in ["null", "empty", "absent", "o"] {
            assert_eq!(account.text(nothing), None, "{nothing}");
            assert_eq!(account.bool(nothing), None, "{nothing}");
        }
        assert_eq!(account.integer("True"), None);
        assert_eq!(account.settings["null"], None);
    }

    #[test]
    fn trap_98_debug_shows_no_setting_values() {
        let shown = format!("{:?}", account(json!({"apiKey": "s3cret"})));
        assert!(shown.contains("apiKey") && !shown.contains("s3cret"), "{shown}");
    }
}
