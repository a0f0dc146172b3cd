use std::{
    io::Write as _,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use http::header;
use http_body_util::{Full, StreamBody};
use hyper::body::{Frame, SizeHint};
use penstock_shared::telemetry::Gauge;

use super::*;

const LIMITS: ReadLimits =
    ReadLimits { kept: 1000, first: FIRST_BYTES, discarded: 5000, deadline: Duration::from_millis(50) };

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
    read(headers, &mut Source::new(Full::new(bytes)), LIMITS, pool).await
}

#[tokio::test]
async fn bytes_are_counted_until_the_permit_goes() {
    let pool = pool(10_000);
    let read = read_all(&HeaderMap::new(), vec![7; 1000].into(), &pool).await.unwrap();
    assert_eq!((read.bytes.len(), pool.held()), (1000, 1000));
    drop(read);
    assert_eq!(pool.held(), 0);
}

#[tokio::test]
async fn too_many_bytes_in_flight_are_refused_and_given_back() {
    let pool = pool(1500);
    let held = read_all(&HeaderMap::new(), vec![7; 1000].into(), &pool).await.unwrap();
    let refused = read_all(&HeaderMap::new(), vec![7; 501].into(), &pool).await.unwrap_err();
    assert!(matches!(refused, ReadError::NoRoom));
    assert_eq!(pool.held(), 1000);
    drop(held);
    read_all(&HeaderMap::new(), vec![7; 501].into(), &pool).await.unwrap();
}

#[tokio::test]
async fn one_byte_over_the_limit_is_too_large_and_its_beginning_is_kept() {
    let refused = read_all(&HeaderMap::new(), vec![7; 1001].into(), &pool(10_000)).await.unwrap_err();
    assert!(matches!(refused, ReadError::TooLarge { first, .. } if first == vec![7; 1001]));
}

#[tokio::test]
async fn trap_10_gzip_is_unpacked_and_a_bomb_ends_at_the_limit() {
    let pool = pool(30_000);
    let read = read_all(&gzip_headers(), gzip(&[7; 1000]), &pool).await.unwrap();
    assert_eq!(read.bytes, vec![7; 1000]);
    assert_eq!(pool.held(), 1000, "only what is unpacked is held");
    drop(read);
    let bomb = gzip(&vec![0; 50_000]);
    assert!(bomb.len() < 1000, "small while packed");
    assert!(matches!(read_all(&gzip_headers(), bomb, &pool).await, Err(ReadError::TooLarge { .. })));
    assert_eq!(pool.held(), 0);
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
    let mut body = Source::new(StreamBody::new(futures::StreamExt::chain(first, futures::stream::pending())));
    let started = Instant::now();
    assert!(matches!(read(&HeaderMap::new(), &mut body, LIMITS, &pool).await, Err(ReadError::Slow)));
    assert_eq!(started.elapsed(), Duration::from_millis(50));
    assert_eq!(pool.held(), 0);
}

#[tokio::test]
async fn trap_11_a_body_that_breaks_off_is_slow() {
    let broken = std::io::Error::other("reset");
    let chunks = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"{"))), Err(broken)]);
    let read =
        read(&HeaderMap::new(), &mut Source::new(StreamBody::new(chunks)), LIMITS, &pool(10_000)).await;
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
        let read =
            read(&HeaderMap::new(), &mut Source::new(StreamBody::new(body)), LIMITS, &pool(10_000)).await;
        assert!(matches!(read, Err(ReadError::TooLarge { .. })));
        assert_eq!(given.into_inner(), read_at_most, "of {chunks} chunks");
    }
}

/// Pieces of a body whose length is announced. A piece of no bytes stands for a wait without end.
struct Announced {
    pieces: std::vec::IntoIter<usize>,
    left: u64,
}

impl Announced {
    fn source(announced: u64, pieces: &[usize]) -> Source<Self> {
        Source::new(Self { pieces: Vec::from(pieces).into_iter(), left: announced })
    }
}

