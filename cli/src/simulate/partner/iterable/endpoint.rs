//! The endpoints that are played: where they are, how often and how much they take, and what their bodies must hold.

use http::Method;
use serde_json::Value;

use super::Checked;
use super::shape::{Object, Refusal, User};

/// The largest body of the bulk endpoints; the same is held against all.
const BYTES_MAX: usize = 4_000_000;
/// Users in one `users/bulkUpdate`, and subscribers in one call about a list.
const USERS_MAX: usize = 1_000;
/// A time above this many seconds lies past the year 5000: it was meant as milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;

/// One endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    method: &'static str,
    /// With `{user}` for a part that varies.
    pub(super) path: &'static str,
    /// Requests a second for one project.
    pub(super) per_second: f64,
    pub(super) bytes_max: usize,
    pub(super) shape: Shape,
    pub(super) answers: Answers,
}

/// What a body must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    BulkUpdate,
    UserUpdate,
    UpdateEmail,
    RegisterDevice,
    UpdateSubscriptions,
    Forget,
    Track,
    TrackBulk,
    TrackPushOpen,
    TrackPurchase,
    CreateList,
    Subscribe,
    /// The user is in the path.
    InPath,
}

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// A message and a code; a bad user is an error.
    Single,
    /// 200 with the failed users in lists.
    Bulk { event_names: bool },
    /// The id of a list.
    List,
}

const BULK: Answers = Answers::Bulk { event_names: false };
const BULK_EVENTS: Answers = Answers::Bulk { event_names: true };

const fn post(path: &'static str, per_second: f64, shape: Shape, answers: Answers) -> Endpoint {
    Endpoint { method: "POST", path, per_second, bytes_max: BYTES_MAX, shape, answers }
}

const fn delete(path: &'static str) -> Endpoint {
    let answers = Answers::Single;
    Endpoint { method: "DELETE", path, per_second: 5.0, bytes_max: BYTES_MAX, shape: Shape::InPath, answers }
}

/// The rates are those integrators document; where they name none, the lowest that Iterable has.
const ENDPOINTS: [Endpoint; 15] = [
    post("/api/users/bulkUpdate", 5.0, Shape::BulkUpdate, BULK),
    post("/api/users/update", 500.0, Shape::UserUpdate, Answers::Single),
    post("/api/users/updateEmail", 5.0, Shape::UpdateEmail, Answers::Single),
    post("/api/users/registerDeviceToken", 5.0, Shape::RegisterDevice, Answers::Single),
    post("/api/users/updateSubscriptions", 5.0, Shape::UpdateSubscriptions, Answers::Single),
    post("/api/users/forget", 5.0, Shape::Forget, Answers::Single),
    post("/api/events/track", 2_000.0, Shape::Track, Answers::Single),
    post("/api/events/trackBulk", 10.0, Shape::TrackBulk, BULK_EVENTS),
    post("/api/events/trackPushOpen", 5.0, Shape::TrackPushOpen, Answers::Single),
    post("/api/commerce/trackPurchase", 5.0, Shape::TrackPurchase, Answers::Single),
    post("/api/lists", 5.0, Shape::CreateList, Answers::List),
    post("/api/lists/subscribe", 5.0, Shape::Subscribe, BULK),
    post("/api/lists/unsubscribe", 5.0, Shape::Subscribe, BULK),
    delete("/api/users/{user}"),
    delete("/api/users/byUserId/{user}"),
];

impl Endpoint {
    /// The endpoint for a call, and the user if the path names one.
    pub(super) fn find(method: &Method, path: &str) -> Option<(&'static Self, Option<User>)> {
        ENDPOINTS.iter().filter(|endpoint| endpoint.method == method.as_str()).find_map(|endpoint| {
            let Some(before) = endpoint.path.strip_suffix("{user}") else {
                return (endpoint.path == path).then_some((endpoint, None));
            };
            let user = path.strip_prefix(before).filter(|user| !user.is_empty() && !user.contains('/'))?;
            let user = user.replace("%40", "@");
            let by_id = before.ends_with("/byUserId/");
            let user = if by_id { User::with_id(user) } else { User::with_email(user) };
            Some((endpoint, Some(user)))
        })
    }
}

