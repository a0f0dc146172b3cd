//! All of a partner's expressions, compiled, and what can be asked of them.

use bytes::Bytes;
use minijinja::Value;
use penstock_shared::partner::{Batch, Mistakes, Partner, Takes, Verdict};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use super::{Compiled, MappingError, json, value::Record};

/// Everything but the unreserved characters of RFC 3986, so that a value is always one segment.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A partner's routes and expressions, ready to run.
#[derive(Debug)]
pub struct Program {
    pub(super) values: Vec<(String, Compiled)>,
    /// The routes, in the order of the file.
    pub(crate) routes: Vec<RouteProgram>,
    /// Headers of every call.
    pub(crate) headers: Vec<(String, Compiled)>,
    /// How calls are authenticated.
    pub(crate) auth: AuthProgram,
}

#[derive(Debug)]
pub(crate) struct RouteProgram {
    pub(crate) name: String,
    pub(crate) takes: Takes,
    pub(super) when: Option<Compiled>,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    Drop,
    Call(Box<CallProgram>),
}

#[derive(Debug)]
pub(crate) struct CallProgram {
    pub(crate) method: http::Method,
    pub(super) path: Vec<PathPart>,
    pub(crate) needs_subscription: bool,
    pub(super) group: Option<Compiled>,
    pub(crate) batch: Batch,
    pub(super) item: Option<Shape>,
    pub(super) body: Option<Shape>,
    pub(crate) capture: Vec<(String, Compiled)>,
    pub(crate) statuses: std::collections::BTreeMap<u16, Verdict>,
    pub(crate) outcome: Option<Compiled>,
    pub(crate) items: ItemAnswersProgram,
}

#[derive(Debug)]
pub(crate) enum ItemAnswersProgram {
    Alike,
    Each(Box<EachProgram>),
    Failed(Vec<FailedProgram>),
}

#[derive(Debug)]
pub(crate) struct EachProgram {
    pub(crate) list: Compiled,
    pub(crate) outcome: Compiled,
    pub(crate) reason: Option<Compiled>,
}

#[derive(Debug)]
pub(crate) struct FailedProgram {
    pub(crate) list: Compiled,
    pub(crate) matches: Compiled,
    pub(crate) outcome: Verdict,
    pub(crate) reason: Option<String>,
}

#[derive(Debug)]
pub(crate) enum AuthProgram {
    None,
    Header { header: String, value: Compiled },
    Bearer { token: Compiled },
    Basic { user: Compiled, password: Compiled },
}

#[derive(Debug)]
pub(super) enum PathPart {
    Text(String),
    Value(Compiled),
}

/// A mapping, compiled.
#[derive(Debug)]
pub(super) enum Shape {
    Object(Vec<(String, Shape)>),
    Array(Vec<Shape>),
    Value(Compiled),
    Literal(Vec<u8>),
    Raw,
    Each { list: Compiled, name: String, item: Box<Shape> },
}

impl Program {
    /// Compiles every expression of the file.
    ///
    /// # Errors
    /// All mistakes at once, each at its line: unknown names, filters, and what is no expression.
    pub fn compile(partner: &Partner) -> Result<Self, Mistakes> {
        super::compiler::compile(partner)
    }

    /// The calls of all routes that make one.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &CallProgram> {
        self.routes.iter().filter_map(|route| match &route.action {
            Action::Call(call) => Some(&**call),
            Action::Drop => None,
        })
    }

    /// The batch limits of every route, in their order; those of a route that drops are never asked for.
    pub(crate) fn batches(&self) -> Vec<Batch> {
        let none = Batch { items_max: 1, bytes_max: usize::MAX, wait: std::time::Duration::ZERO };
        (0..self.routes.len()).map(|route| self.call(route).map_or(none, |call| call.batch)).collect()
    }

    /// The call of a route; `None` for one that drops.
    pub(crate) fn call(&self, route: usize) -> Option<&CallProgram> {
        match &self.routes.get(route)?.action {
            Action::Call(call) => Some(call),
            Action::Drop => None,
        }
    }

    /// Adds the `[values]` to an item's variables.
    pub(crate) fn add_values(&self, variables: &mut Record) -> Result<(), MappingError> {
        for (name, expression) in &self.values {
            let value = expression.eval(&variables.fork().into_value())?;
            variables.set(name.as_str(), value);
        }
        Ok(())
    }
}

