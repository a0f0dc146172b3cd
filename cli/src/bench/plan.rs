//! Which loads are put on which servers, one after the other.

use std::{sync::Arc, time::Duration};

use super::{
    bodies,
    ingress::IngressArgs,
    machine,
    measure::{Bodies, Measured, measure},
    report::{Label, Options, Row},
    subject::{Mode, Place, Running, Subject},
};
use crate::load::{LoadReport, Pace, poisson};

/// Bodies of the comparison and of the latencies, in bytes.
const LARGE_BYTES: usize = 6 * 1_024;
/// Bodies of the costs besides, in bytes.
const SMALL_BYTES: usize = 2 * 1_024;
/// mParticle's average and peak, in requests a second.
const AVERAGE: f64 = 2_000.0;
const PEAK: f64 = 10_000.0;
/// What a server is asked to hold for long, as a share of what it can, and at busy times.
pub(super) const COMFORT: f64 = 0.6;
const BUSY: f64 = 0.8;
/// How long a load settles before it is measured, as a share of a measurement.
const SETTLING: f64 = 0.125;
/// A load is held when so many of 1,000 requests at most are not taken, and as few of the others not within what mParticle
/// allows.
const NOT_TAKEN_PER_MILLE: u64 = 1;
const ANSWER_MS: f64 = 100.0;
/// What is asked next when a load was not held, and how often at most.
const LESS: f64 = 0.9;
const TRIES: usize = 8;
/// How often servers are compared in turn, how often a latency is measured, and a cost.
const COMPARED: Rounds = Rounds { count: 5, share: 0.25 };
const LATENCIES: Rounds = Rounds { count: 3, share: 0.5 };
const ONCE: Rounds = Rounds { count: 1, share: 1.0 };
/// Files that a process has open besides its connections.
const OTHER_FILES: usize = 100;
/// Rates and connections of the quick form are these parts of the others.
const QUICK_RATES: f64 = 0.04;
const QUICK_CONNECTIONS: usize = 16;

/// How often something is measured, and each time for which share of a measurement.
#[derive(Clone, Copy)]
struct Rounds {
    count: usize,
    share: f64,
}

/// In the quick form, where parts of a measurement would be too short for a single answer.
const QUICK_ROUNDS: Rounds = Rounds { count: 2, share: 1.0 };

impl Rounds {
    /// Says which one of several it is.
    fn of(self, round: usize) -> String {
        if self.count == 1 { String::new() } else { format!(", round {round} of {}", self.count) }
    }
}

/// What the parts of a run share.
pub(super) struct Run {
    place: Place,
    pub(super) options: Options,
    pub(super) large: Arc<Bodies>,
    small: Arc<Bodies>,
    compared: Vec<Subject>,
}

impl Run {
    pub(super) fn new(args: &IngressArgs, place: Place) -> Self {
        let (count, wanted) = if args.quick {
            (64, QUICK_CONNECTIONS)
        } else {
            (4_096, usize::try_from(args.connections).unwrap_or(1))
        };
        let options = Options {
            seconds: args.seconds,
            rate_per_second: scaled(f64::from(args.rate), args.quick),
            connections: self::connections(wanted),
            bodies: count,
            seed: args.seed,
            quick: args.quick,
        };
        let make = |bytes| Arc::new(Bodies(bodies::make(count, bytes, args.seed)));
        let wanted = |subject: &Subject| {
            *subject == Subject::Bare || args.server.is_empty() || args.server.contains(subject)
        };
        let compared = Subject::ALL.into_iter().filter(wanted).collect();
        Self { place, options, large: make(LARGE_BYTES), small: make(SMALL_BYTES), compared }
    }

    fn rate(&self, per_second: f64) -> f64 {
        scaled(per_second, self.options.quick)
    }

    fn rounds(&self, rounds: Rounds) -> Rounds {
        if self.options.quick { QUICK_ROUNDS } else { rounds }
    }

