//! What is said at the end: a table for people, an object for programs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::tally::{Counts, Tally};
use crate::load::Percentiles;

/// The quantiles that are told, and what they are called.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// How late this end may be to begin tries, in milliseconds, before that is said.
const LATE_MS: f64 = 5.0;

/// What was asked for, beside what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) rate: f64,
    pub(super) seed: u64,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) tally: Tally,
    /// From the start to the last answer.
    pub(super) took: Duration,
    /// How late this end was to begin tries; unknown after some interruptions.
    pub(super) late: Option<Percentiles>,
    pub(super) interrupted: bool,
}

/// All of it as one object.
pub(super) fn json(ended: &Ended, asked: Asked) -> Value {
    let tally = &ended.tally;
    let kinds: Map<String, Value> =
        rows(tally).into_iter().map(|(label, counts)| (label.to_owned(), row_json(counts))).collect();
    let total = tally.total();
    let violations: BTreeMap<&str, u64> =
        tally.violations.iter().map(|(violation, count)| (violation.label(), *count)).collect();
    let first = tally.shown.iter().map(|shown| {
        json!({ "violation": shown.violation.label(), "kind": shown.kind.label(), "id": shown.id, "status": shown.status })
    });
    json!({
        "seed": asked.seed,
        "rate_per_second": asked.rate,
        "seconds": ended.took.as_secs_f64(),
        "sent_per_second": per_second(total.sent, ended),
        "own_lateness_ms": ended.late,
        "interrupted": ended.interrupted,
        "kinds": kinds,
        "total": row_json(&total),
        "withheld": tally.withheld,
        "held_back": tally.held_back,
        "unfinished": tally.unfinished,
        "faulted": tally.faulted,
        "suspended": tally.suspended,
        "resumed": tally.resumed,
        "no_connection": tally.no_connection,
        "violations": violations,
        "first_violations": first.collect::<Vec<_>>(),
    })
}

/// All of it as a table.
pub(super) fn table(ended: &Ended, asked: Asked, to: &mut impl Write) -> io::Result<()> {
    let tally = &ended.tally;
    let total = tally.total();
    writeln!(
        to,
        "{:16}{:>10}{:>10}{:>9}{:>8}   {:>8}{:>8}{:>8}{:>8}{:>9}{:>9}",
        "KIND", "SENT", "TAKEN", "RETRIED", "LOST", "P50 MS", "P90", "P99", "P99.9", "MAX", ">100 MS"
    )?;
    for (label, counts) in rows(tally).into_iter().chain([("all", &total)]) {
        write!(
            to,
            "{label:16}{:>10}{:>10}{:>9}{:>8}  ",
            counts.sent,
            counts.taken,
            counts.retried,
            counts.lost()
        )?;
        for (place, (_, quantile)) in QUANTILES.iter().enumerate() {
            let width = if place == 4 { 9 } else { 8 };
            write!(
                to,
                " {:>width$.1}",
                quantile_ms(counts, *quantile),
                width = width - usize::from(place > 0)
            )?;
        }
        writeln!(to, " {:>7.2}%", 100.0 * counts.late_share())?;
    }
    writeln!(
        to,
        "{:.1} sent a second, of {:.1} asked for, in {:.1} s; seed {}",
        per_second(total.sent, ended),
        asked.rate,
        ended.took.as_secs_f64(),
        asked.seed
    )?;
    if let Some(late) = ended.late.filter(|late| late.p99 > LATE_MS) {
        writeln!(
            to,
            "this end was late: p99 {:.1} ms, {:.1} ms at most, all of it within the latencies",
            late.p99, late.max
        )?;
    }
    for (label, counts) in rows(tally) {
        for (what, count) in &counts.lost {
            writeln!(to, "lost: {count} {label} ({what})")?;
        }
    }
    rest(tally, to)
}

fn rest(tally: &Tally, to: &mut impl Write) -> io::Result<()> {
    let notes = [
        (tally.faulted, "audience connections faulted"),
        (tally.suspended, "customers suspended"),
        (tally.resumed, "audience connections resumed"),
        (tally.withheld, "messages not sent, as their audiences are faulted"),
        (tally.held_back, "messages not sent, as this end could not keep up"),
        (tally.unfinished, "messages with an unknown end"),
    ];
    for (count, what) in notes.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(to, "{count} {what}")?;
    }
    for (violation, count) in &tally.violations {
        writeln!(to, "against the protocol: {count} answers ({})", violation.label())?;
    }
    for shown in &tally.shown {
        let (violation, kind) = (shown.violation.label(), shown.kind.label());
        writeln!(to, "  {violation}: {kind} {}, answered {}", shown.id, shown.status)?;
    }
    Ok(())
}

/// The kinds that were sent.
fn rows(tally: &Tally) -> Vec<(&'static str, &Counts)> {
    let all = Kind::all().map(Kind::label).zip(&tally.kinds);
    all.filter(|(_, counts)| counts.sent > 0).collect()
}

fn row_json(counts: &Counts) -> Value {
    let latency: Map<String, Value> = QUANTILES
        .iter()
        .map(|(name, quantile)| ((*name).to_owned(), json!(quantile_ms(counts, *quantile))))
        .collect();
    json!({
        "sent": counts.sent,
        "taken": counts.taken,
        "items_taken": counts.items_taken,
        "retried": counts.retried,
        "unanswered_tries": counts.unanswered,
        "lost": counts.lost(),
        "lost_by": counts.lost,
        "latency_ms": latency,
        "share_above_100_ms": counts.late_share(),
    })
}

fn quantile_ms(counts: &Counts, quantile: f64) -> f64 {
    match counts.latency.is_empty() {
        true => 0.0,
        false => counts.latency.value_at_quantile(quantile) as f64 / 1e3,
    }
}

fn per_second(count: u64, ended: &Ended) -> f64 {
    count as f64 / ended.took.as_secs_f64().max(1e-3)
}