impl RouteProgram {
    /// Whether the route wants the item.
    pub(crate) fn wants(&self, variables: &Value) -> Result<bool, MappingError> {
        self.when.as_ref().map_or(Ok(true), |when| Ok(when.eval(variables)?.is_true()))
    }
}

impl CallProgram {
    /// The item as the partner wants it; empty when the call carries no items.
    pub(crate) fn map_item(&self, variables: &Value, raw: &[u8]) -> Result<Bytes, MappingError> {
        let mut out = Vec::new();
        if let Some(item) = &self.item
            && !item.write(variables, raw, &mut out)?
        {
            out.extend_from_slice(b"null");
        }
        Ok(out.into())
    }

    /// Whether items of one call have something in common.
    pub(crate) fn has_group(&self) -> bool {
        self.group.is_some()
    }

    /// What the items of one call have in common, as a value; undefined without a `group`.
    pub(crate) fn group(&self, variables: &Value) -> Result<Value, MappingError> {
        self.group.as_ref().map_or(Ok(Value::UNDEFINED), |group| group.eval(variables))
    }

    /// The path of the call, each value percent-encoded. Only in the query may a value be missing or empty: without
    /// it, the path would name something else, such as all users in place of one.
    pub(crate) fn path(&self, variables: &Value) -> Result<String, MappingError> {
        let mut path = String::new();
        for part in &self.path {
            match part {
                PathPart::Text(text) => path.push_str(text),
                PathPart::Value(value) => {
                    let text = value.text(variables)?.unwrap_or_default();
                    if text.is_empty() && !path.contains('?') {
                        return Err(MappingError::new("a value of the path is missing or empty"));
                    }
                    path.extend(percent_encoding::utf8_percent_encode(&text, RESERVED));
                }
            }
        }
        Ok(path)
    }

    /// The body of the call; `None` when it has none.
    pub(crate) fn body(&self, variables: &Value, items: &[&Bytes]) -> Result<Option<Bytes>, MappingError> {
        if let Some(body) = &self.body {
            let mut out = Vec::new();
            let written = body.write(variables, b"", &mut out)?;
            return Ok(written.then(|| out.into()));
        }
        match (&self.item, items) {
            (None, _) => Ok(None),
            (Some(_), [item]) if self.batch.items_max == 1 => Ok(Some((*item).clone())),
            (Some(_), items) => {
                let mut out = Vec::with_capacity(items.iter().map(|item| item.len() + 1).sum::<usize>() + 2);
                json::write_array(items, &mut out, |item, out| {
                    out.extend_from_slice(item);
                    Ok(true)
                })?;
                Ok(Some(out.into()))
            }
        }
    }
}

impl Shape {
    fn write(&self, variables: &Value, raw: &[u8], out: &mut Vec<u8>) -> Result<bool, MappingError> {
        match self {
            Self::Value(compiled) => return compiled.write(variables, out),
            Self::Literal(json) => out.extend_from_slice(json),
            Self::Raw => out.extend_from_slice(raw),
            Self::Array(shapes) => {
                json::write_array(shapes, out, |shape, out| shape.write(variables, raw, out))?
            }
            Self::Object(members) => {
                let members = members.iter().map(|(name, shape)| (shape, name.clone()));
                json::write_members(members, out, |shape, out| shape.write(variables, raw, out))?;
            }
            Self::Each { list, name, item } => {
                let elements = list.eval(variables)?;
                if elements.is_undefined() || elements.is_none() {
                    return Ok(false);
                }
                let elements = elements.try_iter().map_err(|e| MappingError::from_engine(&e))?;
                json::write_array(elements, out, |element, out| {
                    let inner = Overlay { name: name.clone(), element, outer: variables.clone() };
                    item.write(&Value::from_object(inner), raw, out)
                })?;
            }
        }
        Ok(true)
    }
}

/// The variables of a mapping with one more: the element at hand.
#[derive(Debug)]
struct Overlay {
    name: String,
    element: Value,
    outer: Value,
}

impl minijinja::value::Object for Overlay {
    fn get_value(self: &std::sync::Arc<Self>, key: &Value) -> Option<Value> {
        if key.as_str() == Some(self.name.as_str()) {
            return Some(self.element.clone());
        }
        self.outer.get_item(key).ok().filter(|value| !value.is_undefined())
    }
}