    pub(super) fn length(&self, share: f64) -> Duration {
        Duration::from_secs_f64(self.options.seconds * share)
    }

    /// Before a measurement, under its own load: connections are made, packs find their size.
    pub(super) fn settling(&self) -> Duration {
        self.length(SETTLING)
    }

    /// So much longer than that share of a measurement as it takes to settle.
    fn lasting(&self, share: f64) -> Duration {
        self.length(share) + self.settling()
    }

    /// Each round of one measurement has arrivals of its own, the same for every server.
    fn arrivals(&self, per_second: f64, share: f64, round: usize) -> Pace {
        Pace::Open(poisson(per_second, self.lasting(share), self.options.seed.wrapping_add(round as u64)))
    }

    async fn measure(
        &self,
        running: &Running,
        bodies: &Arc<Bodies>,
        pace: Pace,
    ) -> Result<Measured, anyhow::Error> {
        measure(running, bodies, pace, self.settling(), self.options.connections).await
    }

    pub(super) async fn start(&self, subject: Subject, mode: Option<Mode>) -> Result<Running, anyhow::Error> {
        let running = self.place.start(subject, mode).await?;
        let pace = self.arrivals(self.options.rate_per_second, 0.25, 0);
        self.measure(&running, &self.large, pace).await?;
        Ok(running)
    }

    /// One row, at a rate: the middle one of so many measurements, by its 99th percentile.
    async fn row(
        &self,
        running: &Running,
        label: Label,
        bodies: &Arc<Bodies>,
        rounds: Rounds,
    ) -> Result<Row, anyhow::Error> {
        let Label { subject, mode, rate_per_second, body_bytes } = label;
        let mode = mode.map_or_else(String::new, |mode| format!(", {} mode", mode.title()));
        let mut rows = Vec::new();
        for round in 1..=rounds.count {
            eprintln!(
                "{}{mode}: {rate_per_second:.0}/s of {body_bytes} bytes{}",
                subject.title(),
                rounds.of(round)
            );
            let pace = self.arrivals(rate_per_second, rounds.share, round);
            rows.push(Row::new(label, self.measure(running, bodies, pace).await?, None));
        }
        Ok(Row::middle(rows, |row| row.load.latency_ms.p99))
    }

    /// What a server holds with the load beside it, in requests a second: what it takes in a closed loop, or as much
    /// less as an open one of the same machine can be held at. Where nothing is held, the least that was tried, and that
    /// is told.
    pub(super) async fn holds(&self, running: &Running) -> Result<f64, anyhow::Error> {
        let pace = Pace::Closed(self.lasting(0.5));
        let measured = self.measure(running, &self.large, pace).await?;
        let mut rate = measured.load.taken_per_second.max(1.0);
        for tries_left in (0..TRIES).rev() {
            eprintln!("does it hold {rate:.0}/s?");
            let pace = self.arrivals(rate, 1.0, 0);
            let measured = self.measure(running, &self.large, pace).await?;
            if is_held(&measured.load) {
                break;
            }
            if tries_left == 0 {
                eprintln!("NOT HELD: {rate:.0}/s; what follows goes by it all the same");
            } else {
                rate *= LESS;
            }
        }
        Ok(rate)
    }

    /// Each server at one rate, and each as fast as it goes.
    pub(super) async fn comparison(&self) -> Result<(Vec<Row>, Vec<Row>), anyhow::Error> {
        let mut servers = Vec::new();
        for &subject in &self.compared {
            servers.push((subject, self.start(subject, None).await?));
        }
        let at_rate = self.in_turn(&servers, Some(self.options.rate_per_second)).await?;
        Ok((at_rate, self.in_turn(&servers, None).await?))
    }

