//! Walks the TOML document, knows where everything stands, and collects every mistake instead of stopping.
//!
//! A reading function gives `None` only after it has reported why, so its caller need not report again.

use std::cell::RefCell;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Expr, Mistake,
    field::Field,
    scope::{Scope, Use},
    suggestion::suggest,
};

/// One reading of one file.
pub(super) struct Reader<'t> {
    text: &'t str,
    /// Lines where the text is not TOML. What else is wrong on them follows from that, and what seems missing in the
    /// file may just not have been understood.
    broken_lines: Vec<usize>,
    mistakes: RefCell<Vec<Mistake>>,
    uses: RefCell<Vec<Use>>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, errors: &[toml::de::Error]) -> Self {
        let mut reader =
            Self { text, broken_lines: Vec::new(), mistakes: RefCell::default(), uses: RefCell::default() };
        let offset = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        for error in errors {
            reader.mistake(offset(error), "", error.message().replace('\n', "; "));
        }
        reader.broken_lines = errors.iter().map(|error| reader.place(offset(error)).0).collect();
        reader
    }

    /// Line and column (in characters), from 1, of a byte offset.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Where the characters of a string value begin, behind its quotes.
    pub(super) fn inside_quotes(&self, offset: usize) -> usize {
        let rest = self.text.get(offset..).unwrap_or_default();
        let long = rest.starts_with("\"\"\"") || rest.starts_with("'''");
        let quotes = if long { 3 } else { 1 };
        let line_break = match rest.get(quotes..) {
            Some(rest) if long && rest.starts_with("\r\n") => 2,
            Some(rest) if long && rest.starts_with('\n') => 1,
            _ => 0,
        };
        offset + quotes + line_break
    }

    pub(super) fn mistake(&self, offset: usize, path: &str, message: impl Into<String>) {
        let (line, column) = self.place(offset);
        self.report(Mistake { line, column, path: path.to_owned(), message: message.into() });
    }

    pub(super) fn report(&self, mistake: Mistake) {
        if !self.broken_lines.contains(&mistake.line) {
            self.mistakes.borrow_mut().push(mistake);
        }
    }

    /// Reports that something is not there, unless it may just not have been understood.
    pub(super) fn missing(&self, offset: usize, path: &str, message: impl Into<String>) {
        if self.broken_lines.is_empty() {
            self.mistake(offset, path, message);
        }
    }

    /// Remembers what an expression may see, for [`super::names`].
    pub(super) fn used(&self, expr: &Expr, scope: &Scope, is_template: bool) {
        self.uses.borrow_mut().push(Use { expr: expr.clone(), scope: scope.clone(), is_template });
    }

    /// The expressions read so far.
    pub(super) fn take_uses(&self) -> Vec<Use> {
        self.uses.take()
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.borrow().is_empty()
    }

    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes.into_inner()
    }
}

/// A table of the file whose keys are known, or free.
pub(super) struct Table<'a> {
    pub(super) reader: &'a Reader<'a>,
    /// The table's key; empty for the file itself.
    pub(super) path: String,
    /// Where it begins.
    pub(super) at: usize,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// Opens a table; every key but the `known` ones is a mistake.
    pub(super) fn open(
        reader: &'a Reader<'a>,
        path: &str,
        at: usize,
        entries: &'a DeTable<'a>,
        known: &[&'static str],
    ) -> Self {
        let table = Self::open_free(reader, path, at, entries);
        for (key, span) in entries.keys().map(|key| (key.get_ref(), key.span())) {
            if !known.contains(&key.as_ref()) {
                let message = format!("unknown key `{key}`; {}", suggest(key, known.iter().copied()));
                reader.mistake(span.start, &table.key_path(key), message);
            }
        }
        table
    }

    /// Opens a table whose keys are the writer's own.
    pub(super) fn open_free(reader: &'a Reader<'a>, path: &str, at: usize, entries: &'a DeTable<'a>) -> Self {
        Self { reader, path: path.to_owned(), at, entries }
    }

    fn key_path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        let (key, value) = self.entries.get_key_value(key)?;
        Some(self.field(key.get_ref(), key.span().start, value))
    }

    /// The value of a key that must be there; `meaning` completes "write …".
    pub(super) fn required(&self, key: &str, meaning: &str) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            let message = format!("`{key}` is missing; write {meaning}");
            self.reader.missing(self.at, &self.key_path(key), message);
        }
        field
    }

    /// All keys and values, in the order of the file.
    pub(super) fn fields(&self) -> Vec<(&'a str, Field<'a>)> {
        let mut fields: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| (key.as_ref().as_ref(), self.field(key.get_ref(), key.span().start, value)))
            .collect();
        fields.sort_by_key(|(_, field)| field.key_at);
        fields
    }

    fn field(&self, key: &str, key_at: usize, value: &'a Spanned<DeValue<'a>>) -> Field<'a> {
        Field { reader: self.reader, path: self.key_path(key), key_at, value }
    }

    /// Reports a mistake at the table's beginning.
    pub(super) fn wrong(&self, message: impl Into<String>) {
        self.reader.mistake(self.at, &self.path, message);
    }
}
