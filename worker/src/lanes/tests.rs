use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Thing {
    id: u32,
    bytes: usize,
}

impl Weigh for Thing {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

const WAIT: Duration = Duration::from_millis(100);
const HOLD: Duration = Duration::from_secs(5);
const LIMITS: BatchLimits = BatchLimits { items_max: 3, bytes_max: 100, wait: WAIT };

fn lanes() -> Lanes<Thing> {
    Lanes::new(LaneConfig { hold_max: HOLD, lane_items_max: 50 }, vec![LIMITS])
}

fn key(account: i64) -> LaneKey {
    LaneKey {
        pod: Pod::new("us1").unwrap(),
        account: AccountId::Known(account),
        route: 0,
        settings: 0,
        group: String::new(),
    }
}

fn thing(id: u32) -> Thing {
    Thing { id, bytes: 10 }
}

fn fill(lanes: &mut Lanes<Thing>, account: i64, ids: std::ops::Range<u32>, now: Instant) {
    for id in ids {
        lanes.push(&key(account), thing(id), now).unwrap();
    }
}

fn open(_: &LaneKey) -> Admission {
    Admission::Go
}

fn ids(turn: Option<Turn<Thing>>) -> Vec<u32> {
    match turn {
        Some(Turn::Go(batch)) => batch.items.iter().map(|thing| thing.id).collect(),
        Some(Turn::Evict(_, _, items)) => panic!("{} items left", items.len()),
        None => Vec::new(),
    }
}

#[test]
fn a_batch_goes_when_it_has_enough_items() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..2, now);
    assert!(lanes.next(now, open).is_none());
    fill(&mut lanes, 1, 2..4, now);
    assert_eq!(ids(lanes.next(now, open)), [0, 1, 2]);
    assert!(lanes.next(now, open).is_none(), "the fourth waits for company");
    assert_eq!(lanes.next_wake(), Some(now + WAIT));
}

#[test]
fn a_batch_goes_when_it_has_enough_bytes_and_an_item_too_long_for_any_goes_alone() {
    let (mut lanes, now) = (lanes(), Instant::now());
    lanes.push(&key(1), Thing { id: 0, bytes: 60 }, now).unwrap();
    assert!(lanes.next(now, open).is_none());
    lanes.push(&key(1), Thing { id: 1, bytes: 60 }, now).unwrap();
    assert_eq!(ids(lanes.next(now, open)), [0]);
    lanes.push(&key(1), Thing { id: 2, bytes: 500 }, now).unwrap();
    assert_eq!(ids(lanes.next(now, open)), [1]);
    assert_eq!(ids(lanes.next(now, open)), [2]);
}

#[test]
fn a_batch_goes_when_its_first_item_has_waited_long_enough() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..1, now);
    fill(&mut lanes, 1, 1..2, now + WAIT / 2);
    assert!(lanes.next(now + WAIT - Duration::from_nanos(1), open).is_none());
    assert_eq!(ids(lanes.next(now + WAIT, open)), [0, 1]);
    assert_eq!((lanes.items(), lanes.lanes(), lanes.next_wake()), (0, 0, None));
}

#[test]
fn a_full_lane_gives_the_item_back() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..50, now);
    assert_eq!(lanes.push(&key(1), thing(50), now), Err(thing(50)));
    assert_eq!(lanes.items(), 50);
}

#[test]
fn a_busy_lane_does_not_starve_the_others() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..30, now);
    fill(&mut lanes, 2, 100..103, now);
    fill(&mut lanes, 3, 200..203, now);
    let turns: Vec<u32> = (0..5).map(|_| ids(lanes.next(now, open))[0]).collect();
    assert_eq!(turns, [0, 100, 200, 3, 6]);
}

#[test]
fn a_parked_lane_wakes_when_its_gate_opens_and_is_not_asked_before() {
    let (mut lanes, now) = (lanes(), Instant::now());
    let until = now + Duration::from_secs(1);
    fill(&mut lanes, 1, 0..3, now);
    let mut asked = 0;
    let mut closed = |_: &LaneKey| {
        asked += 1;
        Admission::Closed { gate: Gate::RetryAfter, until, every: Duration::ZERO }
    };
    assert!(lanes.next(now, &mut closed).is_none());
    // What comes in meanwhile changes nothing, however much it is.
    fill(&mut lanes, 1, 3..20, now);
    for ms in 0..1000 {
        assert!(lanes.next(now + Duration::from_millis(ms), &mut closed).is_none());
    }
    assert_eq!(asked, 1);
    assert_eq!(lanes.next_wake(), Some(until));
    assert_eq!(ids(lanes.next(until, open)), [0, 1, 2]);
}

