//! The main queue stops, hangs and errs in the middle of load: a fallback takes over, and the sender hears 200.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use penstock_ingress::IngressConfig;
use penstock_shared::{
    aws::{ClientSettings, sqs_client},
    clock::Clock,
    pack::PackedRequest,
    queue::{
        Queue,
        sqs::{SqsQueue, SqsQueueConfig},
    },
};
use penstock_testkit::{aws, emulator};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    client::Client,
    faulty::Fault,
    harness::{EVENTS, Running, Setup, config, take},
};

const CALLERS: usize = 8;
const CALLS_EACH: usize = 30;

/// Short patience, so that the test is; a budget that a busy machine keeps.
fn hasty() -> IngressConfig {
    let mut config = config();
    config.packing.fallback_after = Duration::from_millis(300);
    config.packing.send_timeout = Duration::from_secs(4);
    config
}

fn message(n: usize) -> Vec<u8> {
    String::from_utf8(EVENTS.to_vec()).unwrap().replace("e-1", &format!("e-{n}")).into_bytes()
}

/// Many callers at once, each call after the other; `faults` are set one after the other, spread over the load.
async fn under_load(address: SocketAddr, faults: &[&(dyn Fn() + Sync)]) -> Vec<u16> {
    let answered = AtomicUsize::new(0);
    let every = CALLERS * CALLS_EACH / (faults.len() + 1);
    let caller = async |caller: usize| {
        let mut client = Client::connect(address).await;
        let mut statuses = Vec::new();
        for call in 0..CALLS_EACH {
            statuses.push(client.post(&message(caller * CALLS_EACH + call)).await.status);
            let so_far = answered.fetch_add(1, Ordering::Relaxed) + 1;
            if so_far.is_multiple_of(every)
                && let Some(fault) = faults.get(so_far / every - 1)
            {
                fault();
            }
        }
        statuses
    };
    futures::future::join_all((0..CALLERS).map(caller)).await.concat()
}

/// Every message is there; a message in both queues is a duplicate, not a loss.
fn assert_all_stored(stored: &[PackedRequest]) {
    let mut ids: Vec<_> = stored.iter().filter_map(|request| request.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), CALLERS * CALLS_EACH);
}

#[tokio::test]
async fn a_queue_that_fails_hangs_and_recovers_under_load_is_never_heard_by_the_sender() {
    let running = Running::start_as(Setup { with_fallback: true, ..Setup::new(hasty()) }).await;
    let main = running.main.clone();
    let set = |fault: Fault| {
        let main = main.clone();
        move || main.set(fault.clone())
    };
    let statuses =
        under_load(running.address, &[&set(Fault::Unavailable), &set(Fault::Hang), &set(Fault::None)]).await;
    assert_eq!(statuses, [200; CALLERS * CALLS_EACH]);
    let second = running.stored_in_fallback().await;
    assert!(!second.is_empty());
    assert_all_stored(&[running.stored().await, second].concat());
    for (queue, outcome) in [("main", "failed"), ("fallback", "stored")] {
        let sends = format!("ingress_queue_sends_total{{queue=\"{queue}\",outcome=\"{outcome}\"}}");
        assert!(running.metric(&sends) > 0.0, "the state is in the metrics");
    }
}

#[tokio::test]
async fn with_a_fallback_ingress_is_ready_although_the_main_queue_is_away() {
    let running = Running::start_as(Setup { with_fallback: true, ..Setup::new(hasty()) }).await;
    running.main.set(Fault::Unavailable);
    for n in 0..5 {
        assert_eq!(running.post(&message(n)).await.status, 200);
    }
    running.until_ready().await;
    assert_eq!(running.readyz().await.status, 200);
}

#[tokio::test]
async fn without_a_fallback_the_sender_is_asked_to_try_again_and_service_comes_back_by_itself() {
    let mut config = config();
    config.calls.answer_budget = Duration::from_millis(200);
    let running = Running::start_with(config).await;
    running.main.set(Fault::Hang);
    assert_eq!(running.post(EVENTS).await.status, 503);
    running.main.set(Fault::None);
    running.until_ready().await;
    assert_eq!(running.post(&message(2)).await.status, 200);
}

/// How the proxy treats what comes to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Well,
    Stopped,
    Hung,
    Erring,
}

/// Stands before the emulator.
struct Proxy {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mood = Arc::<Mutex<Mood>>::default();
        let mut accepting = JoinSet::new();
        let moods = mood.clone();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mood = *moods.lock().unwrap();
                connections.spawn(serve(stream, mood));
            }
        });
        Self { address, mood, _accepting: accepting }
    }

    fn set(&self, mood: Mood) -> impl Fn() + Sync + use<> {
        let moods = self.mood.clone();
        move || *moods.lock().unwrap() = mood
    }
}

async fn serve(mut stream: TcpStream, mood: Mood) {
    match mood {
        Mood::Well => {
            let target = emulator().endpoint().trim_start_matches("http://");
            let mut emulator = TcpStream::connect(target).await.unwrap();
            copy_bidirectional(&mut stream, &mut emulator).await.ok();
        }
        Mood::Stopped => drop(stream),
        Mood::Hung => std::future::pending().await,
        Mood::Erring => {
            let answer =
                b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.ok();
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
        }
    }
}

fn queue_at(endpoint: &str, url: &str) -> Arc<dyn Queue> {
    let client = sqs_client(&aws::config_for(endpoint), &ClientSettings::default(), None);
    Arc::new(SqsQueue::new(client, url, Clock::system(), SqsQueueConfig::default()))
}

#[tokio::test]
async fn sqs_that_is_stopped_hung_and_erring_under_load_is_never_heard_by_the_sender() {
    // The emulator's own start blocks.
    let urls = tokio::task::spawn_blocking(|| {
        (emulator().create_queues("front", 20).unwrap(), emulator().create_queues("second", 20).unwrap())
    });
    let (front, second) = urls.await.unwrap();
    let proxy = Proxy::start().await;
    let main = queue_at(&format!("http://{}", proxy.address), &front.main);
    let fallback = queue_at(emulator().endpoint(), &second.main);
    let queues = Some((main, Some(fallback.clone())));
    let running = Running::start_as(Setup { queues, ..Setup::new(hasty()) }).await;
    running.until_ready().await;
    let faults = [Mood::Stopped, Mood::Hung, Mood::Erring, Mood::Well].map(|mood| proxy.set(mood));
    let faults: Vec<&(dyn Fn() + Sync)> = faults.iter().map(|fault| fault as &(dyn Fn() + Sync)).collect();
    let statuses = under_load(running.address, &faults).await;
    assert_eq!(statuses, [200; CALLERS * CALLS_EACH]);
    let first = take(&*queue_at(emulator().endpoint(), &front.main)).await;
    let second = take(&*fallback).await;
    assert!(!first.is_empty() && !second.is_empty());
    let stored: Vec<_> = [first, second].concat().into_iter().flat_map(|pack| pack.requests).collect();
    assert_all_stored(&stored);
}
