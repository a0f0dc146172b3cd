//! Audiences: one list for each, memberships that wait for it, tombstones, and what single users' answers say.

use std::time::Duration;

use penstock_shared::subscription::SubscriptionState;
use serde_json::json;

use crate::{
    bench::Bench,
    messages::{memberships, subscription},
    script::Reply,
};

fn lists_used(bench: &Bench) -> Vec<String> {
    bench.script.of("members").into_iter().map(|got| got.path).collect()
}

#[tokio::test(start_paused = true)]
async fn trap_76_a_membership_waits_for_its_subscription_and_goes_to_its_list() {
    let mut bench = Bench::new();
    bench.put(&[memberships(1, &[("ada", 501, "add")], 10)]);
    bench.start();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.script.got().len(), 0, "there is no list yet");
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.until_empty().await;
    bench.stop().await;
    assert_eq!(lists_used(&bench), ["/v1/lists/L1/members?source=us1"]);
    let sent = &bench.script.of("members")[0].body;
    assert_eq!((&sent["name"], &sent["members"][0]["on"]), (&json!("all"), &json!(true)));
    assert_eq!((bench.script.of("lists").len(), bench.counts().delivered), (1, 2));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_76_memberships_of_an_unknown_audience_make_one_list_after_a_while() {
    let mut bench = Bench::new();
    for n in 0..5 {
        let users: Vec<String> = (0..3).map(|user| format!("u{n}-{user}")).collect();
        let changes: Vec<_> = users.iter().map(|user| (user.as_str(), 501, "add")).collect();
        bench.put(&[memberships(1, &changes, n)]);
    }
    bench.start();
    bench.start();
    bench.until_empty().await;
    bench.stop().await;
    assert_eq!(bench.script.of("lists").len(), 1);
    assert!(bench.script.of("lists")[0].at >= Duration::from_secs(30));
    let users: usize =
        bench.script.of("members").iter().map(|got| got.body["members"].as_array().unwrap().len()).sum();
    assert_eq!((users, bench.dead.len()), (15, 0));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_75_and_80_a_repeated_subscription_makes_no_second_list() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0), subscription(1, 501, "add", 0)]);
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.put(&[subscription(1, 501, "add", 5_000)]);
    bench.settle().await;
    assert_eq!((bench.script.of("lists").len(), bench.counts().delivered), (1, 1));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn two_workers_with_the_same_message_never_make_two_lists() {
    for seed in 1..20 {
        let mut bench = Bench::with(seed, |text| text);
        for _ in 0..6 {
            bench.put(&[subscription(1, 501, "add", 0)]);
        }
        (0..3).for_each(|_| bench.start());
        bench.until_empty().await;
        bench.stop().await;
        assert_eq!(bench.script.of("lists").len(), 1, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_is_tried_again_and_its_memberships_wait() {
    let mut bench = Bench::new();
    bench.script.reply("lists", [Reply::status(500), Reply::Reset]);
    bench.put(&[subscription(1, 501, "add", 0), memberships(1, &[("ada", 501, "add")], 1)]);
    bench.settle().await;
    assert_eq!((bench.script.of("lists").len(), lists_used(&bench).len(), bench.dead.len()), (3, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_creation_whose_answer_names_no_list_is_a_dead_letter() {
    let mut bench = Bench::new();
    bench.script.reply("lists", [Reply::ok()]);
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.settle().await;
    assert_eq!(bench.dead_codes(), ["mapping_failed"]);
}

#[tokio::test(start_paused = true)]
async fn trap_77_and_78_a_change_needs_no_new_list_and_an_older_one_is_ignored() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.settle().await;
    bench.script.reply("lists", [Reply::ok()]);
    let mut renamed = subscription(1, 501, "update", 100);
    renamed["audience_name"] = json!("renamed");
    bench.put(&[renamed]);
    bench.put(&[subscription(1, 501, "update", -100)]);
    bench.settle().await;
    let stored = &bench.store.all()[0];
    assert_eq!((stored.name.as_str(), &stored.captured["list"]), ("renamed", &json!("L1")));
    assert_eq!((bench.counts().delivered, bench.counts().filtered, bench.dead.len()), (2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn trap_68_and_90_after_a_removal_older_memberships_are_dropped_and_the_list_is_kept() {
    for word in ["remove", "delete"] {
        let mut bench = Bench::new();
        bench.put(&[subscription(1, 501, "add", 0)]);
        bench.settle().await;
        bench.put(&[subscription(1, 501, word, 1_000)]);
        bench.settle().await;
        let stored = bench.store.all();
        assert_eq!(
            (stored[0].state, &stored[0].captured["list"]),
            (SubscriptionState::Removed, &json!("L1"))
        );
        bench.put(&[memberships(1, &[("ada", 501, "add"), ("bob", 501, "remove")], 1_000)]);
        bench.settle().await;
        assert_eq!((bench.script.of("members").len(), bench.counts().filtered), (0, 3));
        // A later one means that it is connected again, and the list is still there.
        bench.put(&[memberships(1, &[("ada", 501, "add")], 2_000)]);
        bench.settle().await;
        assert_eq!(
            (bench.script.of("lists").len(), lists_used(&bench)),
            (1, vec!["/v1/lists/L1/members?source=us1".to_owned()])
        );
        bench.assert_adds_up();
    }
}

#[tokio::test(start_paused = true)]
async fn trap_69_an_unknown_action_is_set_aside_alone() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.settle().await;
    bench.put(&[memberships(1, &[("ada", 501, "add"), ("bob", 501, "frobnicate")], 1)]);
    bench.settle().await;
    assert_eq!(
        (bench.dead_codes(), bench.dead()[0].address.as_str()),
        (vec!["unreadable".to_owned()], "m1.0")
    );
    assert_eq!(bench.script.of("members").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn trap_70_an_attribute_update_changes_no_membership() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.settle().await;
    bench.put(&[memberships(1, &[("ada", 501, "add"), ("ada", 501, "attribute_update")], 1)]);
    bench.settle().await;
    let members = bench.script.of("members");
    assert_eq!((members.len(), &members[0].body["members"][0]["on"]), (1, &json!(true)));
    assert_eq!(bench.counts().filtered, 1);
}

#[tokio::test(start_paused = true)]
async fn trap_72_a_profile_without_audiences_is_counted() {
    let mut bench = Bench::new();
    let mut body = memberships(1, &[("ada", 501, "add")], 1);
    body["user_profiles"][0]["audiences"] = json!([]);
    bench.put(&[body]);
    bench.settle().await;
    assert_eq!((bench.counts().filtered, bench.script.got().len()), (1, 0));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_73_of_two_changes_of_one_user_in_one_message_the_last_counts() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.settle().await;
    bench.put(&[memberships(1, &[("ada", 501, "add"), ("bob", 501, "delete"), ("ada", 501, "delete")], 1)]);
    bench.settle().await;
    let sent = bench.script.of("members")[0].body["members"].clone();
    let sent: Vec<_> =
        sent.as_array().unwrap().iter().map(|m| (m["email"].clone(), m["on"].clone())).collect();
    assert_eq!(sent, [(json!("bob@example.com"), json!(false)), (json!("ada@example.com"), json!(false))]);
    assert_eq!(bench.counts().filtered, 1);
}

#[tokio::test(start_paused = true)]
async fn trap_79_a_missing_or_wrong_audience_setting_fails_that_entry_alone() {
    let mut bench = Bench::new();
    let mut connected = subscription(1, 501, "add", 0);
    connected["audience_subscription_settings"] = json!({});
    bench.put(&[connected]);
    bench.settle().await;
    let mut body = memberships(1, &[("ada", 501, "add"), ("bob", 501, "add"), ("eve", 501, "add")], 1);
    body["user_profiles"][1]["audiences"][0]["audience_subscription_settings"] = json!({ "folder": " " });
    body["user_profiles"][2]["audiences"][0]["audience_subscription_settings"] =
        json!({ "folder": "f", "priority": "high" });
    bench.put(&[body]);
    bench.settle().await;
    let dead = bench.dead();
    assert_eq!(bench.dead_codes(), ["setting_missing", "setting_missing"]);
    assert_eq!((dead[0].address.as_str(), dead[1].address.as_str()), ("m1.0", "m2.0"));
    assert_eq!(bench.script.of("members")[0].body["members"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn trap_82_two_accounts_with_one_audience_have_a_list_each() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0), subscription(2, 501, "add", 0)]);
    bench.settle().await;
    bench.put(&[memberships(1, &[("ada", 501, "add")], 1), memberships(2, &[("bob", 501, "add")], 1)]);
    bench.settle().await;
    assert_eq!(bench.script.of("lists").len(), 2);
    let mut used = lists_used(&bench);
    used.dedup();
    assert_eq!(used.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn trap_83_many_profiles_are_chunked_by_list_and_a_failed_chunk_alone_is_tried_again() {
    let mut bench = Bench::new();
    bench.put(&(501..504).map(|audience| subscription(1, audience, "add", 0)).collect::<Vec<_>>());
    bench.settle().await;
    let users: Vec<String> = (0..500).map(|n| format!("u{n}")).collect();
    let changes: Vec<_> = users
        .iter()
        .flat_map(|user| (501..504).map(move |audience| (user.as_str(), audience, "add")))
        .collect();
    bench.script.reply("members", [Reply::status(503)]);
    bench.put(&[memberships(1, &changes, 1)]);
    bench.settle().await;
    let calls = bench.script.of("members");
    assert_eq!(calls.len(), 16, "fifteen chunks of a hundred, one of them twice");
    assert!(calls.iter().all(|got| got.body["members"].as_array().unwrap().len() == 100));
    assert_eq!((bench.counts().delivered, bench.dead.len()), (1503, 0));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn trap_84_users_the_partner_does_not_know_fail_alone() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.settle().await;
    let answer =
        json!({ "unknown": ["bob@example.com", "nobody@example.com"], "later": ["eve@example.com"] });
    bench.script.reply("members", [Reply::Json(200, answer)]);
    bench.put(&[memberships(1, &[("ada", 501, "add"), ("bob", 501, "add"), ("eve", 501, "add")], 1)]);
    bench.settle().await;
    assert_eq!(
        (bench.dead_codes(), bench.dead()[0].address.as_str()),
        (vec!["partner_rejected".to_owned()], "m1.0")
    );
    let again = &bench.script.of("members")[1].body["members"];
    assert_eq!((again.as_array().unwrap().len(), &again[0]["email"]), (1, &json!("eve@example.com")));
}

#[tokio::test(start_paused = true)]
async fn trap_85_a_list_that_is_gone_at_the_partner_is_no_endless_retry_and_no_trouble_of_the_account() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0), subscription(1, 502, "add", 0)]);
    bench.settle().await;
    bench.script.rule(|got| (got.path.starts_with("/v1/lists/L1/")).then(|| Reply::status(404)));
    bench.put(&[memberships(1, &[("ada", 501, "add"), ("ada", 502, "add")], 1)]);
    bench.settle().await;
    assert_eq!((bench.dead_codes(), bench.script.of("members").len()), (vec!["gone".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn trap_89_the_first_shape_of_memberships_is_read() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.settle().await;
    let mut body = memberships(1, &[("ada", 501, "add")], 1);
    let profile = body["user_profiles"][0].as_object_mut().unwrap();
    let entry = profile.remove("audiences").unwrap();
    profile.insert("removed_audiences".to_owned(), entry);
    bench.put(&[body]);
    bench.settle().await;
    assert_eq!(bench.script.of("members")[0].body["members"][0]["on"], json!(false));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_loses_nothing_and_makes_no_second_list() {
    for seed in 1..15 {
        let mut bench = Bench::with(seed, |text| text);
        bench.store.set_faults(20);
        bench.put(&[subscription(1, 501, "add", 0), memberships(1, &[("ada", 501, "add")], 1)]);
        bench.put(&[memberships(1, &[("bob", 501, "add")], 2)]);
        bench.start();
        bench.start();
        tokio::time::sleep(Duration::from_secs(120)).await;
        bench.store.set_faults(0);
        bench.until_empty().await;
        bench.stop().await;
        assert_eq!(bench.dead_codes(), Vec::<String>::new(), "seed {seed}");
        assert!(!bench.script.of("members").is_empty());
        bench.assert_adds_up();
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_overtakes_the_creation_does_not_keep_the_list_from_being_made() {
    let mut bench = Bench::new();
    // The creation fails until after the change, which makes nothing at this partner.
    bench.script.reply("lists", [Reply::status(503), Reply::status(404)]);
    bench.put(&[subscription(1, 501, "add", 0)]);
    bench.start();
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.put(&[subscription(1, 501, "update", 5_000), memberships(1, &[("ada", 501, "add")], 10)]);
    bench.until_empty().await;
    bench.stop().await;
    assert_eq!(lists_used(&bench), ["/v1/lists/L1/members?source=us1"]);
    assert_eq!(bench.store.all()[0].captured["list"], json!("L1"));
}

#[tokio::test(start_paused = true)]
async fn leaving_an_audience_that_was_never_connected_leaves_nothing_to_do() {
    let mut bench = Bench::new();
    bench.put(&[memberships(1, &[("ada", 501, "delete")], 0)]);
    bench.settle().await;
    assert_eq!((bench.counts().filtered, bench.dead.len(), bench.script.got().len()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn trap_35_a_subscription_from_the_future_does_not_keep_later_changes_out() {
    let mut bench = Bench::new();
    bench.put(&[subscription(1, 501, "add", 400 * 24 * 3_600_000)]);
    bench.settle().await;
    bench.put(&[subscription(1, 501, "remove", 60_000)]);
    bench.settle().await;
    assert_eq!(bench.store.all()[0].state, SubscriptionState::Removed);
}
