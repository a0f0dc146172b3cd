//! What a run found, as it is printed and written as JSON.

use penstock_shared::queue::meter::DOLLARS_PER_MILLION;
use serde::Serialize;

use super::{
    machine::Machine,
    measure::Measured,
    serve::sqs::Counts,
    subject::{Mode, Subject},
};
use crate::load::LoadReport;

/// Messages deleted by one call.
const DELETES_PER_CALL: f64 = 10.0;

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) options: Options,
    /// Each server at one rate.
    pub(super) comparison: Vec<Row>,
    /// Each server in a closed loop, as fast as it goes.
    pub(super) full_load: Vec<Row>,
    /// Ingress in each mode, on an SQS that takes 15 ms.
    pub(super) latency: Vec<Row>,
    /// The same, by rate and size of body.
    pub(super) cost: Vec<Row>,
    /// More than it can hold; `None` when it was not asked for.
    pub(super) overload: Option<Overload>,
}

/// How the run was made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Options {
    pub(super) seconds: f64,
    pub(super) rate_per_second: f64,
    pub(super) connections: usize,
    pub(super) bodies: usize,
    pub(super) seed: u64,
    /// Too short and too small to say anything.
    pub(super) quick: bool,
}

/// What a load is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) subject: Subject,
    pub(super) mode: Option<Mode>,
    pub(super) rate_per_second: f64,
    pub(super) body_bytes: usize,
}

/// What was measured under one load: of several measurements the middle one, and all of them in short.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) subject: Subject,
    pub(super) mode: Option<Mode>,
    /// Asked of the load.
    pub(super) rate_per_second: f64,
    /// The mean length of a body.
    pub(super) body_bytes: usize,
    /// Of the server, for each answer.
    pub(super) cpu_us_per_request: f64,
    /// Against the bare server of the same round; `None` where that took too little to be counted.
    pub(super) cpu_ratio: Option<f64>,
    /// The share of the processors' time that the host gave to other guests meanwhile.
    pub(super) stolen_share: f64,
    /// Each measurement of this; the other figures are of the middle one.
    pub(super) rounds: Vec<Round>,
    /// What the server held before it was asked anything.
    pub(super) resident_idle_bytes: u64,
    pub(super) resident_before_bytes: u64,
    pub(super) resident_after_bytes: u64,
    pub(super) resident_peak_bytes: u64,
    /// What the server held more at its peak than before it was asked anything, for each connection.
    pub(super) memory_bytes_per_connection: f64,
    pub(super) sqs: Option<Bill>,
    pub(super) load: LoadReport,
}

/// One of several measurements of the same, in short.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Round {
    pub(super) taken_per_second: f64,
    pub(super) cpu_us_per_request: f64,
    /// Against the bare server of the same round.
    pub(super) cpu_ratio: Option<f64>,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
    pub(super) refused: u64,
    pub(super) failed: u64,
    /// Not sent in time.
    pub(super) dropped: u64,
    pub(super) stolen_share: f64,
    /// The longest that a thread which only sleeps was not woken.
    pub(super) stall_ms: f64,
}

/// What SQS would bill.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Bill {
    pub(super) counts: Counts,
    /// Calls that a million requests taken are sent by.
    pub(super) send_calls_per_million: f64,
    /// Requests taken for each message on the queue.
    pub(super) requests_per_message: f64,
    /// The sends of a million requests taken.
    pub(super) usd_per_million_sends: f64,
    /// Their sends, receives and deletes: each message received by itself, ten deleted by a call.
    pub(super) usd_per_million: f64,
}

/// Before, during and after three times the load that a server can hold.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Overload {
    pub(super) subject: Subject,
    pub(super) connections: usize,
    /// What the server holds.
    pub(super) holds_per_second: f64,
    /// Asked of the load; what it made is in `during`.
    pub(super) offered_per_second: f64,
    /// Least and most during the overload.
    pub(super) resident_least_bytes: u64,
    pub(super) resident_most_bytes: u64,
    /// Rate before and after.
    pub(super) normal_per_second: f64,
    /// Seconds after the overload until 95 of 100 were taken again.
    pub(super) recovered_after_seconds: usize,
    pub(super) before: LoadReport,
    pub(super) during: LoadReport,
    pub(super) after: LoadReport,
}

impl Round {
    /// Refused, failed, or not sent in time.
    pub(super) fn not_taken(&self) -> u64 {
        self.refused + self.failed + self.dropped
    }
}

