//! `[auth]`: how we prove to the partner who we are.

use super::{
    Expr,
    api::read_header_name,
    field::Field,
    scope::{Place, Scope},
};

/// How we prove to the partner who we are. The expressions see `settings`, `pod`, `account`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    None,
    /// A header of the partner's own.
    Header {
        /// Its name.
        header: String,
        /// Its value.
        value: Expr,
    },
    /// `Authorization: Bearer …`.
    Bearer {
        /// The token.
        token: Expr,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The user name; no colon in it.
        user: Expr,
        /// The password.
        password: Expr,
    },
}

/// Reads `[auth]`.
pub(super) fn read(field: &Field<'_>) -> Option<Auth> {
    #[derive(Clone, Copy)]
    enum Kind {
        None,
        Header,
        Bearer,
        Basic,
    }
    let all = ["kind", "header", "value", "token", "user", "password"];
    let table = field.table(&all)?;
    let kind = table.required("kind", "none, header, bearer or basic")?.word(&[
        ("none", Kind::None),
        ("header", Kind::Header),
        ("bearer", Kind::Bearer),
        ("basic", Kind::Basic),
    ])?;
    let (word, own): (_, &[&str]) = match kind {
        Kind::None => ("none", &[]),
        Kind::Header => ("header", &["header", "value"]),
        Kind::Bearer => ("bearer", &["token"]),
        Kind::Basic => ("basic", &["user", "password"]),
    };
    for key in all.iter().filter(|key| **key != "kind" && !own.contains(key)) {
        if let Some(field) = table.get(key) {
            field.wrong_key(format!("has no meaning with kind = \"{word}\"; leave it out"));
        }
    }
    let scope = Scope::new(Place::Call);
    let expr =
        |key| table.required(key, "an expression, like \"settings.apiKey\"").and_then(|it| it.expr(&scope));
    Some(match kind {
        Kind::None => Auth::None,
        Kind::Header => {
            let header = table.required("header", "the header's name").and_then(|it| read_header_name(&it));
            let value = expr("value");
            Auth::Header { header: header?, value: value? }
        }
        Kind::Bearer => Auth::Bearer { token: expr("token")? },
        Kind::Basic => {
            let (user, password) = (expr("user"), expr("password"));
            Auth::Basic { user: user?, password: password? }
        }
    })
}

impl Auth {
    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let (first, second) = match self {
            Self::None => (None, None),
            Self::Header { value, .. } => (Some(value), None),
            Self::Bearer { token } => (Some(token), None),
            Self::Basic { user, password } => (Some(user), Some(password)),
        };
        first.into_iter().chain(second)
    }
}