#[test]
fn a_gate_that_says_it_is_open_already_does_not_spin() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..3, now);
    assert!(
        lanes
            .next(now, |_| Admission::Closed { gate: Gate::Rate, until: now, every: Duration::ZERO })
            .is_none()
    );
    assert!(lanes.next_wake().unwrap() > now);
}

#[test]
fn a_parked_lane_lets_others_pass() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..3, now);
    fill(&mut lanes, 2, 10..13, now);
    let until = now + Duration::from_secs(1);
    let admit = |lane: &LaneKey| match lane.account {
        AccountId::Known(1) => Admission::Closed { gate: Gate::RetryAfter, until, every: Duration::ZERO },
        _ => Admission::Go,
    };
    assert_eq!(ids(lanes.next(now, admit)), [10, 11, 12]);
    assert!(lanes.next(now, admit).is_none());
}

#[test]
fn a_lane_behind_its_accounts_calls_lets_others_pass_and_keeps_its_items() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..3, now);
    fill(&mut lanes, 2, 10..13, now);
    let admit = |lane: &LaneKey| match lane.account {
        AccountId::Known(1) => Admission::Busy,
        _ => Admission::Go,
    };
    assert_eq!(ids(lanes.next(now, admit)), [10, 11, 12]);
    assert!(lanes.next(now, admit).is_none());
    assert_eq!(ids(lanes.next(now, open)), [0, 1, 2]);
}

#[test]
fn no_lane_is_asked_once_no_call_may_begin_and_the_first_keeps_its_turn() {
    let (mut lanes, now) = (lanes(), Instant::now());
    (1..5).for_each(|account| fill(&mut lanes, account, 0..3, now));
    let mut asked = Vec::new();
    let full = |lane: &LaneKey| {
        asked.push(lane.account);
        Admission::Full
    };
    assert!(lanes.next(now, full).is_none());
    assert_eq!(asked, [AccountId::from(1)]);
    let Some(Turn::Go(batch)) = lanes.next(now, open) else { panic!("nothing goes") };
    assert_eq!(batch.key, key(1));
}

#[test]
fn what_a_gate_holds_back_for_too_long_leaves_and_the_rest_stays() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..2, now);
    fill(&mut lanes, 1, 2..4, now + Duration::from_secs(1));
    let until = now + WAIT + HOLD;
    let turn = lanes.next(now + Duration::from_secs(1), |_| Admission::Closed {
        gate: Gate::Rate,
        until,
        every: Duration::ZERO,
    });
    let Some(Turn::Evict(Gate::Rate, Some(at), items)) = turn else { panic!("{turn:?}") };
    assert_eq!((at, items.iter().map(|thing| thing.id).collect::<Vec<_>>()), (until, vec![0, 1]));
    assert_eq!(lanes.items(), 2);
    assert_eq!(ids(lanes.next(until, open)), [2, 3]);
}

#[test]
fn what_waits_for_calls_to_end_for_too_long_leaves_too() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..3, now);
    let patience = WAIT + HOLD;
    for busy in [Admission::Busy, Admission::Full] {
        assert!(lanes.next(now + patience - Duration::from_nanos(1), |_| busy).is_none());
    }
    assert_eq!(lanes.next_wake(), Some(now + patience));
    let turn = lanes.next(now + patience, |_| Admission::Full);
    assert!(
        matches!(&turn, Some(Turn::Evict(Gate::Concurrency, None, items)) if items.len() == 3),
        "{turn:?}"
    );
    assert_eq!((lanes.items(), lanes.lanes(), lanes.next_wake()), (0, 0, None));
    assert!(lanes.next(now + patience, open).is_none());
}

#[test]
fn what_can_go_at_last_goes_rather_than_leaves() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..3, now);
    assert!(lanes.next(now, |_| Admission::Busy).is_none());
    assert_eq!(ids(lanes.next(now + WAIT + HOLD, open)), [0, 1, 2]);
}

#[test]
fn halves_go_first_and_each_alone() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 10..13, now);
    lanes.push_halves(&key(1), [vec![thing(0)], vec![thing(1), thing(2)]], now);
    let turns: Vec<Vec<u32>> = (0..3).map(|_| ids(lanes.next(now, open))).collect();
    assert_eq!(turns, [vec![0], vec![1, 2], vec![10, 11, 12]]);
}

