use std::io::Write as _;

use http_body_util::{Full, StreamBody};
use hyper::body::Frame;

use super::*;

const LIMITS: ReadLimits = ReadLimits { kept: 1000, discarded: 5000, deadline: Duration::from_millis(50) };

fn pool(max: usize) -> Arc<BytesInFlight> {
    BytesInFlight::new(max, Gauge::noop())
}

fn gzip_headers() -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_ENCODING, "GZIP".parse().unwrap())])
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

async fn read_all(headers: &HeaderMap, bytes: Bytes, pool: &Arc<BytesInFlight>) -> Result<Read, ReadError> {
    read(headers, Full::new(bytes), LIMITS, pool).await
}

#[tokio::test]
async fn bytes_are_counted_until_the_permit_goes() {
    let pool = pool(10_000);
    let read = read_all(&HeaderMap::new(), vec![7; 1000].into(), &pool).await.unwrap();
    assert_eq!((read.bytes.len(), pool.held.load(Ordering::Relaxed)), (1000, 1000));
    drop(read);
    assert_eq!(pool.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn too_many_bytes_in_flight_are_refused_and_given_back() {
    let pool = pool(1500);
    let held = read_all(&HeaderMap::new(), vec![7; 1000].into(), &pool).await.unwrap();
    let refused = read_all(&HeaderMap::new(), vec![7; 501].into(), &pool).await.unwrap_err();
    assert!(matches!(refused, ReadError::NoRoom));
    assert_eq!(pool.held.load(Ordering::Relaxed), 1000);
    drop(held);
    read_all(&HeaderMap::new(), vec![7; 501].into(), &pool).await.unwrap();
}

#[tokio::test]
async fn one_byte_over_the_limit_is_too_large_and_its_beginning_is_kept() {
    let refused = read_all(&HeaderMap::new(), vec![7; 1001].into(), &pool(10_000)).await.unwrap_err();
    assert!(matches!(refused, ReadError::TooLarge { first } if first == vec![7; 1001]));
}

#[tokio::test]
async fn trap_10_gzip_is_unpacked_and_a_bomb_ends_at_the_limit() {
    let pool = pool(10_000);
    let read = read_all(&gzip_headers(), gzip(&[7; 1000]), &pool).await.unwrap();
    assert_eq!(read.bytes, vec![7; 1000]);
    assert_eq!(pool.held.load(Ordering::Relaxed), 1000, "only what is unpacked is held");
    drop(read);
    let bomb = gzip(&vec![0; 50_000]);
    assert!(bomb.len() < 1000, "small while packed");
    assert!(matches!(read_all(&gzip_headers(), bomb, &pool).await, Err(ReadError::TooLarge { .. })));
    assert_eq!(pool.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_is_called_gzip_and_is_not_is_taken_as_it_is() {
    let read = read_all(&gzip_headers(), Bytes::from_static(b"{}"), &pool(10_000)).await.unwrap();
    assert_eq!(read.bytes, "{}");
}

#[tokio::test]
async fn gzip_that_breaks_off_is_damaged() {
    let packed = gzip(b"a body that is cut in the middle");
    let cut = packed.slice(..packed.len() / 2);
    let refused = read_all(&gzip_headers(), cut.clone(), &pool(10_000)).await.unwrap_err();
    assert!(matches!(refused, ReadError::Damaged { packed, .. } if packed == cut));
}

#[tokio::test(start_paused = true)]
async fn trap_11_a_body_that_does_not_end_is_slow() {
    let pool = pool(10_000);
    let first = futures::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"{")))]);
    let body = StreamBody::new(futures::StreamExt::chain(first, futures::stream::pending()));
    let started = Instant::now();
    assert!(matches!(read(&HeaderMap::new(), body, LIMITS, &pool).await, Err(ReadError::Slow)));
    assert_eq!(started.elapsed(), Duration::from_millis(50));
    assert_eq!(pool.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn trap_11_a_body_that_breaks_off_is_slow() {
    let broken = std::io::Error::other("reset");
    let chunks = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"{"))), Err(broken)]);
    let read = read(&HeaderMap::new(), StreamBody::new(chunks), LIMITS, &pool(10_000)).await;
    assert!(matches!(read, Err(ReadError::Slow)));
}

#[tokio::test]
async fn what_is_too_large_is_read_to_its_end_but_not_without_bounds() {
    for (chunks, read_at_most) in [(10, 10), (100, 14)] {
        let given = AtomicUsize::new(0);
        let body = futures::stream::iter((0..chunks).map(|_| {
            given.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![7; 500])))
        }));
        let read = read(&HeaderMap::new(), StreamBody::new(body), LIMITS, &pool(10_000)).await;
        assert!(matches!(read, Err(ReadError::TooLarge { .. })));
        assert_eq!(given.into_inner(), read_at_most, "of {chunks} chunks");
    }
}
