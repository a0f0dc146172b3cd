//! The bodies, held to the reader that ingress and worker have.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use penstock_shared::firehose::{self, Item, ItemContent, Request};
use serde_json::Value;

use super::*;

const NOW: i64 = 1_763_931_343_059;
const SETTINGS: &str = r#"{"apiKey":"key-1001"}"#;

fn envelope(kind: RequestKind, id: &str) -> Envelope<'_> {
    let account = Customer { account_id: 1001, settings: SETTINGS };
    Envelope { kind, id, now_ms: NOW, account: (kind != RequestKind::Registration).then_some(account) }
}

/// Sorts and reads a body as a receiver does, and holds it to what is said of it.
fn checked(kind: RequestKind, id: &str, written: &Written) -> Request {
    let body = Bytes::from(written.body.clone());
    let sorted = firehose::sort(&body).unwrap();
    assert_eq!((sorted.kind, sorted.id.as_deref()), (kind, Some(id)));
    assert_eq!(sorted.deliverable, written.items > 0, "{}", written.body);
    let request = firehose::read(&body).unwrap();
    assert_eq!(request.timestamp_ms, Some(NOW));
    assert_eq!(request.items.len(), written.items as usize, "{}", written.body);
    let unreadable = request.items.iter().find(|item| item.content.is_err());
    assert!(unreadable.is_none(), "{unreadable:?} in {}", written.body);
    assert_eq!(request.has_user_data(), written.user_data, "{}", written.body);
    request
}

fn batches(count: u32) -> Vec<(Written, Request)> {
    let mut rng = fastrand::Rng::with_seed(7);
    let batch = |user| {
        let id = request_id(&mut rng);
        let written = events(&envelope(RequestKind::Events, &id), user, &mut rng);
        let request = checked(RequestKind::Events, &id, &written);
        (written, request)
    };
    (0..count).map(batch).collect()
}

fn event_members<'a>(items: &'a [Item], name: &str) -> Vec<&'a Value> {
    let event = |item: &'a Item| match &item.content {
        Ok(ItemContent::Event(event)) => event.fields.get(name),
        _ => None,
    };
    items.iter().filter_map(event).collect()
}

#[test]
fn batches_have_all_types_of_events_and_most_environments() {
    let batches = batches(800);
    let types = batches.iter().flat_map(|(_, request)| event_members(&request.items, "type"));
    let types: BTreeSet<&str> = types.filter_map(Value::as_str).collect();
    assert_eq!(types.len(), 16, "{types:?}");
    let kinds: BTreeSet<String> =
        batches.iter().map(|(_, request)| format!("{:?}", request.runtime())).collect();
    assert_eq!(kinds.len(), 11, "ten and none: {kinds:?}");
}

#[test]
fn batches_have_1_to_50_kilobytes_with_a_long_tail() {
    let mut sizes: Vec<usize> = batches(800).iter().map(|(written, _)| written.body.len()).collect();
    sizes.sort_unstable();
    let (median, mean) = (sizes[400], sizes.iter().sum::<usize>() / 800);
    assert!((2_500..4_500).contains(&median), "{median}");
    assert!((4_000..8_000).contains(&mean), "{mean}");
    assert!(sizes[0] >= 800, "{}", sizes[0]);
    assert!((35_000..60_000).contains(&sizes[799]), "{}", sizes[799]);
    assert!(sizes[760] > 3 * median, "{}", sizes[760]);
}