#[test]
fn halves_behind_a_gate_leave_in_time() {
    let (mut lanes, now) = (lanes(), Instant::now());
    lanes.push_halves(&key(1), [vec![thing(0)], vec![thing(1)]], now);
    let mut at = now;
    let evicted = loop {
        let closed = Admission::Closed {
            gate: Gate::Rate,
            until: at + Duration::from_millis(900),
            every: Duration::ZERO,
        };
        match lanes.next(at, |_| closed) {
            Some(Turn::Evict(_, _, items)) => break items.len(),
            Some(Turn::Go(_)) => panic!("the gate is closed"),
            None => at = lanes.next_wake().unwrap(),
        }
    };
    assert_eq!(evicted, 2);
    assert!(at <= now + WAIT + HOLD);
}

#[test]
fn draining_takes_out_everything() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..5, now);
    lanes.push_halves(&key(2), [vec![thing(7)], vec![thing(8)]], now);
    assert_eq!(lanes.drain().len(), 7);
    assert_eq!((lanes.items(), lanes.lanes(), lanes.next_wake()), (0, 0, None));
    assert!(lanes.next(now + HOLD * 2, open).is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Push { account: i64, bytes: usize },
    Halves { account: i64 },
    Advance { ms: u64 },
    Pump { seed: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0i64..4, 1usize..150).prop_map(|(account, bytes)| Step::Push { account, bytes }),
        1 => (0i64..4).prop_map(|account| Step::Halves { account }),
        2 => (0u64..2_000).prop_map(|ms| Step::Advance { ms }),
        4 => any::<u64>().prop_map(|seed| Step::Pump { seed }),
    ]
}

