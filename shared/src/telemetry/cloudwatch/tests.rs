use std::sync::{Mutex, MutexGuard};

use super::*;
use crate::{
    config::Sources,
    queue::meter::Operation,
    telemetry::{IngressMetrics, Recorder, WorkerMetrics, local_recorder, logged},
};

const BEGUN_MS: i64 = 1_800_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// Standard output, read while it is written.
#[derive(Clone, Default)]
struct Out(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    writes: Vec<String>,
    fails: bool,
}

impl Out {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The lines of all writes; each write ends a line.
    fn lines(&self) -> Vec<Value> {
        let writes = &self.state().writes;
        assert!(writes.iter().all(|write| write.ends_with('\n')));
        writes
            .iter()
            .flat_map(|write| write.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.fails {
            return Err(io::Error::other("closed"));
        }
        state.writes.push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Bench {
    _recorder: Recorder,
    ingress: IngressMetrics,
    worker: WorkerMetrics,
    publisher: Publisher,
    out: Out,
    done: CancellationToken,
}

fn bench(roles: &[Role]) -> Bench {
    let (recorder, metrics) = local_recorder();
    let (ingress, worker) =
        metrics::with_local_recorder(&recorder, || (IngressMetrics::new(), WorkerMetrics::new()));
    let config = CloudwatchConfig { namespace: "Penstock".into(), every: MINUTE };
    let publisher = Publisher {
        config,
        pod: Pod::new("eu1").unwrap(),
        roles: roles.to_vec(),
        clock: Clock::starting_at(BEGUN_MS),
        metrics,
        meter: Arc::default(),
    };
    Bench {
        _recorder: recorder,
        ingress,
        worker,
        publisher,
        out: Out::default(),
        done: CancellationToken::new(),
    }
}

impl Bench {
    fn run(&self) -> impl Future<Output = ()> + Send + use<> {
        self.publisher.clone().run(self.out.clone(), self.done.clone())
    }

    fn snapshot(&self) -> Snapshot {
        let Publisher { metrics, meter, .. } = &self.publisher;
        Snapshot { readings: metrics.read(), billed: meter.billed_in_all() }
    }
}

fn told(role: Role, now: &Snapshot, before: &Snapshot) -> Value {
    line("Penstock", &Pod::new("eu1").unwrap(), role, true, BEGUN_MS, now, before)
}

#[test]
fn a_line_declares_each_metric_it_holds_and_holds_each_it_declares() {
    let bench = bench(&[]);
    bench.ingress.requests.of(["events", "200"]).increment(5);
    bench.ingress.answer_duration.of(["events"]).record(0.02);
    for role in [Role::Ingress, Role::Worker] {
        let line = told(role, &bench.snapshot(), &Snapshot::default());
        let aws = &line["_aws"];
        assert_eq!(aws["Timestamp"], BEGUN_MS);
        let directive = &aws["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Penstock");
        assert_eq!(directive["Dimensions"], json!([["Pod", "Role"]]));
        assert_eq!((&line["Pod"], &line["Role"]), (&json!("eu1"), &json!(role.word())));
        let declared: Vec<&str> =
            directive["Metrics"].as_array().unwrap().iter().map(|it| it["Name"].as_str().unwrap()).collect();
        let held: Vec<&str> = line.as_object().unwrap().keys().skip(3).map(String::as_str).collect();
        assert_eq!(declared, held);
        assert!(declared.len() > 5 && declared.len() <= 100);
    }
}

#[test]
fn counters_are_told_by_what_they_grew_and_never_below_zero() {
    let bench = bench(&[]);
    let (ingress, worker) = (&bench.ingress, &bench.worker);
    ingress.requests.of(["events", "200"]).increment(7);
    worker.items.of(["delivered"]).increment(2);
    let before = bench.snapshot();
    ingress.requests.of(["events", "200"]).increment(1);
    ingress.requests.of(["membership", "503"]).increment(2);
    ingress.requests.of(["events", "500"]).increment(1);
    ingress.requests.of(["unsorted", "413"]).increment(3);
    ingress.quarantine_lost.increment(4);
    ingress.tokens.set(2.0);
    worker.items_received.increment(20);
    for (n, outcome) in
        ["delivered", "filtered", "requeued", "dead_lettered", "lapsed"].into_iter().enumerate()
    {
        worker.items.of([outcome]).increment(n as u64 + 1);
    }
    worker.calls.of(["2xx"]).increment(10);
    worker.calls.of(["4xx"]).increment(3);
    worker.calls.of(["timeout"]).increment(1);
    worker.calls_throttled.increment(2);
    worker.packs_later_version.increment(6);
    worker.partner_limited_share.set(0.25);
    bench.publisher.meter.count(Operation::Send, 65 * 1024);
    let (now, empty) = (bench.snapshot(), Snapshot::default());

    let line = told(Role::Ingress, &now, &before);
    let ingress = ["Requests", "ServerErrors", "ClientErrors", "QuarantineLost", "QueueBilledRequests"];
    assert_eq!(ingress.map(|name| line[name].as_u64().unwrap()), [7, 3, 3, 4, 2]);
    assert_eq!(line["Tokens"], 2.0);
    assert_eq!(told(Role::Ingress, &now, &empty)["Requests"], 14);

    let line = told(Role::Worker, &now, &before);
    let worker = [
        "ItemsReceived",
        "ItemsDelivered",
        "ItemsFiltered",
        "ItemsRequeued",
        "ItemsDeadLettered",
        "ItemsLapsed",
    ];
    assert_eq!(worker.map(|name| line[name].as_u64().unwrap()), [20, 1, 2, 3, 4, 5]);
    let calls = ["Calls", "CallErrors", "PartnerThrottled", "PacksLaterVersion"];
    assert_eq!(calls.map(|name| line[name].as_u64().unwrap()), [14, 4, 2, 6]);
    assert_eq!(line["PartnerLimitedShare"], 0.25);

    let backwards = told(Role::Worker, &empty, &now);
    assert_eq!((&backwards["ItemsReceived"], &backwards["QueueBilledRequests"]), (&json!(0), &json!(0)));
}

#[test]
fn answer_times_are_told_as_the_upper_bounds_of_their_buckets() {
    let bench = bench(&[]);
    assert!(told(Role::Ingress, &bench.snapshot(), &Snapshot::default()).get("AnswerSeconds").is_none());
    let record = |kind: &str, seconds| bench.ingress.answer_duration.of([kind]).record(seconds);
    record("events", 0.003);
    let before = bench.snapshot();
    // On the bound, just above it, in another kind, and above all.
    for (kind, seconds) in [("events", 0.005), ("events", 0.0051), ("dsr", 0.0099), ("events", 7.0)] {
        record(kind, seconds);
    }
    let line = told(Role::Ingress, &bench.snapshot(), &before);
    let told = json!({
        "Values": [0.005, 0.01, 10.0], "Counts": [1, 2, 1],
        "Min": 0.005, "Max": 10.0, "Count": 4, "Sum": 0.005 + 2.0 * 0.01 + 10.0,
    });
    assert_eq!(line["AnswerSeconds"], told);
    let Kind::Histogram(bounds) = crate::telemetry::table::INGRESS_ANSWER_DURATION.kind else { panic!() };
    assert!(bounds.len() < 100);
}

#[tokio::test(start_paused = true)]
async fn lines_come_on_the_interval_and_a_last_time_at_the_end() {
    let bench = bench(&[Role::Ingress, Role::Worker]);
    let requests = bench.ingress.requests.of(["events", "200"]);
    let process = async {
        requests.increment(1);
        bench.publisher.meter.count(Operation::Send, 1);
        tokio::time::sleep(MINUTE - Duration::from_millis(1)).await;
        assert!(bench.out.lines().is_empty());
        tokio::time::sleep(Duration::from_secs(1)).await;
        requests.increment(2);
        tokio::time::sleep(MINUTE).await;
        requests.increment(4);
        tokio::time::sleep(Duration::from_secs(5)).await;
        bench.done.cancel();
    };
    tokio::join!(bench.run(), process);
    let lines = bench.out.lines();
    let (ingress, worker): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["Role"] == "ingress");
    let requests: Vec<_> = ingress.iter().map(|line| line["Requests"].as_u64().unwrap()).collect();
    assert_eq!(requests, [1, 2, 4]);
    let at: Vec<_> =
        ingress.iter().map(|line| line["_aws"]["Timestamp"].as_i64().unwrap() - BEGUN_MS).collect();
    assert_eq!(at, [60_000, 120_000, 125_999]);
    // What both count together is told once.
    assert_eq!(ingress[0]["QueueBilledRequests"], 1);
    assert!(worker.len() == 3 && worker.iter().all(|line| line.get("QueueBilledRequests").is_none()));
    // The lines of one moment are one write: no other output comes between.
    assert_eq!(bench.out.state().writes.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_is_in_the_next_line() {
    let bench = bench(&[Role::Worker]);
    let process = async {
        bench.worker.items_received.increment(3);
        bench.out.state().fails = true;
        tokio::time::sleep(MINUTE + Duration::from_secs(1)).await;
        bench.out.state().fails = false;
        bench.worker.items_received.increment(4);
        tokio::time::sleep(MINUTE).await;
        bench.done.cancel();
    };
    tokio::join!(bench.run(), process);
    let received: Vec<_> =
        bench.out.lines().iter().map(|line| line["ItemsReceived"].as_u64().unwrap()).collect();
    assert_eq!(received, [7, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pipe_that_stays_full_holds_up_the_end_for_a_second() {
    let (done, begun) = (CancellationToken::new(), tokio::time::Instant::now());
    let full = until_late(std::future::pending::<()>(), &done);
    let process = async {
        tokio::time::sleep(MINUTE).await;
        done.cancel();
    };
    let (written, ()) = tokio::join!(full, process);
    assert!(written.is_none(), "it is no longer waited for");
    assert_eq!(begun.elapsed(), MINUTE + LAST_WRITE_MAX, "and it was as long as nothing ends");
    assert_eq!(until_late(std::future::ready(1), &done).await, Some(1), "what is written counts");
}

#[tokio::test]
async fn a_write_that_panics_is_told() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("out of order")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (_guard, lines) = logged();
    let bench = bench(&[Role::Worker]);
    bench.done.cancel();
    bench.publisher.clone().run(Broken, bench.done.clone()).await;
    let told = lines();
    assert!(told.contains("WARN") && told.contains("none are written any more"), "{told}");
}

#[test]
fn answers_below_and_above_the_time_ingress_gives_up_at_are_told_apart() {
    let bench = bench(&[]);
    bench.ingress.answer_duration.of(["events"]).record(0.079);
    bench.ingress.answer_duration.of(["events"]).record(0.081);
    let line = told(Role::Ingress, &bench.snapshot(), &Snapshot::default());
    assert_eq!(line["AnswerSeconds"]["Values"], json!([0.08, 0.09]));
}

#[test]
fn without_a_namespace_it_is_off_and_a_wrong_one_is_a_mistake() {
    let read = |file: &str| {
        let mut settings = Settings::new(Sources { file: Some(("p.toml", file)), ..Sources::default() });
        let config = CloudwatchConfig::read(&mut settings);
        settings.finish().map(|_| config)
    };
    assert_eq!(read("").unwrap(), None);
    let file = "[telemetry]\ncloudwatch_namespace = \"Penstock\"\ncloudwatch_every_ms = 1000";
    assert_eq!(read(file).unwrap().unwrap().every, Duration::from_secs(1));
    for wrong in ["AWS/SQS", ":x", "with blank"] {
        let file = format!("[telemetry]\ncloudwatch_namespace = \"{wrong}\"");
        assert_eq!(read(&file).unwrap_err().0.len(), 1, "{wrong}");
    }
    assert!(read("[telemetry]\ncloudwatch_every_ms = 999").is_err());
}

#[test]
fn the_docs_list_every_published_metric() {
    let docs = include_str!("../../../../docs/telemetry.md");
    let (_, docs) = docs.split_once("## CloudWatch").unwrap();
    let listed: Vec<&str> =
        docs.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| metric ")).collect();
    let expected: Vec<String> = TABLE
        .iter()
        .map(|Published { name, unit, role, help, .. }| {
            format!("| {name} | {} | {unit} | {help} |", role.map_or("both", Role::word))
        })
        .collect();
    assert_eq!(listed, expected);
}
