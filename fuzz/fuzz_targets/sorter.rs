//! Any bytes as a body: ingress and worker agree on what it is, and whatever is queued has an item to deliver.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use penstock_shared::firehose::{read, sort};

fuzz_target!(|body: &[u8]| {
    let body = Bytes::copy_from_slice(body);
    match (sort(&body), read(&body)) {
        (Ok(sorted), Ok(request)) => {
            assert_eq!(sorted.kind, request.kind);
            assert_eq!(sorted.id, request.id);
            assert_eq!(sorted.account, request.account.id);
            assert_eq!(sorted.deliverable, !request.items.is_empty());
        }
        (Err(_), Err(_)) => {}
        (sorted, request) => panic!("sorted: {}, read: {}", sorted.is_ok(), request.is_ok()),
    }
});
