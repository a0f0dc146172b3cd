//! Refused credentials: when the store is told of them, and when it is told that they are good again.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use penstock_shared::{
    ids::AccountId,
    subscription::SubscriptionStore as _,
    suspension::{CredentialsKey, Suspension},
};
use penstock_testkit::models::{Observer, StoreModel};
use serde_json::{Value, json};

use crate::{
    bench::{BEGUN_MS, Bench},
    messages::{erasure, events},
    script::{Got, Reply},
};

const MINUTE: Duration = Duration::from_secs(60);
const NOBODY: [i64; 0] = [];

fn with_key(mut message: Value, key: &str) -> Value {
    message["account"]["account_settings"]["apiKey"] = json!(key);
    message
}

/// Calls with this key are answered so.
fn answer_key(bench: &Bench, key: &str, reply: Reply) {
    let bearer = format!("Bearer {key}");
    bench.script.rule(move |got: &Got| (got.authorization.as_ref() == Some(&bearer)).then(|| reply.clone()));
}

fn suspended(bench: &Bench) -> Vec<i64> {
    bench.store.suspensions().iter().map(|noted| i64::from(noted.key.account)).collect()
}

/// A bench whose store's notes of credentials are written down.
fn overheard(bench: &mut Bench) -> Arc<Mutex<Vec<String>>> {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let heard = notes.clone();
    let observer = Observer::new(move |event| {
        if event.starts_with("store: account") {
            heard.lock().unwrap().push(event.to_owned());
        }
    });
    bench.store = Arc::new(StoreModel::new(4).observed(observer));
    notes
}