/// Answers of all kinds, at random.
fn moody(rng: &mut fastrand::Rng, now: Instant) -> Admission {
    match rng.u8(0..8) {
        0 => Admission::Busy,
        1 => Admission::Full,
        2 => Admission::Closed {
            gate: Gate::Rate,
            until: now + Duration::from_millis(rng.u64(0..8_000)),
            every: Duration::ZERO,
        },
        _ => Admission::Go,
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_repeated_overfilled_or_put_out_of_order(steps in prop::collection::vec(step(), 1..200)) {
        let (mut lanes, mut now) = (lanes(), Instant::now());
        let mut next_id = 0;
        let (mut inside, mut out) = (BTreeMap::new(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Push { account, bytes } => {
                    let item = Thing { id: next_id, bytes };
                    match lanes.push(&key(account), item, now) {
                        Ok(()) => prop_assert!(inside.insert(next_id, now).is_none()),
                        Err(item) => prop_assert!(out.insert(item.id, ()).is_none()),
                    }
                    next_id += 1;
                }
                Step::Halves { account } => {
                    let halves = [vec![thing(next_id)], vec![thing(next_id + 1), thing(next_id + 2)]];
                    lanes.push_halves(&key(account), halves, now);
                    inside.extend((next_id..next_id + 3).map(|id| (id, now)));
                    next_id += 3;
                }
                Step::Advance { ms } => now += Duration::from_millis(ms),
                Step::Pump { seed } => {
                    let mut rng = fastrand::Rng::with_seed(seed);
                    while let Some(turn) = lanes.next(now, |_| moody(&mut rng, now)) {
                        let items = match turn {
                            Turn::Go(batch) => {
                                let bytes: usize = batch.items.iter().map(|item| item.bytes).sum();
                                prop_assert!((1..=LIMITS.items_max).contains(&batch.items.len()));
                                prop_assert!(bytes <= LIMITS.bytes_max || batch.items.len() == 1);
                                // Halves were in the lane before, so they may overtake; a batch itself is in order.
                                prop_assert!(batch.items.windows(2).all(|pair| pair[0].id < pair[1].id));
                                batch.items
                            }
                            Turn::Evict(_, until, items) => {
                                prop_assert!(!items.is_empty());
                                for item in &items {
                                    let since = inside[&item.id];
                                    prop_assert!(until.unwrap_or(now).max(now + CLOSED_MIN) >= since + WAIT + HOLD);
                                }
                                items
                            }
                        };
                        for item in items {
                            prop_assert!(inside.remove(&item.id).is_some(), "{} came twice", item.id);
                            prop_assert!(out.insert(item.id, ()).is_none());
                        }
                    }
                }
            }
            prop_assert_eq!(lanes.items(), inside.len());
            prop_assert!(inside.is_empty() || lanes.next_wake().is_some(), "items wait, and nothing wakes them");
        }
        // With the gates open, all that waits goes by the next wakes alone.
        while let Some(wake) = lanes.next_wake() {
            now = now.max(wake);
            while let Some(turn) = lanes.next(now, open) {
                let Turn::Go(batch) = turn else { return Err(TestCaseError::fail("an open gate evicts")) };
                out.extend(batch.items.iter().map(|item| (item.id, ())));
            }
        }
        prop_assert_eq!((lanes.items(), lanes.lanes(), out.len()), (0, 0, next_id as usize));
    }

    #[test]
    fn order_within_a_lane_is_kept(pushes in prop::collection::vec((0i64..3, 1usize..60), 1..100), seed: u64) {
        let (mut lanes, mut now) = (lanes(), Instant::now());
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut gone: BTreeMap<LaneKey, Vec<u32>> = BTreeMap::new();
        let mut sent = BTreeMap::<LaneKey, Vec<u32>>::new();
        for (id, (account, bytes)) in (0u32..).zip(pushes) {
            if lanes.push(&key(account), Thing { id, bytes }, now).is_ok() {
                sent.entry(key(account)).or_default().push(id);
            }
            now += Duration::from_millis(rng.u64(0..50));
            while let Some(turn) = lanes.next(now, |_| if rng.bool() { Admission::Go } else { Admission::Busy }) {
                let Turn::Go(batch) = turn else { continue };
                gone.entry(batch.key).or_default().extend(batch.items.iter().map(|item| item.id));
            }
        }
        while let Some(Turn::Go(batch)) = lanes.next(now + WAIT, open) {
            gone.entry(batch.key).or_default().extend(batch.items.iter().map(|item| item.id));
        }
        prop_assert_eq!(gone, sent);
    }
}

#[test]
fn what_stands_too_far_back_for_the_gates_pace_leaves_at_once() {
    let (mut lanes, now) = (lanes(), Instant::now());
    fill(&mut lanes, 1, 0..40, now);
    // One call a second: within the patience of 5.1 s go six calls of three items.
    let until = now + Duration::from_millis(100);
    let closed = Admission::Closed { gate: Gate::Rate, until, every: Duration::from_secs(1) };
    let Some(Turn::Evict(Gate::Rate, Some(at), left)) = lanes.next(now, |_| closed) else { panic!() };
    assert_eq!((at, left.iter().map(|thing| thing.id).collect::<Vec<_>>()), (until, (18..40).collect()));
    assert!(lanes.push(&key(1), thing(99), now).is_err(), "there is no room while the gate is closed");
    assert!(lanes.push(&key(2), thing(100), now).is_ok(), "other lanes have theirs");
    assert_eq!(ids(lanes.next(until, open)), [0, 1, 2]);
    assert!(lanes.push(&key(1), thing(99), now).is_ok(), "the gate is open again");
}

fn sample(items: u64, limited: u64) -> Sample {
    Sample { items, limited }
}

fn closed(gate: Gate, until: Instant) -> impl FnMut(&LaneKey) -> Admission {
    move |_| Admission::Closed { gate, until, every: Duration::ZERO }
}

#[test]
fn what_the_partner_asks_to_wait_is_limited_by_it_and_what_our_own_rate_holds_back_is_not() {
    let (mut lanes, now) = (lanes(), Instant::now());
    assert_eq!(lanes.sample(), sample(0, 0));
    fill(&mut lanes, 1, 0..2, now);
    assert!(lanes.next(now, open).is_none());
    assert_eq!(lanes.sample(), sample(2, 0), "its batch forms");
    fill(&mut lanes, 1, 2..3, now);
    assert_eq!(ids(lanes.next(now, open)).len(), 3);
    assert_eq!(lanes.sample(), sample(3, 0), "it went at once");
    assert_eq!(lanes.sample(), sample(0, 0), "told once");

    for (gate, limited) in [(Gate::RetryAfter, 4), (Gate::Rate, 0)] {
        fill(&mut lanes, 1, 0..4, now);
        let until = now + Duration::from_secs(1);
        assert!(lanes.next(now, closed(gate, until)).is_none());
        assert_eq!(lanes.sample(), sample(4, limited), "{gate:?} is closed");
        assert_eq!(lanes.sample(), sample(4, limited), "and still is, and nothing leaves");
        assert_eq!(ids(lanes.next(until, open)).len(), 3);
        fill(&mut lanes, 1, 4..6, until);
        assert_eq!(ids(lanes.next(until, open)).len(), 3);
        assert_eq!(lanes.sample(), sample(6, limited), "two came when it was open");
    }
}

#[test]
fn what_waits_for_the_end_of_a_call_is_not_limited_by_the_partner() {
    let (mut lanes, now) = (lanes(), Instant::now());
    for full in [Admission::Busy, Admission::Full] {
        fill(&mut lanes, 1, 0..3, now);
        fill(&mut lanes, 2, 0..3, now);
        assert!(lanes.next(now, |_| full).is_none());
        assert_eq!(lanes.sample(), sample(6, 0), "{full:?}: a further worker could send it");
        assert_eq!(ids(lanes.next(now, open)).len(), 3);
        assert_eq!(ids(lanes.next(now, open)).len(), 3);
        assert_eq!(lanes.sample(), sample(6, 0));
    }
}

#[test]
fn what_left_is_limited_by_the_partner_only_when_that_asked_to_wait() {
    let (mut lanes, now) = (lanes(), Instant::now());
    let long = now + Duration::from_secs(60);
    for (gate, limited) in [(Gate::RetryAfter, 3), (Gate::Rate, 0)] {
        fill(&mut lanes, 1, 0..3, now);
        let turn = lanes.next(now, closed(gate, long));
        assert!(matches!(turn, Some(Turn::Evict(_, _, items)) if items.len() == 3));
        assert_eq!((lanes.items(), lanes.sample()), (0, sample(3, limited)));
    }

    fill(&mut lanes, 1, 0..3, now);
    assert!(lanes.next(now, |_| Admission::Busy).is_none());
    let turn = lanes.next(now + WAIT + HOLD, |_| Admission::Busy);
    assert!(matches!(turn, Some(Turn::Evict(Gate::Concurrency, _, items)) if items.len() == 3));
    assert_eq!(lanes.sample(), sample(3, 0));

    for (account, gate, limited) in [(1, Gate::RetryAfter, 1), (2, Gate::Rate, 0)] {
        fill(&mut lanes, account, 0..50, now);
        lanes.next(now, closed(gate, now + Duration::from_secs(1)));
        assert!(lanes.push(&key(account), thing(50), now).is_err());
        assert_eq!(lanes.sample(), sample(1, limited), "its lane is full because it may not send");
    }
}

/// Eight items a second for anyone, two for account 1, whom the partner lets make one call each three seconds: what of
/// its items can't go soon enough leaves.
#[test]
fn an_account_that_waits_counts_by_its_items_and_not_by_how_long_they_wait() {
    let (mut lanes, mut now, mut share) = (lanes(), Instant::now(), Share::default());
    let (mut open_at, mut shares) = (now, Vec::new());
    for second in 0..180 {
        fill(&mut lanes, 2, second * 10..second * 10 + 8, now);
        fill(&mut lanes, 1, second * 10 + 8..second * 10 + 10, now);
        for _ in 0..10 {
            now += Duration::from_millis(100);
            let admit = |lane: &LaneKey| match lane.account {
                AccountId::Known(1) if now < open_at => {
                    Admission::Closed { gate: Gate::RetryAfter, until: open_at, every: Duration::ZERO }
                }
                AccountId::Known(1) => {
                    open_at = now + Duration::from_secs(3);
                    Admission::Go
                }
                _ => Admission::Go,
            };
            let mut admit = admit;
            while lanes.next(now, &mut admit).is_some() {}
        }
        shares.push(share.take(lanes.sample()));
    }
    let late = &shares[90..];
    assert!(late.iter().all(|share| (0.1..0.3).contains(share)), "{late:?}");
}

#[test]
fn a_lasting_wait_decides_and_the_share_of_a_worker_without_work_ends() {
    let mut share = Share::default();
    assert!(share.take(sample(0, 0)).abs() < f64::EPSILON);
    let mut mean = 0.0;
    (0..60).for_each(|_| mean = share.take(sample(10, 0)));
    assert!(share.take(sample(10, 10)) < 0.05, "no single second decides");
    (0..60).for_each(|_| mean = share.take(sample(10, 10)));
    assert!((0.85..=1.0).contains(&mean), "{mean}");
    assert!(share.take(sample(0, 0)) > 0.8);
    (0..120).for_each(|_| mean = share.take(sample(0, 0)));
    assert!((0.0..0.05).contains(&mean), "{mean}");
    (0..120).for_each(|_| mean = share.take(sample(4, 1)));
    assert!((mean - 0.25).abs() < 0.01, "{mean}");
}

#[test]
fn a_second_weighs_as_much_as_the_work_in_it() {
    let (mut share, mut mean) = (Share::default(), 0.0);
    for _ in 0..120 {
        share.take(sample(1, 1));
        mean = share.take(sample(9, 0));
    }
    assert!((mean - 0.1).abs() < 0.02, "{mean}");
}
