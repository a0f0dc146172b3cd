//! The life of audiences, without any I/O.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::simulate::mparticle::answer::Reply;
use crate::simulate::mparticle::messages::Settings;
use crate::simulate::mparticle::rules::Loss;

const NOW: i64 = 1_763_931_343_059;
const START: Duration = Duration::ZERO;

fn population(accounts: u32, audiences: u32) -> Population {
    Population {
        accounts,
        users: 50,
        audiences,
        bulk: 20,
        settings: vec![("apiKey".to_owned(), "key-{account}".to_owned())],
        resume_after: Some(Duration::from_secs(5)),
    }
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap()
}

fn hidden(value: &str) -> Reply {
    Reply { hidden: Settings::from([("listKey".to_owned(), value.to_owned())]), suspend: false }
}

fn sent(turn: Turn) -> Message {
    match turn {
        Turn::Send(message) => message,
        Turn::Withheld => panic!("withheld"),
    }
}

/// A world of one customer with one audience, which is connected.
fn connected() -> World {
    let mut world = World::new(population(1, 1), 1);
    let add = sent(world.next(Kind::Membership, NOW));
    assert_eq!(
        (add.kind, add.action),
        (Kind::Subscription, Some("add")),
        "nobody enters before it is connected"
    );
    world.taken(&add, &hidden("k-1"), START);
    world
}

/// Every audience entry of a membership message.
fn entries(message: &Message) -> Vec<Value> {
    let body = body(message);
    let profiles = body["user_profiles"].as_array().unwrap();
    profiles.iter().flat_map(|profile| profile["audiences"].as_array().unwrap().clone()).collect()
}

#[test]
fn what_the_partner_returned_goes_with_every_later_change() {
    let mut world = connected();
    for _ in 0..20 {
        let message = sent(world.next(Kind::Membership, NOW));
        for entry in entries(&message) {
            assert_eq!(entry["audience_subscription_settings"]["listKey"], "k-1");
            assert_eq!(entry["audience_subscription_settings"]["listId"], "90000");
        }
    }
    let change = sent(world.next(Kind::Subscription, NOW));
    assert_eq!(body(&change)["audience_subscription_settings"]["listKey"], "k-1");
}

#[test]
fn updates_bring_the_settings_before_and_after_and_a_new_connection_forgets_the_old() {
    let mut world = connected();
    let (mut updates, mut again) = (0, 0);
    for round in 0..200 {
        let message = sent(world.next(Kind::Subscription, NOW));
        let said = body(&message);
        match message.action {
            Some("update") => {
                updates += 1;
                assert!(said["previous_audience_subscription_settings"].is_object(), "{said}");
                assert_eq!(
                    world.next_action_while_under_way(),
                    None,
                    "of two updates nobody knows the later"
                );
            }
            Some("add") => {
                again += 1;
                assert_eq!(said["audience_subscription_settings"].get("listKey"), None, "{said}");
            }
            action => assert_eq!(action, Some("remove")),
        }
        world.taken(&message, &hidden(&format!("k-{round}")), START);
    }
    assert!(updates > 20 && again > 5, "{updates} {again}");
}

impl World {
    /// The action of another subscription request, while the last one has no answer yet.
    fn next_action_while_under_way(&mut self) -> Option<&'static str> {
        match self.next(Kind::Subscription, NOW) {
            Turn::Send(message) => message.action,
            Turn::Withheld => None,
        }
    }
}

#[test]
fn users_enter_before_they_leave_and_leave_before_they_enter_again() {
    let mut world = World::new(population(3, 3), 1);
    let mut members: BTreeSet<(u64, String, String)> = BTreeSet::new();
    let mut actions: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..3_000 {
        let message = sent(world.next(Kind::Membership, NOW));
        world.taken(&message, &Reply::default(), START);
        if message.kind != Kind::Membership {
            continue;
        }
        let body = body(&message);
        let account = body["account"]["account_id"].as_u64().unwrap();
        for profile in body["user_profiles"].as_array().unwrap() {
            for entry in profile["audiences"].as_array().unwrap() {
                let member = (account, profile["mpid"].to_string(), entry["audience_id"].to_string());
                let action = entry["action"].as_str().unwrap();
                *actions.entry(action.to_owned()).or_default() += 1;
                match action {
                    "add" => assert!(members.insert(member)),
                    "delete" => assert!(members.remove(&member)),
                    _ => assert!(members.contains(&member)),
                }
            }
        }
    }
    assert!(actions.len() == 3 && actions.values().all(|count| *count > 500), "{actions:?}");
}

#[test]
fn nobody_stands_twice_in_one_message() {
    let mut world = connected();
    for _ in 0..200 {
        let said = body(&sent(world.next(Kind::Membership, NOW)));
        let profiles = said["user_profiles"].as_array().unwrap();
        let users: BTreeSet<String> = profiles.iter().map(|profile| profile["mpid"].to_string()).collect();
        assert_eq!(users.len(), profiles.len());
        assert!(profiles.len() <= 20);
    }
}