#[tokio::test(start_paused = true)]
async fn trap_86_an_account_that_is_refused_for_a_minute_is_suspended_until_a_call_succeeds() {
    let mut bench = Bench::new();
    let notes = overheard(&mut bench);
    answer_key(&bench, "key-1", Reply::status(401));
    bench.put(&[events(1, &["a"]), events(2, &["b"])]);
    bench.start();
    tokio::time::sleep(MINUTE).await;
    assert!(bench.script.events(401).len() >= 3, "refused often enough, and not for long enough");
    assert_eq!(suspended(&bench), NOBODY);
    tokio::time::sleep(2 * MINUTE).await;
    let noted = bench.store.suspensions();
    assert_eq!((noted.len(), noted[0].key.account), (1, AccountId::Known(1)));
    assert_eq!(noted[0].key.pod, bench.pod);
    assert_eq!(noted[0].received_ms, BEGUN_MS);
    assert!(noted[0].refusals >= 3 && noted[0].confirmed_ms - noted[0].since_ms >= 60_000);

    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(suspended(&bench), [1], "confirmed by what still waits");
    let writes = notes.lock().unwrap().len();
    assert!((2..=13).contains(&writes), "{writes} writes in an hour");

    bench.script.rule(|_| None);
    bench.until_empty().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(suspended(&bench), NOBODY);
    bench.stop().await;
    assert_eq!(bench.script.events(200), ["b", "a"], "kept, and sent without a new key");
    bench.assert_adds_up();
    assert_eq!(bench.dead.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn trap_86_what_is_not_about_the_accounts_credentials_never_suspends_it() {
    let replies = [429, 503, 500, 408, 400, 404, 407].map(Reply::status);
    for reply in replies.into_iter().chain([Reply::Reset, Reply::Hang, Reply::RetryAfter(503, "20")]) {
        let mut bench = Bench::new();
        let notes = overheard(&mut bench);
        let always = reply.clone();
        bench.script.rule(move |_| Some(always.clone()));
        bench.put(&[events(1, &["a", "b"]), events(1, &["c"])]);
        bench.start();
        for n in 0..10 {
            tokio::time::sleep(MINUTE).await;
            bench.put(&[events(1, &[&format!("later-{n}")])]);
        }
        bench.stop().await;
        assert!(bench.script.got().len() >= 3, "{reply:?}");
        assert_eq!(*notes.lock().unwrap(), Vec::<String>::new(), "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn trap_86_a_key_that_is_good_for_some_calls_is_never_suspended() {
    let mut bench = Bench::new();
    let notes = overheard(&mut bench);
    bench.script.rule(|got| (got.route == "events").then(|| Reply::status(403)));
    bench.put(&[events(1, &["a"])]);
    bench.start();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        bench.put(&[erasure(Some(1), "erasure")]);
    }
    bench.stop().await;
    assert!(bench.script.events(403).len() >= 3);
    assert_eq!(*notes.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn trap_86_refused_credentials_that_are_not_the_accounts_suspend_nobody() {
    let ours = |text: String| {
        let text = text.replace("token = \"settings.apiKey\"", "token = \"'ours'\"");
        text.replace("\"settings.tier\" }", "\"settings.tier ~ settings.apiKey\" }")
    };
    let mut bench = Bench::with(1, ours);
    let notes = overheard(&mut bench);
    bench.script.rule(|_| Some(Reply::status(401)));
    bench.put(&[events(1, &["a"])]);
    bench.start();
    tokio::time::sleep(10 * MINUTE).await;
    bench.stop().await;
    assert!(bench.script.events(401).len() >= 3);
    assert_eq!(*notes.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn trap_36_an_unknown_account_is_never_suspended() {
    let mut bench = Bench::new();
    bench.script.rule(|_| Some(Reply::status(401)));
    bench.put(&[events(0, &["a"])]);
    bench.start();
    tokio::time::sleep(10 * MINUTE).await;
    bench.stop().await;
    assert!(bench.script.events(401).len() >= 3);
    assert_eq!(suspended(&bench), NOBODY);
}

#[tokio::test(start_paused = true)]
async fn trap_86_when_everybody_is_refused_nobody_is_suspended() {
    let mut bench = Bench::new();
    bench.script.rule(|got| (got.account <= 5).then(|| Reply::status(401)));
    bench.put(&(1..=5).map(|account| events(account, &["a"])).collect::<Vec<_>>());
    bench.start();
    tokio::time::sleep(10 * MINUTE).await;
    assert!(bench.script.events(401).len() >= 5 * 3);
    assert_eq!(suspended(&bench), NOBODY, "it is the partner, or partner.toml");
    bench.put(&[events(6, &["good"])]);
    tokio::time::sleep(10 * MINUTE).await;
    bench.stop().await;
    assert_eq!(suspended(&bench), [1, 2, 3, 4, 5], "another account is served");
}

#[tokio::test(start_paused = true)]
async fn trap_87_a_message_with_a_new_key_clears_at_once_and_what_waits_with_the_old_one_does_not_undo_it() {
    let mut bench = Bench::new();
    let notes = overheard(&mut bench);
    answer_key(&bench, "key-1", Reply::status(401));
    bench.put(&[events(1, &["old"])]);
    bench.start();
    tokio::time::sleep(3 * MINUTE).await;
    assert_eq!(suspended(&bench), [1]);
    bench.put(&[with_key(events(1, &["new"]), "rotated")]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(suspended(&bench), NOBODY);
    let before = (bench.script.events(401).len(), notes.lock().unwrap().len());
    tokio::time::sleep(60 * MINUTE).await;
    assert!(bench.script.events(401).len() >= before.0 + 3);
    assert_eq!((suspended(&bench), notes.lock().unwrap().len()), (NOBODY.to_vec(), before.1));
    assert_eq!(bench.script.events(200), ["new"]);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn trap_39_of_two_configurations_of_one_account_the_refused_one_alone_is_suspended() {
    let mut bench = Bench::new();
    answer_key(&bench, "key-1", Reply::status(403));
    bench.start();
    let mut found = Vec::new();
    for n in 0..40 {
        bench.put(&[with_key(events(1, &[&format!("good-{n}")]), "other")]);
        tokio::time::sleep(Duration::from_secs(15)).await;
        bench.put(&[events(1, &[&format!("bad-{n}")])]);
        tokio::time::sleep(Duration::from_secs(15)).await;
        found.push(bench.store.suspensions());
    }
    bench.stop().await;
    let noted = found.pop().unwrap();
    assert_eq!(noted.len(), 1, "once both are known to be in use, neither clears the other");
    let since = found.iter().position(|found| !found.is_empty()).unwrap();
    assert!(found[since..].iter().all(|found| found.len() == 1 && found[0].key == noted[0].key));
    assert_eq!(bench.script.events(200).len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_delays_no_item_and_hears_of_it_when_it_is_back() {
    let mut bench = Bench::new();
    answer_key(&bench, "key-1", Reply::status(401));
    bench.store.set_faults(100);
    bench.put(&[events(1, &["bad"]), events(2, &["good"])]);
    bench.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.script.events(200), ["good"]);
    tokio::time::sleep(5 * MINUTE).await;
    bench.store.set_faults(0);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(suspended(&bench), [1]);
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_worker_found_out_is_cleared_by_a_success_here_and_what_lapsed_is_cleared_anyway() {
    let mut bench = Bench::new();
    answer_key(&bench, "key-1", Reply::status(401));
    bench.put(&[events(1, &["a"])]);
    bench.start();
    tokio::time::sleep(3 * MINUTE).await;
    bench.stop().await;
    let noted = bench.store.suspensions().remove(0);
    let key = |account| CredentialsKey { account: AccountId::from(account), ..noted.key.clone() };
    let lapsed = Suspension { key: key(9), confirmed_ms: BEGUN_MS - 3_600_000, ..noted.clone() };
    let held = Suspension { key: key(8), ..noted.clone() };
    for note in [&lapsed, &held] {
        bench.store.note_refused(note).await.unwrap();
    }
    bench.script.rule(|_| None);
    bench.start();
    bench.until_empty().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    bench.stop().await;
    assert_eq!(suspended(&bench), [8], "of which nothing was heard");
}

#[tokio::test(start_paused = true)]
async fn with_zero_refusals_set_nobody_is_suspended() {
    let mut bench = Bench::new();
    bench.config.suspend_after = 0;
    bench.script.rule(|_| Some(Reply::status(401)));
    bench.put(&[events(1, &["a"])]);
    bench.start();
    tokio::time::sleep(10 * MINUTE).await;
    bench.stop().await;
    assert_eq!(suspended(&bench), NOBODY);
}
