//! The embedded queue over restarts and kills.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use penstock_shared::{
    clock::Clock,
    database::Database,
    queue::{
        Outgoing, Queue,
        embedded::{EmbeddedQueue, EmbeddedQueueConfig},
    },
};
use tokio::task::JoinSet;

const LONG: Duration = Duration::from_secs(300);

fn open(path: &Path) -> EmbeddedQueue {
    let config = EmbeddedQueueConfig { receives_max: 5, dead_letter: None, message_bytes_max: 1024 };
    EmbeddedQueue::open(Database::open(path).unwrap(), Clock::system(), "main", config)
}

#[tokio::test]
async fn messages_leases_and_counts_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("penstock.db");
    let queue = open(&path);
    let messages = ["leased", "waiting"].map(|text| Outgoing::now(Bytes::from_static(text.as_bytes())));
    queue.send(&messages).await.into_iter().for_each(Result::unwrap);
    let leased = queue.receive(1, Duration::ZERO, LONG).await.unwrap().remove(0);
    drop(queue);

    let queue = open(&path);
    let waiting = queue.receive(10, Duration::ZERO, LONG).await.unwrap();
    assert_eq!(waiting.iter().map(|message| &message.body[..]).collect::<Vec<_>>(), [b"waiting"]);
    queue.renew(&leased.receipt, Duration::ZERO).await.unwrap();
    let again = queue.receive(10, Duration::ZERO, LONG).await.unwrap();
    assert_eq!((&again[0].body, again[0].receive_count), (&leased.body, 2));
}

/// The other half of the next test, in a process of its own: sends until it is killed, and says what was accepted.
#[tokio::test]
#[ignore = "run by `every_acknowledged_message_outlives_a_kill`"]
async fn sends_until_it_is_killed() {
    let path = std::io::stdin().lines().next().unwrap().unwrap();
    let queue = std::sync::Arc::new(open(Path::new(&path)));
    let mut senders = JoinSet::new();
    for sender in 0..4 {
        let queue = queue.clone();
        senders.spawn(async move {
            for number in 0.. {
                let body = format!("{sender}-{number}");
                queue.send(&[Outgoing::now(body.clone().into())]).await.remove(0).unwrap();
                writeln!(std::io::stdout().lock(), "accepted {body} whole").unwrap();
            }
        });
    }
    senders.join_all().await;
}

#[tokio::test]
async fn every_acknowledged_message_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("penstock.db");
    let mut sender = Command::new(env::current_exe().unwrap())
        .args(["--exact", "durability::sends_until_it_is_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(sender.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let lines = BufReader::new(sender.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut accepted = BTreeSet::new();
    for line in lines {
        // The harness's own words can stand before it on the line; one that the kill cut short lacks its last word.
        let proof = line.split_once("accepted ").and_then(|(_, rest)| rest.strip_suffix(" whole"));
        accepted.extend(proof.map(str::to_owned));
        if accepted.len() == 500 {
            sender.kill().unwrap();
        }
    }
    sender.wait().unwrap();
    assert!(accepted.len() >= 500, "only {} were accepted", accepted.len());

    let queue = open(&path);
    let mut stored = BTreeSet::new();
    loop {
        let messages = queue.receive(10, Duration::ZERO, LONG).await.unwrap();
        if messages.is_empty() {
            break;
        }
        stored.extend(messages.iter().map(|message| String::from_utf8(message.body.to_vec()).unwrap()));
    }
    let lost: Vec<_> = accepted.difference(&stored).collect();
    assert!(lost.is_empty(), "{lost:?} were accepted and are not there");
}