    /// A row for each server, the bare one first: at a rate, or as fast as it goes. One after the other is measured, and
    /// all again, each against the bare one of its round; of each the middle one counts. What slows the machine down for
    /// some seconds is in a round, and not in the row.
    async fn in_turn(
        &self,
        servers: &[(Subject, Running)],
        rate: Option<f64>,
    ) -> Result<Vec<Row>, anyhow::Error> {
        let mut rounds: Vec<Vec<Row>> = servers.iter().map(|_| Vec::new()).collect();
        let compared = self.rounds(COMPARED);
        for round in 1..=compared.count {
            let mut bare_us = None;
            for ((subject, running), rows) in servers.iter().zip(&mut rounds) {
                let how = rate.map_or_else(|| "as fast as it goes".to_owned(), |rate| format!("{rate:.0}/s"));
                eprintln!("{}: {how}{}", subject.title(), compared.of(round));
                let closed = || Pace::Closed(self.lasting(compared.share));
                let pace = rate.map_or_else(closed, |rate| self.arrivals(rate, compared.share, round));
                let measured = self.measure(running, &self.large, pace).await?;
                let rate = rate.unwrap_or(measured.load.taken_per_second);
                let row = Row::new(self.label(*subject, None, rate, &self.large), measured, bare_us);
                bare_us = bare_us.or(Some(row.cpu_us_per_request));
                rows.push(row);
            }
        }
        let cost = |row: &Row| match row.subject {
            Subject::Bare => row.cpu_us_per_request,
            _ => row.cpu_ratio.unwrap_or(f64::INFINITY),
        };
        Ok(rounds.into_iter().map(|rows| Row::middle(rows, cost)).collect())
    }

    pub(super) async fn latency(&self) -> Result<Vec<Row>, anyhow::Error> {
        let mut rows = Vec::new();
        for mode in [Mode::Latency, Mode::Thrift] {
            let running = self.start(Subject::Sqs15, Some(mode)).await?;
            let holds = self.holds(&running).await?;
            for rate in [self.rate(AVERAGE), holds * COMFORT, holds * BUSY] {
                let label = self.label(Subject::Sqs15, Some(mode), rate, &self.large);
                rows.push(self.row(&running, label, &self.large, self.rounds(LATENCIES)).await?);
            }
        }
        let label = self.label(Subject::Embedded, None, self.rate(AVERAGE), &self.large);
        let running = self.start(Subject::Embedded, None).await?;
        rows.push(self.row(&running, label, &self.large, self.rounds(LATENCIES)).await?);
        Ok(rows)
    }

    pub(super) async fn cost(&self) -> Result<Vec<Row>, anyhow::Error> {
        let mut rows = Vec::new();
        for mode in [Mode::Latency, Mode::Thrift] {
            let running = self.start(Subject::Sqs15, Some(mode)).await?;
            for bodies in [&self.small, &self.large] {
                for rate in [self.rate(AVERAGE), self.rate(PEAK)] {
                    let label = self.label(Subject::Sqs15, Some(mode), rate, bodies);
                    rows.push(self.row(&running, label, bodies, ONCE).await?);
                }
            }
        }
        Ok(rows)
    }

    fn label(&self, subject: Subject, mode: Option<Mode>, rate: f64, bodies: &Bodies) -> Label {
        Label { subject, mode, rate_per_second: rate, body_bytes: bodies.mean_bytes() }
    }
}

fn is_held(load: &LoadReport) -> bool {
    let not_taken = load.refused + load.failed.total() + load.dropped;
    not_taken * 1_000 <= NOT_TAKEN_PER_MILLE * (load.taken + not_taken) && load.latency_ms.p999 <= ANSWER_MS
}

fn scaled(rate: f64, quick: bool) -> f64 {
    if quick { (rate * QUICK_RATES).max(1.0) } else { rate }
}

/// As many connections as this process may have open, at most `wanted`.
pub(super) fn connections(wanted: usize) -> usize {
    wanted.min(machine::open_files_max().saturating_sub(OTHER_FILES)).max(1)
}
