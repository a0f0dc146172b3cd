//! Reads one `[[routes]]`.

use std::time::Duration;

use super::{
    super::{
        Expr,
        field::Field,
        limits,
        mapping::is_name,
        reader::Table,
        scope::{Place, Scope},
    },
    Batch, Call, Route, RouteAction, Takes, answer,
};

/// A route and where it stands.
pub(in crate::partner) struct Placed {
    pub(in crate::partner) route: Route,
    pub(in crate::partner) at: usize,
    pub(in crate::partner) path: String,
}

/// Keys of a route that makes a call.
const CALL_KEYS: [&str; 10] =
    ["needs_subscription", "method", "path", "group", "limits", "batch", "item", "body", "capture", "answer"];

/// Reads the routes, and whether all could be read. `values` are the names of `[values]`.
pub(in crate::partner) fn read_all(field: &Field<'_>, values: &[String]) -> (Vec<Placed>, bool) {
    let elements = field.list().unwrap_or_default();
    let read: Vec<Placed> = elements.iter().filter_map(|element| read(element, values)).collect();
    let all = read.len() == elements.len();
    (read, all)
}

fn read(field: &Field<'_>, values: &[String]) -> Option<Placed> {
    let mut keys = vec!["name", "takes", "when", "drop"];
    keys.extend(CALL_KEYS);
    let table = field.table(&keys)?;
    let name = table.required("name", "a short name").and_then(|it| route_name(&it));
    let takes = table
        .required("takes", "event, profile, membership, subscription or erasure")
        .and_then(|it| it.word(&Takes::ALL.map(|takes| (takes.word(), takes))))?;
    let item_scope = Scope::new(Place::Item(takes)).with(values);
    let when = table.get("when").and_then(|it| it.expr(&item_scope));
    let action = match table.get("drop") {
        Some(drop) => {
            for field in CALL_KEYS.iter().filter_map(|key| table.get(key)) {
                field.wrong_key("can't stand beside `drop`, which makes no call");
            }
            RouteAction::Drop(drop.filled_text(100, "why these items are not sent")?.to_owned())
        }
        None => RouteAction::Call(Box::new(CallTable { table: &table, takes, item_scope }.read()?)),
    };
    let route = Route { name: name?, takes, when, action };
    Some(Placed { route, at: table.at, path: table.path })
}

fn route_name(field: &Field<'_>) -> Option<String> {
    let name = field.text()?;
    let fits = (1..=40).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !fits {
        field.wrong("must be 1 to 40 lower-case letters, digits and hyphens");
    }
    Some(name.to_owned())
}

/// A route's table, where it makes a call.
struct CallTable<'a, 't> {
    table: &'a Table<'t>,
    takes: Takes,
    item_scope: Scope,
}

impl CallTable<'_, '_> {
    fn read(&self) -> Option<Call> {
        let table = self.table;
        let group = table.get("group").and_then(|it| it.expr(&self.item_scope));
        let own = table.get("group").map(|_| "group");
        let scope = |place| Scope::new(place).with(own);
        let method = self.method();
        let path = table.required("path", "what is appended to the base URL, like \"/events\"");
        let path = path.and_then(|it| {
            check_path(&it);
            it.template(&scope(Place::Call))
        });
        let batch = table.get("batch").map_or(Some(Batch::default()), |it| read_batch(&it));
        let item = table.get("item");
        let body = table.get("body");
        let (mapped, body_mapped) = (
            item.as_ref().map(|it| it.mapping(&self.item_scope)),
            body.as_ref().map(|it| it.mapping(&scope(Place::Body))),
        );
        self.check_body(method, item.as_ref(), body.as_ref());
        let capture = table.get("capture").map(|it| self.capture(&it, &scope(Place::Answer)));
        let answer = table.get("answer").map(|it| answer::read(&it, own.is_some()));
        let limits = table.get("limits").map(|it| limits::read_route(&it));
        let batch = batch?;
        self.check_alone(batch);
        Some(Call {
            method: method?,
            path: path?,
            needs_subscription: self.needs_subscription(),
            group,
            limits: limits.unwrap_or(Some(limits::RouteLimits::default()))?,
            batch,
            item: transpose(mapped)?,
            body: transpose(body_mapped)?,
            capture: capture.unwrap_or_default(),
            answer: answer.unwrap_or_else(|| Some(answer::Answer::default()))?,
        })
    }

