//! What an operator types first: check, preview, run with something missing, completions.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::pipeline::{API_KEY, Partner, Service, TOKEN, fixture, get, webhook};
use crate::process::{Process, run};

/// A file of the sandbox's with three mistakes: the kinds of value, of word and of expression.
fn wrong_partner(folder: &Path) -> String {
    let mut text = std::fs::read_to_string(fixture("partners/sandbox.toml")).unwrap();
    for (right, wrong) in [
        ("concurrency = 32\n", "concurrency = \"many\"\n"),
        ("takes = \"profile\"", "takes = \"profil\""),
        ("at = \"event.timestamp_ms | iso8601\"", "at = \"event.timestamp_ms | | iso8601\""),
    ] {
        assert!(text.contains(right), "{right}");
        text = text.replacen(right, wrong, 1);
    }
    let path = folder.join("wrong.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn check_takes_right_files_and_lists_every_mistake_of_a_wrong_one_with_its_place() {
    for name in ["sandbox", "webhook", "iterable"] {
        let ended = run(&["check", &fixture(&format!("partners/{name}.toml"))], &[]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.contains(" is right: "), "{}", ended.stdout);
        assert!(ended.stderr.is_empty(), "{}", ended.stderr);
    }
    let folder = tempfile::tempdir().unwrap();
    let wrong = wrong_partner(folder.path());
    let ended = run(&["check", &wrong], &[]).await;
    assert_eq!(ended.code, Some(78));
    let text = std::fs::read_to_string(&wrong).unwrap();
    for mistake in ["\"many\"", "\"profil\"", "| | iso8601"] {
        let line = text.lines().position(|line| line.contains(mistake)).unwrap() + 1;
        let place = format!("{wrong}:{line}:");
        let told = ended.stderr.lines().find(|told| told.starts_with(&place));
        let told = told.unwrap_or_else(|| panic!("nothing of {place}\n{}", ended.stderr));
        assert!(told[place.len()..].starts_with(|c: char| c.is_ascii_digit()), "{told}");
    }
    assert!(ended.stderr.ends_with("has 3 mistakes"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
}

#[tokio::test]
async fn an_empty_variable_counts_as_not_given() {
    let names = ["CONFIG", "PARTNER", "QUEUE", "STORE", "ADMIN", "INGRESS_LISTEN", "DATA_DIR", "NO_AUTH"];
    let names = names.map(|name| format!("PENSTOCK_{name}"));
    let empty = names.each_ref().map(|name| (name.as_str(), String::new()));
    let ended = run(&["ingress"], &empty).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("error: no partner.toml given"), "{}", ended.stderr);
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("none");
    let ended = run(&["dead-letters", "--data-dir", data_dir.to_str().unwrap(), "list"], &empty).await;
    assert_ne!(ended.code, Some(2), "{}", ended.stderr);
}

/// A file of the webhook's with this partner identity, or none.
fn with_identity(folder: &Path, name: Option<&str>) -> String {
    let text = std::fs::read_to_string(fixture("partners/webhook.toml")).unwrap();
    let identity = name.map(|name| {
        format!(
            "[registration.permissions]\npartner_identities = [{{ type = \"{name}\", encoding = \"raw\" }}]"
        )
    });
    let changed = text.replacen(
        "[registration.permissions]",
        identity.as_deref().unwrap_or("[registration.permissions]"),
        1,
    );
    assert_eq!(changed == text, name.is_none());
    let path = folder.join(format!("{}.toml", name.unwrap_or("none")));
    std::fs::write(&path, changed).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn trap_94_check_refuses_a_file_that_renames_or_removes_the_partner_identity() {
    let folder = tempfile::tempdir().unwrap();
    let [none, ours, theirs] =
        [None, Some("sandbox_id"), Some("other_id")].map(|name| with_identity(folder.path(), name));
    for (now, before, mistake) in [
        (&ours, &none, None),
        (&ours, &ours, None),
        (&theirs, &ours, Some("renamed to `other_id`")),
        (&none, &ours, Some("removed")),
    ] {
        let ended = run(&["check", now, "--before", before], &[]).await;
        assert_eq!(ended.code, Some(if mistake.is_some() { 78 } else { 0 }), "{}", ended.stderr);
        if let Some(mistake) = mistake {
            assert!(ended.stderr.starts_with(&format!("{now}: ")), "{}", ended.stderr);
            assert!(
                ended.stderr.contains("`sandbox_id`") && ended.stderr.contains(mistake),
                "{}",
                ended.stderr
            );
            assert!(ended.stdout.is_empty(), "{}", ended.stdout);
        }
    }
    let absent = run(&["check", &ours, "--before", "/nowhere/partner.toml"], &[]).await;
    assert_eq!(absent.code, Some(78), "{}", absent.stderr);
}

#[tokio::test]
async fn trap_94_ingress_does_not_start_with_a_file_that_renames_or_removes_the_partner_identity() {
    let folder = tempfile::tempdir().unwrap();
    let [none, ours, theirs] =
        [None, Some("sandbox_id"), Some("other_id")].map(|name| with_identity(folder.path(), name));
    // What is let through fails at the next step: there can be no such folder.
    let start = async |role: &str, now: &str, before: &str| {
        let arguments = [role, "--partner", now, "--data-dir", "/dev/null/data", "--admin", "127.0.0.1:0"];
        run(&arguments, &[("PENSTOCK_REGISTRATION_BEFORE", before.to_owned())]).await
    };
    for role in ["run", "ingress"] {
        for (now, mistake) in [(&theirs, "renamed to `other_id`"), (&none, "removed")] {
            let ended = start(role, now, &ours).await;
            assert_eq!(ended.code, Some(78), "{}", ended.stderr);
            let said = ended.stderr.contains("`sandbox_id`") && ended.stderr.contains(mistake);
            assert!(said && ended.stderr.contains(&format!("{now} can't follow {ours}")), "{}", ended.stderr);
        }
        for before in [&ours, &none] {
            let ended = start(role, &ours, before).await;
            assert_eq!(ended.code, Some(69), "{}", ended.stderr);
        }
        let absent = start(role, &ours, "/nowhere/partner.toml").await;
        assert_eq!(absent.code, Some(78), "{}", absent.stderr);
        assert!(absent.stderr.contains("/nowhere/partner.toml"), "{}", absent.stderr);
    }
    // A worker answers no registration request.
    assert_eq!(start("worker", &theirs, &ours).await.code, Some(69));
}

#[tokio::test]
async fn preview_shows_the_calls_of_a_service_with_another_base_url() {
    let iterable = fixture("partners/iterable.toml");
    let message = fixture("messages/events-android.json");
    let preview = ["preview", "--partner", &iterable, &message];
    let elsewhere = "http://127.0.0.1:9099/base".to_owned();
    let flag = [&preview[..], &["--partner-url", &elsewhere]].concat();
    for ended in [run(&preview, &[("PENSTOCK_PARTNER_URL", elsewhere.clone())]).await, run(&flag, &[]).await]
    {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let url = format!("\"url\":\"{elsewhere}/api/");
        let calls: Vec<&str> = ended.stdout.lines().filter(|line| line.contains("\"call\"")).collect();
        assert!(!calls.is_empty() && calls.iter().all(|call| call.contains(&url)), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn preview_sends_nothing_and_masks_secrets_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let partner = Partner::start(&folder.path().join("record.jsonl"), &["--kind", "echo"]);
    let here = format!("base_url = \"{}\"\nallow_private_addresses = true", partner.url());
    let webhook = webhook(folder.path(), &[("base_url = \"https://hooks.example.com/mparticle\"", &here)]);
    let messages = fixture("messages");
    for partner_file in [&webhook, &fixture("partners/sandbox.toml"), &fixture("partners/iterable.toml")] {
        let ended = run(&["preview", "--partner", partner_file, &messages], &[]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stdout.contains(API_KEY) && !ended.stderr.contains(API_KEY), "{partner_file}");
        assert!(ended.stdout.contains("[redacted]"));
        let lines: Vec<Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let calls: Vec<&Value> = lines.iter().filter_map(|line| line.get("call")).collect();
        assert!(!calls.is_empty());
        for call in calls {
            assert!(call["url"].as_str().unwrap().starts_with("http"), "{call}");
            assert!(call["headers"].is_object() && !call["items"].as_array().unwrap().is_empty(), "{call}");
        }
    }
    assert_eq!(partner.stats().await["requests"], 0);
}

#[tokio::test]
async fn without_tokens_data_is_answered_503_and_the_log_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let sandbox = fixture("partners/sandbox.toml");
    let arguments = ["--partner", &sandbox, "--data-dir", data.to_str().unwrap()];
    let none = [("PENSTOCK_TOKENS", String::new())];
    let message = fixture("messages/events-alexa.json");
    let service = Service::start("run", &arguments, &none).await;
    let said = |line: &str| (line.contains("ERROR") && line.contains("no token")).then_some(());
    service.process.says("that tokens are missing", said).await;
    let send = ["send", "--url", &service.ingress, "--token", TOKEN, "--attempts", "1", "--json", &message];
    let ended = run(&send, &[]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("\"status\":503"), "{}", ended.stdout);
    assert!(get(&format!("{}/readyz", service.admin)).await.contains("\"ready\":false"));
    service.stop().await;

    let open = Service::start("run", &[&arguments[..], &["--no-auth"]].concat(), &[]).await;
    let ended = run(&["send", "--url", &open.ingress, &message], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(open.process.said().contains("everyone who reaches this address"));
    open.stop().await;
}

#[tokio::test]
async fn wrong_settings_are_seventy_eight_with_every_mistake() {
    let settings = [
        ("PENSTOCK_POD", "Not A Pod".to_owned()),
        ("PENSTOCK_WORKER_LEASE_MS", "soon".to_owned()),
        ("PENSTOCK_PARTNER_URL", "nowhere".to_owned()),
        ("PENSTOCK_STORE", "dynamodb".to_owned()),
        ("PENSTOCK_TOKENS", TOKEN.to_owned()),
    ];
    let sandbox = fixture("partners/sandbox.toml");
    let ended = run(&["run", "--partner", &sandbox, "--queue", "kafka", "--no-auth"], &settings).await;
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    for mistake in
        ["PENSTOCK_POD", "worker.lease_ms", "PENSTOCK_PARTNER_URL", "dynamodb.table", "kafka", "no_auth"]
    {
        assert!(ended.stderr.contains(mistake), "{mistake} is missing:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains(TOKEN));

    let absent = run(&["run", "--partner", "/nowhere/partner.toml"], &[]).await;
    assert_eq!(absent.code, Some(78), "{}", absent.stderr);
    let absent = run(&["run", "--partner", &sandbox, "--config", "/nowhere/penstock.toml"], &[]).await;
    assert_eq!(absent.code, Some(78), "{}", absent.stderr);
}

#[tokio::test]
async fn what_a_service_needs_of_its_machine_and_cannot_have_is_sixty_nine() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = fixture("partners/sandbox.toml");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below_a_file = file.join("data");
    let free = ["run", "--partner", &sandbox, "--admin", "127.0.0.1:0", "--data-dir"];
    let data_dir = [below_a_file.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let ended = run(&[&free[..], &data_dir].concat(), &[]).await;
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains(data_dir[0]), "{}", ended.stderr);

    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().join("data");
    let ended = run(&[&free[..], &[data.to_str().unwrap(), "--listen", &address]].concat(), &[]).await;
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    let said = format!("error: cannot listen on {address}; give another with --listen: ");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
}

#[tokio::test]
async fn usage_mistakes_are_two() {
    for arguments in [
        &["run", "--nope"][..],
        &["run"],
        &["nope"],
        &["check"],
        &["preview", "--partner", "p.toml"],
        &["dead-letters"],
        &["demo", "--timeout", "0"],
    ] {
        let ended = run(arguments, &[]).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn completions_are_there_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = run(&["completions", shell], &[]).await;
        assert_eq!(ended.code, Some(0), "{shell}");
        assert!(ended.stdout.contains("penstock") && ended.stdout.contains("dead-letters"), "{shell}");
    }
}

/// The binary on a terminal, which `script` plays.
async fn on_a_terminal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let line = [&[env!("CARGO_BIN_EXE_penstock")], arguments].concat().join(" ");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env_clear().env("TERM", "xterm").env("SHELL", "/bin/sh");
    command.envs(environment.iter().copied());
    Process::spawn(command).ended().await.stdout
}

#[tokio::test]
async fn no_color_keeps_escape_codes_off_the_terminal() {
    let sandbox = fixture("partners/sandbox.toml");
    // Logs a line, then ends: there is no such folder.
    let run = ["run", "--partner", &sandbox, "--data-dir", "/dev/null/data", "--admin", "127.0.0.1:0"];
    for arguments in [&run[..], &["run", "--nope"]] {
        assert!(
            on_a_terminal(arguments, &[]).await.contains('\u{1b}'),
            "{arguments:?} has no colours to take"
        );
        let plain = on_a_terminal(arguments, &[("NO_COLOR", "1")]).await;
        assert!(!plain.is_empty() && !plain.contains('\u{1b}'), "{plain:?}");
    }
}
