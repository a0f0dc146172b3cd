//! From the expressions of a partner.toml to a program; every mistake is collected.

use penstock_shared::partner::{self, Auth, Expr, Mapping, Mistake, Mistakes, Partner, RouteAction};

use super::{
    Compiled,
    program::{
        Action, AuthProgram, CallProgram, EachProgram, FailedProgram, ItemAnswersProgram, PathPart, Program,
        RouteProgram, Shape,
    },
};

/// Compiles and collects mistakes; a part that fails is `None`, and the rest is still looked at.
struct Compiler {
    mistakes: Vec<Mistake>,
}

/// Compiles every expression of the file, or says everything that is wrong with them.
pub(super) fn compile(partner: &Partner) -> Result<Program, Mistakes> {
    let mut compiler = Compiler { mistakes: Vec::new() };
    match compiler.program(partner) {
        Some(program) if compiler.mistakes.is_empty() => Ok(program),
        _ => Err(Mistakes::new(partner.file.clone(), compiler.mistakes)),
    }
}

impl Compiler {
    fn program(&mut self, partner: &Partner) -> Option<Program> {
        let mut values = Vec::new();
        for (name, expr) in &partner.values {
            values.extend(self.compile(expr).map(|compiled| (name.clone(), compiled)));
        }
        let headers =
            partner.api.headers.iter().filter_map(|(name, expr)| Some((name.clone(), self.compile(expr)?)));
        let headers = headers.collect();
        let auth = self.auth(&partner.auth);
        let routes: Vec<_> = partner.routes.iter().map(|route| self.route(route)).collect();
        Some(Program { values, headers, auth: auth?, routes: routes.into_iter().collect::<Option<_>>()? })
    }

    fn auth(&mut self, auth: &Auth) -> Option<AuthProgram> {
        Some(match auth {
            Auth::None => AuthProgram::None,
            Auth::Header { header, value } => {
                AuthProgram::Header { header: header.clone(), value: self.compile(value)? }
            }
            Auth::Bearer { token } => AuthProgram::Bearer { token: self.compile(token)? },
            Auth::Basic { user, password } => {
                let (user, password) = (self.compile(user), self.compile(password));
                AuthProgram::Basic { user: user?, password: password? }
            }
        })
    }

    fn route(&mut self, route: &partner::Route) -> Option<RouteProgram> {
        let when = self.optional(route.when.as_ref(), Self::compile);
        let action = match &route.action {
            RouteAction::Drop(_) => Some(Action::Drop),
            RouteAction::Call(call) => self.call_program(call).map(|call| Action::Call(Box::new(call))),
        };
        Some(RouteProgram { name: route.name.clone(), takes: route.takes, when: when?, action: action? })
    }

    fn call_program(&mut self, call: &partner::Call) -> Option<CallProgram> {
        let path = self.path(&call.path.0);
        let group = self.optional(call.group.as_ref(), Self::compile);
        let item = self.optional(call.item.as_ref(), |this, mapping| this.shape(mapping));
        let body = self.optional(call.body.as_ref(), |this, mapping| this.shape(mapping));
        let capture = call.capture.iter().map(|(name, expr)| Some((name.clone(), self.compile(expr)?)));
        let capture: Option<Vec<_>> = capture.collect();
        let outcome = self.optional(call.answer.outcome.as_ref(), Self::compile);
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
                let (list, outcome) = (self.compile(list), self.compile(outcome));
                let reason = self.optional(reason.as_ref(), Self::compile);
                ItemAnswersProgram::Each(Box::new(EachProgram {
                    list: list?,
                    outcome: outcome?,
                    reason: reason?,
                }))
            }
            partner::ItemAnswers::Failed(lists) => {
                let lists = lists.iter().map(|failed| {
                    let (list, matches) = (self.compile(&failed.list), self.compile(&failed.matches));
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
            parts.push(PathPart::Value(self.compile(&expr)?));
            rest = after;
        }
        parts.push(PathPart::Text(rest.to_owned()));
        Some(parts)
    }

    fn shape(&mut self, mapping: &Mapping) -> Option<Shape> {
        Some(match mapping {
            Mapping::Object(members) => {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, mapping)| Some((name.clone(), self.shape(mapping)?)))
                    .collect();
                Shape::Object(members.into_iter().collect::<Option<_>>()?)
            }
            Mapping::Array(items) => {
                let items: Vec<_> = items.iter().map(|mapping| self.shape(mapping)).collect();
                Shape::Array(items.into_iter().collect::<Option<_>>()?)
            }
            Mapping::Expr(expr) => Shape::Value(self.compile(expr)?),
            Mapping::Literal(json) => Shape::Literal(json.to_string().into_bytes()),
            Mapping::Raw => Shape::Raw,
            Mapping::Each { list, name, item } => {
                let (list, item) = (self.compile(list), self.shape(item));
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

    fn compile(&mut self, expr: &Expr) -> Option<Compiled> {
        Compiled::new(expr).map_err(|mistake| self.mistakes.push(mistake)).ok()
    }
}
