//! Lines of items, one for each (account, route, group): batch admission and fair turns. Pure: time comes in, batches
//! go out, no I/O.
//!
//! A lane is *forming* until its batch is due (enough items, enough bytes, or old enough), then *ready* and waits for
//! its turn, and *parked* while a gate is closed. Ready lanes take turns, one batch each.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use penstock_shared::{
    ids::{AccountId, Pod},
    partner::Batch as BatchLimits,
};
use tokio::time::Instant;

use crate::gates::{Admission, Gate};

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
    /// An item held back by a gate for longer leaves, so that its message can be settled.
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

/// All lanes.
#[derive(Debug)]
pub struct Lanes<T> {
    config: LaneConfig,
    limits: Vec<BatchLimits>,
    by_key: BTreeMap<LaneKey, u64>,
    lanes: BTreeMap<u64, Lane<T>>,
    ready: VecDeque<u64>,
    wakes: BTreeSet<(Instant, u64)>,
    next_id: u64,
    items: usize,
}

#[derive(Debug)]
struct Lane<T> {
    key: LaneKey,
    items: VecDeque<(Instant, T)>,
    bytes: usize,
    /// Halves of a refused batch: each goes alone and at its turn, before the rest.
    halves: VecDeque<Vec<T>>,
    /// Rate cells already taken for the next batch, so that a later gate's refusal does not waste them.
    cells: usize,
    wake: Option<Instant>,
    is_ready: bool,
}

/// What [`Lanes::next`] found.
#[derive(Debug)]
pub enum Turn<T> {
    /// A batch may go now.
    Go(Batch<T>),
    /// These items waited too long behind the gate and leave.
    Evict(Gate, Option<Instant>, Vec<T>),
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
            next_id: 0,
            items: 0,
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
        if lane.items.len() >= self.config.lane_items_max {
            return Err(item);
        }
        lane.bytes += item.bytes();
        lane.items.push_back((now, item));
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
            lane.halves.push_back(half);
        }
        self.schedule(id, now);
    }

    /// The next batch whose turn it is, or items that leave. `admit` is asked with the lane's key and the number of
    /// cells it has taken already. `None`: nothing to do before [`Self::next_wake`].
    pub fn next(
        &mut self,
        now: Instant,
        mut admit: impl FnMut(&LaneKey, &mut usize) -> Admission,
    ) -> Option<Turn<T>> {
        self.wake_due(now);
        for _ in 0..self.ready.len() {
            let id = self.ready.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.is_ready = false;
            match admit(&lane.key, &mut lane.cells) {
                Admission::Go => {
                    lane.cells = 0;
                    let key = lane.key.clone();
                    let items = self.take_batch(id);
                    self.schedule(id, now);
                    return Some(Turn::Go(Batch { key, items }));
                }
                // Stays ready, keeps its turn: only the end of a call can change it.
                Admission::Busy => {
                    lane.is_ready = true;
                    self.ready.push_back(id);
                }
                Admission::Closed { gate, until } => {
                    if let Some(turn) = self.park(id, gate, until, now) {
                        return Some(turn);
                    }
                }
            }
        }
        None
    }

    /// When [`Self::next`] has something to do without a new item or the end of a call.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Takes everything out.
    pub fn drain(&mut self) -> Vec<T> {
        self.by_key.clear();
        self.ready.clear();
        self.wakes.clear();
        self.items = 0;
        let lanes = std::mem::take(&mut self.lanes).into_values();
        lanes
            .flat_map(|lane| {
                lane.halves.into_iter().flatten().chain(lane.items.into_iter().map(|(_, item)| item))
            })
            .collect()
    }

    fn lane_id(&mut self, key: &LaneKey) -> u64 {
        if let Some(id) = self.by_key.get(key) {
            return *id;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.by_key.insert(key.clone(), id);
        let lane = Lane {
            key: key.clone(),
            items: VecDeque::new(),
            bytes: 0,
            halves: VecDeque::new(),
            cells: 0,
            wake: None,
            is_ready: false,
        };
        self.lanes.insert(id, lane);
        id
    }

    /// Decides what a lane waits for; forgets an empty one.
    fn schedule(&mut self, id: u64, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let limits = &self.limits[lane.key.route];
        let Some(oldest) = lane.items.front().map(|(since, _)| *since).or(lane.halves.front().map(|_| now))
        else {
            self.forget(id);
            return;
        };
        let full =
            lane.items.len() >= limits.items_max || lane.bytes >= limits.bytes_max || !lane.halves.is_empty();
        let due = oldest + limits.wait;
        if lane.is_ready || (lane.wake.is_some() && !full && due > now) {
            return;
        }
        if full || due <= now {
            // A parked lane stays parked: its gate does not open sooner for being full.
            if lane.wake.is_none() || lane.cells == 0 {
                Self::unwake(&mut self.wakes, lane, id);
                lane.is_ready = true;
                self.ready.push_back(id);
            }
        } else {
            lane.wake = Some(due);
            self.wakes.insert((due, id));
        }
    }

    fn wake_due(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.wakes.first()
            && at <= now
        {
            self.wakes.pop_first();
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.wake = None;
                if !lane.is_ready {
                    lane.is_ready = true;
                    self.ready.push_back(id);
                }
            }
        }
    }

    /// Waits for the gate, or gives the items up when it opens too late for them.
    fn park(&mut self, id: u64, gate: Gate, until: Instant, now: Instant) -> Option<Turn<T>> {
        let lane = self.lanes.get_mut(&id)?;
        let oldest = lane.items.front().map_or(now, |(since, _)| *since);
        let patience = oldest + self.config.hold_max;
        if patience <= now || until > patience {
            let key = lane.key.clone();
            let items = self.take_all(id);
            self.by_key.remove(&key);
            return Some(Turn::Evict(gate, Some(until), items));
        }
        let wake = until.max(now + Duration::from_millis(1));
        lane.wake = Some(wake);
        self.wakes.insert((wake, id));
        None
    }

    fn take_batch(&mut self, id: u64) -> Vec<T> {
        let Some(lane) = self.lanes.get_mut(&id) else { return Vec::new() };
        let limits = &self.limits[lane.key.route];
        let mut batch = Vec::new();
        if let Some(half) = lane.halves.pop_front() {
            batch = half;
        } else {
            let mut bytes = 0;
            while let Some((_, item)) = lane.items.front() {
                let fits = batch.is_empty() || bytes + item.bytes() <= limits.bytes_max;
                if batch.len() >= limits.items_max || !fits {
                    break;
                }
                bytes += item.bytes();
                batch.extend(lane.items.pop_front().map(|(_, item)| item));
            }
            lane.bytes -= bytes;
        }
        self.items -= batch.len();
        batch
    }

    fn take_all(&mut self, id: u64) -> Vec<T> {
        let Some(mut lane) = self.lanes.remove(&id) else { return Vec::new() };
        Self::unwake(&mut self.wakes, &mut lane, id);
        let items: Vec<T> =
            lane.halves.into_iter().flatten().chain(lane.items.into_iter().map(|(_, item)| item)).collect();
        self.items -= items.len();
        items
    }

    fn forget(&mut self, id: u64) {
        if let Some(mut lane) = self.lanes.remove(&id) {
            Self::unwake(&mut self.wakes, &mut lane, id);
            self.by_key.remove(&lane.key);
        }
    }

    fn unwake(wakes: &mut BTreeSet<(Instant, u64)>, lane: &mut Lane<T>, id: u64) {
        if let Some(at) = lane.wake.take() {
            wakes.remove(&(at, id));
        }
    }
}

#[cfg(test)]
mod tests;
