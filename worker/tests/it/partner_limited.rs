//! Whether a worker waits for the partner or the partner for it: what the fleet's size goes by.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use penstock_shared::telemetry::{MetricsHandle, local_recorder};

use crate::{bench::Bench, messages::events, script::Reply};

/// A worker, and what its metrics say.
fn bench(edit: impl Fn(String) -> String) -> (Bench, MetricsHandle) {
    let (recorder, handle) = local_recorder();
    (metrics::with_local_recorder(&recorder, || Bench::with(1, edit)), handle)
}

fn value(metrics: &MetricsHandle, name: &str) -> f64 {
    let text = metrics.render();
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

fn share(metrics: &MetricsHandle) -> f64 {
    value(metrics, "worker_partner_limited_share")
}

/// Puts a message of ten events each tenth of a second.
async fn feed(bench: &Bench, seconds: u32) {
    feed_accounts(bench, seconds, 20).await;
}

/// The same, of so many accounts in turn.
async fn feed_accounts(bench: &Bench, seconds: u32, accounts: u32) {
    for n in 0..seconds * 10 {
        let names: Vec<String> = (0..10).map(|event| format!("{n}-{event}")).collect();
        bench.put(&[events(
            i64::from(n % accounts) + 1,
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        )]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_keeps_up_is_not_limited_by_the_partner() {
    let (mut bench, metrics) = bench(|text| text);
    bench.start();
    feed(&bench, 60).await;
    assert!(share(&metrics) < 0.1, "{}", share(&metrics));
    bench.until_empty().await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(share(&metrics) < 0.01, "nothing is held");
    bench.stop().await;
    bench.assert_adds_up();
    assert!(value(&metrics, "worker_items_unaccounted").abs() < f64::EPSILON);
}

/// They are each worker's own, so another worker would deliver more.
#[tokio::test(start_paused = true)]
async fn neither_our_own_rate_nor_too_few_calls_at_once_is_the_partners_limit() {
    let slow = |text: String| {
        text.replace("concurrency = 8", "concurrency = 1").replace("concurrency_per_account = 4", "")
    };
    let rated = |text: String| text.replace("[limits]", "[limits]\nrequests_per_second = 4");
    for (edit, reply) in [(&rated as &dyn Fn(String) -> String, None), (&slow, Some(Reply::Hang))] {
        let (mut bench, metrics) = bench(edit);
        bench.script.rule(move |_| reply.clone());
        bench.start();
        feed(&bench, 60).await;
        assert!(share(&metrics) < 0.01, "{}", share(&metrics));
        bench.stop().await;
        bench.assert_adds_up();
    }
}

#[tokio::test(start_paused = true)]
async fn a_partner_that_says_429_limits_it_although_nothing_stays_in_its_lanes() {
    let (mut bench, metrics) = bench(|text| text);
    bench.script.rule(|_| Some(Reply::RetryAfter(429, "3600")));
    bench.start();
    feed(&bench, 90).await;
    assert!(share(&metrics) > 0.7, "{}", share(&metrics));
    let answered = bench.script.got().len();
    assert!(answered > 10);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!((value(&metrics, "worker_calls_throttled_total") - bench.script.got().len() as f64).abs() < 0.5);
    bench.stop().await;
    bench.assert_adds_up();
}

#[tokio::test(start_paused = true)]
async fn one_account_that_waits_is_the_small_part_of_the_work_that_it_is() {
    let (mut bench, metrics) = bench(|text| text);
    bench.script.rule(|got| (got.account == 1).then_some(Reply::RetryAfter(429, "3600")));
    bench.start();
    feed(&bench, 60).await;
    let share = share(&metrics);
    assert!(share > 0.0 && share < 0.3, "{share}");
    bench.stop().await;
}

/// It can take what there is for it, with pauses of three seconds.
#[tokio::test(start_paused = true)]
async fn a_fifth_of_the_traffic_that_waits_again_and_again_does_not_hold_the_fleet() {
    let (mut bench, metrics) = bench(|text| text);
    let calls = AtomicU64::new(0);
    bench.script.rule(move |got| {
        let is_throttled = got.account == 1 && calls.fetch_add(1, Relaxed).is_multiple_of(40);
        is_throttled.then_some(Reply::RetryAfter(429, "3"))
    });
    bench.start();
    feed_accounts(&bench, 120, 5).await;
    let share = share(&metrics);
    assert!(share > 0.02 && share < 0.5, "{share}");
    bench.stop().await;
    bench.assert_adds_up();
}