impl Row {
    /// Reads a measurement. `bare_us` is the processor time of the bare server for each answer.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn new(label: Label, measured: Measured, bare_us: Option<f64>) -> Self {
        let answers = measured.load.taken + measured.load.refused;
        let cpu_us_per_request = measured.cpu.as_secs_f64() * 1e6 / answers.max(1) as f64;
        let grown = measured.after.peak_bytes.saturating_sub(measured.idle.resident_bytes);
        let cpu_ratio = bare_us.filter(|bare| *bare > 0.0).map(|bare| cpu_us_per_request / bare);
        let load = &measured.load;
        let round = Round {
            taken_per_second: load.taken_per_second,
            cpu_us_per_request,
            cpu_ratio,
            p50_ms: load.latency_ms.p50,
            p99_ms: load.latency_ms.p99,
            p999_ms: load.latency_ms.p999,
            max_ms: load.latency_ms.max,
            refused: load.refused,
            failed: load.failed.total(),
            dropped: load.dropped,
            stolen_share: measured.stolen_share,
            stall_ms: measured.stall.as_secs_f64() * 1e3,
        };
        Self {
            subject: label.subject,
            mode: label.mode,
            rate_per_second: label.rate_per_second,
            body_bytes: label.body_bytes,
            cpu_us_per_request,
            cpu_ratio,
            stolen_share: measured.stolen_share,
            rounds: vec![round],
            resident_idle_bytes: measured.idle.resident_bytes,
            resident_before_bytes: measured.before.resident_bytes,
            resident_after_bytes: measured.after.resident_bytes,
            resident_peak_bytes: measured.after.peak_bytes,
            memory_bytes_per_connection: grown as f64 / measured.connections.max(1) as f64,
            sqs: measured.sqs.map(|counts| Bill::new(counts, measured.load.taken)),
            load: measured.load,
        }
    }

    /// Of several measurements of the same, at least one, the middle one by `figure`, which knows of all, and of the most
    /// memory.
    pub(super) fn middle(mut rows: Vec<Self>, figure: impl Fn(&Self) -> f64) -> Self {
        let rounds = rows.iter().flat_map(|row| row.rounds.clone()).collect();
        let last = rows.last().map(|row| (row.resident_peak_bytes, row.memory_bytes_per_connection));
        rows.sort_by(|one, other| figure(one).total_cmp(&figure(other)));
        let mut row = rows.swap_remove(rows.len() / 2);
        row.rounds = rounds;
        if let Some(last) = last {
            // A peak never falls: the last one is of all rounds.
            (row.resident_peak_bytes, row.memory_bytes_per_connection) = last;
        }
        row
    }
}

impl Bill {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn new(counts: Counts, taken: u64) -> Self {
        let taken = taken.max(1) as f64;
        let dollars = |requests: f64| DOLLARS_PER_MILLION * requests / taken;
        let sends = counts.billed_sends as f64;
        let deletes = counts.messages as f64 / DELETES_PER_CALL;
        Self {
            counts,
            send_calls_per_million: counts.send_calls as f64 * 1e6 / taken,
            requests_per_message: taken / counts.messages.max(1) as f64,
            usd_per_million_sends: dollars(sends),
            usd_per_million: dollars(sends + counts.billed_receives as f64 + deletes),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{bench::usage::Memory, load::Percentiles};

    /// One with a thousand answers taken and one refused, of which the latest came, and the longest stall was, at p99.
    pub(in crate::bench) fn measured(cpu_ms: u64, p99: f64) -> Measured {
        let latency_ms = Percentiles { p99, max: p99, ..Percentiles::default() };
        let memory = |resident_bytes| Memory { resident_bytes, peak_bytes: resident_bytes };
        Measured {
            load: LoadReport { taken: 999, refused: 1, latency_ms, ..LoadReport::default() },
            cpu: Duration::from_millis(cpu_ms),
            stolen_share: 0.0,
            stall: Duration::from_secs_f64(p99 / 1e3),
            idle: memory(1_000),
            connections: 8,
            before: memory(2_000),
            after: memory(9_000),
            resident_bytes: Vec::new(),
            sqs: None,
        }
    }

    #[test]
    fn the_middle_of_several_rounds_counts_and_knows_of_all_in_their_order() {
        let label = Label { subject: Subject::Sqs, mode: None, rate_per_second: 1_000.0, body_bytes: 6_144 };
        let rows = |bare_us| {
            let rounds = [(50, 7.0), (90, 30.0), (40, 8.0), (60, 9.0), (45, 6.0)];
            rounds.map(|(cpu_ms, p99)| Row::new(label, measured(cpu_ms, p99), bare_us)).to_vec()
        };
        let by_ratio = Row::middle(rows(Some(10.0)), |row| row.cpu_ratio.unwrap_or_default());
        assert_eq!((by_ratio.cpu_ratio, by_ratio.load.latency_ms.p99), (Some(5.0), 7.0));
        let ratios: Vec<_> = by_ratio.rounds.iter().filter_map(|round| round.cpu_ratio).collect();
        assert_eq!(ratios, [5.0, 9.0, 4.0, 6.0, 4.5]);
        let by_p99 = Row::middle(rows(None), |row| row.load.latency_ms.p99);
        assert_eq!((by_p99.cpu_ratio, by_p99.cpu_us_per_request), (None, 40.0));
    }

    #[test]
    fn a_bare_server_that_took_too_little_to_be_counted_is_no_measure() {
        let label = Label { subject: Subject::Sqs, mode: None, rate_per_second: 1_000.0, body_bytes: 6_144 };
        assert_eq!(Row::new(label, measured(50, 7.0), Some(0.0)).cpu_ratio, None);
    }

    #[test]
    fn memory_counts_from_before_the_first_request_and_for_each_connection() {
        let label = Label { subject: Subject::Bare, mode: None, rate_per_second: 1.0, body_bytes: 1 };
        assert_eq!(Row::new(label, measured(1, 1.0), None).memory_bytes_per_connection, 1_000.0);
    }

    #[test]
    fn a_million_requests_cost_their_share_of_sends_receives_and_deletes() {
        let counts = Counts {
            send_calls: 10,
            messages: 20,
            payload_bytes: 2_000_000,
            billed_sends: 40,
            billed_receives: 50,
            other_calls: 3,
        };
        let bill = Bill::new(counts, 1_000);
        let near = |value: f64, expected: f64| (value - expected).abs() < 1e-12;
        assert!(near(bill.requests_per_message, 50.0));
        assert!(near(bill.send_calls_per_million, 10_000.0));
        // 40 billed requests for 1,000 are 40,000 for a million, at 40 cents a million.
        assert!(near(bill.usd_per_million_sends, 0.016));
        assert!(near(bill.usd_per_million, 0.40 * (40.0 + 50.0 + 2.0) / 1_000.0));
    }
}
