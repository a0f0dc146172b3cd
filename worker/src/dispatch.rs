//! Lanes, gates and calls under way: takes items in, lets batches go as the gates allow, and learns from each end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::Instant,
};

use crate::{
    delivery::{Deliverer, Ended},
    gates::{Gate, Gates},
    item::LaneItem,
    lanes::{LaneConfig, Lanes, SAMPLE_EVERY, Share, Turn},
    ledger::Ledger,
    outcome::{Outcome, RetryReason},
    split::Laned,
};

/// How often idle accounts are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Items taken in at one go: lanes are looked at once for all of them.
const TAKE_MAX: usize = 256;

/// Runs until the input closes and every item has its outcome, or until `deadline` says that what still waits is to
/// be handed back.
pub(crate) async fn run(
    mut items: mpsc::Receiver<Laned>,
    deliverer: Arc<Deliverer>,
    gates: Gates,
    config: LaneConfig,
    items_max: usize,
    hand_back: tokio_util::sync::CancellationToken,
) -> Result<(), JoinError> {
    let limits = deliverer.program.batches();
    let lanes = Lanes::new(config, limits);
    let mut dispatch = Dispatch { lanes, gates, calls: JoinSet::new(), share: Share::default(), deliverer };
    let mut forget = tokio::time::interval(FORGET_EVERY);
    let mut sample = tokio::time::interval(SAMPLE_EVERY);
    sample.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut taken = Vec::with_capacity(TAKE_MAX);
    let mut open = true;
    loop {
        dispatch.pump();
        if !open && dispatch.lanes.items() == 0 && dispatch.calls.is_empty() {
            return Ok(());
        }
        let wake = dispatch.lanes.next_wake();
        tokio::select! {
            biased;
            () = hand_back.cancelled() => {
                // What still stands in the channel is handed back with it.
                drop(items);
                dispatch.hand_back();
                return dispatch.finish_calls().await;
            }
            // Before what may be there at any moment, so that a busy worker takes its samples too.
            _ = sample.tick() => dispatch.sample(),
            Some(ended) = dispatch.calls.join_next() => dispatch.ended(ended?),
            () = sleep_until(wake), if wake.is_some() => {}
            count = items.recv_many(&mut taken, TAKE_MAX), if open && dispatch.lanes.items() < items_max => {
                open = count > 0;
                taken.drain(..).for_each(|(lane, item)| dispatch.push(&lane, item));
            }
            _ = forget.tick() => dispatch.gates.forget_idle(Instant::now()),
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    if let Some(wake) = wake {
        tokio::time::sleep_until(wake).await;
    }
}

struct Dispatch {
    lanes: Lanes<LaneItem>,
    gates: Gates,
    calls: JoinSet<Ended>,
    share: Share,
    deliverer: Arc<Deliverer>,
}

impl Dispatch {
    fn push(&mut self, lane: &crate::lanes::LaneKey, item: LaneItem) {
        if let Err(item) = self.lanes.push(lane, item, Instant::now()) {
            leave(&self.deliverer.ledger, Gate::LaneFull, None, vec![item]);
        }
    }

    /// Starts every call that may start now.
    fn pump(&mut self) {
        let now = Instant::now();
        let gates = &mut self.gates;
        while let Some(turn) = self.lanes.next(now, |lane| gates.admit(lane, now)) {
            match turn {
                Turn::Go(batch) => {
                    let deliverer = self.deliverer.clone();
                    self.calls.spawn(async move { deliverer.deliver(batch).await });
                }
                Turn::Evict(gate, until, items) => {
                    let after = until.map(|until| until.duration_since(now));
                    leave(&self.deliverer.ledger, gate, after, items);
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        self.deliverer.ledger.metrics().lanes.set(self.lanes.lanes() as f64);
    }

    fn sample(&mut self) {
        let share = self.share.take(self.lanes.sample());
        self.deliverer.ledger.metrics().partner_limited_share.set(share);
    }

    fn ended(&mut self, ended: Ended) {
        let now = Instant::now();
        self.gates.ended(&ended.lane, ended.throttled, now);
        if let Some(halves) = ended.halves {
            self.lanes.push_halves(&ended.lane, halves, now);
        }
    }

    /// The drain's time is up: what waits goes back to the queue.
    fn hand_back(&mut self) {
        for item in self.lanes.drain() {
            item.ticket.record(Outcome::retry(RetryReason::HandedBack));
        }
    }

    /// Calls under way end within the partner's deadline; halves that come back are handed back.
    async fn finish_calls(&mut self) -> Result<(), JoinError> {
        while let Some(ended) = self.calls.join_next().await {
            let halves = ended?.halves.into_iter().flatten().flatten();
            halves.for_each(|item| item.ticket.record(Outcome::retry(RetryReason::HandedBack)));
        }
        Ok(())
    }
}

/// Items that may not wait here any longer go back to the queue; it costs them no attempt.
fn leave(ledger: &Ledger, gate: Gate, after: Option<Duration>, items: Vec<LaneItem>) {
    ledger.metrics().gate_waits.of([gate.label()]).increment(items.len() as u64);
    for item in items {
        item.ticket.record(Outcome::Retry { reason: RetryReason::Gated, after });
    }
}