    fn method(&self) -> Option<&'static str> {
        let words = ["POST", "PUT", "PATCH", "DELETE", "GET"].map(|method| (method, method));
        self.table.required("method", "POST, PUT, PATCH, DELETE or GET").and_then(|it| it.word(&words))
    }

    fn needs_subscription(&self) -> bool {
        let Some(field) = self.table.get("needs_subscription") else { return false };
        let needs = field.boolean().unwrap_or(false);
        if needs && self.takes != Takes::Membership {
            field.wrong("is for routes that take memberships only");
        }
        needs
    }

    fn check_body(&self, method: Option<&str>, item: Option<&Field<'_>>, body: Option<&Field<'_>>) {
        match method {
            Some("GET") => {
                if let Some(field) = item.or(body) {
                    field.wrong_key("can't be sent with GET, which has no body");
                }
            }
            Some("POST" | "PUT" | "PATCH") if item.is_none() && body.is_none() => {
                self.table.reader.missing(
                    self.table.at,
                    &self.table.path,
                    "`item` is missing; write the item as the partner wants it, or item = {} for an empty object",
                );
            }
            _ => {}
        }
    }

    fn capture(&self, field: &Field<'_>, scope: &Scope) -> Vec<(String, Expr)> {
        if self.takes != Takes::Subscription {
            field.wrong_key("is for routes that take subscriptions only");
        }
        let read = |(key, field): (&str, Field<'_>)| {
            if !is_name(key) {
                field.wrong_key(format!("`{key}` is not a name; write letters, digits and _"));
            }
            Some((key.to_owned(), field.expr(scope)?))
        };
        field
            .free_table()
            .map(|table| table.fields())
            .unwrap_or_default()
            .into_iter()
            .filter_map(read)
            .collect()
    }

    /// An answer, and the claim that is taken for the call, are one audience's.
    fn check_alone(&self, batch: Batch) {
        let batched = self.takes == Takes::Subscription && batch.items_max > 1;
        if let Some(field) = self.table.get("batch").filter(|_| batched) {
            field.wrong_key("needs items_max = 1: a call and its answer are about one subscription");
        }
    }
}

/// What could not be read is no route; what is not there is none.
#[expect(clippy::option_option, reason = "there or not, readable or not")]
fn transpose<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(read) => Some(read),
    }
}

fn check_path(field: &Field<'_>) {
    let Some(text) = field.text() else { return };
    if !text.starts_with('/') {
        field.wrong("must begin with a slash");
    }
    // What stands between braces is an expression.
    let mut fixed = String::new();
    for part in text.split("}}") {
        fixed.push_str(part.split("{{").next().unwrap_or_default());
    }
    if fixed.contains("{%") || fixed.contains("{#") {
        field.wrong("may hold {{ expressions }} only");
    } else if fixed.bytes().any(|byte| byte <= b' ' || byte == b'#' || byte == b'\\' || byte > b'~') {
        field.wrong("holds a character that can't stand in a URL; write it percent-encoded");
    } else if fixed.split(['/', '?']).any(|segment| segment == "." || segment == "..") {
        field.wrong("can't go up with `.` or `..`");
    }
}

fn read_batch(field: &Field<'_>) -> Option<Batch> {
    let table = field.table(&["items_max", "bytes_max", "wait_ms"])?;
    let default = Batch::default();
    let size = |key: &str, range, meaning: &str, default: usize| match table.get(key) {
        Some(field) => field.whole(range, meaning).and_then(|number| usize::try_from(number).ok()),
        None => Some(default),
    };
    let items = size("items_max", 1..=10_000, "how many items one call may carry", default.items_max);
    let bytes =
        size("bytes_max", 1024..=50_000_000, "how many bytes a call's body may have", default.bytes_max);
    let wait = match table.get("wait_ms") {
        Some(field) => field.millis(0..=60_000, "how long the first item waits for others"),
        None => Some(default.wait),
    };
    Some(Batch { items_max: items?, bytes_max: bytes?, wait: wait? })
}

impl Default for Batch {
    /// Each item alone, in up to a megabyte.
    fn default() -> Self {
        Self { items_max: 1, bytes_max: 1_000_000, wait: Duration::ZERO }
    }
}
