//! Every message of `fixtures/messages`, against what `fixtures/expected.json` says of it.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::harness::Running;

#[tokio::test]
async fn traps_18_to_92_every_sample_message_is_answered_and_kept_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/messages");
    let expected = std::fs::read(folder.join("../expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() > 200);
    let running = Running::start().await;
    let mut wrong = Vec::new();
    for (name, expected) in expected {
        let body = std::fs::read(folder.join(&name)).unwrap();
        let answer = running.post(&body).await;
        let stored = running.stored().await;
        let quarantined = running.quarantined().await;
        let status = expected["status"].as_u64().unwrap();
        let queued = usize::from(expected["queued"].as_bool().unwrap());
        let refused = usize::from(status == 400);
        if (u64::from(answer.status), stored.len(), quarantined.len()) != (status, queued, refused) {
            wrong.push(format!(
                "{name}: {} with {} stored and {} quarantined",
                answer.status,
                stored.len(),
                quarantined.len()
            ));
        }
        for request in stored.iter().chain(&quarantined) {
            assert_eq!(running.bytes(request).await, body, "{name} is not kept byte for byte");
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
