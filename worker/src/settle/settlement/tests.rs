use bytes::Bytes;
use penstock_shared::{ids::Address, pack::PackedBody};
use proptest::prelude::*;

use super::*;
use crate::outcome::FilterReason;

const NOW: i64 = 1_800_000_000_000;

fn retry() -> Retry {
    Retry {
        attempts_max: 3,
        attempts_stated: true,
        delay_base: Duration::from_secs(1),
        delay_max: Duration::from_secs(60),
        age_max: Duration::from_secs(3600),
    }
}

fn request(account: i64) -> PackedRequest {
    PackedRequest {
        pod: Pod::new("us1").unwrap(),
        kind: None,
        id: None,
        account: AccountId::from(account),
        received_at_ms: NOW,
        trace: None,
        body: PackedBody::Inline(Bytes::from_static(b"{}")),
        pending: Pending::All,
    }
}

fn spilled_request(account: i64) -> PackedRequest {
    let key = SpillKey::new(&format!("us1/{account}")).unwrap();
    PackedRequest { body: PackedBody::Spilled { key, bytes: 2 }, ..request(account) }
}

fn slot(request: usize, n: u32, outcome: Outcome) -> Slot {
    Slot { request, pending: PendingItem::untried(Address::Event(n)), outcome: Some(outcome) }
}

fn settle(requests: &[PackedRequest], slots: Vec<Slot>, now_ms: i64) -> Settlement {
    plan(requests, slots, &retry(), now_ms, &mut fastrand::Rng::with_seed(1))
}

fn one(slot: Slot, now_ms: i64) -> Settlement {
    settle(&[request(1)], vec![slot], now_ms)
}

fn pending(pack: &Pack) -> Vec<PendingItem> {
    let items = pack.requests.iter().map(|request| match &request.pending {
        Pending::Items(items) => items.clone(),
        other => panic!("{other:?}"),
    });
    items.flatten().collect()
}

fn busy() -> Outcome {
    Outcome::retry(RetryReason::Busy)
}

#[test]
fn each_outcome_has_one_end() {
    let outcomes = [
        (Outcome::Delivered, End::Delivered, (0, 0)),
        (Outcome::Filtered(FilterReason::Stale), End::Filtered(FilterReason::Stale), (0, 0)),
        (Outcome::rejected(RejectReason::Gone, "x"), End::Dead(RejectReason::Gone), (0, 1)),
        (busy(), End::Requeued(RetryReason::Busy), (1, 0)),
    ];
    for (outcome, end, (requeued, dead)) in outcomes {
        let settlement = one(slot(0, 0, outcome), NOW);
        assert_eq!(settlement.ends, [end]);
        assert_eq!((settlement.requeues.len(), usize::from(settlement.dead.is_some())), (requeued, dead));
        assert_eq!(settlement.is_complete(), requeued + dead == 0);
    }
    let open = Slot { request: 0, pending: PendingItem::untried(Address::Event(0)), outcome: None };
    assert_eq!(one(open, NOW).ends, [End::Requeued(RetryReason::HandedBack)]);
}

#[test]
fn only_a_try_costs_an_attempt_and_the_last_one_is_a_dead_letter_with_its_reason() {
    for reason in RetryReason::ALL {
        let mut slot = slot(0, 0, Outcome::retry(*reason));
        slot.pending.attempts = 2;
        let settlement = one(slot, NOW);
        if reason.counts_as_attempt() {
            let dead = pending(settlement.dead.as_ref().unwrap());
            let why = dead[0].dead.as_ref().unwrap();
            assert_eq!((dead[0].attempts, why.code.as_str(), why.at_ms), (3, "attempts_exhausted", NOW));
            assert!(why.detail.contains(reason.label()));
        } else {
            assert_eq!(settlement.ends, [End::Requeued(*reason)]);
            assert_eq!(pending(&settlement.requeues[0].pack)[0].attempts, 2);
        }
    }
}

#[test]
fn what_is_too_old_is_a_dead_letter_whatever_it_waits_for() {
    for reason in RetryReason::ALL {
        let later = NOW + 3_600_001;
        assert_eq!(one(slot(0, 0, Outcome::retry(*reason)), later).ends, [End::Dead(RejectReason::TooOld)]);
        assert_eq!(one(slot(0, 0, Outcome::retry(*reason)), later - 1).ends, [End::Requeued(*reason)]);
    }
}

#[test]
fn the_age_of_a_redriven_item_counts_from_then() {
    let mut slot = slot(0, 0, busy());
    slot.pending.redriven_at_ms = Some(NOW + 10_000_000);
    let settlement = one(slot, NOW + 10_000_001);
    assert_eq!(settlement.ends, [End::Requeued(RetryReason::Busy)]);
    assert_eq!(pending(&settlement.requeues[0].pack)[0].redriven_at_ms, Some(NOW + 10_000_000));
}

#[test]
fn an_item_from_the_future_is_not_old() {
    assert_eq!(one(slot(0, 0, busy()), NOW - 10_000_000).ends, [End::Requeued(RetryReason::Busy)]);
}

