//! `[cookie_sync]`: the pixel that links a browser's mParticle profile to the partner's cookie (protocol.md 6).

use std::time::Duration;

use serde_json::{Map, Value};

use super::{api::is_header_name, field::Field, reader::Table};

/// The pixel that mParticle's Web SDK calls, and what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSync {
    /// The path it is called on; begins with a slash.
    pub path: String,
    /// The cookie that holds the partner's id of a browser.
    pub cookie: String,
    /// How long a cookie that we set lives; 1 to 400 days.
    pub max_age: Duration,
    /// The domain a cookie that we set is for; `None` for our own host alone.
    pub domain: Option<String>,
    /// The query parameter that holds the URL to redirect to.
    pub redirect_parameter: String,
    /// What stands for the id in that URL, `${ACME_ID}`; visible ASCII, not empty.
    pub id_macro: String,
    /// Where a redirect may go; never empty.
    pub allowed_hosts: Vec<HostRule>,
    /// A cookie whose presence says that the person opted out.
    pub opt_out_cookie: Option<String>,
    /// Request headers that say so.
    pub opt_out_signals: Vec<OptOutSignal>,
    /// What someone who opted out is answered.
    pub without_id: WithoutId,
}

/// Hosts a redirect may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// This one, in lower case.
    Exactly(String),
    /// Every one below this domain, and not the domain itself.
    Below(String),
}

impl HostRule {
    /// Whether it covers `host`, which is in lower case.
    pub fn allows(&self, host: &str) -> bool {
        match self {
            Self::Exactly(name) => name == host,
            Self::Below(domain) => host
                .strip_suffix(domain.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|label| !label.is_empty()),
        }
    }
}

/// A request header by which a browser says that its user opts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOutSignal {
    /// `Sec-GPC: 1`, Global Privacy Control.
    Gpc,
    /// `DNT: 1`, Do Not Track.
    Dnt,
}

/// What someone who opted out is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutId {
    /// 200 with a transparent pixel: the Web SDK takes the sync as done until its interval is over.
    Image,
    /// 204, which the browser takes for a broken image unless mParticle agreed to it.
    NoContent,
}

/// mParticle's host, and the same in each pod after the pattern of its other hosts (protocol.md 7). The variants are
/// not published; all are mParticle's domain.
const MPARTICLE_HOSTS: [&str; 5] = [
    "cookiesync.mparticle.com",
    "cookiesync.us1.mparticle.com",
    "cookiesync.us2.mparticle.com",
    "cookiesync.eu1.mparticle.com",
    "cookiesync.au1.mparticle.com",
];
/// The macro of mParticle's own that the Web SDK replaces before the call.
const MPID_MACRO: &str = "%%mpid%%";
/// The partner identity as which the id comes back (protocol.md 3.0.2).
const IDENTITY: &str = "$cookie_sync_id";
const DAY: Duration = Duration::from_hours(24);

/// Reads `[cookie_sync]`.
pub(super) fn read(field: &Field<'_>) -> Option<CookieSync> {
    let table = field.table(&[
        "path",
        "cookie",
        "cookie_max_age_days",
        "cookie_domain",
        "redirect_parameter",
        "macro",
        "allowed_hosts",
        "opt_out_cookie",
        "opt_out_signals",
        "without_id",
    ])?;
    let cookie = table.required("cookie", "the name of the partner's cookie").and_then(|it| read_name(&it));
    let domain = table.get("cookie_domain").and_then(|it| read_domain(&it));
    let opt_out_cookie = table.get("opt_out_cookie").and_then(|it| read_name(&it));
    check_names(&table, cookie, domain, opt_out_cookie);
    let redirect_parameter = table
        .required("redirect_parameter", "the parameter that holds the redirect URL")
        .and_then(|it| read_parameter(&it));
    let id_macro =
        table.required("macro", "what stands for the id, like \"${ACME_ID}\"").and_then(|it| read_macro(&it));
    let days = table
        .get("cookie_max_age_days")
        .and_then(|it| it.whole(1..=400, "how many days the cookie lives; browsers allow 400"));
    let without_id = table
        .get("without_id")
        .and_then(|it| it.word(&[("image", WithoutId::Image), ("no_content", WithoutId::NoContent)]));
    Some(CookieSync {
        path: table.get("path").and_then(|it| read_path(&it)).unwrap_or("/cookie-sync").to_owned(),
        cookie: cookie?.to_owned(),
        max_age: DAY * days.and_then(|it| u32::try_from(it).ok()).unwrap_or(365),
        domain: domain.map(str::to_owned),
        redirect_parameter: redirect_parameter?.to_owned(),
        id_macro: id_macro?.to_owned(),
        allowed_hosts: table.get("allowed_hosts").map_or_else(
            || MPARTICLE_HOSTS.iter().map(|host| HostRule::Exactly((*host).to_owned())).collect(),
            |it| read_hosts(&it),
        ),
        opt_out_cookie: opt_out_cookie.map(str::to_owned),
        opt_out_signals: table
            .get("opt_out_signals")
            .map_or_else(|| vec![OptOutSignal::Gpc], |it| read_signals(&it)),
        without_id: without_id.unwrap_or(WithoutId::Image),
    })
}

