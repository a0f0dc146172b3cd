//! A worker and the ECS agent, each as a process or server of its own.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{Method, Uri},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::pipeline::{Partner, Service, many_messages, send, webhook};
use crate::process::eventually;

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

async fn answer(State(asked): State<Asked>, method: Method, uri: Uri, body: String) -> String {
    let body: Value = serde_json::from_str(&body).unwrap();
    let answer = json!({ "protection": { "ProtectionEnabled": body["ProtectionEnabled"] } });
    asked.lock().unwrap().push((format!("{method} {uri}"), body));
    answer.to_string()
}

#[tokio::test]
async fn a_worker_deep_in_work_is_protected_until_it_is_stopped() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let agent = format!("http://{}/api/task-1", listener.local_addr().unwrap());
    let asked = Asked::default();
    let router = Router::new().fallback(answer).with_state(asked.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });

    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("messages");
    std::fs::create_dir(&inbox).unwrap();
    let messages = many_messages(&inbox, 3);
    let partner =
        Partner::start(&folder.path().join("record.jsonl"), &["--kind", "echo", "--fail", "hang:100%"]);
    let file = webhook(folder.path(), &[("timeout_ms = 10_000", "timeout_ms = 6_000")]);
    let data = folder.path().join("data");
    let settings = [
        partner.setting(),
        ("ECS_AGENT_URI", agent),
        ("PENSTOCK_WORKER_SCALE_IN_PROTECTION", "true".to_owned()),
        ("PENSTOCK_WORKER_SCALE_IN_PROTECTION_ITEMS", "6".to_owned()),
        ("PENSTOCK_WORKER_DRAIN_DEADLINE_MS", "1000".to_owned()),
    ];
    let arguments = ["--partner", &file, "--data-dir", data.to_str().unwrap()];
    let service = Service::start("run", &arguments, &settings).await;
    let files: Vec<String> =
        messages.keys().map(|name| inbox.join(name).to_str().unwrap().to_owned()).collect();
    assert!(asked.lock().unwrap().is_empty(), "it has nothing to do");
    send(&service, &files).await;
    eventually("a word to the agent", async || match asked.lock().unwrap().len() {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    })
    .await;
    service.stop().await;
    let path = "PUT /api/task-1/task-protection/v1/state".to_owned();
    assert_eq!(
        *asked.lock().unwrap(),
        [
            (path.clone(), json!({ "ProtectionEnabled": true, "ExpiresInMinutes": 3 })),
            (path, json!({ "ProtectionEnabled": false })),
        ]
    );
}

#[tokio::test]
async fn without_an_agent_a_worker_says_so_once_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (webhook(folder.path(), &[]), folder.path().join("data"));
    let arguments = ["--partner", &file, "--data-dir", data.to_str().unwrap()];
    let settings = [("PENSTOCK_WORKER_SCALE_IN_PROTECTION", "true".to_owned())];
    for (role, lines) in [("run", 1), ("ingress", 0)] {
        let service = Service::start(role, &arguments, &settings).await;
        let said = service.stop().await.stderr;
        assert_eq!(
            said.matches("worker.scale_in_protection is off: there is no ECS_AGENT_URI").count(),
            lines,
            "{said}"
        );
    }
}