/// Holds a body to its endpoint's shape, and gives the users it is about.
///
/// # Errors
/// One thing wrong with it, anywhere, refuses the whole call: as in Iterable, only what is wrong with a *user* is told
/// user by user.
pub(super) fn check(shape: Shape, body: &Value) -> Result<Vec<Checked>, Refusal> {
    let body = Object::of(body, "the body")?;
    let user = |user| Ok(vec![Checked { user, id: None }]);
    match shape {
        Shape::BulkUpdate => {
            body.boolean("createNewFields")?;
            body.objects("users", USERS_MAX)?.iter().map(update).collect()
        }
        Shape::UserUpdate => Ok(vec![update(&body)?]),
        Shape::UpdateEmail => user(update_email(&body)?),
        Shape::RegisterDevice => user(register_device(&body)?),
        Shape::UpdateSubscriptions => user(update_subscriptions(&body)?),
        Shape::Forget => user(body.user()?),
        Shape::Track => Ok(vec![event(&body)?]),
        Shape::TrackBulk => body.objects("events", usize::MAX)?.iter().map(event).collect(),
        Shape::TrackPushOpen => user(push_open(&body)?),
        Shape::TrackPurchase => Ok(vec![purchase(&body)?]),
        Shape::CreateList => {
            body.required_text("name")?;
            body.text("description")?;
            Ok(Vec::new())
        }
        Shape::Subscribe => subscribe(&body),
        Shape::InPath => Ok(Vec::new()),
    }
}

fn update(user: &Object<'_>) -> Result<Checked, Refusal> {
    for flag in ["preferUserId", "mergeNestedObjects", "createNewFields"] {
        user.boolean(flag)?;
    }
    user.object("dataFields")?;
    Ok(Checked { user: user.user()?, id: None })
}

fn update_email(body: &Object<'_>) -> Result<User, Refusal> {
    body.boolean("merge")?;
    let new = body.required_text("newEmail")?;
    if body.text("currentEmail")?.is_none() && body.text("currentUserId")?.is_none() {
        return Err(body.wrong("currentEmail", "or currentUserId is needed"));
    }
    Ok(User::with_email(new.to_owned()))
}

fn register_device(body: &Object<'_>) -> Result<User, Refusal> {
    let device = body.object("device")?.ok_or_else(|| body.wrong("device", "is missing"))?;
    device.required_text("token")?;
    device.required_text("applicationName")?;
    let platform = device.required_text("platform")?;
    if !["APNS", "APNS_SANDBOX", "GCM", "ADM"].contains(&platform) {
        return Err(device.wrong("platform", "is none of APNS, APNS_SANDBOX, GCM, ADM"));
    }
    device.object("dataFields")?;
    body.boolean("preferUserId")?;
    body.user()
}

fn update_subscriptions(body: &Object<'_>) -> Result<User, Refusal> {
    for ids in
        ["emailListIds", "unsubscribedChannelIds", "unsubscribedMessageTypeIds", "subscribedMessageTypeIds"]
    {
        body.integers(ids)?;
    }
    body.integer("campaignId")?;
    body.integer("templateId")?;
    body.user()
}

fn event(event: &Object<'_>) -> Result<Checked, Refusal> {
    event.required_text("eventName")?;
    seconds(event)?;
    event.integer("campaignId")?;
    event.integer("templateId")?;
    event.boolean("createNewFields")?;
    event.object("dataFields")?;
    Ok(Checked { user: event.user()?, id: event.text("id")?.map(str::to_owned) })
}

fn push_open(body: &Object<'_>) -> Result<User, Refusal> {
    if body.integer("campaignId")?.is_none() {
        return Err(body.wrong("campaignId", "is missing"));
    }
    body.integer("templateId")?;
    body.text("messageId")?;
    seconds(body)?;
    body.object("dataFields")?;
    body.user()
}

fn purchase(body: &Object<'_>) -> Result<Checked, Refusal> {
    for item in body.objects("items", usize::MAX)? {
        item.required_text("id")?;
        item.required_text("name")?;
        item.required_number("price")?;
        if item.integer("quantity")?.is_none() {
            return Err(item.wrong("quantity", "is missing"));
        }
        for text in ["sku", "description", "url", "imageUrl"] {
            item.text(text)?;
        }
        item.object("dataFields")?;
    }
    body.required_number("total")?;
    seconds(body)?;
    body.integer("campaignId")?;
    body.integer("templateId")?;
    body.object("dataFields")?;
    let user = body.object("user")?.ok_or_else(|| body.wrong("user", "is missing"))?;
    user.object("dataFields")?;
    Ok(Checked { user: user.user()?, id: body.text("id")?.map(str::to_owned) })
}

fn subscribe(body: &Object<'_>) -> Result<Vec<Checked>, Refusal> {
    if body.integer("listId")?.is_none() {
        return Err(body.wrong("listId", "is missing"));
    }
    for flag in ["updateExistingUsersOnly", "channelUnsubscribe"] {
        body.boolean(flag)?;
    }
    body.integer("campaignId")?;
    body.objects("subscribers", USERS_MAX)?.iter().map(update).collect()
}

fn seconds(of: &Object<'_>) -> Result<(), Refusal> {
    match of.integer("createdAt")? {
        Some(at) if !(0..=SECONDS_MAX).contains(&at) => {
            Err(of.wrong("createdAt", "is no time in whole seconds since 1970"))
        }
        _ => Ok(()),
    }
}
