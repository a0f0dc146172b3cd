//! Lines of items, one for each (account, route, group): batch admission and fair turns. Pure: time comes in, batches
//! go out, no I/O.
//!
//! A lane is *forming* until its batch is due (enough items, enough bytes, or old enough), then *ready* and waits for
//! its turn, and *parked* while a gate is closed. Ready lanes take turns, one batch each. An item that was due and
//! could not go for too long leaves, whatever the reason, so that its message can be settled before its lease ends.

mod evict;
mod lane;
mod turns;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use penstock_shared::{
    ids::{AccountId, Pod},
    partner::Batch as BatchLimits,
};
use tokio::time::Instant;

use self::lane::{Lane, Phase};
use crate::gates::{Admission, Gate};

pub use waits::{SAMPLE_EVERY, Sample, Share};

/// A gate that says it opens now, and is closed, is not asked again at once.
const CLOSED_MIN: Duration = Duration::from_millis(1);

/// Whose line, for which call. Items of one lane may share a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The pod.
    pub pod: Pod,
    /// The account.
    pub account: AccountId,
    /// Index of the route in `partner.toml`.
    pub route: usize,
    /// Fingerprint of the account's settings: messages with other credentials never share a call.
    pub settings: u64,
    /// The value of the route's `group`, as JSON text; empty without one.
    pub group: String,
}

/// What lanes need to know of an item.
pub trait Weigh {
    /// Its share of a call's body, in bytes.
    fn bytes(&self) -> usize;
}

/// Bounds on waiting here.
#[derive(Clone, Copy, Debug)]
pub struct LaneConfig {
    /// An item that could have gone and is held back by a gate for longer leaves, so that its message can be settled.
    pub hold_max: Duration,
    /// Items one lane holds at most; more leave at once.
    pub lane_items_max: usize,
}

/// Items that travel in one call.
#[derive(Debug)]
pub struct Batch<T> {
    /// The lane they come from.
    pub key: LaneKey,
    /// In the order they came.
    pub items: Vec<T>,
}

/// What [`Lanes::next`] found.
#[derive(Debug)]
pub enum Turn<T> {
    /// A batch may go now.
    Go(Batch<T>),
    /// These items waited too long behind the gate and leave.
    Evict(Gate, Option<Instant>, Vec<T>),
}

/// All lanes.
#[derive(Debug)]
pub struct Lanes<T> {
    config: LaneConfig,
    limits: Vec<BatchLimits>,
    by_key: BTreeMap<LaneKey, u64>,
    lanes: BTreeMap<u64, Lane<T>>,
    /// Lanes in the order of their turns; ids of lanes that are gone are passed over.
    ready: VecDeque<u64>,
    /// Each lane's `wake`.
    wakes: BTreeSet<(Instant, u64)>,
    /// Ready lanes whose oldest item has waited too long.
    overdue: VecDeque<u64>,
    next_id: u64,
    items: usize,
    /// Items that left since the last sample.
    left: Sample,
}

impl<T: Weigh> Lanes<T> {
    /// No lanes yet; `limits` are those of the routes, in their order.
    pub fn new(config: LaneConfig, limits: Vec<BatchLimits>) -> Self {
        Self {
            config,
            limits,
            by_key: BTreeMap::new(),
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            wakes: BTreeSet::new(),
            overdue: VecDeque::new(),
            next_id: 0,
            items: 0,
            left: Sample::default(),
        }
    }

    /// Items held.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Lanes held; an empty lane is forgotten.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Puts an item at the end of its lane.
    ///
    /// # Errors
    /// Gives the item back when the lane is full.
    pub fn push(&mut self, key: &LaneKey, item: T, now: Instant) -> Result<(), T> {
        let id = self.lane_id(key);
        let lane = self.lanes.get_mut(&id).expect("lane_id makes the lane");
        if lane.is_full(self.config.lane_items_max) {
            self.left.add(1, usize::from(lane.waits_for_partner()));
            return Err(item);
        }
        lane.push(item, now);
        self.items += 1;
        self.schedule(id, now);
        Ok(())
    }

    /// Brings back the halves of a refused batch, to be sent one by one.
    pub fn push_halves(&mut self, key: &LaneKey, halves: [Vec<T>; 2], now: Instant) {
        let id = self.lane_id(key);
        let lane = self.lanes.get_mut(&id).expect("lane_id makes the lane");
        for half in halves {
            self.items += half.len();
            lane.push_half(half, now);
        }
        self.schedule(id, now);
    }

    /// The next batch whose turn it is, or items that leave. `admit` is asked with the lane's key.
    /// `None`: nothing to do before [`Self::next_wake`].
    pub fn next(&mut self, now: Instant, mut admit: impl FnMut(&LaneKey) -> Admission) -> Option<Turn<T>> {
        self.wake_due(now);
        for _ in 0..self.ready.len() {
            let Some(id) = self.ready.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            match admit(&lane.key) {
                Admission::Go => {
                    lane.phase = Phase::Idle;
                    lane.room = usize::MAX;
                    let key = lane.key.clone();
                    let (items, limited) = lane.take_batch(&self.limits[lane.key.route]);
                    self.items -= items.len();
                    self.left.add(items.len(), limited);
                    self.schedule(id, now);
                    return Some(Turn::Go(Batch { key, items }));
                }
                // Stays ready: only the end of a call can change it.
                Admission::Busy => self.ready.push_back(id),
                Admission::Full => {
                    self.ready.push_front(id);
                    break;
                }
                Admission::Closed { gate, until, every } => {
                    let is_partner = gate == Gate::RetryAfter;
                    if is_partner {
                        lane.partner_until = Some(until);
                    }
                    let items = self.park(id, gate, until.max(now + CLOSED_MIN), every);
                    if !items.is_empty() {
                        self.left.add(items.len(), if is_partner { items.len() } else { 0 });
                        return Some(Turn::Evict(gate, Some(until), items));
                    }
                }
            }
        }
        self.evict_overdue(now)
    }

    /// When [`Self::next`] has something to do without a new item or the end of a call.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// What has left since the last sample: each item once, however long it stayed. Only when nothing did, what is here,
    /// or a partner that lets nothing pass would not show.
    pub fn sample(&mut self) -> Sample {
        let left = std::mem::take(&mut self.left);
        if left.items > 0 {
            return left;
        }
        let mut held = Sample::default();
        for lane in self.lanes.values() {
            held.add(lane.len(), if lane.waits_for_partner() { lane.len() } else { 0 });
        }
        held
    }

    /// Takes everything out.
    pub fn drain(&mut self) -> Vec<T> {
        self.by_key.clear();
        self.ready.clear();
        self.wakes.clear();
        self.overdue.clear();
        self.items = 0;
        let lanes = std::mem::take(&mut self.lanes).into_values();
        lanes.flat_map(Lane::into_items).collect()
    }
}

#[cfg(test)]
mod tests;
