//! What [`SqsQueue`] makes of an SQS that misbehaves: a scripted server in its place.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use penstock_shared::{
    aws::{ClientSettings, sqs_client},
    clock::Clock,
    queue::{
        Outgoing, Queue, QueueError, Receipt,
        sqs::{SqsQueue, SqsQueueConfig},
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
};

/// What the server does with a call.
#[derive(Clone, Debug)]
enum Script {
    Answer(u16, Value),
    Hang,
    HangUp,
}

struct Server {
    queue: SqsQueue,
    calls: Arc<Mutex<Vec<Value>>>,
    _accepting: JoinSet<()>,
}

impl Server {
    /// Does the same with every call.
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut accepting = JoinSet::new();
        let seen = calls.clone();
        accepting.spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                seen.lock().await.push(read_call(&mut stream).await);
                match &script {
                    Script::Answer(status, body) => answer(&mut stream, *status, body).await,
                    Script::Hang => held.push(stream),
                    Script::HangUp => drop(stream),
                }
            }
        });
        Self { queue: queue_at(&format!("http://{address}")), calls, _accepting: accepting }
    }

    async fn send(&self, count: usize) -> Vec<Result<(), QueueError>> {
        self.queue.send(&vec![Outgoing::now(Bytes::from_static(b"pack")); count]).await
    }
}

fn queue_at(endpoint: &str) -> SqsQueue {
    let client = sqs_client(&crate::aws::config_for(endpoint), &ClientSettings::default(), None);
    let config = SqsQueueConfig { call_timeout: Duration::from_millis(300), ..SqsQueueConfig::default() };
    SqsQueue::new(client, &format!("{endpoint}/1/main"), Clock::system(), config)
}

async fn read_call(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let body = &bytes[head.len() + 4..];
        if body.len() == length.parse::<usize>().unwrap() {
            return serde_json::from_slice(body).unwrap();
        }
    }
}

async fn answer(stream: &mut TcpStream, status: u16, body: &Value) {
    let body = body.to_string();
    let head = "Content-Type: application/x-amz-json-1.0\r\nConnection: close";
    let answer = format!("HTTP/1.1 {status} x\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

fn failure(code: &str) -> Value {
    json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "in words" })
}

#[tokio::test]
async fn trap_100_a_partial_failure_is_told_entry_by_entry() {
    let answer = json!({
        "Successful": [{ "Id": "3", "MessageId": "m", "MD5OfMessageBody": "x" }, { "Id": "0", "MessageId": "m", "MD5OfMessageBody": "x" }],
        "Failed": [
            { "Id": "1", "SenderFault": true, "Code": "InvalidMessageContents", "Message": "in words" },
            { "Id": "2", "SenderFault": false, "Code": "InternalError" },
            { "Id": "4", "SenderFault": true, "Code": "AWS.SimpleQueueService.MessageTooLong" },
            { "Id": "5", "SenderFault": true, "Code": "KmsAccessDenied" },
        ],
    });
    let results = Server::start(Script::Answer(200, answer)).await.send(7).await;
    assert!(
        matches!(
            &results[..],
            [
                Ok(()),
                Err(QueueError::Refused(words)),
                Err(QueueError::Unavailable(_)),
                Ok(()),
                Err(QueueError::Refused(_)),
                Err(QueueError::Unavailable(_)),
                Err(QueueError::OutcomeUnknown(_)),
            ] if words == "InvalidMessageContents: in words"
        ),
        "{results:?}"
    );
}

#[tokio::test]
async fn a_call_without_an_answer_may_have_taken_effect() {
    for script in [
        Script::Hang,
        Script::HangUp,
        Script::Answer(500, failure("InternalError")),
        Script::Answer(502, json!({})),
    ] {
        let server = Server::start(script.clone()).await;
        let results = server.send(2).await;
        assert!(
            matches!(results[..], [Err(QueueError::OutcomeUnknown(_)), Err(QueueError::OutcomeUnknown(_))]),
            "{script:?} {results:?}"
        );
        let receipt = Receipt("r".to_owned());
        assert!(matches!(
            server.queue.renew(&receipt, Duration::ZERO).await,
            Err(QueueError::OutcomeUnknown(_))
        ));
        assert!(matches!(server.queue.delete(&[receipt]).await[..], [Err(QueueError::OutcomeUnknown(_))]));
        assert_eq!(server.calls.lock().await.len(), 3, "each call is made once");
    }
}

