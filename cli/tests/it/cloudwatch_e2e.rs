//! The lines for CloudWatch, as a process writes them.

use serde_json::Value;

use crate::pipeline::{Partner, Service, arrive, many_messages, send, webhook};

#[tokio::test]
async fn standard_output_holds_lines_for_cloudwatch_alone_and_they_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("messages");
    std::fs::create_dir(&inbox).unwrap();
    let messages = many_messages(&inbox, 3);
    let partner = Partner::start(&folder.path().join("record.jsonl"), &["--kind", "echo"]);
    let (file, data) = (webhook(folder.path(), &[]), folder.path().join("data"));
    let arguments = ["--partner", &file, "--data-dir", data.to_str().unwrap()];
    let settings = [
        partner.setting(),
        ("PENSTOCK_POD", "eu1".to_owned()),
        ("PENSTOCK_TELEMETRY_CLOUDWATCH_NAMESPACE", "Penstock".to_owned()),
        ("PENSTOCK_TELEMETRY_CLOUDWATCH_EVERY_MS", "1000".to_owned()),
    ];
    let service = Service::start("run", &arguments, &settings).await;
    let files: Vec<String> =
        messages.keys().map(|name| inbox.join(name).to_str().unwrap().to_owned()).collect();
    send(&service, &files).await;
    arrive(&partner, &messages.into_values().flatten().collect()).await;
    service.process.prints("lines of both roles", |lines| (lines.len() >= 2).then_some(())).await;
    let ended = service.stop().await;

    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let sum = |role: &str, name: &str| -> u64 {
        let of_role = lines.iter().filter(|line| line["Role"] == role);
        of_role.map(|line| line[name].as_u64().unwrap_or_else(|| panic!("{name} of {line}"))).sum()
    };
    for line in &lines {
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Penstock");
        assert_eq!(line["Pod"], "eu1");
    }
    assert_eq!((sum("ingress", "Requests"), sum("ingress", "ServerErrors")), (3, 0));
    assert_eq!((sum("worker", "ItemsReceived"), sum("worker", "ItemsDelivered")), (6, 6));
    assert_eq!((sum("worker", "MessagesSettled") > 0, sum("worker", "CallErrors")), (true, 0));
    let last = lines.iter().rfind(|line| line["Role"] == "worker").unwrap();
    assert_eq!((last["ItemsInFlight"].as_f64(), last["ItemsUnaccounted"].as_f64()), (Some(0.0), Some(0.0)));
    let answers = lines.iter().filter_map(|line| line["AnswerSeconds"]["Counts"].as_array()).flatten();
    assert_eq!(answers.map(|count| count.as_u64().unwrap()).sum::<u64>(), 3);
}
