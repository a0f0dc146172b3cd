use std::time::Duration;

use penstock_shared::firehose;
use serde_json::json;

use super::{account::KEYS_MAX, *};
use crate::testing::pod;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn watch() -> Watch {
    Watch::new(SuspendConfig { refusals: 3, over: Duration::from_secs(60) })
}

fn account(id: i64) -> AccountId {
    AccountId::from(id)
}

fn origin(id: i64, key: &str, received_ms: i64) -> Origin {
    let body = json!({
        "type": "dsr_processing_request",
        "account": { "account_id": id, "account_settings": { "apiKey": key } },
    });
    let read = firehose::account(body.to_string().as_bytes());
    Origin { fingerprint: Fingerprint::of(&pod(), &read), received_ms }
}

fn key(id: i64, key: &str) -> CredentialsKey {
    let fingerprint = origin(id, key, 0).fingerprint;
    CredentialsKey { pod: pod(), account: account(id), fingerprint }
}

/// Refused at each of these times, for a message received at 0.
fn refused(watch: &mut Watch, id: i64, name: &str, times: &[i64]) -> Vec<bool> {
    times.iter().map(|at| watch.refused(&pod(), account(id), origin(id, name, 0), *at)).collect()
}

/// Writes all that is owed, and gives it.
fn write(watch: &mut Watch) -> Vec<Change> {
    let owed = watch.owed();
    for change in &owed {
        watch.written(change, true);
    }
    assert_eq!(watch.owed(), []);
    owed
}

fn suspended(id: i64, name: &str) -> Watch {
    let mut watch = watch();
    refused(&mut watch, id, name, &[0, 1, MINUTE]);
    assert_eq!(write(&mut watch).len(), 1);
    watch
}

fn noted(id: i64, name: &str, confirmed_ms: i64) -> Suspension {
    Suspension { key: key(id, name), since_ms: 0, confirmed_ms, received_ms: 0, refusals: 3 }
}

#[test]
fn trap_86_it_takes_as_many_refusals_and_as_much_time_as_is_set() {
    let mut early = watch();
    assert_eq!(refused(&mut early, 7, "a", &[0, 1, 2, 59_999]), [false; 4], "too soon");
    let mut few = watch();
    assert_eq!(refused(&mut few, 7, "a", &[0, HOUR - 1]), [false; 2], "too few");
    let mut enough = watch();
    assert_eq!(refused(&mut enough, 7, "a", &[0, 1, MINUTE]), [false, false, true]);
    let note = Suspension { refusals: 3, ..noted(7, "a", MINUTE) };
    assert_eq!(write(&mut enough), [Change::Refused(note)]);
}

#[test]
fn refusals_that_lie_far_apart_do_not_add_up() {
    assert_eq!(refused(&mut watch(), 7, "a", &[0, HOUR, 2 * HOUR, 3 * HOUR]), [false; 4]);
}

#[test]
fn an_accepted_call_between_begins_the_count_anew_and_owes_nothing() {
    let mut watch = watch();
    refused(&mut watch, 7, "a", &[0, 1]);
    assert!(!watch.accepted(&pod(), account(7), origin(7, "a", 0).fingerprint, 2));
    assert_eq!(refused(&mut watch, 7, "a", &[MINUTE, MINUTE + 1, 2 * MINUTE - 1]), [false; 3]);
    assert_eq!(refused(&mut watch, 7, "a", &[2 * MINUTE]), [true]);
}

#[test]
fn a_suspension_is_written_once_and_confirmed_every_few_minutes() {
    let mut watch = suspended(7, "a");
    assert_eq!(refused(&mut watch, 7, "a", &[2 * MINUTE, 5 * MINUTE, 6 * MINUTE - 1]), [false; 3]);
    assert_eq!(refused(&mut watch, 7, "a", &[6 * MINUTE]), [true]);
    let confirmed = Suspension { refusals: 4, ..noted(7, "a", 6 * MINUTE) };
    assert_eq!(write(&mut watch), [Change::Refused(confirmed)], "counted since the note before");
}

#[test]
fn an_accepted_call_is_told_once_even_while_the_refusal_is_being_written() {
    let fingerprint = origin(7, "a", 0).fingerprint;
    let mut watch = watch();
    refused(&mut watch, 7, "a", &[0, 1, MINUTE]);
    let owed = watch.owed();
    assert!(watch.accepted(&pod(), account(7), fingerprint, MINUTE + 1));
    assert!(!watch.accepted(&pod(), account(7), fingerprint, MINUTE + 2), "it is owed already");
    assert!(watch.written(&owed[0], true));
    assert_eq!(write(&mut watch), [Change::Accepted(key(7, "a"), MINUTE + 2)]);
    assert!(!watch.accepted(&pod(), account(7), fingerprint, MINUTE + 3));
}

#[test]
fn one_refusal_after_an_accepted_call_does_not_confirm_what_is_being_cleared() {
    let mut watch = suspended(7, "a");
    watch.accepted(&pod(), account(7), origin(7, "a", 0).fingerprint, HOUR);
    assert_eq!(refused(&mut watch, 7, "a", &[HOUR + 1]), [false]);
    assert_eq!(write(&mut watch), [Change::Accepted(key(7, "a"), HOUR)]);
}

