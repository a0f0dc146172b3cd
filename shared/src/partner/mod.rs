//! `partner.toml`: one partner's whole integration, read and checked as a whole.
//!
//! Ingress takes from it what it answers (the registration document, hidden settings); the worker takes what it
//! does (API, limits, routes). Reading finds every mistake of the file at once, each with its line; running the
//! expressions is the worker's. The file itself is described in `docs/partner-toml.md`.

pub mod api;
pub mod expression;
pub mod limits;
mod mistake;
pub mod registration;
pub mod routes;

use serde_json::{Map, Value};

pub use api::{Api, Auth};
pub use expression::{Expr, Mapping, Template};
pub use limits::{Limits, RateLimit, Retry, RouteLimits};
pub use mistake::{LoadError, Mistake, Mistakes};
pub use registration::{Setting, SettingKind};
pub use routes::{Answer, Batch, Call, FailedList, ItemAnswers, Route, RouteAction, Takes, Verdict};

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

impl Partner {
    /// Every expression of the file, for a compiler that knows more of them than the reader does. Without templates.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        std::iter::empty()
    }
}

/// Reads and checks a partner.toml.
///
/// # Errors
/// When the file can't be read, or holds mistakes.
pub fn load(path: &std::path::Path) -> Result<Partner, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Io { path: path.to_owned(), source })?;
    Ok(parse(&text, &path.display().to_string())?)
}

/// Checks the text of a partner.toml; `file_name` is for messages.
///
/// # Errors
/// Every mistake of the text at once.
pub fn parse(_text: &str, file_name: &str) -> Result<Partner, Mistakes> {
    Err(Mistakes::new(file_name, Vec::new()))
}
