use proptest::prelude::*;

use super::*;
use crate::ids::Address;

fn packed(body: &[u8], pending: Pending) -> PackedRequest {
    PackedRequest {
        pod: Pod::new("us1").unwrap(),
        kind: Some(RequestKind::Events),
        id: Some("r-1".into()),
        account: AccountId::Known(1001),
        received_at_ms: 1_763_900_000_000,
        trace: None,
        body: PackedBody::Inline(Bytes::copy_from_slice(body)),
        pending,
    }
}

#[test]
fn original_bytes_survive_whatever_they_are() {
    let odd: Vec<&[u8]> = vec![b"{\"a\":1}", b"\xEF\xBB\xBF{}", b"\xff\xfe\x00", b"", b"{\"a\":\"\\ud800\"}"];
    let pack = Pack { requests: odd.iter().map(|body| packed(body, Pending::All)).collect() };
    assert_eq!(Pack::decode(&pack.encode(CompressionLevel::default())).unwrap(), pack);
}

#[test]
fn unknown_version_and_codec_are_named() {
    let mut bytes = Pack::default().encode(CompressionLevel::default()).to_vec();
    bytes[4] = 9;
    assert!(matches!(Pack::decode(&bytes), Err(PackError::UnknownVersion(9))));
    bytes[4] = VERSION;
    bytes[5] = 7;
    assert!(matches!(Pack::decode(&bytes), Err(PackError::UnknownCodec(7))));
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_memory() {
    let mut bytes = b"PSTK\x01\x01".to_vec();
    bytes.extend(zstd::bulk::compress(&vec![0u8; UNPACKED_BYTES_MAX + 1], 1).unwrap());
    assert!(matches!(Pack::decode(&bytes), Err(PackError::TooLarge)));
}

proptest! {
    #[test]
    fn any_pack_round_trips(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..8),
        attempts in 0u32..9,
        not_before_ms in 0i64..2_000_000_000_000,
    ) {
        let item = PendingItem { attempts, not_before_ms, ..PendingItem::untried(Address::Membership(1, 2)) };
        let requests = bodies.iter().enumerate().map(|(n, body)| {
            packed(body, if n % 2 == 0 { Pending::All } else { Pending::Items(vec![item.clone()]) })
        });
        let pack = Pack { requests: requests.collect() };
        prop_assert_eq!(Pack::decode(&pack.encode(CompressionLevel::default())).unwrap(), pack);
    }

    #[test]
    fn damaged_bytes_are_an_error_or_another_pack_but_never_a_panic(
        at in 0usize..400, with in any::<u8>(), cut in 0usize..400,
    ) {
        let pack = Pack { requests: vec![packed(br#"{"type":"event_processing_request"}"#, Pending::All)] };
        let mut bytes = pack.encode(CompressionLevel::default()).to_vec();
        let length = bytes.len();
        bytes[at % length] = with;
        bytes.truncate(length - cut % length);
        let _outcome = Pack::decode(&bytes);
    }
}
