//! The figures as text.

use std::fmt::Write as _;

use super::{
    report::{Overload, Report, Round, Row},
    subject::{Mode, Subject},
};
use crate::load::LoadReport;

const KIB: f64 = 1_024.0;
const MIB: f64 = 1_048_576.0;

/// All parts that were measured.
pub(super) fn of(report: &Report) -> String {
    let machine = &report.machine;
    let mut text = format!(
        "{} cores, {}, Linux {}, {}; load before: {}\n",
        machine.cores, machine.processor, machine.kernel, machine.file_system, machine.load_average
    );
    if machine.unoptimised {
        text.push_str("NOT OPTIMISED: build with --release, these figures mean nothing\n");
    }
    if report.options.quick {
        text.push_str("QUICK: these figures mean nothing\n");
    }
    if !report.comparison.is_empty() {
        section(&mut text, "Each server at one rate", &COMPARISON, report.comparison.iter().map(comparison));
    }
    if !report.full_load.is_empty() {
        let rows = report.full_load.iter().map(comparison);
        section(&mut text, "Each server as fast as it goes", &COMPARISON, rows);
    }
    if !report.latency.is_empty() {
        section(&mut text, "Latency", &LATENCY, report.latency.iter().map(latency));
    }
    if !report.cost.is_empty() {
        section(
            &mut text,
            "Cost on SQS at list price, per million requests",
            &COST,
            report.cost.iter().map(cost),
        );
    }
    if let Some(overload) = &report.overload {
        section(&mut text, &overload_title(overload), &OVERLOAD, overload_rows(overload).into_iter());
        put(
            &mut text,
            format_args!(
                "memory during the overload {:.0} to {:.0} MiB; full speed again after {} s\n",
                mib(overload.resident_least_bytes),
                mib(overload.resident_most_bytes),
                overload.recovered_after_seconds
            ),
        );
    }
    text
}

const COMPARISON: [&str; 15] = [
    "server",
    "taken/s",
    "CPU µs",
    "x bare",
    "in rounds",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "not taken",
    "MiB",
    "peak MiB",
    "KiB/connection",
    "SQS calls",
    "$/million",
    "stolen %",
];

fn comparison(row: &Row) -> Vec<String> {
    let load = &row.load;
    let (ratio, rounds) = match (row.cpu_ratio, row.subject) {
        (_, Subject::Bare) => {
            ("1.00".to_owned(), span(row, |round| Some(round.cpu_us_per_request), 1) + " µs")
        }
        (Some(ratio), _) => (format!("{ratio:.2}"), span(row, |round| round.cpu_ratio, 2)),
        (None, _) => ("-".to_owned(), "-".to_owned()),
    };
    vec![
        row.subject.title().to_owned(),
        format!("{:.0}", load.taken_per_second),
        format!("{:.1}", row.cpu_us_per_request),
        ratio,
        rounds,
        ms(load.latency_ms.p50),
        ms(load.latency_ms.p99),
        ms(load.latency_ms.p999),
        not_taken(row),
        format!("{:.0}", mib(row.resident_after_bytes)),
        format!("{:.0}", mib(row.resident_peak_bytes)),
        format!("{:.0}", row.memory_bytes_per_connection / KIB),
        row.sqs.map_or_else(|| "-".to_owned(), |bill| format!("{:.0}", bill.send_calls_per_million)),
        row.sqs.map_or_else(|| "-".to_owned(), |bill| dollars(bill.usd_per_million)),
        percent(most(row, |round| round.stolen_share)),
    ]
}

const LATENCY: [&str; 13] = [
    "server",
    "mode",
    "rate/s",
    "taken/s",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "in rounds",
    "p99.9 ms",
    "max ms",
    "stall ms",
    "not taken",
    "stolen %",
];

fn latency(row: &Row) -> Vec<String> {
    let load = &row.load;
    vec![
        row.subject.title().to_owned(),
        row.mode.map_or("-", Mode::title).to_owned(),
        format!("{:.0}", row.rate_per_second),
        format!("{:.0}", load.taken_per_second),
        ms(load.latency_ms.p50),
        ms(load.latency_ms.p90),
        ms(load.latency_ms.p99),
        span(row, |round| Some(round.p99_ms), 1),
        ms(load.latency_ms.p999),
        ms(most(row, |round| round.max_ms)),
        ms(most(row, |round| round.stall_ms)),
        not_taken(row),
        percent(most(row, |round| round.stolen_share)),
    ]
}

const COST: [&str; 9] =
    ["mode", "bytes", "rate/s", "taken/s", "in a pack", "bytes each", "sends", "whole way", "p99 ms"];

#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn cost(row: &Row) -> Vec<String> {
    let of_bill =
        |figure: &dyn Fn(&super::report::Bill) -> String| row.sqs.as_ref().map_or_else(String::new, figure);
    vec![
        row.mode.map_or("-", Mode::title).to_owned(),
        row.body_bytes.to_string(),
        format!("{:.0}", row.rate_per_second),
        format!("{:.0}", row.load.taken_per_second),
        of_bill(&|bill| format!("{:.1}", bill.requests_per_message)),
        of_bill(&|bill| format!("{:.0}", bill.counts.payload_bytes as f64 / row.load.taken.max(1) as f64)),
        of_bill(&|bill| dollars(bill.usd_per_million_sends)),
        of_bill(&|bill| dollars(bill.usd_per_million)),
        ms(row.load.latency_ms.p99),
    ]
}

