use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    extract::State,
    http::{Method, StatusCode, Uri},
};
use penstock_shared::{ids::Pod, telemetry::WorkerMetrics};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::ledger::{Counts, End, Held};

const DRAIN: Duration = Duration::from_secs(20);
const CONFIG: RuleConfig = RuleConfig { items_min: 1_000, drain_deadline: DRAIN };

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// How often in so many looks the rule wanted protection, with work as given at each second.
fn wanted(
    rule: &mut Rule,
    begun: Instant,
    seconds: std::ops::Range<u64>,
    at: impl Fn(u64) -> (u64, u64),
) -> Vec<u64> {
    let wants = |second: &u64| {
        let (in_flight, delivered) = at(*second);
        let counts = Counts { received: in_flight + delivered, delivered, in_flight, ..Counts::default() };
        rule.wants(&counts, begun + secs(*second))
    };
    seconds.filter(wants).collect()
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_could_not_finish_within_its_drain_is_protected() {
    // 5000 held at 100 a second: 50 s of work.
    let protected = wanted(&mut Rule::new(CONFIG), Instant::now(), 0..60, |second| (5_000, second * 100));
    assert_eq!(protected.first(), Some(&3), "after three seconds of it");
    assert_eq!(protected.len(), 57);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_keeps_up_is_not_protected_however_busy_it_is() {
    // 5000 held at 1000 a second: 5 s of work, for an hour.
    let begun = Instant::now();
    assert!(wanted(&mut Rule::new(CONFIG), begun, 0..3600, |second| (5_000, second * 1_000)).is_empty());
    // Few, that nothing becomes of.
    assert!(wanted(&mut Rule::new(CONFIG), begun, 0..3600, |_| (999, 0)).is_empty());
    assert!(wanted(&mut Rule::new(CONFIG), begun, 0..3600, |_| (0, 0)).is_empty());
}

#[tokio::test(start_paused = true)]
async fn protection_ends_some_seconds_after_the_work_is_no_longer_deep() {
    let (mut rule, begun) = (Rule::new(CONFIG), Instant::now());
    // A dip of ten seconds changes nothing.
    let dips = |second: u64| (if (20..30).contains(&second) || second >= 40 { 0 } else { 5_000 }, 0);
    assert_eq!(wanted(&mut rule, begun, 0..100, dips), (3..55).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn no_work_protects_for_ever() {
    let (mut rule, begun) = (Rule::new(CONFIG), Instant::now());
    let protected = wanted(&mut rule, begun, 0..3_600, |_| (5_000, 0));
    let pauses: Vec<u64> =
        protected.windows(2).filter(|pair| pair[1] > pair[0] + 1).map(|pair| pair[0]).collect();
    assert_eq!(pauses.first(), Some(&602), "ten minutes after it began");
    assert!(pauses.len() >= 4, "{pauses:?}");
    for pause in pauses {
        let next = protected.iter().find(|second| **second > pause).unwrap();
        assert_eq!(next - pause, 121, "ECS has two minutes");
    }
}

/// ECS, as the worker asks it.
#[derive(Clone, Default)]
struct Ecs {
    asked: Arc<Mutex<Vec<(u64, bool)>>>,
    fails: Arc<std::sync::atomic::AtomicBool>,
}

impl Ecs {
    fn asked(&self) -> Vec<(u64, bool)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn ask(&self, begun: Instant) -> impl Fn(bool) -> std::future::Ready<Result<(), AgentError>> + use<> {
        let ecs = self.clone();
        move |protect| {
            ecs.asked.lock().unwrap().push((begun.elapsed().as_secs(), protect));
            let refused = || AgentError::Refused { status: 500, reason: String::new() };
            std::future::ready(if ecs.fails.load(Relaxed) { Err(refused()) } else { Ok(()) })
        }
    }
}

struct Bench {
    ecs: Ecs,
    ledger: Arc<Ledger>,
    stop: CancellationToken,
    begun: Instant,
}

impl Bench {
    fn new() -> Self {
        let ledger = Arc::new(Ledger::new(Pod::new("us1").unwrap(), WorkerMetrics::new()));
        Self { ecs: Ecs::default(), ledger, stop: CancellationToken::new(), begun: Instant::now() }
    }

    fn run(&self) -> impl Future<Output = ()> + use<> {
        run(self.ledger.clone(), CONFIG, self.ecs.ask(self.begun), self.stop.clone())
    }

    fn hold(&self, items: usize) -> Held {
        self.ledger.received(items, items)
    }

    fn finish(&self, held: Held, items: usize) {
        self.ledger.settled(held, std::iter::repeat_n(End::Delivered, items));
    }
}

#[tokio::test(start_paused = true)]
async fn protection_is_renewed_well_before_it_ends_and_given_back_once() {
    let bench = Bench::new();
    let work = async {
        let held = bench.hold(2_000);
        tokio::time::sleep(Duration::from_millis(150_500)).await;
        assert_eq!(bench.ecs.asked(), [(4, true), (64, true), (124, true)]);
        bench.finish(held, 2_000);
        tokio::time::sleep(secs(100)).await;
        let asked = bench.ecs.asked();
        assert_eq!(asked, [(166, false)]);
        bench.stop.cancel();
    };
    tokio::join!(bench.run(), work);
    assert!(bench.ecs.asked().is_empty(), "there was nothing to give back");
}

#[tokio::test(start_paused = true)]
async fn what_is_protected_at_the_stop_is_given_back_then_and_nothing_is_asked_while_it_drains() {
    let bench = Bench::new();
    let held = bench.hold(2_000);
    let work = async {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        assert_eq!(bench.ecs.asked(), [(3, true)]);
        bench.stop.cancel();
        tokio::time::sleep(secs(120)).await;
    };
    tokio::join!(bench.run(), work);
    assert_eq!(bench.ecs.asked(), [(5, false)]);
    bench.finish(held, 2_000);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_hangs_at_the_stop_costs_two_seconds_in_all() {
    let bench = Bench::new();
    let held = bench.hold(2_000);
    let asked = Mutex::new(Vec::new());
    let ask = |protect| {
        asked.lock().unwrap().push(protect);
        std::future::pending()
    };
    let run = run(bench.ledger.clone(), CONFIG, ask, bench.stop.clone());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        bench.stop.cancel();
    };
    tokio::join!(run, stop);
    assert_eq!(bench.begun.elapsed().as_millis(), 7_500);
    assert_eq!(
        *asked.lock().unwrap(),
        [true, false],
        "what hung may have been taken, and is given back once"
    );
    bench.finish(held, 2_000);
}

#[tokio::test(start_paused = true)]
async fn what_ecs_did_not_take_is_asked_again_now_and_then() {
    let bench = Bench::new();
    let work = async {
        bench.ecs.fails.store(true, Relaxed);
        let held = bench.hold(2_000);
        tokio::time::sleep(Duration::from_millis(40_500)).await;
        assert_eq!(bench.ecs.asked(), [(4, true), (19, true), (34, true)]);
        bench.ecs.fails.store(false, Relaxed);
        tokio::time::sleep(secs(10)).await;
        assert_eq!(bench.ecs.asked(), [(49, true)]);
        bench.ecs.fails.store(true, Relaxed);
        bench.finish(held, 2_000);
        // Until it has ended by itself.
        tokio::time::sleep(secs(600)).await;
        let asked = bench.ecs.asked();
        assert_eq!((asked.first(), asked.last()), (Some(&(66, false)), Some(&(216, false))));
        bench.stop.cancel();
    };
    tokio::join!(bench.run(), work);
    assert!(bench.ecs.asked().is_empty());
}

#[derive(Clone, Default)]
struct Server {
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    answers: Arc<AtomicU64>,
}

/// Answers as ECS does: done; not done, with 200; not done; something else; nothing.
async fn answer(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    body: String,
) -> (StatusCode, String) {
    let body: Value = serde_json::from_str(&body).unwrap();
    let protection =
        json!({ "protection": { "ProtectionEnabled": body["ProtectionEnabled"], "TaskArn": "arn" } });
    server.asked.lock().unwrap().push((format!("{method} {uri}"), body));
    let (status, answer) = match server.answers.fetch_add(1, Relaxed) {
        0 | 1 => (200, protection),
        2 => (200, json!({ "failure": { "Arn": "arn", "Reason": "TASK_NOT_VALID" } })),
        3 => (400, json!({ "error": { "Code": "AccessDeniedException", "Message": "not you" } })),
        4 => (302, protection),
        5 => (200, json!("what?")),
        _ => std::future::pending().await,
    };
    (StatusCode::from_u16(status).unwrap(), answer.to_string())
}

async fn server() -> (Server, SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (server, address) = (Server::default(), listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(server.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (server, address, serving)
}

#[tokio::test]
async fn the_agent_is_asked_in_its_own_words_and_only_its_yes_is_one() {
    let (server, address, _serving) = server().await;
    let agent = EcsAgent::new(&format!("http://{address}/api/task-1")).unwrap();
    agent.protect(true).await.unwrap();
    agent.protect(false).await.unwrap();
    let path = "PUT /api/task-1/task-protection/v1/state".to_owned();
    assert_eq!(
        *server.asked.lock().unwrap(),
        [
            (path.clone(), json!({ "ProtectionEnabled": true, "ExpiresInMinutes": 3 })),
            (path, json!({ "ProtectionEnabled": false })),
        ]
    );
    for reason in ["200: TASK_NOT_VALID", "400: AccessDeniedException, not you", "302", "200: "] {
        let told = agent.protect(true).await.unwrap_err().to_string();
        assert!(told.contains(reason), "{told}");
    }
    assert!(matches!(agent.protect(true).await, Err(AgentError::Call(error)) if error.is_timeout()));
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error_and_nothing_more() {
    assert!(matches!(EcsAgent::new("no url"), Err(AgentError::Url(_))));
    let agent = EcsAgent::new("http://127.0.0.1:9/").unwrap();
    assert!(matches!(agent.protect(true).await, Err(AgentError::Call(_))));
}