impl Body for Announced {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.pieces.next() {
            Some(0) => Poll::Pending,
            Some(length) => {
                self.left -= length as u64;
                Poll::Ready(Some(Ok(Frame::data(vec![7; length].into()))))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

const MIB: usize = 1024 * 1024;
const LARGE: ReadLimits = ReadLimits { kept: 16 * MIB, discarded: 16 * MIB, ..LIMITS };

#[tokio::test]
async fn a_body_in_one_piece_is_not_copied() {
    let bytes = Bytes::from(vec![7; 1000]);
    let read = read_all(&HeaderMap::new(), bytes.clone(), &pool(10_000)).await.unwrap();
    assert_eq!(read.bytes.as_ptr(), bytes.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn a_body_holds_what_has_arrived_and_not_what_was_announced() {
    // Each case: what arrives of a megabyte before it stops, and the most it may hold.
    for (pieces, most) in [(vec![1, 0], 1), (vec![1; 10], 4096), (vec![3000, 3000, 3000, 0], 16 * 1024)] {
        let pool = pool(16 * MIB);
        let mut source = Announced::source(MIB as u64, &[pieces, vec![0]].concat());
        let headers = HeaderMap::new();
        let mut reading = std::pin::pin!(read(&headers, &mut source, LARGE, &pool));
        assert!(futures::poll!(reading.as_mut()).is_pending());
        assert!((1..=most).contains(&pool.held()), "{} of {most}", pool.held());
    }
}

#[tokio::test]
async fn the_permit_is_for_all_memory_that_a_body_takes() {
    for (announced, pieces) in
        [(Some(50_000), vec![10_000; 5]), (None, vec![7; 3000]), (Some(6000), vec![6000])]
    {
        let pool = pool(MIB);
        let read = match announced {
            Some(length) => {
                read(&HeaderMap::new(), &mut Announced::source(length, &pieces), LARGE, &pool).await
            }
            None => {
                let pieces =
                    pieces.iter().map(|length| Ok::<_, std::io::Error>(Frame::data(vec![7; *length].into())));
                let body = StreamBody::new(futures::stream::iter(pieces));
                read(&HeaderMap::new(), &mut Source::new(body), LARGE, &pool).await
            }
        };
        let Read { bytes, permit } = read.unwrap();
        assert_eq!((bytes.len(), pool.held()), (pieces.iter().sum(), permit.bytes()));
        let capacity = Vec::from(bytes).capacity();
        assert_eq!(permit.bytes(), capacity);
        assert!(announced.is_none_or(|announced| announced == capacity as u64), "no more than announced");
    }
}

#[tokio::test]
async fn what_is_announced_and_does_not_fit_is_refused_before_it_is_read() {
    let pool = pool(MIB);
    let mut source = Announced::source(MIB as u64 + 1, &[1]);
    assert!(matches!(read(&HeaderMap::new(), &mut source, LARGE, &pool).await, Err(ReadError::NoRoom)));
    assert_eq!(source.announced(), Some(MIB + 1));
}

#[tokio::test]
async fn what_is_announced_to_be_too_large_is_kept_to_its_beginning_and_not_read_in_vain() {
    // A third of it comes in; the rest is more than would be thrown away.
    let pieces = vec![10_000; 20];
    let limits = ReadLimits { kept: 100_000, discarded: 150_000, ..LIMITS };
    let mut source = Announced::source(300_000, &pieces);
    let refused = read(&HeaderMap::new(), &mut source, limits, &pool(MIB)).await.unwrap_err();
    assert!(
        matches!(refused, ReadError::TooLarge { first, permit } if first == vec![7; FIRST_BYTES] && permit.bytes() == FIRST_BYTES)
    );
    assert_eq!(source.announced(), Some(230_000));

    let stranger = ReadLimits { first: 0, ..limits };
    let mut source = Announced::source(140_000, &pieces);
    let refused = read(&HeaderMap::new(), &mut source, stranger, &pool(0)).await.unwrap_err();
    assert!(
        matches!(refused, ReadError::TooLarge { first, .. } if first.is_empty()),
        "of a stranger nothing is kept"
    );
    assert!(source.ended(), "what is little more is read on");
}
