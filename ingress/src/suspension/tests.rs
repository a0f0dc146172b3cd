use penstock_shared::suspension::CredentialsKey;
use penstock_testkit::models::StoreModel;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use super::*;

const BEGUN_MS: i64 = 1_800_000_000_000;
const EVERY: Duration = Duration::from_secs(5);
const STALE_AFTER: Duration = Duration::from_secs(900);

struct Bench {
    store: Arc<StoreModel>,
    suspensions: Arc<Suspensions>,
    _refreshing: JoinSet<()>,
}

fn pod() -> Pod {
    Pod::new("us1").unwrap()
}

fn body(account: i64, key: &str) -> Vec<u8> {
    let account = json!({ "account_id": account, "account_settings": { "apiKey": key } });
    json!({ "type": "audience_membership_change_request", "account": account }).to_string().into_bytes()
}

impl Bench {
    fn start() -> Self {
        let (store, clock) = (Arc::new(StoreModel::new(1)), Clock::starting_at(BEGUN_MS));
        let suspensions = Suspensions::new(vec![pod()], clock, STALE_AFTER);
        let config = SuspensionConfig { refresh_every: EVERY, stale_after: STALE_AFTER };
        let metrics = Arc::new(IngressMetrics::new());
        let refresher = Refresher::new(store.clone(), suspensions.clone(), config, metrics);
        let mut refreshing = JoinSet::new();
        refreshing.spawn(refresher.run());
        Self { store, suspensions, _refreshing: refreshing }
    }

    async fn suspend(&self, account: i64, key: &str, confirmed_ms: i64) {
        let read = firehose::account(&body(account, key));
        let key =
            CredentialsKey { fingerprint: Fingerprint::of(&pod(), &read), pod: pod(), account: read.id };
        let note = Suspension { key, since_ms: 0, confirmed_ms, received_ms: confirmed_ms, refusals: 3 };
        self.store.note_refused(&note).await.unwrap();
    }

    fn includes(&self, account: i64, key: &str) -> bool {
        self.suspensions.includes(&pod(), AccountId::from(account), &body(account, key))
    }
}

#[tokio::test(start_paused = true)]
async fn trap_87_only_the_account_with_the_refused_settings_is_suspended() {
    let bench = Bench::start();
    bench.suspend(7, "bad", BEGUN_MS).await;
    bench.suspend(7, "worse", BEGUN_MS).await;
    sleep(2 * EVERY).await;
    assert!(bench.includes(7, "bad") && bench.includes(7, "worse"));
    assert!(!bench.includes(7, "new") && !bench.includes(8, "bad"));
    assert_eq!(bench.suspensions.accounts(), 1);
    bench.suspend(0, "bad", BEGUN_MS).await;
    sleep(2 * EVERY).await;
    assert!(!bench.includes(0, "bad"), "an account that nobody named");
}

#[tokio::test(start_paused = true)]
async fn the_last_word_stands_while_the_store_is_away_but_not_for_ever() {
    let bench = Bench::start();
    bench.suspend(7, "bad", BEGUN_MS + 3_600_000).await;
    sleep(2 * EVERY).await;
    bench.store.set_faults(100);
    sleep(STALE_AFTER - 3 * EVERY).await;
    assert!(bench.includes(7, "bad"));
    sleep(4 * EVERY).await;
    assert!(!bench.includes(7, "bad"));
    assert_eq!(bench.suspensions.accounts(), 0);
    bench.store.set_faults(0);
    sleep(2 * EVERY).await;
    assert!(bench.includes(7, "bad"), "the store is back");
}

#[tokio::test(start_paused = true)]
async fn a_suspension_that_nobody_confirms_lapses() {
    let bench = Bench::start();
    bench.suspend(7, "bad", BEGUN_MS).await;
    sleep(Duration::from_secs(3_590)).await;
    assert!(bench.includes(7, "bad"));
    sleep(Duration::from_secs(10)).await;
    assert!(!bench.includes(7, "bad"));
}

#[tokio::test(start_paused = true)]
async fn what_was_cleared_is_answered_so_after_the_next_look() {
    let bench = Bench::start();
    bench.suspend(7, "bad", BEGUN_MS).await;
    sleep(2 * EVERY).await;
    let noted = bench.store.suspensions().remove(0);
    assert!(bench.store.note_accepted(&noted.key, BEGUN_MS).await.unwrap());
    sleep(2 * EVERY).await;
    assert!(!bench.includes(7, "bad"));
}