#[test]
fn what_is_handed_back_may_go_at_once_and_what_is_not_due_when_it_is() {
    let settlement = one(slot(0, 0, Outcome::retry(RetryReason::HandedBack)), NOW);
    assert_eq!(settlement.requeues[0].delay, Duration::ZERO);
    let after = Some(Duration::from_secs(17));
    let settlement = one(slot(0, 0, Outcome::Retry { reason: RetryReason::NotDue, after }), NOW);
    assert_eq!(settlement.requeues[0].delay, Duration::from_secs(17));
    assert_eq!(pending(&settlement.requeues[0].pack)[0].not_before_ms, NOW + 17_000);
}

#[test]
fn trap_88_nothing_comes_back_sooner_than_the_partner_asked() {
    for reason in [RetryReason::Throttled, RetryReason::ServerError, RetryReason::Gated] {
        let after = Some(Duration::from_secs(300));
        let settlement = one(slot(0, 0, Outcome::Retry { reason, after }), NOW);
        assert!(settlement.requeues[0].delay >= Duration::from_secs(300));
    }
}

#[test]
fn what_is_put_back_is_packed_by_account_and_by_how_long_it_waits() {
    let later = |n| Outcome::Retry { reason: RetryReason::NotDue, after: Some(Duration::from_secs(n)) };
    let requests = [request(1), request(2), request(1)];
    let slots = vec![
        slot(0, 0, later(1)),
        slot(0, 1, later(900)),
        slot(1, 0, later(1)),
        slot(2, 0, later(2)),
        slot(2, 1, Outcome::Delivered),
    ];
    let settlement = settle(&requests, slots, NOW);
    let packs: Vec<_> = (settlement.requeues.iter())
        .map(|requeue| (requeue.account.as_str(), requeue.delay.as_secs(), pending(&requeue.pack).len()))
        .collect();
    assert_eq!(packs, [("1", 2, 2), ("1", 900, 1), ("2", 1, 1)]);
    assert_eq!(settlement.ends.len(), 5);
}

#[test]
fn what_failed_together_comes_back_together() {
    let slots = (0..50).map(|n| slot(0, n, busy())).collect();
    let settlement = settle(&[request(1)], slots, NOW);
    assert_eq!(settlement.requeues.len(), 1);
    let items = pending(&settlement.requeues[0].pack);
    assert!(items.iter().all(|item| item.not_before_ms == items[0].not_before_ms));
}

#[test]
fn trap_97_a_spilled_body_is_done_only_when_no_pack_can_refer_to_it() {
    let requests = [spilled_request(1), spilled_request(2), spilled_request(3), request(4)];
    let slots = vec![
        slot(0, 0, Outcome::Delivered),
        slot(1, 0, Outcome::Delivered),
        slot(1, 1, busy()),
        slot(2, 0, Outcome::rejected(RejectReason::Gone, "")),
        slot(3, 0, Outcome::Delivered),
    ];
    let done = settle(&requests, slots, NOW).spilled_done;
    assert_eq!(done, [SpillKey::new("us1/1").unwrap()]);
    // A part of a request: the other part may be on its way still.
    let mut part = spilled_request(1);
    part.pending = Pending::Items(vec![PendingItem::untried(Address::Event(0))]);
    assert_eq!(settle(&[part], vec![slot(0, 0, Outcome::Delivered)], NOW).spilled_done, []);
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Delivered),
        prop::sample::select(FilterReason::ALL).prop_map(Outcome::Filtered),
        prop::sample::select(RejectReason::ALL).prop_map(|reason| Outcome::rejected(reason, "x")),
        (prop::sample::select(RetryReason::ALL), prop::option::of(0u64..4_000))
            .prop_map(|(reason, after)| { Outcome::Retry { reason, after: after.map(Duration::from_secs) } }),
    ]
}

proptest! {
    #[test]
    fn every_item_ends_once_and_what_is_left_is_in_exactly_one_pack(
        outcomes in prop::collection::vec((0usize..4, outcome(), 0u32..4), 0..60),
        age in 0i64..8_000_000,
    ) {
        let requests = [request(1), request(2), spilled_request(1), request(0)];
        let slots: Vec<Slot> = (0u32..).zip(&outcomes).map(|(n, (request, outcome, attempts))| {
            let mut slot = slot(*request, n, outcome.clone());
            slot.pending.attempts = *attempts;
            slot
        }).collect();
        let settlement = settle(&requests, slots, NOW + age);
        prop_assert_eq!(settlement.ends.len(), outcomes.len());
        let count = |is: fn(&End) -> bool| settlement.ends.iter().filter(|end| is(end)).count();
        let again: Vec<_> = settlement.requeues.iter().flat_map(|requeue| pending(&requeue.pack)).collect();
        let dead = settlement.dead.as_ref().map(pending).unwrap_or_default();
        prop_assert_eq!(again.len(), count(|end| matches!(end, End::Requeued(_))));
        prop_assert_eq!(dead.len(), count(|end| matches!(end, End::Dead(_))));
        prop_assert!(again.iter().all(|item| item.dead.is_none() && item.attempts < 3 + 1));
        prop_assert!(dead.iter().all(|item| item.dead.is_some()));
        for requeue in &settlement.requeues {
            let due = |item: &PendingItem| item.not_before_ms <= NOW + age + millis(requeue.delay);
            prop_assert!(pending(&requeue.pack).iter().all(due), "it comes back before it is due");
            prop_assert!(requeue.pack.requests.iter().all(|request| request.account.to_string() == requeue.account));
        }
    }
}
