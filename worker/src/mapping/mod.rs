//! From an item to the partner's JSON, as `partner.toml` says: expressions compiled once, run in a sandbox.

mod compiler;
pub(crate) mod context;
mod engine;
mod json;
mod program;
mod value;

use std::fmt;

use minijinja::Value;
use penstock_shared::partner::{Expr, Mistake};

pub(crate) use context::{Context, RequestContext};
pub(crate) use json::to_json;
pub use program::Program;
pub(crate) use program::{Action, AuthProgram, CallProgram, EachProgram, FailedProgram, ItemAnswersProgram};
pub(crate) use value::{MappedItem, Record, from_json};

/// An expression or mapping failed on an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct MappingError {
    /// Where in `partner.toml`: key, line and column; empty until it is known.
    at: String,
    what: String,
}

impl MappingError {
    pub(crate) fn new(what: &str) -> Self {
        Self { at: String::new(), what: what.to_owned() }
    }

    /// Keeps the kind of the error and the texts of our own filters; minijinja's own details may quote values.
    pub(crate) fn from_engine(error: &minijinja::Error) -> Self {
        let what = match error.kind() {
            minijinja::ErrorKind::InvalidOperation => {
                let detail = error.detail().unwrap_or_default();
                if OWN_DETAILS.contains(&detail) { detail.to_owned() } else { "invalid operation".to_owned() }
            }
            kind => kind.to_string(),
        };
        Self { at: String::new(), what }
    }

    fn at(mut self, expr: &Expr) -> Self {
        if self.at.is_empty() {
            self.at = format!("{} (line {}, column {})", expr.path, expr.line, expr.column);
        }
        self
    }
}

/// What our own filters say; these quote nothing.
const OWN_DETAILS: [&str; 8] = [
    "a text is meant",
    "an object is meant",
    "JSON is meant",
    "an integer is meant",
    "a number is meant",
    "true or false is meant",
    "milliseconds since 1970 are meant",
    "the time is out of range",
];

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", self.at, self.what) }
    }
}

/// An expression, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    expression: minijinja::Expression<'static, 'static>,
    origin: Expr,
}

impl Compiled {
    /// Compiles an expression; its names and filters were checked when partner.toml was read.
    fn new(expr: &Expr) -> Result<Self, Mistake> {
        let expression = engine::ENGINE
            .compile_expression_owned(expr.source.clone())
            .map_err(|e| expr.mistake(format!("not an expression: {e}")))?;
        Ok(Self { expression, origin: expr.clone() })
    }

    /// Its value for these variables.
    pub(crate) fn eval(&self, variables: &Value) -> Result<Value, MappingError> {
        self.expression.eval(variables).map_err(|e| MappingError::from_engine(&e).at(&self.origin))
    }

    /// Appends its JSON; false when it is undefined.
    fn write(&self, variables: &Value, out: &mut Vec<u8>) -> Result<bool, MappingError> {
        json::write(&self.eval(variables)?, out).map_err(|e| e.at(&self.origin))
    }

    /// Its value as text for a header or a path: scalars as they are written; `None` when undefined or none.
    pub(crate) fn text(&self, variables: &Value) -> Result<Option<String>, MappingError> {
        let value = self.eval(variables)?;
        Ok((!value.is_undefined() && !value.is_none()).then(|| value.to_string()))
    }
}

#[cfg(test)]
mod tests;
