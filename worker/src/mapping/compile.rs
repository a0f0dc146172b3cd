//! Checks of an expression that need to know the engine: names of variables, functions and filters.

use std::collections::HashSet;

use penstock_shared::partner::{Expr, Mistake};

use super::engine::{FUNCTIONS, is_filter};

/// minijinja's own global functions.
const GLOBALS: [&str; 4] = ["dict", "debug", "namespace", "range"];

/// Refuses an expression that uses a name that will never be there.
pub(super) fn check_names(expr: &Expr, used: &HashSet<String>, names: &[&str]) -> Result<(), Mistake> {
    let is_known = |name: &str| names.contains(&name) || FUNCTIONS.contains(&name) || GLOBALS.contains(&name);
    let mut unknown: Vec<&String> = used.iter().filter(|name| !is_known(name)).collect();
    unknown.sort();
    match unknown.first() {
        None => Ok(()),
        Some(name) => {
            Err(expr.mistake(format!("`{name}` is not known here; names are {}", names.join(", "))))
        }
    }
}

/// Refuses an expression that uses a filter that is not there.
pub(super) fn check_filters(expr: &Expr) -> Result<(), Mistake> {
    match filters(&expr.source).find(|name| !is_filter(name)) {
        None => Ok(()),
        Some(name) => Err(expr.mistake(format!("there is no filter `{name}`"))),
    }
}

/// The names that follow a `|` outside of texts.
fn filters(source: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut escaped = false;
    source.char_indices().filter_map(move |(at, c)| {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '|') => {
                let name = source[at + 1..].trim_start();
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                return Some(&name[..end]);
            }
            (None, _) => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expr(source: &str) -> Expr {
        Expr { source: source.into(), path: "routes[0].item.x".into(), line: 3, column: 9 }
    }

    #[test]
    fn an_unknown_name_or_filter_is_reported_at_its_place() {
        let used = HashSet::from(["evnet".to_owned()]);
        let mistake = check_names(&expr("evnet.name"), &used, &["event", "user"]).unwrap_err();
        assert_eq!((mistake.line, mistake.column), (3, 9));
        assert!(mistake.message.contains("`evnet` is not known here; names are event, user"));
        assert!(check_filters(&expr("a | lower | sha265")).unwrap_err().message.contains("sha265"));
        assert!(check_filters(&expr("'a | sha265' ~ b|lower")).is_ok());
    }
}
