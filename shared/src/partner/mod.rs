//! `partner.toml`: one partner's whole integration, read and checked as a whole.
//!
//! Ingress takes from it what it answers (the registration document, hidden settings, the cookie sync); the worker takes what it
//! does (API, limits, routes). Reading finds every mistake of the file at once, each with its line; running the
//! expressions is the worker's. The file itself is described in `docs/partner-toml.md`.

pub mod api;
pub mod auth;
pub mod cookie_sync;
pub mod expression;
mod field;
pub mod limits;
mod mapping;
mod mistake;
mod names;
mod reader;
pub mod registration;
pub mod routes;
mod scope;
mod suggestion;
#[cfg(test)]
mod tests;
mod words;

use std::{fs, path::Path};

use serde_json::{Map, Value};
use toml::de::DeTable;

pub use api::Api;
pub use auth::Auth;
pub use cookie_sync::{CookieSync, HostRule, OptOutSignal, WithoutId};
pub use expression::{Expr, Mapping, Template};
pub use limits::{Limits, RateLimit, Retry, RouteLimits};
pub use mistake::{LoadError, Mistake, Mistakes};
pub use registration::{Broken, Setting, SettingKind, check_succession};
pub use routes::{Answer, Batch, Call, FailedList, ItemAnswers, Route, RouteAction, Takes, Verdict};
pub use scope::{BUILTIN_FILTERS, BUILTIN_FUNCTIONS, FILTERS, FUNCTIONS, TESTS};

use self::{
    field::Field,
    reader::{Reader, Table},
    scope::{Place, Scope},
};

/// One partner, as its `partner.toml` describes it. Everything in it has been checked.
#[derive(Clone, Debug)]
pub struct Partner {
    /// The file it was read from, for messages.
    pub file: String,
    /// Who the partner is.
    pub info: PartnerInfo,
    /// The registration response without its envelope (`type`, `id`, `timestamp_ms`, `firehose_version`), in the
    /// shape of the wire: what is empty or false is left out, `sdk_version` is first.
    pub registration: Map<String, Value>,
    /// Every account and connection setting that is declared anywhere, once for each id, in the order of the file.
    pub account_settings: Vec<Setting>,
    /// The settings of an audience's connection, hidden ones included.
    pub subscription_settings: Vec<Setting>,
    /// Where the partner's API is and how it is called.
    pub api: Api,
    /// How we prove to the partner who we are.
    pub auth: Auth,
    /// How fast the partner may be called.
    pub limits: Limits,
    /// How often and how long a failing item is tried.
    pub retry: Retry,
    /// Names that are computed for each item, in order; each sees those before it, and all later expressions see it.
    pub values: Vec<(String, Expr)>,
    /// The routes, in the order of the file: an item takes the first that wants it.
    pub routes: Vec<Route>,
    /// The cookie sync pixel; `None` when there is none.
    pub cookie_sync: Option<CookieSync>,
}

/// Who the partner is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerInfo {
    /// The display name; not empty.
    pub name: String,
    /// The version of the integration, "1.0"; not empty.
    pub version: String,
    /// What mParticle's customers read about it: under 230 characters, links allowed.
    pub description: Option<String>,
}

/// Longest description of a partner, in characters: mParticle wants fewer than 230 (protocol.md 3.1).
const DESCRIPTION_MAX: usize = 229;

impl Partner {
    /// Every expression of the file, for a compiler that knows more of them than the reader does. Without templates.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let mut found: Vec<&Expr> = self.api.headers.iter().map(|(_, expr)| expr).collect();
        found.extend(self.auth.expressions());
        found.extend(self.values.iter().map(|(_, expr)| expr));
        self.routes.iter().for_each(|route| route.collect(&mut found));
        found.into_iter()
    }

    /// Every template of the file.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.routes.iter().filter_map(Route::call).map(|call| &call.path)
    }

    /// The ids of the account settings that a message can't do without (protocol.md trap 38).
    pub fn required_settings(&self) -> impl Iterator<Item = &str> {
        self.account_settings.iter().filter(|setting| setting.required).map(|setting| setting.id.as_str())
    }

    /// The ids of the subscription settings whose values we make and give back (protocol.md 4.2).
    pub fn minted_settings(&self) -> impl Iterator<Item = &str> {
        self.subscription_settings.iter().filter(|setting| setting.mint).map(|setting| setting.id.as_str())
    }

    /// Whether a subscription route captures something, so that memberships may have to wait for it.
    pub fn captures(&self) -> bool {
        self.routes.iter().filter_map(Route::call).any(|call| !call.capture.is_empty())
    }
}

