//! A running function, and what it stored.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use penstock_shared::{
    aws::{ClientSettings, sqs_client},
    clock::Clock,
    pack::{Pack, PackedBody, PackedRequest},
    queue::{Queue as _, sqs::SqsQueue},
};
use penstock_testkit::{QueueUrls, aws, emulator, lambda::Answered, lambda_emulator};
use serde_json::Value;
use tempfile::NamedTempFile;

/// A message that is queued. Odd on purpose: what is stored is these bytes, not what they mean.
pub(crate) const EVENTS: &[u8] =
    b" {\"type\" : \"event_processing_request\",\"id\":\"e-1\",\"account\":{\"account_id\":7},\
    \"events\":[{\"event_type\":\"session_start\",\"n\":1.50,\"t\":\"\\ud800 \\u0000\"}] }\n";
/// A verification call.
pub(crate) const NOOP: &[u8] =
    br#"{"type":"event_processing_request","id":"n-1","account":{"account_id":7},"events":[]}"#;
/// What can this integration do?
pub(crate) const REGISTRATION: &[u8] = br#"{"type":"module_registration_request","id":"r-1"}"#;
/// The one token.
pub(crate) const TOKEN: (&str, &str) = ("Authorization", "Token sesame");

/// A process of the function under a name of its own.
pub(crate) struct Function {
    process: Child,
    name: String,
    logs: NamedTempFile,
}

/// Its settings: enough to start with. The budget is that of a busy machine.
pub(crate) fn settings(queues: &QueueUrls) -> Vec<(&'static str, String)> {
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    vec![
        ("PENSTOCK_PARTNER", fixture("partners/sandbox.toml").display().to_string()),
        ("PENSTOCK_TOKENS", "sesame".into()),
        ("PENSTOCK_SQS_MAIN_URL", queues.main.clone()),
        ("PENSTOCK_SQS_RETRY_URL", queues.retry.clone()),
        ("PENSTOCK_SQS_DEAD_URL", queues.dead.clone()),
        ("PENSTOCK_S3_BUCKET", "spill".into()),
        ("PENSTOCK_INGRESS_ANSWER_BUDGET_MS", "8000".into()),
        ("PENSTOCK_INGRESS_SEND_TIMEOUT_MS", "8000".into()),
    ]
}

/// The program, with nothing in its environment but what is given.
pub(crate) fn program(env: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootstrap"));
    command.env_clear().envs(env.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    command
}

impl Function {
    /// One over queues of its own.
    pub(crate) fn start() -> (Self, QueueUrls) {
        let queues = emulator().create_queues("lambda", 20).unwrap();
        (Self::start_with(&settings(&queues), &emulator().env()), queues)
    }

    /// One with these settings, which calls AWS as `aws` says.
    pub(crate) fn start_with(settings: &[(&'static str, String)], aws: &[(&'static str, String)]) -> Self {
        let name = lambda_emulator().function();
        let env = [settings, aws, &lambda_emulator().env(&name)].concat();
        let logs = NamedTempFile::new().unwrap();
        let process = program(&env).stderr(logs.reopen().unwrap()).spawn().unwrap();
        Self { process, name, logs }
    }

    /// Invokes it directly.
    pub(crate) fn invoke(&self, payload: &[u8]) -> Answered {
        lambda_emulator().invoke(&self.name, payload).unwrap()
    }

    /// Calls its URL by POST.
    pub(crate) fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        self.call("POST", headers, body)
    }

    /// Calls its URL.
    pub(crate) fn call(&self, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        lambda_emulator().call_url(&self.name, method, "/in?a=1", headers, body).unwrap()
    }

    /// What it has logged so far.
    pub(crate) fn logs(&self) -> String {
        std::fs::read_to_string(self.logs.path()).unwrap()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        if std::thread::panicking() {
            eprintln!("the function logged:\n{}", self.logs());
        }
    }
}

/// The JSON of an answer.
pub(crate) fn json(answered: &Answered) -> Value {
    serde_json::from_slice(&answered.body)
        .unwrap_or_else(|_| panic!("{:?}", String::from_utf8_lossy(&answered.body)))
}

/// Takes every request off a queue of the emulator.
pub(crate) async fn stored(url: &str) -> Vec<PackedRequest> {
    let client = sqs_client(&aws::config(), &ClientSettings::default(), None);
    let queue = SqsQueue::new(client, url, Clock::following_system(), Default::default());
    let mut requests = Vec::new();
    loop {
        let messages = queue.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
        if messages.is_empty() {
            return requests;
        }
        for message in messages {
            requests.extend(Pack::decode(&message.body).unwrap().requests);
        }
    }
}

/// The bytes of the only request on a queue of the emulator.
pub(crate) async fn only_body(url: &str) -> Vec<u8> {
    let requests = stored(url).await;
    let [PackedRequest { body: PackedBody::Inline(body), .. }] = &requests[..] else {
        panic!("not one inline request: {requests:?}")
    };
    body.to_vec()
}
