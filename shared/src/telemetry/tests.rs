use std::collections::BTreeSet;

use super::*;

#[test]
fn the_docs_list_every_metric_with_its_labels() {
    let docs = include_str!("../../../docs/telemetry.md");
    let listed: Vec<&str> = docs.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = METRICS
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric
                .labels
                .iter()
                .map(|label| format!("`{}`: {}", label.name, label.words.join(", ")))
                .collect();
            format!(
                "| `{}` | {} | {} | {} |",
                metric.name,
                metric.kind.word(),
                labels.join("; "),
                metric.help
            )
        })
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn names_are_unique_and_counters_end_in_total() {
    let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for metric in METRICS {
        assert_eq!(matches!(metric.kind, Kind::Counter), metric.name.ends_with("_total"), "{}", metric.name);
        assert!(metric.labels.iter().all(|label| !label.words.is_empty()), "{}", metric.name);
    }
}

#[test]
fn what_is_emitted_is_rendered_under_its_words() {
    let (recorder, handle) = local_recorder();
    let (ingress, queues) =
        metrics::with_local_recorder(&recorder, || (IngressMetrics::new(), QueueMetrics::new()));
    ingress.requests.of(["events", "200"]).increment(3);
    ingress.requests.of(["no such kind", "503"]).increment(1);
    ingress.answer_duration.of(["events"]).record(0.095);
    queues.depth.of(["retry", "leased"]).set(7.0);
    let text = handle.render();
    for line in [
        "ingress_requests_total{kind=\"events\",status=\"200\"} 3",
        "ingress_requests_total{kind=\"unsorted\",status=\"503\"} 1",
        "ingress_answer_duration_seconds_bucket{kind=\"events\",le=\"0.1\"} 1",
        "ingress_answer_duration_seconds_bucket{kind=\"events\",le=\"0.09\"} 0",
        "queue_depth{queue=\"retry\",state=\"leased\"} 7",
    ] {
        assert!(text.lines().any(|rendered| rendered == line), "{line} is not in\n{text}");
    }
}

#[test]
fn all_handles_can_be_made_without_a_recorder() {
    WorkerMetrics::new().items.of(["delivered"]).increment(1);
}