#[test]
fn trap_87_a_new_key_clears_at_once_and_what_waits_with_the_old_one_says_nothing_any_more() {
    let mut watch = suspended(7, "old");
    assert!(!watch.arrived(&pod(), account(7), origin(7, "old", 5), HOUR), "the same key");
    assert!(watch.arrived(&pod(), account(7), origin(7, "new", 6), HOUR));
    assert_eq!(write(&mut watch), [Change::Accepted(key(7, "old"), HOUR)]);
    let times: Vec<i64> = (1..20).map(|n| HOUR + n * MINUTE).collect();
    assert!(refused(&mut watch, 7, "old", &times).iter().all(|is_owed| !is_owed));
    let mut is_bad_too = |at: i64| watch.refused(&pod(), account(7), origin(7, "new", 6), HOUR + at);
    assert_eq!([is_bad_too(0), is_bad_too(1), is_bad_too(MINUTE)], [false, false, true]);
}

#[test]
fn trap_39_two_configurations_in_use_do_not_clear_each_other() {
    let mut watch = watch();
    let mut marks = Vec::new();
    for n in 0..20 {
        let at = n * MINUTE;
        watch.arrived(&pod(), account(7), origin(7, "good", at), at);
        watch.accepted(&pod(), account(7), origin(7, "good", at).fingerprint, at);
        watch.arrived(&pod(), account(7), origin(7, "bad", at + 1), at + 1);
        marks.push(watch.refused(&pod(), account(7), origin(7, "bad", at + 1), at + 2));
        for change in write(&mut watch) {
            assert!(matches!(&change, Change::Refused(note) if note.key == key(7, "bad")), "{change:?}");
        }
    }
    assert!(marks.iter().any(|is_owed| *is_owed));
}

#[test]
fn where_nobody_is_accepted_nobody_is_suspended() {
    let mut watch = watch();
    for at in [0, 1, MINUTE, 2 * MINUTE] {
        for id in 1..=4 {
            assert_eq!(refused(&mut watch, id, "a", &[at]), [false], "account {id} at {at}");
        }
    }
    watch.accepted(&pod(), account(9), origin(9, "a", 0).fingerprint, 3 * MINUTE);
    assert_eq!(refused(&mut watch, 1, "a", &[3 * MINUTE + 1]), [true], "others are served");
}

#[test]
fn what_another_worker_noted_is_confirmed_and_cleared_here_and_what_it_cleared_is_forgotten() {
    let mut watch = watch();
    watch.listed(&pod(), &[noted(7, "a", MINUTE), noted(8, "a", MINUTE)], 2 * MINUTE);
    assert_eq!(watch.owed(), []);
    assert_eq!(refused(&mut watch, 7, "a", &[5 * MINUTE, 7 * MINUTE]), [false, true]);
    assert!(watch.accepted(&pod(), account(8), origin(8, "a", 0).fingerprint, 7 * MINUTE));
    assert_eq!(write(&mut watch).len(), 2);
    watch.listed(&pod(), &[], 8 * MINUTE);
    assert_eq!(refused(&mut watch, 7, "a", &[8 * MINUTE, 9 * MINUTE]), [false; 2], "its count begins anew");
}

#[test]
fn what_is_still_owed_is_not_undone_by_an_older_list() {
    let mut watch = watch();
    refused(&mut watch, 7, "a", &[0, 1, MINUTE]);
    watch.listed(&pod(), &[], MINUTE);
    assert_eq!(watch.owed().len(), 1);
}

#[test]
fn a_suspension_that_nobody_confirms_is_cleared() {
    let mut watch = watch();
    watch.listed(&pod(), &[noted(7, "a", MINUTE)], MINUTE + HOUR - 1);
    assert_eq!(watch.owed(), []);
    watch.listed(&pod(), &[noted(7, "a", MINUTE)], MINUTE + HOUR);
    assert_eq!(write(&mut watch), [Change::Accepted(key(7, "a"), MINUTE)]);
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut watch = watch();
    for id in 1..=i64::try_from(ACCOUNTS_MAX).unwrap() + 10 {
        watch.refused(
            &pod(),
            account(id),
            Origin { fingerprint: origin(1, "a", 0).fingerprint, received_ms: 0 },
            0,
        );
    }
    assert_eq!(watch.pods[&pod()].accounts.len(), ACCOUNTS_MAX);
    for n in 0..30 {
        watch.refused(&pod(), account(1), origin(1, &n.to_string(), n), n);
    }
    assert_eq!(watch.pods[&pod()].accounts[&account(1)].keys.len(), KEYS_MAX);
    watch.forget(HOUR + 30);
    assert_eq!(watch.pods[&pod()].accounts.len(), 0);
    for n in 0..40 {
        watch.accepted(&Pod::new(&format!("pod-{n}")).unwrap(), account(1), origin(1, "a", 0).fingerprint, 0);
    }
    assert_eq!(watch.pods().len(), PODS_MAX);
}

#[test]
fn a_suspended_account_is_not_forgotten() {
    let mut watch = suspended(7, "a");
    watch.forget(10 * HOUR);
    assert!(watch.accepted(&pod(), account(7), origin(7, "a", 0).fingerprint, 10 * HOUR));
}
