//! Iterable's stand-in, call by call.

use std::time::Duration;

use http::HeaderMap;

use super::*;

struct Project {
    iterable: Iterable,
    key: &'static str,
    now: Instant,
}

impl Project {
    fn new() -> Self {
        Self { iterable: Iterable::default(), key: "key-1001", now: Instant::now() }
    }

    fn call(&mut self, method: Method, path: &str, query: Option<&str>, body: &str) -> Reply {
        let mut headers = HeaderMap::new();
        if !self.key.is_empty() {
            headers.insert("api-key", self.key.parse().unwrap());
        }
        // Far enough apart for every endpoint's rate.
        self.now += Duration::from_secs(1);
        let call = Call { method: &method, path, query, headers: &headers, body: body.as_bytes() };
        self.iterable.answer(call, self.now)
    }

    fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.call(Method::POST, path, None, &body.to_string())
    }

    fn refusal(&mut self, path: &str, body: &Value) -> (u16, String) {
        let reply = self.post(path, body);
        assert!(reply.items.is_empty());
        (reply.status, reply.body["code"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_key_belongs_in_its_header() {
    let mut project = Project::new();
    let body = r#"{"email":"mei@example.com","eventName":"x"}"#;
    let path = "/api/events/track";
    assert_eq!(project.call(Method::POST, path, None, body).status, 200);
    let in_query = project.call(Method::POST, path, Some("a=1&api_key=k"), body);
    assert_eq!((in_query.status, &in_query.body["code"]), (401, &json!("BadApiKey")));
    for key in ["", "bad-key"] {
        project.key = key;
        assert_eq!(project.call(Method::POST, path, None, body).status, 401, "{key}");
    }
}

#[tokio::test]
async fn bulk_calls_name_the_users_they_failed_for() {
    let mut project = Project::new();
    let users = json!({ "users": [
        { "email": "mei@example.com", "dataFields": { "tier": "gold" } },
        { "email": "Gone@Forgotten.example" },
        { "email": "who@invalid" },
        { "userId": "u".repeat(53) },
        { "userId": "u-1", "preferUserId": true },
    ] });
    let reply = project.post("/api/users/bulkUpdate", &users);
    assert_eq!(reply.status, 200);
    let body = &reply.body;
    assert_eq!((&body["successCount"], &body["failCount"]), (&json!(2), &json!(3)));
    assert_eq!(body["failedUpdates"]["forgottenEmails"], json!(["gone@forgotten.example"]));
    assert_eq!(body["failedUpdates"]["invalidEmails"], json!(["who@invalid"]));
    assert_eq!(body["invalidEmails"], json!(["who@invalid"]));
    assert_eq!(body["failedUpdates"]["invalidUserIds"][0].as_str().map(str::len), Some(53));
    assert_eq!(body["failedUpdates"]["notFoundEmails"], json!([]));
    assert_eq!(reply.items.iter().filter(|item| **item == Counted::Failed).count(), 3);

    let list = json!({ "listId": 7, "subscribers": [{ "email": "a@b.example" }, { "email": "@" }] });
    for path in ["/api/lists/subscribe", "/api/lists/unsubscribe"] {
        let reply = project.post(path, &list);
        assert_eq!((&reply.body["successCount"], &reply.body["failCount"]), (&json!(1), &json!(1)));
    }
    let events = json!({ "events": [{ "email": "a@b.example", "eventName": "x", "id": "e-1" }] });
    let reply = project.post("/api/events/trackBulk", &events);
    assert_eq!(reply.body["disallowedEventNames"], json!([]));
    assert_eq!(reply.items, [Counted::Accepted(Some(key_digest("e-1")))]);
}

#[tokio::test]
async fn every_list_names_a_user_and_a_failure_may_stand_in_none() {
    let mut project = Project::new();
    for (list, user) in [
        ("forgottenEmails", json!({ "email": "a@forgotten.example" })),
        ("forgottenUserIds", json!({ "userId": "forgotten-1" })),
        ("notFoundEmails", json!({ "email": "a@not-found.example" })),
        ("notFoundUserIds", json!({ "email": "mei@example.com", "userId": "not_found-1" })),
        ("invalidDataEmails", json!({ "email": "a@invalid-data.example" })),
        ("invalidDataUserIds", json!({ "userId": "invalid_data-1" })),
        ("conflictEmails", json!({ "email": "a@conflict.example" })),
        ("conflictUserIds", json!({ "userId": "conflict-1" })),
    ] {
        let body = project.post("/api/users/bulkUpdate", &json!({ "users": [user] })).body;
        assert_eq!(body["failedUpdates"][list].as_array().map(Vec::len), Some(1), "{list}: {body}");
    }
    let unnamed = json!({ "users": [{ "email": "a@unnamed.example" }] });
    let body = project.post("/api/users/bulkUpdate", &unnamed).body;
    assert_eq!((&body["successCount"], &body["failCount"]), (&json!(0), &json!(1)));
    let lists = body["failedUpdates"].as_object().unwrap();
    assert!(lists.values().all(|list| list == &json!([])), "{body}");
}

#[tokio::test]
async fn good_calls_are_taken() {
    let mut project = Project::new();
    let email = "mei@example.com";
    let device = json!({ "token": "t", "platform": "APNS", "applicationName": "app" });
    let item = json!({ "id": "p", "name": "Tea", "price": 1.5, "quantity": 2 });
    for (path, body) in [
        ("/api/users/update", json!({ "email": email, "dataFields": null })),
        ("/api/users/updateEmail", json!({ "currentEmail": "old@example.com", "newEmail": email })),
        ("/api/users/registerDeviceToken", json!({ "email": email, "device": device })),
        ("/api/users/updateSubscriptions", json!({ "email": email, "emailListIds": [1, 2] })),
        ("/api/users/forget", json!({ "userId": "u-1" })),
        ("/api/events/track", json!({ "userId": "u-1", "eventName": "x", "createdAt": 1_763_969_919 })),
        ("/api/events/trackPushOpen", json!({ "email": email, "campaignId": 3, "messageId": "m" })),
        (
            "/api/commerce/trackPurchase",
            json!({ "user": { "email": email }, "items": [item], "total": 3, "id": "o" }),
        ),
    ] {
        let reply = project.post(path, &body);
        assert_eq!((reply.status, &reply.body["code"]), (200, &json!("Success")), "{path}: {}", reply.body);
        assert_eq!(reply.items.len(), 1, "{path}");
    }
    for path in ["/api/users/mei%40example.com", "/api/users/byUserId/u-1"] {
        assert_eq!(project.call(Method::DELETE, path, None, "").status, 200, "{path}");
    }
    assert_eq!(
        counted_path(&Method::DELETE, "/api/users/mei@example.com"),
        "/api/users/{user}",
        "no address among the counters"
    );
    let first = project.post("/api/lists", &json!({ "name": "VIPs" }));
    let again = project.post("/api/lists", &json!({ "name": "VIPs" }));
    assert_eq!((&first.body, project.iterable.lists()), (&again.body, 1));
}

#[tokio::test]
async fn one_bad_member_refuses_the_whole_call() {
    let email = "mei@example.com";
    let mut project = Project::new();
    let track = |more: Value| {
        let mut event = json!({ "email": email, "eventName": "x" });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "events": [{ "email": email, "eventName": "good" }, event] })
    };
    for (path, body) in [
        ("/api/events/trackBulk", track(json!({ "createdAt": 1_763_969_919_783_i64 }))),
        ("/api/events/trackBulk", track(json!({ "createdAt": "1763969919" }))),
        ("/api/events/trackBulk", track(json!({ "createdAt": 1.5 }))),
        ("/api/events/trackBulk", track(json!({ "eventName": null }))),
        ("/api/events/trackBulk", track(json!({ "dataFields": [] }))),
        ("/api/events/trackBulk", json!({ "events": [5] })),
        ("/api/events/trackBulk", json!([])),
        ("/api/users/bulkUpdate", json!({ "users": {} })),
        ("/api/lists/subscribe", json!({ "listId": "7", "subscribers": [{ "email": email }] })),
        ("/api/lists/subscribe", json!({ "subscribers": [{ "email": email }] })),
        ("/api/users/updateEmail", json!({ "newEmail": email })),
        ("/api/users/updateSubscriptions", json!({ "email": email, "emailListIds": ["1"] })),
        ("/api/users/registerDeviceToken", json!({ "email": email, "device": { "token": "t" } })),
        ("/api/events/trackPushOpen", json!({ "email": email })),
        ("/api/commerce/trackPurchase", json!({ "user": { "email": email }, "total": 1 })),
    ] {
        assert_eq!(project.refusal(path, &body), (400, "BadJsonBody".to_owned()), "{path} {body}");
    }
    let nobody = json!({ "users": [{ "email": "" }] });
    assert_eq!(project.refusal("/api/users/bulkUpdate", &nobody).1, "BadParams");
    let bad = json!({ "email": "who@invalid", "eventName": "x" });
    assert_eq!(project.refusal("/api/events/track", &bad).1, "InvalidEmailAddressError");
    let gone = json!({ "email": "a@forgotten.example", "eventName": "x" });
    assert_eq!(project.refusal("/api/events/track", &gone).1, "ForgottenUserError");
    assert_eq!(project.refusal("/api/nothing", &json!({})).0, 404);
}

#[tokio::test]
async fn sizes_are_limited() {
    let mut project = Project::new();
    let many = |count: usize| vec![json!({ "email": "mei@example.com" }); count];
    for (path, member) in [("/api/users/bulkUpdate", "users"), ("/api/lists/subscribe", "subscribers")] {
        let body = |count| json!({ "listId": 1, member: many(count) });
        assert_eq!(project.post(path, &body(1_000)).status, 200, "{path}");
        assert_eq!(project.refusal(path, &body(1_001)), (400, "BadParams".to_owned()), "{path}");
        assert_eq!(project.refusal(path, &body(0)).0, 400, "{path}");
    }
    let padding = "x".repeat(4_000_000);
    let event = json!({ "email": "mei@example.com", "eventName": "x", "dataFields": { "p": padding } });
    assert_eq!(project.refusal("/api/events/trackBulk", &json!({ "events": [event] })).0, 413);
}

#[tokio::test]
async fn rates_hold_for_one_endpoint_of_one_project() {
    let mut project = Project::new();
    let users = json!({ "users": [{ "email": "mei@example.com" }] }).to_string();
    let at_once = |project: &mut Project, key: &str, path: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("api-key", key.parse().unwrap());
        let call =
            Call { method: &Method::POST, path, query: None, headers: &headers, body: users.as_bytes() };
        project.iterable.answer(call, project.now).status
    };
    let path = "/api/users/bulkUpdate";
    let statuses: Vec<u16> = (0..6).map(|_| at_once(&mut project, "one", path)).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert_eq!(at_once(&mut project, "two", path), 200);
    assert_ne!(at_once(&mut project, "one", "/api/events/trackBulk"), 429);
    project.now += Duration::from_millis(200);
    assert_eq!(at_once(&mut project, "one", path), 200);
}