#[tokio::test]
async fn a_queue_that_refuses_for_now_has_stored_nothing() {
    for (status, code) in [
        (400, "ThrottlingException"),
        (403, "RequestThrottled"),
        (403, "AccessDeniedException"),
        (400, "QueueDoesNotExist"),
        (503, "ServiceUnavailable"),
    ] {
        let results = Server::start(Script::Answer(status, failure(code))).await.send(1).await;
        let expected = format!("status {status}, {code}: in words");
        assert!(
            matches!(&results[..], [Err(QueueError::Unavailable(words))] if *words == expected),
            "{results:?}"
        );
    }
}

#[tokio::test]
async fn a_queue_that_can_not_be_reached_has_stored_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let results = queue_at(&endpoint).send(&[Outgoing::now(Bytes::from_static(b"pack"))]).await;
    assert!(matches!(results[..], [Err(QueueError::Unavailable(_))]), "{results:?}");
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_is_sent_one_by_one() {
    let server = Server::start(Script::Answer(400, failure("BatchRequestTooLong"))).await;
    let results = server.send(2).await;
    assert!(matches!(results[..], [Err(QueueError::Refused(_)), Err(QueueError::Refused(_))]), "{results:?}");
    let entries = |call: &Value| call["Entries"].as_array().unwrap().len();
    assert_eq!(server.calls.lock().await.iter().map(entries).collect::<Vec<_>>(), [2, 1, 1]);
}

#[tokio::test]
async fn a_lease_that_sqs_no_longer_honours_is_lost() {
    for code in ["MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue"] {
        let server = Server::start(Script::Answer(400, failure(code))).await;
        let renewed = server.queue.renew(&Receipt("r".to_owned()), Duration::ZERO).await;
        assert!(matches!(renewed, Err(QueueError::LeaseLost)), "{code}: {renewed:?}");
    }
}

#[tokio::test]
async fn a_pack_travels_as_a_binary_attribute_with_delay_and_group() {
    let server = Server::start(Script::Answer(200, json!({ "Successful": [], "Failed": [] }))).await;
    let message = Outgoing {
        body: Bytes::from_static(b"\0pack"),
        delay: Duration::from_millis(1_001),
        group: Some("us1/7".to_owned()),
    };
    let unnamable = Outgoing { group: Some("no group".to_owned()), delay: Duration::MAX, ..message.clone() };
    server.queue.send(&[message, unnamable]).await;
    let calls = server.calls.lock().await;
    let entries = &calls[0]["Entries"];
    assert_eq!(entries[0]["Id"], "0");
    assert_eq!(
        entries[0]["MessageAttributes"]["pack"],
        json!({ "DataType": "Binary", "BinaryValue": "AHBhY2s=" })
    );
    assert_eq!((&entries[0]["DelaySeconds"], &entries[0]["MessageGroupId"]), (&json!(2), &json!("us1/7")));
    assert_eq!((&entries[1]["DelaySeconds"], &entries[1]["MessageGroupId"]), (&json!(900), &Value::Null));
}

#[tokio::test]
async fn a_message_sent_again_as_text_is_read() {
    let received = |body: &str| json!({ "MessageId": "m", "ReceiptHandle": "r", "Body": body, "Attributes": { "ApproximateReceiveCount": "3", "SentTimestamp": "17" } });
    let answer =
        json!({ "Messages": [received("AHBhY2s="), received("no base64!"), { "MessageId": "no receipt" }] });
    let server = Server::start(Script::Answer(200, answer)).await;
    let messages = server.queue.receive(10, Duration::ZERO, Duration::ZERO).await.unwrap();
    assert_eq!(
        messages.iter().map(|message| &message.body[..]).collect::<Vec<_>>(),
        [&b"\0pack"[..], b"no base64!"]
    );
    assert_eq!((messages[0].receive_count, messages[0].sent_at_ms), (3, 17));
}
