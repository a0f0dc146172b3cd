//! Any bytes as a pack, and as the content of one: an error or a pack within its bound, which is the same when written
//! and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use penstock_shared::pack::{CompressionLevel, Pack, PackedBody, UNPACKED_BYTES_MAX};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&[&b"PSTK\x01\x00"[..], bytes].concat());
});

fn check(bytes: &[u8]) {
    assert!((1..=UNPACKED_BYTES_MAX).contains(&Pack::unpacked_len(bytes).max(1)));
    let Ok(pack) = Pack::decode(bytes) else { return };
    let held: usize = pack.requests.iter().map(|request| inline(&request.body)).sum();
    assert!(held <= UNPACKED_BYTES_MAX);
    let again = Pack::decode(&pack.encode(CompressionLevel::default())).expect("what we wrote");
    assert_eq!(again, pack);
}

fn inline(body: &PackedBody) -> usize {
    match body {
        PackedBody::Inline(body) => body.len(),
        PackedBody::Spilled { .. } => 0,
    }
}
