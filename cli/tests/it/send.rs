//! `penstock send`.

use std::fs;

use crate::penstock;
use crate::simulate::Running;

#[test]
fn every_message_taken_is_zero_and_any_refused_is_one() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.json", "b.json"] {
        fs::write(folder.path().join(name), "{}").unwrap();
    }
    let folder = folder.path().to_str().unwrap();
    let running = Running::start(&["--kind", "echo", "--fail", "400:first=1"]);
    let send = ["send", "--url", &running.address, "--concurrency", "1", "--json", folder];
    let output = penstock(&send).env("PENSTOCK_TOKENS", "tok-secret,tok-other").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((lines[0]["status"].as_u64(), lines[1]["status"].as_u64()), (Some(400), Some(200)));
    assert!(lines[1]["file"].as_str().unwrap().ends_with("b.json"));

    let output = penstock(&["send", "--url", &running.address, folder]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 3);
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("2 sent: 2 taken"));
}

#[test]
fn a_server_out_of_reach_is_sixty_nine() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    fs::write(&file, "{}").unwrap();
    // Port 1 is reserved; nothing listens on it.
    let send = ["send", "--url", "http://127.0.0.1:1/", "--attempts", "1", file.to_str().unwrap()];
    let output = penstock(&send).env("PENSTOCK_TOKEN", "tok-secret").output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let said = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8(said).unwrap().contains("tok-secret"));
}

#[test]
fn a_message_that_cannot_be_read_is_one_and_none_is_usage() {
    let send = ["send", "--url", "http://127.0.0.1:1/"];
    assert_eq!(penstock(&send).output().unwrap().status.code(), Some(2));
    let absent = [&send[..], &["/nowhere/a.json"]].concat();
    assert_eq!(penstock(&absent).output().unwrap().status.code(), Some(1));
}