/// An id that is synced comes back only as a partner identity of its own, of which there is one.
pub(super) fn check_permission(field: &Field<'_>, permissions: Option<&Map<String, Value>>) {
    let identities = permissions.and_then(|all| all.get("partner_identities")?.as_array());
    let is_granted =
        identities.is_some_and(|all| all.iter().any(|identity| identity["type"].as_str() == Some(IDENTITY)));
    if !is_granted {
        field.wrong_key(format!(
            "what is synced is never sent; write `partner_identities = [{{ type = \"{IDENTITY}\", encoding = \
             \"raw\" }}]` in [registration.permissions]"
        ));
    }
}

fn check_names(table: &Table<'_>, cookie: Option<&str>, domain: Option<&str>, opt_out: Option<&str>) {
    if let (Some(cookie), Some(_), Some(field)) = (cookie, domain, table.get("cookie_domain"))
        && cookie.get(..7).is_some_and(|prefix| prefix.eq_ignore_ascii_case("__Host-"))
    {
        field.wrong("browsers refuse a cookie whose name begins with `__Host-` for a domain");
    }
    if let (Some(opt_out), Some(field)) = (opt_out, table.get("opt_out_cookie"))
        && cookie == Some(opt_out)
    {
        field.wrong("is the cookie of the id; write the name of another");
    }
}

fn read_name<'a>(field: &Field<'a>) -> Option<&'a str> {
    let text = field.filled_text(100, "a cookie's name")?;
    if !is_header_name(text) {
        field.wrong("is not a cookie's name");
    }
    Some(text)
}

fn read_path<'a>(field: &Field<'a>) -> Option<&'a str> {
    let text = field.filled_text(200, "a path, like \"/cookie-sync\"")?;
    if !text.starts_with('/') {
        field.wrong("must begin with a slash");
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\\"<>`{}".contains(&byte)) {
        field.wrong("may hold a path's characters only, percent-encoded where need be");
    }
    Some(text)
}

fn read_parameter<'a>(field: &Field<'a>) -> Option<&'a str> {
    let text = field.filled_text(64, "a parameter's name")?;
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)) {
        field.wrong("may hold letters, digits and -_.~ only");
    }
    Some(text)
}

fn read_macro<'a>(field: &Field<'a>) -> Option<&'a str> {
    let text = field.filled_text(64, "what stands for the id, like \"${ACME_ID}\"")?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        field.wrong("may hold visible ASCII only, and no backslash");
    } else if text.eq_ignore_ascii_case(MPID_MACRO) {
        field.wrong("is mParticle's macro for its own id; write the partner's");
    } else if text.len() < 4 {
        field.wrong("is too short to be met in a URL by intent alone; take four characters or more");
    }
    Some(text)
}

fn read_domain<'a>(field: &Field<'a>) -> Option<&'a str> {
    let text = field.filled_text(253, "a domain, like \"acme.example\"")?;
    if !is_host(text) {
        field.wrong("is not a domain's name in lower case, like \"acme.example\"");
    }
    Some(text)
}

fn read_hosts(field: &Field<'_>) -> Vec<HostRule> {
    let elements = field.list().unwrap_or_default();
    if elements.is_empty() {
        field.wrong("allows no host, so nothing could be synced; leave it out for mParticle's");
    }
    elements.iter().filter_map(read_host).collect()
}

fn read_host(field: &Field<'_>) -> Option<HostRule> {
    let text = field.filled_text(253, "a host, like \"cookiesync.mparticle.com\"")?;
    let domain = text.strip_prefix("*.");
    if !is_host(domain.unwrap_or(text)) {
        field.wrong(
            "is not a host's name in lower case, like \"cookiesync.mparticle.com\" or \"*.mparticle.com\"",
        );
    }
    Some(
        domain
            .map_or_else(|| HostRule::Exactly(text.to_owned()), |domain| HostRule::Below(domain.to_owned())),
    )
}

fn read_signals(field: &Field<'_>) -> Vec<OptOutSignal> {
    let words = [("gpc", OptOutSignal::Gpc), ("dnt", OptOutSignal::Dnt)];
    field.list().unwrap_or_default().iter().filter_map(|it| it.word(&words)).collect()
}

/// Whether `text` is a DNS name of two labels or more, in lower case; an address is none.
fn is_host(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let is_number = labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    labels.len() >= 2 && labels.iter().all(is_label) && !is_number
}
