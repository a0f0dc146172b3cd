//! Stopping: by the signal, everything is finished or handed back in time; by a crash, everything comes again.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::{
    bench::Bench,
    messages::{events, memberships, subscription},
    script::Reply,
};

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_finishes_what_is_under_way() {
    let mut bench = Bench::new();
    for n in 0..30 {
        bench.put(&[events(n, &["a", "b"])]);
    }
    bench.start();
    tokio::time::sleep(Duration::from_millis(60)).await;
    let begun = Instant::now();
    bench.stop().await;
    assert!(begun.elapsed() <= bench.config.drain_deadline);
    bench.assert_adds_up();
    let counts = bench.counts();
    assert!(counts.delivered > 0 && counts.received == counts.delivered + counts.requeued);
    bench.settle().await;
    assert_eq!(bench.counts().delivered, 60, "nothing was lost, and nothing twice");
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn a_partner_that_hangs_does_not_delay_a_stop_beyond_the_deadline() {
    let mut bench = Bench::new();
    bench.config.drain_deadline = Duration::from_secs(6);
    bench.config.hold_max = Duration::from_secs(300);
    bench.script.rule(|_| Some(Reply::Hang));
    for n in 0..200 {
        bench.put(&[events(1, &[&format!("n{n}")[..], "x", "y", "z", "v"])]);
    }
    bench.start();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    bench.stop().await;
    let call = bench.partner.api.timeout;
    assert!(
        begun.elapsed() <= bench.config.drain_deadline + call + Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    bench.assert_adds_up();
    assert!(bench.counts().requeued > 0);
    bench.script.rule(|_| None);
    bench.settle().await;
    let names: BTreeSet<_> = bench.script.events(200).into_iter().collect();
    assert_eq!(names.len(), 204);
    assert_eq!(bench.dead.len(), 0);
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn a_stop_hands_back_without_an_attempt() {
    let mut bench = Bench::with(1, |text| text.replace("[limits]", "[limits]\nrequests_per_second = 0.001"));
    bench.config.hold_max = Duration::from_secs(300);
    bench.config.drain_deadline = Duration::from_secs(6);
    bench.put(&[events(1, &["a"])]);
    bench.put(&[events(1, &["b", "c", "d", "e", "f"])]);
    bench.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.stop().await;
    assert!(!bench.retrying().is_empty());
    assert!(bench.retrying().iter().all(|(_, attempts)| *attempts == 0));
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_with_its_receive() {
    let mut bench = Bench::new();
    bench.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    bench.stop().await;
    assert!(begun.elapsed() <= bench.config.receive_wait);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_at_any_moment_every_item_ends_in_an_outcome() {
    for ms in (0..400).step_by(7) {
        let mut bench = Bench::new();
        bench.config.lease = Duration::from_secs(10);
        bench.script.reply("events", [Reply::status(500), Reply::Reset, Reply::ok(), Reply::status(400)]);
        bench.put(&[subscription(1, 501, "add", 0), memberships(1, &[("ada", 501, "add")], 1)]);
        for n in 0..6 {
            bench.put(&[events(n + 1, &[&format!("a{n}")[..], &format!("b{n}")[..]])]);
        }
        let crashed = tokio::time::timeout(Duration::from_millis(ms), bench.run()).await;
        assert!(crashed.is_err(), "it was to be dropped in the middle");
        bench.settle().await;
        let delivered: BTreeSet<_> = bench.script.events(200).into_iter().collect();
        let all: BTreeSet<_> = (0..6).flat_map(|n| [format!("a{n}"), format!("b{n}")]).collect();
        let dead = bench.dead().len();
        assert_eq!(
            all.difference(&delivered).count(),
            dead,
            "after {ms} ms: {delivered:?}, {dead} dead letters"
        );
        assert!(!bench.script.of("members").is_empty(), "after {ms} ms");
        assert!(bench.script.of("lists").len() <= 2, "after {ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_reached_its_lane_is_handed_back_too() {
    let mut bench = Bench::new();
    bench.config.items_max = 3;
    bench.config.drain_deadline = Duration::from_secs(6);
    bench.config.hold_max = Duration::from_secs(300);
    bench.script.rule(|_| Some(Reply::Hang));
    let names: Vec<String> = (0..100).map(|n| format!("n{n}")).collect();
    bench.put(&[events(1, &names.iter().map(String::as_str).collect::<Vec<_>>())]);
    bench.start();
    tokio::time::sleep(Duration::from_millis(500)).await;
    bench.stop().await;
    bench.assert_adds_up();
    assert_eq!((bench.main.len(), bench.retrying().len()), (0, 100));
    assert!(bench.retrying().iter().any(|(_, attempts)| *attempts == 0));
    bench.script.rule(|_| None);
    bench.settle().await;
    assert_eq!(bench.script.events(200).into_iter().collect::<BTreeSet<_>>().len(), 100);
}
