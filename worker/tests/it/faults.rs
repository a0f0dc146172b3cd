//! Everything at once, under many seeds: nothing is lost, nothing is invented, and a seed replays.

use std::{collections::BTreeSet, time::Duration};

use penstock_testkit::models::Faults;
use serde_json::json;

use crate::{
    bench::Bench,
    messages::{events, memberships, subscription},
    script::{Got, Reply},
};

fn partner_in_trouble(seed: u64) -> impl FnMut(&Got) -> Option<Reply> + Send + 'static {
    let mut rng = fastrand::Rng::with_seed(seed);
    move |got| match rng.u8(0..100) {
        0..=5 => Some(Reply::Reset),
        6..=8 if got.route != "lists" => Some(Reply::TakenThenReset),
        9..=11 => Some(Reply::Hang),
        12..=18 => Some(Reply::status(503)),
        19..=22 => Some(Reply::RetryAfter(429, "3")),
        23..=25 => Some(Reply::status(401)),
        26..=28 if got.route == "members" => {
            Some(Reply::Json(200, json!({ "later": ["u1@example.com", "u2@example.com"] })))
        }
        _ => None,
    }
}

async fn storm(seed: u64) -> Bench {
    let mut bench = Bench::with(seed, |text| text.replace("attempts_max = 4", "attempts_max = 100"));
    bench.config.lease = Duration::from_secs(10);
    bench.config.lease_held_max = Duration::from_secs(60);
    for queue in [&bench.main, &bench.retry] {
        queue.set_faults(Faults::STORM);
    }
    bench.dead.set_faults(Faults { send_fails: 20, ..Faults::default() });
    bench.store.set_faults(5);
    bench.script.rule(partner_in_trouble(seed));
    for n in 0..8 {
        let names: Vec<String> = (0..5).map(|event| format!("{n}-{event}")).collect();
        bench.put(&[events(n % 3 + 1, &names.iter().map(String::as_str).collect::<Vec<_>>())]);
    }
    let users: Vec<String> = (0..10).map(|n| format!("u{n}")).collect();
    let changes: Vec<_> = users.iter().map(|user| (user.as_str(), 501, "add")).collect();
    bench.put(&[memberships(1, &changes, 1), subscription(1, 501, "add", 0)]);
    let mut bad = events(9, &["bad"]);
    bad["account"]["account_settings"] = json!({});
    bench.put(&[bad]);
    bench.start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.start();
    bench.until_empty().await;
    bench.stop().await;
    bench
}

#[tokio::test(start_paused = true)]
async fn under_every_fault_each_item_is_delivered_or_a_dead_letter_and_none_is_invented() {
    for seed in 1..=60 {
        let bench = storm(seed).await;
        bench.assert_adds_up();
        let delivered: BTreeSet<_> = bench.script.events(200).into_iter().collect();
        let all: BTreeSet<_> = (0..8).flat_map(|n| (0..5).map(move |event| format!("{n}-{event}"))).collect();
        assert_eq!(delivered, all, "seed {seed}");
        let members: BTreeSet<String> = (bench.script.of("members").iter())
            .filter(|got| got.status == Some(200))
            .flat_map(|got| got.body["members"].as_array().unwrap().clone())
            .map(|member| member["email"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(members.len(), 10, "seed {seed}");
        let codes: BTreeSet<_> = bench.dead_codes().into_iter().collect();
        assert_eq!(codes, BTreeSet::from(["setting_missing".to_owned()]), "seed {seed}");
    }
}

/// The calls of a storm on a runtime of its own.
fn calls_of(seed: u64) -> Vec<Got> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { storm(seed).await.script.got() })
}

#[test]
fn the_same_seed_gives_the_same_calls_at_the_same_times() {
    for seed in [3, 7] {
        let (first, second) = (calls_of(seed), calls_of(seed));
        assert_eq!(first.len(), second.len(), "seed {seed}");
        for (n, pair) in first.iter().zip(&second).enumerate() {
            assert_eq!(pair.0, pair.1, "seed {seed}, call {n}");
        }
        assert!(first.len() > 10);
    }
    assert_ne!(calls_of(3), calls_of(4));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_anothers_by_now_is_not_put_back_by_us() {
    let mut bench = Bench::new();
    bench.config.lease = Duration::from_secs(2);
    bench.main.set_faults(Faults { lease_lost: 100, ..Faults::default() });
    bench.script.reply("events", [Reply::Hang]);
    bench.put(&[events(1, &["a"])]);
    bench.start();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    bench.main.set_faults(Faults::default());
    bench.until_empty().await;
    bench.stop().await;
    assert_eq!(bench.script.events(200), ["a"]);
    assert_eq!((bench.counts().lapsed, bench.counts().requeued), (1, 0));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_for_as_long_as_the_message_is_held() {
    let mut bench =
        Bench::with(1, |text| text.replace("[limits]", "[limits]\nrequests_per_second = 0.02\nburst = 1"));
    bench.config.lease = Duration::from_secs(2);
    bench.config.hold_max = Duration::from_secs(300);
    bench.put(&[events(1, &["a"])]);
    bench.put(&[events(2, &["b"])]);
    bench.settle().await;
    let mut delivered = bench.script.events(200);
    delivered.sort();
    assert_eq!(delivered, ["a", "b"]);
    assert_eq!((bench.counts().received, bench.counts().lapsed), (2, 0), "neither was received twice");
}
