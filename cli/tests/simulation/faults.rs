//! What goes wrong in a run, all of it decided by the seed.

use std::time::Duration;

use penstock_testkit::models::Faults;

/// How long faults go on, from the beginning of the run.
pub(crate) const TROUBLE: Duration = Duration::from_secs(15 * 60);

/// What goes wrong at the partner, in percent of its calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartnerFaults {
    /// 429, half of them with Retry-After.
    pub(crate) throttled: u8,
    /// 500 or 503, nothing taken.
    pub(crate) broken: u8,
    /// Reset before anything was taken.
    pub(crate) reset: u8,
    /// Taken, and then reset.
    pub(crate) answer_lost: u8,
    /// No answer within the deadline; taken or not.
    pub(crate) hangs: u8,
    /// Of the items of a call: to be tried again.
    pub(crate) busy: u8,
    /// Answers nothing at all.
    pub(crate) outage: bool,
}

/// How one incarnation of a process ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Dropped, at whatever await it is.
    Crash,
    /// Told to stop, and waited for.
    Drain,
}

/// One incarnation that does not live to the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) uptime: Duration,
    pub(crate) end: End,
    /// Until the next one begins.
    pub(crate) downtime: Duration,
}

/// Which part does not answer for a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Queues,
    Store,
    Partner,
}

/// Everything that goes wrong in a run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Nothing happens that could make a duplicate.
    pub(crate) is_honest: bool,
    pub(crate) queue: Faults,
    pub(crate) partner: PartnerFaults,
    /// Percent of the calls of the store.
    pub(crate) store: u8,
    /// Percent of the calls of the spill.
    pub(crate) spill: u8,
    /// For each worker, the lives before its last.
    pub(crate) workers: Vec<Vec<Life>>,
    pub(crate) ingress: Vec<Life>,
    /// Begin and length, one after another.
    pub(crate) outages: Vec<(Part, Duration, Duration)>,
    /// Most bytes of a queue message; few, so that bodies are spilled.
    pub(crate) message_bytes_max: usize,
    /// Percent of the messages that mParticle sends again after a 200.
    pub(crate) sent_twice: u8,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let rng = &mut fastrand::Rng::with_seed(seed ^ 0x666c_6177);
        let is_honest = rng.u8(0..4) == 0;
        let is_calm = rng.u8(0..10) == 0;
        let sometimes = |rng: &mut fastrand::Rng, most: u8| {
            if is_calm || rng.bool() { 0 } else { rng.u8(1..=most) }
        };
        let dishonest = |rng: &mut fastrand::Rng, most| if is_honest { 0 } else { sometimes(rng, most) };
        let queue = Faults {
            send_unconfirmed: dishonest(rng, 15),
            send_slow: dishonest(rng, 15),
            delete_fails: dishonest(rng, 30),
            delete_unconfirmed: dishonest(rng, 15),
            renew_fails: dishonest(rng, 20),
            lease_lost: dishonest(rng, 6),
            duplicated: dishonest(rng, 10),
            ..Faults::default()
        };
        let partner = PartnerFaults {
            answer_lost: dishonest(rng, 15),
            hangs: dishonest(rng, 10),
            ..PartnerFaults::default()
        };
        let (store, spill, sent_twice) = (dishonest(rng, 25), dishonest(rng, 15), dishonest(rng, 15));
        let queue = Faults {
            send_fails: sometimes(rng, 20),
            receive_fails: sometimes(rng, 30),
            reordered: rng.bool(),
            ..queue
        };
        let partner = PartnerFaults {
            throttled: sometimes(rng, 25),
            broken: sometimes(rng, 25),
            reset: sometimes(rng, 15),
            busy: sometimes(rng, 25),
            ..partner
        };

        let workers: Vec<_> = (0..rng.usize(1..=2)).map(|_| lives(rng, is_honest, is_calm)).collect();
        let ingress = if is_honest { Vec::new() } else { lives(rng, false, is_calm) };
        Self {
            is_honest,
            queue,
            partner,
            store,
            spill,
            workers,
            ingress,
            outages: if is_calm { Vec::new() } else { outages(rng, is_honest) },
            message_bytes_max: if rng.bool() { 4_000 } else { 200_000 },
            sent_twice,
        }
    }
}

fn lives(rng: &mut fastrand::Rng, is_honest: bool, is_calm: bool) -> Vec<Life> {
    let lives = if is_calm { 0 } else { rng.usize(0..=5) };
    let life = |rng: &mut fastrand::Rng| Life {
        uptime: Duration::from_millis(rng.u64(1..=120_000)),
        end: if is_honest || rng.u8(0..3) == 0 { End::Drain } else { End::Crash },
        downtime: Duration::from_millis(rng.u64(0..=20_000)),
    };
    (0..lives).map(|_| life(rng)).collect()
}

fn outages(rng: &mut fastrand::Rng, is_honest: bool) -> Vec<(Part, Duration, Duration)> {
    let mut at = Duration::from_secs(rng.u64(0..120));
    let mut outages = Vec::new();
    for _ in 0..rng.usize(0..=3) {
        let part = match rng.u8(0..3) {
            // A queue that does not answer for long costs leases, and so makes duplicates.
            0 if !is_honest => Part::Queues,
            1 => Part::Store,
            _ => Part::Partner,
        };
        let length = Duration::from_secs(rng.u64(1..=120));
        outages.push((part, at, length));
        at += length + Duration::from_secs(rng.u64(1..=120));
    }
    outages
}
