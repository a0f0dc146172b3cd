//! What an expression may see, by where it stands. The values themselves are the worker's.

use super::{Expr, Takes};

/// The names an expression may use.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    place: Place,
    /// Names that the file itself brought in: values, `group`, the `$as` of an `$each`.
    own: Vec<String>,
}

/// Where an expression stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// `[values]`: seen by items of every kind.
    Value,
    /// About one item of a kind.
    Item(Takes),
    /// About a call: headers, auth, path.
    Call,
    /// About a call's body.
    Body,
    /// About an answer.
    Answer,
    /// About one item, as its answer tells of it.
    Sent,
    /// About one result in an answer.
    Result,
}

/// An expression and what it may see.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) expr: Expr,
    pub(super) scope: Scope,
    pub(super) is_template: bool,
}

impl Scope {
    pub(super) fn new(place: Place) -> Self {
        Self { place, own: Vec::new() }
    }

    /// The same, with more names.
    pub(super) fn with<S: Into<String>>(&self, names: impl IntoIterator<Item = S>) -> Self {
        let mut scope = self.clone();
        scope.own.extend(names.into_iter().map(Into::into));
        scope
    }

    /// Every name that is seen here, functions excluded.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let parts: &[&[&'static str]] = match self.place {
            Place::Value => &[OF_ITEM, &["event", "user", "environment", "audience", "subscription", "dsr"]],
            Place::Item(Takes::Event | Takes::Profile) => &[OF_ITEM, &["user", "environment"]],
            Place::Item(Takes::Membership) => &[OF_ITEM, &["user", "audience", "subscription"]],
            Place::Item(Takes::Subscription) => &[OF_ITEM, &["subscription"]],
            Place::Item(Takes::Erasure) => &[OF_ITEM, &["dsr"]],
            Place::Call => &[OF_CALL],
            Place::Body => &[OF_CALL, &["items"]],
            Place::Answer => &[OF_CALL, OF_ANSWER],
            Place::Sent => &[OF_CALL, OF_ANSWER, &["sent"]],
            Place::Result => &[OF_CALL, OF_ANSWER, &["sent", "result"]],
        };
        let event: &[&'static str] =
            if matches!(self.place, Place::Item(Takes::Event)) { &["event"] } else { &[] };
        parts
            .iter()
            .flat_map(|names| names.iter().copied())
            .chain(event.iter().copied())
            .chain(self.own.iter().map(String::as_str))
    }

    /// Where it is the scope of.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Whether the helper functions can be called here: they read the item.
    pub(super) fn sees_item(&self) -> bool {
        matches!(self.place, Place::Value | Place::Item(_))
    }
}

const OF_ITEM: &[&str] = &["message", "account", "settings", "item", "pod", "received_at_ms"];
const OF_CALL: &[&str] = &["settings", "pod", "account"];
const OF_ANSWER: &[&str] = &["status", "response", "headers"];

/// Functions beside minijinja's own; each reads the item at hand.
pub const FUNCTIONS: &[&str] = &["identity", "device_identity", "partner_identity"];

/// Names that only some expressions see, and that values therefore can't take.
pub(super) const RESERVED: &[&str] = &[
    "group",
    "items",
    "status",
    "response",
    "headers",
    "sent",
    "result",
    "element",
    "identity",
    "device_identity",
    "partner_identity",
    "range",
    "dict",
    "loop",
    "self",
];

/// minijinja's functions that are of use here.
pub const BUILTIN_FUNCTIONS: &[&str] = &["range", "dict"];

/// Filters beside minijinja's own. See `docs/partner-toml.md` for what each does.
pub const FILTERS: &[&str] = &[
    "sha256", "seconds", "iso8601", "number", "integer", "boolean", "fromjson", "digits", "scalars",
    "without",
];

/// minijinja's filters.
pub const BUILTIN_FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
    "zip",
];

/// minijinja's tests, the words after `is`.
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Objects whose members are all known. The others (`message`, `event`, `environment`, `dsr`) carry whatever
/// mParticle sends.
pub(super) const MEMBERS: &[(&str, &[&str])] = &[
    ("account", &["id", "pod"]),
    (
        "user",
        &[
            "mpid",
            "user_identities",
            "partner_identities",
            "device_identities",
            "attributes",
            "attribute_lists",
            "consent_state",
        ],
    ),
    ("audience", &["id", "name", "settings", "action", "user_attributes"]),
    ("subscription", &["action", "name", "settings", "audience_id", "captured"]),
    ("item", &["key", "kind", "attempt"]),
];

/// What is only sent with a permission.
pub(super) const NEEDS_PERMISSION: &[(&str, &str)] = &[
    ("user.mpid", "allow_access_mpid"),
    ("user.attributes", "allow_user_attributes"),
    ("user.attribute_lists", "allow_user_attributes"),
    ("user.consent_state", "allow_consent_state"),
    ("audience.user_attributes", "allow_audience_user_attributes"),
    ("event.location", "allow_access_location"),
    ("environment.client_ip_address", "allow_access_ip_address"),
    ("environment.http_header_user_agent", "allow_access_http_user_agent"),
    ("message.device_application_stamp", "allow_access_device_application_stamp"),
    ("message.platform_fields", "allow_platform_fields"),
];