#[test]
fn a_faulted_connection_is_sent_nothing_until_it_is_resumed() {
    let mut world = connected();
    let message = sent(world.next(Kind::Membership, NOW));
    let consequence = world.lost(&message, Loss::Exhausted, START);
    assert_eq!(consequence, Consequence { faulted: 1, suspended: 0 });
    assert_eq!(world.lost(&message, Loss::Exhausted, START), Consequence::default(), "counted once");
    for _ in 0..20 {
        assert!(matches!(world.next(Kind::Membership, NOW), Turn::Withheld));
        assert_eq!(sent(world.next(Kind::Subscription, NOW)).kind, Kind::Events, "nor is it changed");
    }
    assert_eq!(world.resume(Duration::from_millis(4_999)), 0);
    assert_eq!(world.resume(Duration::from_secs(5)), 1);
    let message = sent(world.next(Kind::Membership, NOW));
    assert_eq!(entries(&message)[0]["audience_subscription_settings"]["listKey"], "k-1");
}

#[test]
fn a_refusal_loses_the_message_and_leaves_the_connection() {
    let mut world = connected();
    let message = sent(world.next(Kind::Membership, NOW));
    assert_eq!(world.lost(&message, Loss::Refused, START), Consequence::default());
    assert_eq!(sent(world.next(Kind::Membership, NOW)).kind, Kind::Membership);
}

#[test]
fn an_audience_whose_connection_was_refused_can_be_connected_again() {
    let mut world = World::new(population(1, 1), 1);
    let add = sent(world.next(Kind::Subscription, NOW));
    assert_eq!(sent(world.next(Kind::Membership, NOW)).kind, Kind::Events, "its add is under way");
    world.lost(&add, Loss::Refused, START);
    assert_eq!(sent(world.next(Kind::Subscription, NOW)).action, Some("add"));
}

#[test]
fn a_suspension_stops_all_audiences_of_the_customer_and_no_others_and_ends_with_new_credentials() {
    let mut world = World::new(population(2, 2), 1);
    for place in 0..4 {
        let add = world.add(place, NOW);
        world.taken(&add, &Reply::default(), START);
    }
    let noop = loop {
        let message = sent(world.next(Kind::NoopMembership, NOW));
        if message.account == 0 {
            break message;
        }
    };
    let suspended = Reply { suspend: true, ..Reply::default() };
    assert_eq!(world.taken(&noop, &suspended, START), Consequence { faulted: 2, suspended: 1 });
    assert_eq!(world.taken(&noop, &suspended, START), Consequence::default(), "counted once");
    let (mut withheld, mut others) = (0, 0);
    for _ in 0..200 {
        match world.next(Kind::Membership, NOW) {
            Turn::Withheld => withheld += 1,
            Turn::Send(message) => {
                assert_eq!(message.account, 1);
                others += 1;
            }
        }
    }
    assert!(withheld > 50 && others > 20, "{withheld} {others}");
    let key = |message: &Message| body(message)["account"]["account_settings"]["apiKey"].clone();
    assert_eq!(key(&noop), "key-1001");
    assert_eq!(world.resume(Duration::from_secs(5)), 2);
    let message = loop {
        let message = sent(world.next(Kind::Membership, NOW));
        if message.account == 0 {
            break message;
        }
    };
    assert_eq!(key(&message), "key-1001-1");
}

#[test]
fn without_a_time_nothing_is_ever_resumed() {
    let mut world = World::new(Population { resume_after: None, ..population(1, 1) }, 1);
    let add = sent(world.next(Kind::Subscription, NOW));
    assert_eq!(world.lost(&add, Loss::Exhausted, START).faulted, 1);
    assert_eq!(world.resume(Duration::MAX), 0);
}

#[test]
fn a_burst_tells_of_every_present_member_once_when_its_subscription_is_taken() {
    let mut world = World::new(population(2, 1), 1);
    let add = world.connect(45, NOW);
    assert_eq!(world.present_messages(&add), 0, "not before");
    world.taken(&add, &hidden("k"), START);
    assert_eq!(world.present_messages(&add), 3);
    let messages: Vec<Message> = (0..3).map(|_| sent(world.present(NOW))).collect();
    assert_eq!(messages.iter().map(|message| message.items).collect::<Vec<_>>(), [20, 20, 5]);
    let users =
        messages.iter().flat_map(|message| body(message)["user_profiles"].as_array().unwrap().clone());
    let users: BTreeSet<String> = users.map(|profile| profile["mpid"].to_string()).collect();
    assert_eq!(users.len(), 45);
    let entries: Vec<Value> = messages.iter().flat_map(entries).collect();
    assert!(entries.iter().all(|entry| entry["action"] == "add"));
    assert!(entries.iter().all(|entry| entry["audience_subscription_settings"]["listKey"] == "k"));
}

#[test]
fn a_burst_whose_connection_faults_withholds_the_rest() {
    let mut world = World::new(population(2, 1), 1);
    let add = world.connect(45, NOW);
    world.taken(&add, &hidden("k"), START);
    let first = sent(world.present(NOW));
    world.lost(&first, Loss::Exhausted, START);
    assert!(matches!(world.present(NOW), Turn::Withheld));
}

#[test]
fn audiences_of_one_customer_have_different_ids_and_some_are_wide() {
    let world = World::new(population(200, 4), 1);
    let ids: BTreeSet<_> = world.audiences.iter().map(|audience| (audience.account, audience.id)).collect();
    assert_eq!(ids.len(), 800);
    assert!(world.audiences.iter().any(|audience| audience.id > 1 << 53));
    let distinct: BTreeSet<_> = world.audiences.iter().map(|audience| audience.id).collect();
    assert!(distinct.len() < 800, "some are shared between customers");
}
