//! Damaged messages and damaged packs: read for what they are, or refused; never a panic, never more memory than the
//! bound.

use bytes::Bytes;
use fastrand::Rng;
use penstock_shared::{
    firehose::{RequestKind, read, sort},
    ids::{AccountId, Address, Pod},
    pack::{
        CompressionLevel, DeadReason, Pack, PackError, PackedBody, PackedRequest, Pending, PendingItem,
        UNPACKED_BYTES_MAX,
    },
    spill::SpillKey,
};
use penstock_testkit::{
    judge::judge,
    mutations::{corpus, damage, mutant},
};

#[test]
fn damaged_messages_are_sorted_and_read_alike_and_what_is_deliverable_has_an_item() {
    let corpus = corpus();
    let (mut messages, mut deliverable) = (0, 0);
    for seed in 0..6_000 {
        let mutant = mutant(&corpus, seed);
        let body = Bytes::from(mutant.bytes.clone());
        let (sorted, request) = (sort(&body), read(&body));
        let kind = sorted.as_ref().ok().map(|sorted| sorted.kind.wire());
        assert_eq!(kind, judge(&body), "{mutant:?}");
        let (Ok(sorted), Ok(request)) = (&sorted, &request) else {
            assert!(sorted.is_err() && request.is_err(), "one refuses it, the other does not: {mutant:?}");
            continue;
        };
        assert_eq!(
            (sorted.kind, &sorted.id, sorted.account),
            (request.kind, &request.id, request.account.id)
        );
        assert_eq!(sorted.deliverable, !request.items.is_empty(), "{mutant:?}");
        messages += 1;
        deliverable += usize::from(sorted.deliverable);
    }
    assert!(messages > 1_500 && deliverable > 1_200, "{deliverable} of {messages}");
}

/// A pack of some mutants, with each kind of body and of what is still to be done.
fn pack(corpus: &[(String, Vec<u8>)], rng: &mut Rng) -> Pack {
    let count = rng.usize(..4);
    let request = |_| {
        let body = Bytes::from(mutant(corpus, rng.u64(..)).bytes);
        let dead = DeadReason::new("refused", "the partner answered 400", rng.i64(..));
        let item = PendingItem {
            attempts: rng.u32(..),
            not_before_ms: rng.i64(..),
            dead: rng.bool().then(|| dead.clone()),
            ..PendingItem::untried(Address::Membership(rng.u32(..), rng.u32(..)))
        };
        let key = SpillKey::new("us1/1763900000000-00112233445566778899aabbccddeeff").unwrap();
        PackedRequest {
            pod: Pod::new("us1").unwrap(),
            kind: [None, Some(RequestKind::Events), Some(RequestKind::Dsr)][rng.usize(..3)],
            id: rng.bool().then(|| "r-1".to_owned()),
            account: AccountId::from(rng.i64(..)),
            received_at_ms: rng.i64(..),
            trace: None,
            body: if rng.u8(..4) == 0 {
                PackedBody::Spilled { key, bytes: rng.u64(..) }
            } else {
                PackedBody::Inline(body)
            },
            pending: match rng.u8(..3) {
                0 => Pending::All,
                1 => Pending::Items(vec![item; 3]),
                _ => Pending::SetAside(dead),
            },
        }
    };
    Pack { requests: (0..count).map(request).collect() }
}

/// The pack with its content not compressed, so that damage reaches what is behind the compression.
fn plain(encoded: &[u8]) -> Vec<u8> {
    if encoded[5] == 0 {
        return encoded.to_vec();
    }
    let content = zstd::decode_all(&encoded[6..]).unwrap();
    [&b"PSTK\x01\x00"[..], &content].concat()
}

#[test]
fn damaged_packs_are_an_error_or_another_pack() {
    let corpus = corpus();
    let (mut refused, mut others) = (0, 0);
    for seed in 0..6_000 {
        let rng = &mut Rng::with_seed(seed);
        let pack = pack(&corpus, rng);
        let encoded = pack.encode(CompressionLevel::default());
        assert_eq!(Pack::decode(&encoded).unwrap(), pack, "seed {seed}");
        let mut bytes = if rng.bool() { plain(&encoded) } else { encoded.to_vec() };
        assert_eq!(Pack::decode(&bytes).unwrap(), pack, "seed {seed}");
        damage(&mut bytes, rng);
        let Ok(other) = Pack::decode(&bytes) else {
            refused += 1;
            continue;
        };
        others += 1;
        let held: usize = other.requests.iter().map(|request| inline(&request.body)).sum();
        assert!(held <= UNPACKED_BYTES_MAX);
        assert_eq!(Pack::decode(&other.encode(CompressionLevel::default())).unwrap(), other, "seed {seed}");
    }
    assert!(refused > 1_000 && others > 100, "{refused} refused, {others} read");
}

fn inline(body: &PackedBody) -> usize {
    match body {
        PackedBody::Inline(body) => body.len(),
        PackedBody::Spilled { .. } => 0,
    }
}

#[test]
fn a_pack_that_asks_for_more_memory_than_its_bound_is_refused_without_it() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    // Without its length, so that the frame asks for its whole window: 128 MiB.
    std::io::Write::write_all(&mut encoder, b"\x02\0\0\0{}").unwrap();
    let bytes = [&b"PSTK\x01\x01"[..], &encoder.finish().unwrap()].concat();
    let Err(PackError::Damaged(why)) = Pack::decode(&bytes) else { panic!("read") };
    assert!(why.contains("memory"), "{why}");

    let lengths = [u32::MAX, 1 << 20, 3];
    for length in lengths {
        let bytes = [&b"PSTK\x01\x00"[..], &length.to_le_bytes(), b"{}"].concat();
        assert!(matches!(Pack::decode(&bytes), Err(PackError::Damaged(_))), "header of {length}");
    }
    for bytes in [u64::MAX, 1 << 40, 1] {
        let header = format!(r#"{{"requests":[{{"pod":"us1","received_at_ms":0,"bytes":{bytes}}}]}}"#);
        let length = u32::try_from(header.len()).unwrap().to_le_bytes();
        let pack = [&b"PSTK\x01\x00"[..], &length, header.as_bytes()].concat();
        assert!(matches!(Pack::decode(&pack), Err(PackError::Damaged(_))), "body of {bytes}");
    }
}