/// Reads and checks a partner.toml.
///
/// # Errors
/// When the file can't be read, or holds mistakes.
pub fn load(path: &Path) -> Result<Partner, LoadError> {
    let text = fs::read_to_string(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    Ok(parse(&text, &path.display().to_string())?)
}

/// Checks the text of a partner.toml; `file_name` is for messages.
///
/// # Errors
/// Every mistake of the text at once.
pub fn parse(text: &str, file_name: &str) -> Result<Partner, Mistakes> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let reader = Reader::new(text, &errors);
    let partner = read(&reader, document.get_ref(), file_name);
    match partner.filter(|_| reader.is_clean()) {
        Some(partner) => Ok(partner),
        None => Err(Mistakes::new(file_name, reader.into_mistakes())),
    }
}

fn read<'a>(reader: &'a Reader<'a>, document: &'a DeTable<'a>, file_name: &str) -> Option<Partner> {
    let keys =
        ["partner", "registration", "cookie_sync", "api", "auth", "limits", "retry", "values", "routes"];
    let table = Table::open(reader, "", 0, document, &keys);
    let info = table.required("partner", "a table with name and version").and_then(|it| read_info(&it));
    let unnamed = PartnerInfo { name: String::new(), version: String::new(), description: None };
    let registration = table
        .required("registration", "what mParticle is told of the integration")
        .and_then(|it| registration::read(&it, info.as_ref().unwrap_or(&unnamed)));
    let cookie_sync_field = table.get("cookie_sync");
    let cookie_sync = cookie_sync_field.as_ref().map(cookie_sync::read);
    if let Some((field, registration)) = cookie_sync_field.as_ref().zip(registration.as_ref()) {
        cookie_sync::check_permission(field, registration.permissions());
    }
    let api = table.required("api", "a table with base_url").and_then(|it| api::read(&it));
    let auth = table
        .required("auth", "how we prove who we are; kind = \"none\" if not at all")
        .and_then(|it| auth::read(&it));
    let limits = table.get("limits").map_or(Some(Limits::default()), |it| limits::read(&it));
    let retry = table.get("retry").map_or(Some(Retry::default()), |it| limits::read_retry(&it));
    let values = table.get("values").map(|it| read_values(&it)).unwrap_or_default();
    let value_names: Vec<String> = values.iter().map(|(name, _)| name.clone()).collect();
    let (routes, all_read) = table
        .required("routes", "[[routes]], at least one")
        .map_or((Vec::new(), false), |it| routes::read_all(&it, &value_names));
    routes::check(reader, &routes, registration.as_ref(), all_read);
    if let Some(registration) = &registration {
        let captures = routes.iter().filter_map(|placed| placed.route.call()).flat_map(|call| &call.capture);
        let declared = names::Declared {
            account_settings: &registration.account_settings,
            account_setting_places: &registration.account_setting_places,
            subscription_settings: &registration.subscription_settings,
            captured: all_read.then(|| captures.map(|(name, _)| name.as_str()).collect()),
            permissions: registration.permissions(),
        };
        names::check(reader, &reader.take_uses(), &declared);
    }
    let registration = registration?;
    Some(Partner {
        file: file_name.to_owned(),
        info: info?,
        registration: registration.document,
        account_settings: registration.account_settings,
        subscription_settings: registration.subscription_settings,
        api: api?,
        auth: auth?,
        limits: limits?,
        retry: retry?,
        values,
        routes: routes.into_iter().map(|placed| placed.route).collect(),
        cookie_sync: cookie_sync.flatten(),
    })
}

fn read_info(field: &Field<'_>) -> Option<PartnerInfo> {
    let table = field.table(&["name", "version", "description"])?;
    let name =
        table.required("name", "the partner's name").and_then(|it| it.filled_text(100, "the partner's name"));
    let version = table
        .required("version", "the integration's version, like \"1.0\"")
        .and_then(|it| it.filled_text(40, "the integration's version"));
    let description =
        table.get("description").and_then(|it| it.filled_text(DESCRIPTION_MAX, "what customers should know"));
    Some(PartnerInfo {
        name: name?.to_owned(),
        version: version?.to_owned(),
        description: description.map(str::to_owned),
    })
}

fn read_values(field: &Field<'_>) -> Vec<(String, Expr)> {
    let mut values: Vec<(String, Expr)> = Vec::new();
    for (name, field) in field.free_table().map(|table| table.fields()).unwrap_or_default() {
        let scope = Scope::new(Place::Value).with(values.iter().map(|(name, _)| name.clone()));
        let taken = scope.names().chain(scope::RESERVED.iter().copied()).any(|taken| taken == name);
        if taken || !mapping::is_name(name) {
            field.wrong_key(format!("`{name}` is not a free name; write a new one: letters, digits and _"));
        }
        if let Some(expr) = field.expr(&scope) {
            values.push((name.to_owned(), expr));
        }
    }
    values
}
