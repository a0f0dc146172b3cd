//! Every fixture, through a running ingress and through `preview`, against `fixtures/expected.json`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::pipeline::{Service, TOKEN, fixture, statuses, webhook};
use crate::process::run;

/// What to expect of the files of one folder, by their names.
fn expected(folder: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(fixture("expected.json")).unwrap();
    let all: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let of_folder = all.into_iter().filter_map(|(path, expected)| {
        let (place, name) = path.rsplit_once('/').unwrap_or(("", &path));
        (place == folder).then(|| (name.to_owned(), expected))
    });
    of_folder.collect()
}

fn messages(folder: &str) -> String {
    fixture(&format!("messages/{folder}"))
}

#[tokio::test]
async fn every_fixture_is_answered_as_expected() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--partner", &fixture("partners/sandbox.toml"), "--data-dir", data.to_str().unwrap()];
    let ingress = Service::start("ingress", &arguments, &[]).await;
    for (place, code) in [("", 0), ("odd", 0), ("refused", 1)] {
        let send = ["send", "--url", &ingress.ingress, "--token", TOKEN, "--json", &messages(place)];
        let ended = run(&send, &[]).await;
        assert_eq!(ended.code, Some(code), "{place}: {}", ended.stderr);
        let expected: BTreeMap<String, Option<u64>> =
            expected(place).into_iter().map(|(name, expected)| (name, expected["status"].as_u64())).collect();
        assert_eq!(statuses(&ended), expected, "{place}");
    }
    ingress.stop().await;
}

#[tokio::test]
async fn every_item_of_every_fixture_is_in_a_call_or_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let webhook = webhook(folder.path(), &[]);
    for place in ["", "odd"] {
        let expected: BTreeMap<String, u64> = expected(place)
            .into_iter()
            .filter_map(|(name, expected)| Some((name, expected["items"].as_u64()?)))
            .filter(|(_, items)| *items > 0)
            .collect();
        let ended = run(&["preview", "--partner", &webhook, &messages(place)], &[]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let found = items(&ended.stdout);
        let differ: Vec<_> = expected
            .keys()
            .chain(found.keys())
            .filter(|name| expected.get(*name) != found.get(*name))
            .map(|name| (name, expected.get(name), found.get(name)))
            .collect();
        assert!(differ.is_empty(), "{place}: (file, expected, found): {differ:#?}");
    }
}

/// Items by file. The webhook takes profiles, so user data beside events is one item more than the fixtures' own count:
/// it is left out.
fn items(preview: &str) -> BTreeMap<String, u64> {
    let mut origins: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |origin: &Value| {
        let (_, name) = origin["message"].as_str().unwrap().rsplit_once('/').unwrap();
        origins.entry(name.to_owned()).or_default().push(origin["item"].as_str().unwrap().to_owned());
    };
    for line in preview.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line.get("call") {
            Some(call) => call["items"].as_array().unwrap().iter().for_each(&mut add),
            None => add(&line["unsent"]),
        }
    }
    let counted = origins.into_iter().map(|(name, items)| {
        let beside = items.len() > 1 && items.iter().any(|item| item == "p");
        (name, (items.len() - usize::from(beside)) as u64)
    });
    counted.collect()
}
