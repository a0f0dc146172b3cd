//! Ten thousand bodies that nobody would send on purpose, through a running ingress.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
};

use bytes::Bytes;
use fastrand::Rng;
use futures::future::join_all;
use penstock_ingress::answer::Unreadable;
use penstock_shared::firehose::read;
use penstock_testkit::{
    judge::judge,
    mutations::{Mutant, corpus, damage, mutant},
};

use crate::{
    client::{Answer, Client, TOKEN},
    harness::Running,
};

const BODIES: u64 = 10_000;
const SENDERS: u64 = 16;

/// What is sent for one seed, and what ingress will see of it.
struct Case {
    mutant: Mutant,
    sent: Vec<u8>,
    gzip: bool,
    /// `None` when it can't be unpacked.
    seen: Option<Vec<u8>>,
}

impl Case {
    fn new(corpus: &[(String, Vec<u8>)], seed: u64) -> Self {
        let mutant = mutant(corpus, seed);
        let gzip = seed.is_multiple_of(8);
        let (mut sent, mut seen) = (mutant.bytes.clone(), Some(mutant.bytes.clone()));
        if gzip {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&mutant.bytes).unwrap();
            sent = encoder.finish().unwrap();
            if seed.is_multiple_of(16) {
                damage(&mut sent, &mut Rng::with_seed(seed));
            }
            seen = unpacked(&sent);
        }
        Self { mutant, sent, gzip, seen }
    }

    /// Fails unless the answer is right; the body, if it must be on the queue now.
    fn check(self, answer: &Answer) -> Option<Vec<u8>> {
        let Some(seen) = self.seen else {
            assert_eq!((answer.status, answer.code().as_str()), (400, "encoding"), "{:?}", self.mutant);
            return None;
        };
        let Some(kind) = judge(&seen) else {
            assert_eq!(answer.status, 400, "{answer:?} for {:?}", self.mutant);
            let word = answer.code();
            assert!(Unreadable::all().iter().any(|reason| reason.word() == word), "{word}");
            return None;
        };
        assert_eq!(answer.status, 200, "{answer:?} for {:?}", self.mutant);
        let response = answer.json()["type"].as_str().unwrap().replace("_response", "_request");
        assert_eq!(response, kind, "{:?}", self.mutant);
        let request = read(&Bytes::from(seen.clone())).unwrap();
        (!request.items.is_empty()).then_some(seen)
    }
}

/// What does not begin as gzip is taken as it is.
fn unpacked(sent: &[u8]) -> Option<Vec<u8>> {
    if !sent.starts_with(b"\x1f\x8b") {
        return Some(sent.to_vec());
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(sent).read_to_end(&mut unpacked).ok().map(|_| unpacked)
}

/// Sends every seed that leaves this remainder, over one connection; what must be on the queue, and how many were 400.
async fn sender(running: &Running, corpus: &[(String, Vec<u8>)], remainder: u64) -> (Vec<Vec<u8>>, u64) {
    let mut client = Client::connect(running.address).await;
    let (mut deliverable, mut refused) = (Vec::new(), 0);
    for seed in (0..BODIES).filter(|seed| seed % SENDERS == remainder) {
        let case = Case::new(corpus, seed);
        let headers: &[_] = if case.gzip { &[TOKEN, ("content-encoding", "gzip")] } else { &[TOKEN] };
        let answer = client.call("POST /", headers, &case.sent).await;
        refused += u64::from(answer.status == 400);
        deliverable.extend(case.check(&answer));
    }
    (deliverable, refused)
}

#[tokio::test]
async fn ten_thousand_damaged_bodies_are_stored_byte_for_byte_or_refused_and_never_an_error_of_ours() {
    let running = Running::start().await;
    let corpus = corpus();
    let senders = join_all((0..SENDERS).map(|remainder| sender(&running, &corpus, remainder))).await;
    let refused: u64 = senders.iter().map(|(_, refused)| refused).sum();
    let mut expected: HashMap<Vec<u8>, i64> = HashMap::new();
    for body in senders.into_iter().flat_map(|(deliverable, _)| deliverable) {
        *expected.entry(body).or_default() += 1;
    }
    let deliverable: i64 = expected.values().sum();
    // A corpus that is all rubbish, or all fine, would prove little.
    assert!(deliverable > 2_000 && refused > 2_000, "{deliverable} deliverable, {refused} refused");
    for request in running.stored().await {
        let body = running.bytes(&request).await.to_vec();
        *expected.entry(body).or_default() -= 1;
    }
    let wrong = expected.iter().find(|(_, count)| **count != 0);
    assert!(wrong.is_none(), "stored too seldom or too often: {wrong:?}");
    assert_eq!(running.metric("ingress_bytes_in_flight").to_bits(), 0.0_f64.to_bits());
}