const OVERLOAD: [&str; 9] =
    ["", "asked/s", "taken/s", "p99 ms", "refused", "refused p50 ms", "refused p99 ms", "failed", "sent/s"];

fn overload_title(overload: &Overload) -> String {
    format!(
        "Overload: {}, which holds {:.0}/s; {} connections",
        overload.subject.title(),
        overload.holds_per_second,
        overload.connections
    )
}

fn overload_rows(overload: &Overload) -> [Vec<String>; 3] {
    let row = |name: &str, asked: f64, load: &LoadReport| {
        vec![
            name.to_owned(),
            format!("{asked:.0}"),
            format!("{:.0}", load.taken_per_second),
            ms(load.latency_ms.p99),
            load.refused.to_string(),
            ms(load.refused_ms.p50),
            ms(load.refused_ms.p99),
            missed(load),
            format!("{:.0}", load.sent_per_second),
        ]
    };
    [
        row("before", overload.normal_per_second, &overload.before),
        row("during", overload.offered_per_second, &overload.during),
        row("after", overload.normal_per_second, &overload.after),
    ]
}

/// The most of all rounds.
fn most(row: &Row, figure: impl Fn(&Round) -> f64) -> f64 {
    row.rounds.iter().map(figure).fold(0.0, f64::max)
}

/// Of all rounds together.
fn not_taken(row: &Row) -> String {
    row.rounds.iter().map(Round::not_taken).sum::<u64>().to_string()
}

/// The least and the most of all rounds.
fn span(row: &Row, figure: impl Fn(&Round) -> Option<f64>, digits: usize) -> String {
    let figures = || row.rounds.iter().filter_map(&figure);
    match (figures().min_by(f64::total_cmp), figures().max_by(f64::total_cmp)) {
        (Some(least), Some(most)) => format!("{least:.digits$}-{most:.digits$}"),
        _ => "-".to_owned(),
    }
}

/// Without an answer, or never sent.
fn missed(load: &LoadReport) -> String {
    (load.failed.total() + load.dropped).to_string()
}

fn ms(ms: f64) -> String {
    format!("{ms:.1}")
}

fn dollars(usd: f64) -> String {
    format!("{usd:.4}")
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// A title, and columns as wide as what is in them: the first to the left, the others to the right.
fn section(text: &mut String, title: &str, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    put(text, format_args!("\n{title}\n"));
    for line in lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            match column {
                0 => put(text, format_args!("  {cell:<width$}")),
                _ => put(text, format_args!("  {cell:>width$}")),
            }
        }
        text.push('\n');
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::{Label, tests::measured};

    fn row(subject: Subject, bare_us: Option<f64>) -> Row {
        let label = Label { subject, mode: None, rate_per_second: 1_000.0, body_bytes: 6_144 };
        let rounds = [(50, 7.0), (90, 30.0), (40, 8.0)];
        let rows = rounds.map(|(cpu_ms, p99)| Row::new(label, measured(cpu_ms, p99), bare_us)).to_vec();
        Row::middle(rows, |row| row.cpu_us_per_request)
    }

    fn cell(heads: &[&str], cells: &[String], head: &str) -> String {
        heads.iter().zip(cells).find(|(of, _)| **of == head).map(|(_, cell)| cell.clone()).unwrap()
    }

    #[test]
    fn a_row_tells_the_span_of_its_rounds_the_worst_of_them_and_all_that_was_not_taken() {
        let of = |head: &str| cell(&LATENCY, &latency(&row(Subject::Sqs, None)), head);
        assert_eq!((of("p99 ms"), of("in rounds")), ("7.0".to_owned(), "7.0-30.0".to_owned()));
        assert_eq!(
            (of("max ms"), of("stall ms"), of("not taken")),
            ("30.0".into(), "30.0".into(), "3".into())
        );
    }

    #[test]
    fn a_server_is_told_in_ratios_the_bare_one_in_time_and_one_that_cannot_be_compared_in_neither() {
        let of = |subject, bare_us, head: &str| cell(&COMPARISON, &comparison(&row(subject, bare_us)), head);
        let both = |subject, bare_us| (of(subject, bare_us, "x bare"), of(subject, bare_us, "in rounds"));
        assert_eq!(both(Subject::Bare, None), ("1.00".to_owned(), "40.0-90.0 µs".to_owned()));
        assert_eq!(both(Subject::Sqs, Some(10.0)), ("5.00".to_owned(), "4.00-9.00".to_owned()));
        assert_eq!(both(Subject::Sqs, Some(0.0)), ("-".to_owned(), "-".to_owned()));
        assert_eq!(of(Subject::Sqs, None, "not taken"), "3");
    }
}
