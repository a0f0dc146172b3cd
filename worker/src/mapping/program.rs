//! All of a partner's expressions, compiled, and what can be asked of them.

use bytes::Bytes;
use minijinja::Value;
use penstock_shared::partner::{
    self, Auth, Batch, Expr, Mapping, Mistake, Mistakes, Partner, RouteAction, Takes, Verdict,
};

use super::{
    Compiled, MappingError,
    value::{self, Record},
};

/// What an expression about one item may name.
const ITEM_NAMES: [&str; 14] = [
    "account",
    "audience",
    "dsr",
    "environment",
    "event",
    "item",
    "message",
    "pod",
    "profile",
    "received_at_ms",
    "request",
    "settings",
    "subscription",
    "user",
];
/// What an expression about a whole call may name.
const CALL_NAMES: [&str; 5] = ["account", "group", "items", "pod", "settings"];
/// What an expression about an answer may name.
const ANSWER_NAMES: [&str; 9] =
    ["account", "group", "headers", "pod", "response", "result", "sent", "settings", "status"];

/// A partner's routes and expressions, ready to run.
#[derive(Debug)]
pub struct Program {
    values: Vec<(String, Compiled)>,
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
    when: Option<Compiled>,
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
    path: Vec<PathPart>,
    pub(crate) needs_subscription: bool,
    group: Option<Compiled>,
    pub(crate) batch: Batch,
    item: Option<Shape>,
    body: Option<Shape>,
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
enum PathPart {
    Text(String),
    Value(Compiled),
}

/// A mapping, compiled.
#[derive(Debug)]
enum Shape {
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
        let mut compiler = Compiler { value_names: Vec::new(), mistakes: Vec::new() };
        let program = compiler.program(partner);
        match program {
            Some(program) if compiler.mistakes.is_empty() => Ok(program),
            _ => Err(Mistakes::new(partner.file.clone(), compiler.mistakes)),
        }
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
                    path.extend(percent_encoding::utf8_percent_encode(
                        &text,
                        percent_encoding::NON_ALPHANUMERIC,
                    ));
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
                value::write_array(items, &mut out, |item, out| {
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
                value::write_array(shapes, out, |shape, out| shape.write(variables, raw, out))?
            }
            Self::Object(members) => {
                let members = members.iter().map(|(name, shape)| (shape, name.clone()));
                value::write_members(members, out, |shape, out| shape.write(variables, raw, out))?;
            }
            Self::Each { list, name, item } => {
                let elements = list.eval(variables)?;
                if elements.is_undefined() || elements.is_none() {
                    return Ok(false);
                }
                let elements = elements.try_iter().map_err(|e| MappingError::from_engine(&e))?;
                value::write_array(elements, out, |element, out| {
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

/// Compiles and collects mistakes; a part that fails is `None`, and the rest is still looked at.
struct Compiler {
    value_names: Vec<String>,
    mistakes: Vec<Mistake>,
}

impl Compiler {
    fn program(&mut self, partner: &Partner) -> Option<Program> {
        let mut values = Vec::new();
        for (name, expr) in &partner.values {
            let compiled = self.item(expr);
            self.value_names.push(name.clone());
            values.extend(compiled.map(|compiled| (name.clone(), compiled)));
        }
        let headers =
            partner.api.headers.iter().filter_map(|(name, expr)| Some((name.clone(), self.call(expr)?)));
        let headers = headers.collect();
        let auth = self.auth(&partner.auth);
        let routes: Vec<_> = partner.routes.iter().map(|route| self.route(route)).collect();
        Some(Program { values, headers, auth: auth?, routes: routes.into_iter().collect::<Option<_>>()? })
    }

    fn auth(&mut self, auth: &Auth) -> Option<AuthProgram> {
        Some(match auth {
            Auth::None => AuthProgram::None,
            Auth::Header { header, value } => {
                AuthProgram::Header { header: header.clone(), value: self.call(value)? }
            }
            Auth::Bearer { token } => AuthProgram::Bearer { token: self.call(token)? },
            Auth::Basic { user, password } => {
                let (user, password) = (self.call(user), self.call(password));
                AuthProgram::Basic { user: user?, password: password? }
            }
        })
    }

    fn route(&mut self, route: &partner::Route) -> Option<RouteProgram> {
        let when = self.optional(route.when.as_ref(), Self::item);
        let action = match &route.action {
            RouteAction::Drop(_) => Some(Action::Drop),
            RouteAction::Call(call) => self.call_program(call).map(|call| Action::Call(Box::new(call))),
        };
        Some(RouteProgram { name: route.name.clone(), takes: route.takes, when: when?, action: action? })
    }

    fn call_program(&mut self, call: &partner::Call) -> Option<CallProgram> {
        let path = self.path(&call.path.0);
        let group = self.optional(call.group.as_ref(), Self::item);
        let item = self.optional(call.item.as_ref(), |this, mapping| {
            this.shape(mapping, &mut Vec::new(), Self::item_with)
        });
        let body = self.optional(call.body.as_ref(), |this, mapping| {
            this.shape(mapping, &mut Vec::new(), Self::call_with)
        });
        let capture = call.capture.iter().map(|(name, expr)| Some((name.clone(), self.answer(expr)?)));
        let capture: Option<Vec<_>> = capture.collect();
        let outcome = self.optional(call.answer.outcome.as_ref(), Self::answer);
        let items = self.item_answers(&call.answer.items);
        Some(CallProgram {
            method: http::Method::from_bytes(call.method.as_bytes()).ok()?,
            path: path?,
            needs_subscription: call.needs_subscription,
            group: group?,
            batch: call.batch,
            item: item?,
            body: body?,
            capture: capture?,
            statuses: call.answer.statuses.clone(),
            outcome: outcome?,
            items: items?,
        })
    }

    fn item_answers(&mut self, items: &partner::ItemAnswers) -> Option<ItemAnswersProgram> {
        Some(match items {
            partner::ItemAnswers::Alike => ItemAnswersProgram::Alike,
            partner::ItemAnswers::Each { list, outcome, reason } => {
                let (list, outcome) = (self.answer(list), self.answer(outcome));
                let reason = self.optional(reason.as_ref(), Self::answer);
                ItemAnswersProgram::Each(Box::new(EachProgram {
                    list: list?,
                    outcome: outcome?,
                    reason: reason?,
                }))
            }
            partner::ItemAnswers::Failed(lists) => {
                let lists = lists.iter().map(|failed| {
                    let (list, matches) = (self.answer(&failed.list), self.answer(&failed.matches));
                    let reason = failed.reason.clone();
                    Some(FailedProgram { list: list?, matches: matches?, outcome: failed.outcome, reason })
                });
                ItemAnswersProgram::Failed(lists.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
            }
        })
    }

    /// Text with `{{ expressions }}` in it.
    fn path(&mut self, template: &Expr) -> Option<Vec<PathPart>> {
        let mut parts = Vec::new();
        let mut rest = template.source.as_str();
        while let Some((text, after)) = rest.split_once("{{") {
            let Some((source, after)) = after.split_once("}}") else {
                self.mistakes.push(template.mistake("`{{` without `}}`"));
                return None;
            };
            parts.push(PathPart::Text(text.to_owned()));
            let expr = Expr { source: source.trim().to_owned(), ..template.clone() };
            parts.push(PathPart::Value(self.call(&expr)?));
            rest = after;
        }
        parts.push(PathPart::Text(rest.to_owned()));
        Some(parts)
    }

    fn shape(
        &mut self,
        mapping: &Mapping,
        names: &mut Vec<String>,
        compile: fn(&mut Self, &Expr, &[String]) -> Option<Compiled>,
    ) -> Option<Shape> {
        Some(match mapping {
            Mapping::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, mapping)| Some((name.clone(), self.shape(mapping, names, compile)?)))
                    .collect();
                Shape::Object(members.into_iter().collect::<Option<_>>()?)
            }
            Mapping::Array(items) => {
                let items: Vec<_> = items.iter().map(|mapping| self.shape(mapping, names, compile)).collect();
                Shape::Array(items.into_iter().collect::<Option<_>>()?)
            }
            Mapping::Expr(expr) => Shape::Value(compile(self, expr, names)?),
            Mapping::Literal(json) => Shape::Literal(json.to_string().into_bytes()),
            Mapping::Raw => Shape::Raw,
            Mapping::Each { list, name, item } => {
                let list = compile(self, list, names);
                names.push(name.clone());
                let item = self.shape(item, names, compile);
                names.pop();
                Shape::Each { list: list?, name: name.clone(), item: Box::new(item?) }
            }
        })
    }

    #[expect(
        clippy::option_option,
        reason = "the outer says whether it compiled, the inner whether it was there"
    )]
    fn optional<T, C>(
        &mut self,
        part: Option<&T>,
        compile: impl FnOnce(&mut Self, &T) -> Option<C>,
    ) -> Option<Option<C>> {
        part.map_or(Some(None), |part| compile(self, part).map(Some))
    }

    fn item(&mut self, expr: &Expr) -> Option<Compiled> {
        self.item_with(expr, &[])
    }

    fn call(&mut self, expr: &Expr) -> Option<Compiled> {
        self.call_with(expr, &[])
    }

    fn answer(&mut self, expr: &Expr) -> Option<Compiled> {
        self.compile(expr, &ANSWER_NAMES, &[])
    }

    fn item_with(&mut self, expr: &Expr, more: &[String]) -> Option<Compiled> {
        let values = self.value_names.clone();
        let names: Vec<&str> = ITEM_NAMES.into_iter().chain(values.iter().map(String::as_str)).collect();
        self.compile(expr, &names, more)
    }

    fn call_with(&mut self, expr: &Expr, more: &[String]) -> Option<Compiled> {
        self.compile(expr, &CALL_NAMES, more)
    }

    fn compile(&mut self, expr: &Expr, names: &[&str], more: &[String]) -> Option<Compiled> {
        let names: Vec<&str> = names.iter().copied().chain(more.iter().map(String::as_str)).collect();
        Compiled::new(expr, &names).map_err(|mistake| self.mistakes.push(mistake)).ok()
    }
}
