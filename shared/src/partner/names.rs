//! Checks every expression against what it can see: syntax, names, filters, settings, captured values, permissions.
//!
//! Done at the end of the reading, when all settings and captures are known.

use std::collections::BTreeSet;

use minijinja::Environment;
use serde_json::{Map, Value};

use super::{
    Setting,
    reader::Reader,
    scope::{BUILTIN_FILTERS, BUILTIN_FUNCTIONS, FILTERS, FUNCTIONS, MEMBERS, NEEDS_PERMISSION, TESTS, Use},
    suggestion::suggest,
    words::{Word, words},
};

/// What the file declares that expressions refer to.
pub(super) struct Declared<'a> {
    pub(super) account_settings: &'a [Setting],
    /// Where each account setting stands first.
    pub(super) account_setting_places: &'a [usize],
    pub(super) subscription_settings: &'a [Setting],
    /// What subscription routes capture; `None` when a route could not be read, so nobody knows.
    pub(super) captured: Option<BTreeSet<&'a str>>,
    /// The permissions of the registration document.
    pub(super) permissions: Option<&'a Map<String, Value>>,
}

/// Reports every expression that can't work.
pub(super) fn check(reader: &Reader<'_>, uses: &[Use], declared: &Declared<'_>) {
    let env = Environment::new();
    let mut seen = BTreeSet::new();
    for used in uses {
        match undeclared(&env, used) {
            Ok(names) => {
                check_names(reader, used, &names, declared);
                check_words(reader, used);
                seen.extend(names);
            }
            Err(error) => {
                let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                let mut mistake = used.expr.mistake(format!("not an expression: {detail}"));
                mistake.line += error.line().unwrap_or(1).saturating_sub(1);
                reader.report(mistake);
            }
        }
    }
    check_unused_settings(reader, &seen, declared);
}

/// The dotted names that an expression takes from outside.
fn undeclared(env: &Environment<'_>, used: &Use) -> Result<BTreeSet<String>, minijinja::Error> {
    let source = used.expr.source.as_str();
    let names = if used.is_template {
        env.template_from_str(source)?.undeclared_variables(true)
    } else {
        env.compile_expression(source)?.undeclared_variables(true)
    };
    Ok(names.into_iter().collect())
}

fn check_names(reader: &Reader<'_>, used: &Use, names: &BTreeSet<String>, declared: &Declared<'_>) {
    for dotted in names {
        let mut parts = dotted.split('.');
        let (name, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let problem = if !is_seen(used, name) {
            Some(unknown_name(used, name))
        } else {
            second.and_then(|second| unknown_member(name, second, third, declared))
        };
        if let Some(problem) = problem.or_else(|| missing_permission(dotted, declared)) {
            reader.report(used.expr.mistake(problem));
        }
    }
}

fn is_seen(used: &Use, name: &str) -> bool {
    BUILTIN_FUNCTIONS.contains(&name)
        || (used.scope.sees_item() && FUNCTIONS.contains(&name))
        || used.scope.names().any(|known| known == name)
}

fn unknown_name(used: &Use, name: &str) -> String {
    if name == "group" {
        return "`group` is only there when the route has a `group`, and not for single items".to_owned();
    }
    let functions: &[&str] = if used.scope.sees_item() { FUNCTIONS } else { &[] };
    let known = used.scope.names().chain(functions.iter().copied());
    format!("`{name}` is not there; {}", suggest(name, known))
}

fn unknown_member(name: &str, second: &str, third: Option<&str>, declared: &Declared<'_>) -> Option<String> {
    if name == "settings" {
        return undeclared_setting("account setting", second, declared.account_settings);
    }
    let (_, members) = MEMBERS.iter().find(|(object, _)| *object == name)?;
    if !members.contains(&second) {
        return Some(format!("`{name}` has no `{second}`; {}", suggest(second, members.iter().copied())));
    }
    match (second, third) {
        ("settings", Some(id)) => {
            undeclared_setting("subscription setting", id, declared.subscription_settings)
        }
        ("captured", Some(key)) => {
            let captured = declared.captured.as_ref().filter(|captured| !captured.contains(key))?;
            let hint = suggest(key, captured.iter().copied());
            Some(format!("no subscription route captures `{key}`; {hint}"))
        }
        _ => None,
    }
}

fn undeclared_setting(kind: &str, id: &str, settings: &[Setting]) -> Option<String> {
    let is_declared = settings.iter().any(|setting| setting.id == id);
    let hint = || suggest(id, settings.iter().map(|setting| setting.id.as_str()));
    (!is_declared).then(|| format!("no {kind} `{id}` is registered; {}", hint()))
}

fn missing_permission(dotted: &str, declared: &Declared<'_>) -> Option<String> {
    let (_, permission) = NEEDS_PERMISSION.iter().find(|(name, _)| {
        dotted.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })?;
    let granted = declared.permissions.is_some_and(|all| all.contains_key(*permission));
    (!granted).then(|| {
        format!("`{dotted}` is never sent; write `{permission} = true` in [registration.permissions]")
    })
}

fn check_words(reader: &Reader<'_>, used: &Use) {
    for word in words(&used.expr.source, used.is_template) {
        let message = match word {
            Word::Filter(name) if !is_filter(name) => {
                let hint = suggest(name, FILTERS.iter().chain(BUILTIN_FILTERS).copied());
                format!("unknown filter `{name}`; {hint}")
            }
            Word::Test(name) if !TESTS.contains(&name) => {
                format!("unknown test `is {name}`; {}", suggest(name, TESTS.iter().copied()))
            }
            Word::Filter(_) | Word::Test(_) => continue,
        };
        reader.report(used.expr.mistake(message));
    }
}

fn is_filter(name: &str) -> bool {
    FILTERS.contains(&name) || BUILTIN_FILTERS.contains(&name)
}

/// A setting that customers must fill in and that nothing uses is a slip: of the setting, or of its use.
fn check_unused_settings(reader: &Reader<'_>, seen: &BTreeSet<String>, declared: &Declared<'_>) {
    if seen.contains("settings") {
        return;
    }
    let settings = declared.account_settings.iter().zip(declared.account_setting_places);
    for (setting, at) in settings.filter(|(setting, _)| setting.required) {
        let name = format!("settings.{}", setting.id);
        let inner = format!("{name}.");
        if !seen.iter().any(|used| *used == name || used.starts_with(&inner)) {
            reader.mistake(
                *at,
                "registration",
                format!("customers must fill in `{}`, but no expression uses `{name}`", setting.id),
            );
        }
    }
}
