use super::*;
use crate::testing::{compiled, lane, partner_with};

fn gates(limits: &str) -> (Gates, LaneKey, LaneKey) {
    let partner =
        partner_with(|text| text.replace("[limits]\nconcurrency = 8\nconcurrency_per_account = 4", limits));
    let program = compiled(&partner);
    (Gates::new(&partner), lane(&program, "events", 1), lane(&program, "events", 2))
}

/// Calls that may go now, each ended at once.
fn calls(gates: &mut Gates, lane: &LaneKey, most: usize) -> usize {
    let now = Instant::now();
    (0..most)
        .take_while(|_| {
            let goes = gates.admit(lane, now) == Admission::Go;
            if goes {
                gates.ended(lane, None, now);
            }
            goes
        })
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_rate_lets_its_burst_through_and_then_its_rate() {
    let (mut gates, lane, _) = gates("[limits]\nrequests_per_second = 10\nburst = 5");
    assert_eq!(calls(&mut gates, &lane, 100), 5);
    tokio::time::advance(Duration::from_millis(99)).await;
    assert_eq!(calls(&mut gates, &lane, 100), 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(calls(&mut gates, &lane, 100), 1);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(calls(&mut gates, &lane, 100), 5, "no more than the burst is saved up");
}

#[tokio::test(start_paused = true)]
async fn a_closed_rate_says_when_it_opens_and_then_is_open() {
    let (mut gates, lane, _) = gates("[limits]\nrequests_per_second = 2\nburst = 1");
    assert_eq!(calls(&mut gates, &lane, 1), 1);
    let Admission::Closed { gate: Gate::Rate, until, .. } = gates.admit(&lane, Instant::now()) else {
        panic!()
    };
    assert_eq!(until - Instant::now(), Duration::from_millis(500));
    tokio::time::sleep_until(until).await;
    assert_eq!(calls(&mut gates, &lane, 5), 1);
}

#[tokio::test(start_paused = true)]
async fn one_accounts_rate_is_not_anothers_and_both_share_the_rate_of_all() {
    let limits = "[limits]\nrequests_per_second = 3\nburst = 3\nrequests_per_second_per_account = 2\nburst_per_account = 2";
    let (mut gates, first, second) = gates(limits);
    assert_eq!((calls(&mut gates, &first, 9), calls(&mut gates, &second, 9)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_one_limit_holds_up_takes_nothing_of_the_others() {
    let limits = "[limits]\nrequests_per_second = 1\nburst = 1\nrequests_per_second_per_account = 0.5\nburst_per_account = 2";
    let (mut gates, first, second) = gates(limits);
    assert_eq!(calls(&mut gates, &first, 1), 1);
    for _ in 0..10 {
        assert!(matches!(gates.admit(&second, Instant::now()), Admission::Closed { gate: Gate::Rate, .. }));
    }
    let mut gone = Vec::new();
    for _ in 0..4 {
        tokio::time::advance(Duration::from_secs(1)).await;
        gone.push(calls(&mut gates, &second, 1));
    }
    assert_eq!(gone, [1, 1, 1, 0], "the whole burst was there, and then the account's own pace");
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_bounded_for_all_and_for_each_account() {
    let (mut gates, first, second) = gates("[limits]\nconcurrency = 3\nconcurrency_per_account = 2");
    let now = Instant::now();
    let admit = |gates: &mut Gates, lane: &LaneKey| gates.admit(lane, now);
    assert_eq!([admit(&mut gates, &first), admit(&mut gates, &first)], [Admission::Go; 2]);
    assert_eq!(admit(&mut gates, &first), Admission::Busy);
    assert_eq!(admit(&mut gates, &second), Admission::Go);
    assert_eq!(admit(&mut gates, &second), Admission::Full);
    gates.ended(&first, None, now);
    assert_eq!((gates.calls(), admit(&mut gates, &second)), (2, Admission::Go));
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_costs_no_rate() {
    let (mut gates, first, _) = gates("[limits]\nconcurrency = 1\nrequests_per_second = 1\nburst = 2");
    let now = Instant::now();
    assert_eq!(gates.admit(&first, now), Admission::Go);
    for _ in 0..10 {
        assert_eq!(gates.admit(&first, now), Admission::Full);
    }
    gates.ended(&first, None, now);
    assert_eq!(gates.admit(&first, now), Admission::Go);
}

#[tokio::test(start_paused = true)]
async fn trap_88_what_the_partner_asks_closes_that_account_alone_and_the_longest_wish_counts() {
    let (mut gates, first, second) = gates("[limits]\nconcurrency = 8");
    let now = Instant::now();
    for _ in 0..3 {
        assert_eq!(gates.admit(&first, now), Admission::Go);
    }
    gates.ended(&first, Some(Some(Duration::from_secs(9))), now);
    gates.ended(&first, Some(Some(Duration::from_secs(2))), now);
    gates.ended(&first, Some(None), now);
    let until = now + Duration::from_secs(9);
    assert_eq!(
        gates.admit(&first, now),
        Admission::Closed { gate: Gate::RetryAfter, until, every: Duration::ZERO }
    );
    assert_eq!(gates.admit(&second, now), Admission::Go);
    gates.forget_idle(now);
    assert!(matches!(gates.admit(&first, now), Admission::Closed { .. }), "what is closed is not forgotten");
    assert_eq!(gates.admit(&first, until), Admission::Go);
}

#[tokio::test(start_paused = true)]
async fn a_429_without_a_time_closes_for_a_second() {
    let (mut gates, first, _) = gates("[limits]\nconcurrency = 8");
    let now = Instant::now();
    assert_eq!(gates.admit(&first, now), Admission::Go);
    gates.ended(&first, Some(None), now);
    let until = now + RETRY_AFTER_DEFAULT;
    assert_eq!(
        gates.admit(&first, now),
        Admission::Closed { gate: Gate::RetryAfter, until, every: Duration::ZERO }
    );
}