#[test]
fn batches_are_as_odd_as_those_of_the_field() {
    let batches = batches(500);
    let bodies = || batches.iter().map(|(written, _)| written.body.as_str());
    for what in [r#":null"#, r#":{}"#, r#":[]"#, r#""mpid":-"#, r#""mpid":"-"#, "ë", "\\r\\n\\tat ", "1.5"] {
        assert!(bodies().any(|body| body.contains(what)), "{what}");
    }
    assert!(bodies().any(|body| body.starts_with(r#"{"type""#)));
    assert!(bodies().any(|body| body.starts_with(r#"{"account""#)), "the envelope last");
    let sessions: BTreeSet<i64> = batches
        .iter()
        .flat_map(|(_, request)| event_members(&request.items, "session_id"))
        .filter_map(Value::as_i64)
        .collect();
    assert!(sessions.contains(&0) && sessions.iter().any(|id| *id < -(1 << 53)));
}

#[test]
fn every_message_and_event_has_an_id_of_its_own_and_happened_before() {
    let batches = batches(200);
    let messages: BTreeSet<_> = batches.iter().map(|(_, request)| request.id.clone()).collect();
    assert_eq!(messages.len(), 200);
    let ids: Vec<_> = batches.iter().flat_map(|(_, request)| event_members(&request.items, "id")).collect();
    let distinct: BTreeSet<_> = ids.iter().filter_map(|id| id.as_str()).collect();
    assert_eq!(distinct.len(), ids.len());
    let times = batches.iter().flat_map(|(_, request)| event_members(&request.items, "timestamp_ms"));
    assert!(times.filter_map(Value::as_i64).all(|at| at <= NOW && at > NOW - 24 * 3_600_000));
}

#[test]
fn the_same_seed_writes_the_same() {
    let bodies = || batches(50).into_iter().map(|(written, _)| written.body).collect::<Vec<_>>();
    assert_eq!(bodies(), bodies());
}

#[test]
fn a_user_is_the_same_person_in_every_message() {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut identities = |user| {
        let written = profile(&envelope(RequestKind::Events, "1"), user, &mut rng);
        let fields = checked(RequestKind::Events, "1", &written).fields;
        (
            fields["mpid"].clone(),
            fields.get("user_identities").and_then(Value::as_array).cloned().unwrap_or_default(),
        )
    };
    let mut seen = BTreeMap::new();
    for user in (0..50).chain(0..50) {
        let now = identities(user);
        assert_eq!(*seen.entry(user).or_insert_with(|| now.clone()), now);
    }
    let distinct: BTreeSet<String> = seen.values().map(|(mpid, _)| mpid.to_string()).collect();
    assert_eq!(distinct.len(), 50);
}

#[test]
fn profile_updates_and_erasures_are_one_item() {
    let mut rng = fastrand::Rng::with_seed(3);
    for user in 0..200 {
        let updated = profile(&envelope(RequestKind::Events, "1"), user, &mut rng);
        assert_eq!(checked(RequestKind::Events, "1", &updated).items.len(), 1);
        let erased = erasure(&envelope(RequestKind::Dsr, "1"), user, &mut rng);
        let request = checked(RequestKind::Dsr, "1", &erased);
        let Ok(ItemContent::Dsr(dsr)) = &request.items[0].content else { panic!("{request:?}") };
        assert!(dsr.submitted_time_ms.is_some_and(|at| at <= NOW && at > NOW - 3_600_000), "{}", erased.body);
    }
}

#[test]
fn verification_calls_and_registration_requests_have_nothing_to_deliver() {
    for kind in [RequestKind::Events, RequestKind::Membership, RequestKind::Registration] {
        let written = verification(&envelope(kind, "1"));
        assert_eq!(checked(kind, "1", &written).items.len(), 0);
        let message: Value = serde_json::from_str(&written.body).unwrap();
        assert_eq!(message.get("account").is_some(), kind != RequestKind::Registration);
    }
}

#[test]
fn subscriptions_and_memberships_say_what_is_meant() {
    let mut rng = fastrand::Rng::with_seed(3);
    let settings = Settings::from([("listId".to_owned(), "90501".to_owned())]);
    let wide = 8_794_123_497_119_088;
    for action in ["add", "update", "remove"] {
        let change =
            Change { audience_id: wide, name: "A", settings: &settings, previous: Some(&settings), action };
        let written = subscription(&envelope(RequestKind::Subscription, "1"), &change, &mut rng);
        let request = checked(RequestKind::Subscription, "1", &written);
        let Ok(ItemContent::Subscription(read)) = &request.items[0].content else { panic!("{request:?}") };
        assert_eq!(read.audience_id, wide);
        assert!(format!("{:?}", read.action).eq_ignore_ascii_case(action));
    }
    let entry = |action| Entry { audience_id: wide, name: "A", settings: &settings, action };
    let profiles: Vec<Profile<'_>> = (0..50)
        .map(|user| Profile { user, entries: vec![entry(Action::Add), entry(Action::AttributeUpdate)] })
        .chain([Profile { user: 99, entries: vec![entry(Action::Delete)] }])
        .collect();
    let written = membership(&envelope(RequestKind::Membership, "1"), &profiles, &mut rng);
    assert_eq!(written.items, 101);
    for item in checked(RequestKind::Membership, "1", &written).items {
        let Ok(ItemContent::Membership(read)) = &item.content else { panic!("{item:?}") };
        assert_eq!(read.audience_id, wide);
    }
}
