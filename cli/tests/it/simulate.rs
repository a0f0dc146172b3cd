//! `penstock simulate partner`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::penstock;

/// A simulated partner in a process of its own, killed when dropped.
pub(crate) struct Running {
    child: Child,
    /// Its address, from `http://`.
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let start = ["simulate", "partner", "--listen", "127.0.0.1:0", "--json"];
        let mut child = penstock(&[&start, arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { child, address: line["listening"].as_str().unwrap().to_owned() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).unwrap();
    }
}

#[test]
fn a_free_port_is_taken_and_told() {
    let running = Running::start(&["--kind", "echo"]);
    assert!(running.address.starts_with("http://127.0.0.1:"));
    assert!(!running.address.ends_with(":0"));
}

#[test]
fn bad_rules_are_a_usage_error_that_says_what_to_write() {
    for arguments in [
        ["--fail", "503:200%"],
        ["--fail", "down:5%"],
        ["--limit", "0/s"],
        ["--latency", "9..5"],
        ["--kind", "other"],
    ] {
        let output = penstock(&[&["simulate", "partner"], &arguments[..]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(arguments[1]), "{arguments:?}");
    }
    let items = ["simulate", "partner", "--kind", "echo", "--fail", "items:5%"];
    assert_eq!(penstock(&items).output().unwrap().status.code(), Some(2));
}
