//! `penstock bench ingress`, with numbers too small to mean anything.

use serde_json::Value;

use crate::process::run;

#[tokio::test]
async fn every_part_of_the_bench_has_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let arguments = ["bench", "ingress", "--quick", "--seconds", "0.2", "--json", json.to_str().unwrap()];
    let ended = run(&arguments, &[]).await;
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);

    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let rows = |part: &str| report[part].as_array().unwrap().clone();
    let subjects: Vec<_> = rows("comparison").iter().map(|row| row["subject"].clone()).collect();
    assert_eq!(subjects, ["bare", "embedded", "sqs", "sqs_15ms", "naive"]);
    assert_eq!(rows("full_load").len(), subjects.len());
    assert_eq!((rows("latency").len(), rows("cost").len()), (7, 8));
    for row in ["comparison", "full_load", "latency", "cost"].into_iter().flat_map(rows) {
        assert!(row["load"]["taken"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(row["load"]["failed"]["connect"], 0, "{row}");
        let on_sqs = row["subject"].as_str().unwrap() != "bare" && row["subject"] != "embedded";
        assert_eq!(row["sqs"].is_object(), on_sqs, "{row}");
        if on_sqs {
            assert!(row["sqs"]["usd_per_million"].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    assert!(report["overload"]["after"]["taken"].as_u64().unwrap() > 0, "{report}");
    for (part, rounds) in [("comparison", 2), ("full_load", 2), ("latency", 2), ("cost", 1)] {
        assert!(rows(part).iter().all(|row| row["rounds"].as_array().unwrap().len() == rounds), "{part}");
    }

    for line in [
        "ingress, embedded queue",
        "one SendMessage a request",
        "thrift",
        "during",
        "QUICK",
        "stall ms",
        "SQS calls",
    ] {
        assert!(ended.stdout.contains(line), "{line} is not in:\n{}", ended.stdout);
    }
}

#[tokio::test]
async fn one_part_can_be_measured_alone_and_printed_as_json() {
    let arguments =
        ["bench", "ingress", "--quick", "--seconds", "0.1", "--only", "comparison", "--json", "-"];
    let ended = run(&arguments, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["comparison"].as_array().unwrap().len(), 5);
    assert!(report["overload"].is_null() && report["cost"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn one_server_can_be_compared_alone_with_the_bare_one() {
    let arguments = ["bench", "ingress", "--quick", "--seconds", "0.1", "--json", "-"];
    let ended = run(&[&arguments[..], &["--server", "sqs-15ms"]].concat(), &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let subjects: Vec<_> =
        report["comparison"].as_array().unwrap().iter().map(|row| &row["subject"]).collect();
    assert_eq!(subjects, ["bare", "sqs_15ms"]);
    assert!(report["latency"].as_array().unwrap().is_empty());
}
