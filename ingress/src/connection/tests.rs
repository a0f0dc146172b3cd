use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

const HEADER: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(180);

fn connection(calls: &Calls) -> (DuplexStream, Connection<DuplexStream>) {
    let (client, server) = duplex(64);
    let deadlines = Deadlines { header: HEADER, idle: IDLE };
    (client, Connection::new(server, calls.clone(), deadlines, Instant::now() + HEADER))
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_end_is_cut_off_at_its_deadline() {
    let (mut client, mut connection) = connection(&Calls::default());
    let started = Instant::now();
    client.write_all(b"POST / HT").await.unwrap();
    let mut buffer = [0; 9];
    connection.read_exact(&mut buffer).await.unwrap();
    let error = connection.read(&mut buffer).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (io::ErrorKind::TimedOut, HEADER));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_drips_is_cut_off_at_its_deadline() {
    let (mut client, mut connection) = connection(&Calls::default());
    let drip = async {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    };
    let started = Instant::now();
    let read = async {
        loop {
            if let Err(error) = connection.read(&mut [0; 9]).await {
                break error;
            }
        }
    };
    let error = tokio::select! {
        () = drip => panic!("the connection is kept until the reader drops it"),
        error = read => error,
    };
    assert_eq!((error.kind(), started.elapsed()), (io::ErrorKind::TimedOut, HEADER));
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_rest_between_calls_but_not_within_a_header() {
    let calls = Calls::default();
    let (mut client, mut connection) = connection(&calls);
    let mut buffer = [0; 4];
    client.write_all(b"POST").await.unwrap();
    connection.read_exact(&mut buffer).await.unwrap();
    drop(calls.begin());

    let rest = HEADER * 20;
    let (read, ()) = tokio::join!(connection.read_exact(&mut buffer), async {
        tokio::time::sleep(rest).await;
        client.write_all(b"NEXT").await.unwrap();
    });
    read.unwrap();
    let started = Instant::now();
    let error = connection.read(&mut buffer).await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed()), (io::ErrorKind::TimedOut, HEADER));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rests_too_long_ends_as_if_the_caller_had_closed() {
    let calls = Calls::default();
    let (mut client, mut connection) = connection(&calls);
    let mut buffer = [0; 4];
    for _ in 0..3 {
        client.write_all(b"POST").await.unwrap();
        connection.read_exact(&mut buffer).await.unwrap();
        drop(calls.begin());
        let waits = tokio::time::timeout(IDLE - HEADER, connection.read(&mut buffer)).await;
        assert!(waits.is_err(), "it may rest");
    }
    let started = Instant::now();
    assert_eq!(connection.read(&mut buffer).await.unwrap(), 0);
    assert_eq!(started.elapsed(), HEADER, "counted from the last answer");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_being_answered_has_no_deadline_here() {
    let calls = Calls::default();
    let (_client, mut connection) = connection(&calls);
    let answering = calls.begin();
    let waits = tokio::time::timeout(IDLE * 2, connection.read(&mut [0; 4])).await;
    assert!(waits.is_err());
    drop(answering);
}

#[tokio::test(start_paused = true)]
async fn what_is_still_being_sent_at_the_end_is_read_on_within_bounds() {
    let calls = Calls::default();
    calls.leave_body();
    let send = async |mut client: DuplexStream, bytes: usize| {
        // A connection that is read no further is closed, and writing to it fails.
        for _ in 0..bytes / 64 {
            if client.write_all(&[7; 64]).await.is_err() {
                return false;
            }
        }
        true
    };
    for (bytes, heard) in [(LINGER_BYTES, true), (LINGER_BYTES * 2, false)] {
        let (client, mut connection) = connection(&calls);
        let end = async {
            connection.shutdown().await.unwrap();
            drop(connection);
        };
        assert_eq!(tokio::join!(send(client, bytes), end).0, heard, "{bytes}");
    }
    let (client, mut connection) = connection(&calls);
    let started = Instant::now();
    connection.shutdown().await.unwrap();
    assert_eq!(started.elapsed(), LINGER, "and not for ever");
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_nothing_left_ends_at_once() {
    let (_client, mut connection) = connection(&Calls::default());
    let started = Instant::now();
    connection.shutdown().await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_answer_nobody_takes_ends_at_the_deadline_counted_from_the_last_byte_taken() {
    let (mut client, mut connection) = connection(&Calls::default());
    let started = Instant::now();
    // It takes a byte at a time, each just within the deadline, and then no more.
    let (takes, every) = (3, HEADER - Duration::from_millis(1));
    let take = async {
        for _ in 0..takes {
            tokio::time::sleep(every).await;
            client.read_u8().await.unwrap();
        }
    };
    let write = tokio::time::timeout(IDLE, connection.write_all(&[7; 1024]));
    let (written, ()) = tokio::join!(write, take);
    let written = written.expect("it waits for ever");
    let lasted = started.elapsed();
    assert_eq!((written.unwrap_err().kind(), lasted), (io::ErrorKind::TimedOut, every * takes + HEADER));
}

#[tokio::test(start_paused = true)]
async fn a_stall_that_ended_does_not_count_against_the_next() {
    let (mut client, mut connection) = connection(&Calls::default());
    for _ in 0..3 {
        let take = async {
            tokio::time::sleep(HEADER / 2).await;
            client.read_exact(&mut [0; 128]).await
        };
        tokio::try_join!(connection.write_all(&[7; 128]), take).unwrap();
        tokio::time::sleep(HEADER * 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_sends_calls_and_reads_no_answer_is_not_kept() {
    let calls = Calls::default();
    let (mut client, connection) = connection(&calls);
    let service = service_fn(|_: Request<Incoming>| {
        let answering = calls.begin();
        async move {
            drop(answering);
            Ok::<_, std::convert::Infallible>(Response::new("stored".to_owned()))
        }
    });
    let served =
        http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(connection), service);
    let send = async {
        while client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let started = Instant::now();
    let ended = tokio::select! {
        ended = tokio::time::timeout(IDLE * 2, served) => ended.expect("it is kept for ever"),
        () = send => unreachable!(),
    };
    assert!(ended.is_err());
    assert_eq!(started.elapsed(), HEADER);
}
