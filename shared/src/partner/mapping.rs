//! Reads expressions, templates and mappings.

use serde_json::{Number, Value};
use toml::de::DeValue;

use super::{
    Expr, Mapping, Template,
    field::Field,
    reader::Table,
    scope::{Place, Scope},
};

/// How deep a mapping may nest, as `serde_json` reads no deeper than 128.
const DEPTH_MAX: usize = 64;

impl Field<'_> {
    /// An expression that sees `scope`. Its syntax is checked at the end, with all others.
    pub(super) fn expr(&self, scope: &Scope) -> Option<Expr> {
        self.source(scope, false)
    }

    /// A text with expressions in double braces.
    pub(super) fn template(&self, scope: &Scope) -> Option<Template> {
        self.source(scope, true).map(Template)
    }

    fn source(&self, scope: &Scope, is_template: bool) -> Option<Expr> {
        let source = self.text()?.to_owned();
        if source.trim().is_empty() {
            self.wrong("is empty; write an expression, or '\"\"' for the empty text");
            return None;
        }
        let (line, column) = self.reader.place(self.reader.inside_quotes(self.at()));
        let expr = Expr { source, path: self.path.clone(), line, column };
        self.reader.used(&expr, scope, is_template);
        Some(expr)
    }

    /// A mapping; `$raw` only when an item is mapped.
    pub(super) fn mapping(&self, scope: &Scope) -> Option<Mapping> {
        self.nested_mapping(scope, 0)
    }

    fn nested_mapping(&self, scope: &Scope, depth: usize) -> Option<Mapping> {
        if depth > DEPTH_MAX {
            self.wrong(format!("nests deeper than {DEPTH_MAX} levels"));
            return None;
        }
        match self.value.get_ref() {
            DeValue::String(_) => self.expr(scope).map(Mapping::Expr),
            DeValue::Boolean(value) => Some(Mapping::Literal(Value::Bool(*value))),
            DeValue::Integer(_) | DeValue::Float(_) => self.literal().map(Mapping::Literal),
            DeValue::Datetime(_) => {
                self.wrong("a date can't be sent as such; write it as text: \"'2030-01-31'\"");
                None
            }
            DeValue::Array(_) => {
                let elements = self.list()?;
                let all: Vec<_> =
                    elements.iter().map(|element| element.nested_mapping(scope, depth + 1)).collect();
                all.into_iter().collect::<Option<Vec<_>>>().map(Mapping::Array)
            }
            DeValue::Table(_) => self.free_table()?.mapping(scope, depth),
        }
    }

    fn literal(&self) -> Option<Value> {
        let number = match self.value.get_ref() {
            DeValue::Integer(_) => self.whole(i64::MIN..=i64::MAX, "a 64-bit number").map(Number::from),
            _ => self.number(f64::MIN..=f64::MAX, "a finite number").and_then(Number::from_f64),
        };
        number.map(Value::Number)
    }
}

impl Table<'_> {
    fn mapping(&self, scope: &Scope, depth: usize) -> Option<Mapping> {
        let fields = self.fields();
        let special = |key: &str| key.starts_with('$');
        if !fields.iter().any(|(key, _)| special(key)) {
            let members: Vec<_> = fields
                .into_iter()
                .map(|(key, field)| Some((key.to_owned(), field.nested_mapping(scope, depth + 1)?)))
                .collect();
            return members.into_iter().collect::<Option<Vec<_>>>().map(Mapping::Object);
        }
        for (key, field) in &fields {
            if !["$raw", "$each", "$as", "$item"].contains(key) {
                field.wrong_key(
                    "can't stand beside a key with `$`; such a table is either { \"$raw\" = true } or \
                     { \"$each\" = list, \"$as\" = name, \"$item\" = mapping }",
                );
            }
        }
        match self.get("$raw") {
            Some(raw) => self.raw(&raw, scope, fields.len()),
            None => self.each(scope, depth),
        }
    }

    fn raw(&self, raw: &Field<'_>, scope: &Scope, keys: usize) -> Option<Mapping> {
        if raw.boolean()? && keys == 1 && matches!(scope.place(), Place::Item(_)) {
            return Some(Mapping::Raw);
        }
        raw.wrong("`$raw` stands alone, as { \"$raw\" = true }, and in `item` only");
        None
    }

    fn each(&self, scope: &Scope, depth: usize) -> Option<Mapping> {
        let list = self.required("$each", "the list whose elements are mapped").and_then(|it| it.expr(scope));
        let name = match self.get("$as") {
            Some(field) => field.text().filter(|name| {
                let fits = is_name(name) && !scope.names().any(|taken| taken == *name);
                if !fits {
                    field.wrong("is not a free name; write a new one: letters, digits and _");
                }
                fits
            })?,
            None => "element",
        };
        let inner = scope.with([name]);
        let item = self
            .required("$item", "what becomes of each element")
            .and_then(|it| it.nested_mapping(&inner, depth + 1));
        Some(Mapping::Each { list: list?, name: name.to_owned(), item: Box::new(item?) })
    }
}

/// Whether minijinja takes `text` for a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    const RESERVED: &[&str] = &["true", "false", "none", "and", "or", "not", "in", "is", "if", "else"];
    let first_fits = text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    first_fits
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED.contains(&text.to_lowercase().as_str())
}
