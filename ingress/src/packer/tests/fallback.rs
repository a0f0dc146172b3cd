//! A queue that browns out, and the one that stands in for it.

use super::*;
use crate::packer::route::PROBE_EVERY;

const PATIENCE: Duration = Duration::from_millis(40);

struct Two {
    main: Arc<ScriptedQueue>,
    second: Arc<ScriptedQueue>,
    outlet: Outlet,
}

impl Two {
    fn new(main: &[Step], second: &[Step]) -> Self {
        let queue = |script: &[Step]| {
            Arc::new(ScriptedQueue {
                script: Mutex::new(script.iter().cloned().collect()),
                stored: Mutex::default(),
                longest: AtomicUsize::new(0),
                message_bytes_max: 1 << 20,
            })
        };
        let (main, second) = (queue(main), queue(second));
        let (metrics, health) = (Arc::new(IngressMetrics::new()), Health::new(crate::auth::Access::open()));
        let outlet = Outlet::new(main.clone(), Some(second.clone()), &CONFIG, metrics, health);
        Self { main, second, outlet }
    }

    /// What is told of two packs, and after how long in all.
    async fn put(&self) -> (Vec<(usize, bool)>, Duration) {
        let packs: Vec<Outgoing> =
            (0..2).map(|_| Outgoing::now(Pack::default().encode(CompressionLevel(1)))).collect();
        let started = Instant::now();
        let mut told = Vec::new();
        let by = started + BUDGET;
        self.outlet.put(&packs, (by, by), |place, stored| told.push((place, stored))).await;
        told.sort_unstable();
        (told, started.elapsed())
    }

    fn calls(&self) -> (usize, usize) {
        (self.main.stored.lock().unwrap().len(), self.second.stored.lock().unwrap().len())
    }
}

fn away() -> Step {
    Step::Fail(vec![0, 1], QueueError::Unavailable("by script".into()))
}

const BOTH: [(usize, bool); 2] = [(0, true), (1, true)];
const NEITHER: [(usize, bool); 2] = [(0, false), (1, false)];

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_well_is_the_only_one_asked() {
    let two = Two::new(&[], &[]);
    assert_eq!(two.put().await, (BOTH.to_vec(), Duration::ZERO));
    assert_eq!(two.calls(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_refuses_goes_to_the_fallback_at_once_and_only_that() {
    let unknown = QueueError::OutcomeUnknown("by script".into());
    let two = Two::new(&[Step::Fail(vec![1], unknown)], &[]);
    assert_eq!(two.put().await, (BOTH.to_vec(), Duration::ZERO));
    assert_eq!(two.second.stored.lock().unwrap()[0].len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_hangs_is_followed_by_the_fallback_within_the_budget() {
    let two = Two::new(&[Step::Hang], &[]);
    assert_eq!(two.put().await, (BOTH.to_vec(), PATIENCE));
}

#[tokio::test(start_paused = true)]
async fn requests_that_have_waited_already_are_not_kept_waiting_for_a_queue_that_hangs() {
    let two = Two::new(&[Step::Hang], &[Step::Store(ms(15))]);
    let (started, mut told) = (Instant::now(), 0);
    let pack = [Outgoing::now(Pack::default().encode(CompressionLevel(1)))];
    let by = started + ms(45);
    two.outlet.put(&pack, (by, by), |_, stored| told += usize::from(stored)).await;
    assert_eq!((told, started.elapsed()), (1, ms(25 + 15)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_queue_that_answers_first_after_all_is_believed() {
    let two = Two::new(&[Step::Store(PATIENCE + ms(5))], &[Step::Store(ms(300))]);
    assert_eq!(two.put().await, (BOTH.to_vec(), PATIENCE + ms(5)));
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_the_requests_hear_it_once() {
    let two = Two::new(&[away()], &[away()]);
    assert_eq!(two.put().await, (NEITHER.to_vec(), Duration::ZERO));
    let two = Two::new(&[Step::Hang], &[Step::Hang]);
    assert_eq!(two.put().await, (NEITHER.to_vec(), CONFIG.send_timeout));
}

#[tokio::test(start_paused = true)]
async fn a_brown_out_sends_packs_to_the_fallback_first_until_the_queue_is_well() {
    let two = Two::new(&[Step::Hang, away(), Step::Hang, away()], &[]);
    for _ in 0..3 {
        assert_eq!(two.put().await.0, BOTH);
    }
    let (main, second) = two.calls();
    assert_eq!(two.put().await, (BOTH.to_vec(), Duration::ZERO), "nobody waits for the main queue any more");
    assert_eq!(two.calls(), (main, second + 1));
    sleep(PROBE_EVERY).await;
    assert_eq!(two.put().await, (BOTH.to_vec(), Duration::ZERO));
    assert_eq!(two.calls(), (main + 1, second + 2), "the main queue was asked, in vain");
    sleep(PROBE_EVERY).await;
    assert_eq!(two.put().await.0, BOTH);
    assert_eq!(two.put().await.0, BOTH);
    assert_eq!(two.calls(), (main + 3, second + 2), "it is well again, and comes first");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_fails_too_is_followed_by_the_main_queue() {
    let two = Two::new(
        &[away(), away(), away()],
        &[Step::Store(ms(0)), Step::Store(ms(0)), Step::Store(ms(0)), away()],
    );
    for _ in 0..4 {
        assert_eq!(two.put().await.0, BOTH);
    }
}
