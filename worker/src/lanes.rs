//! Lines of items, one for each (account, route, group): batch admission and fair turns. Pure: time comes in, batches
//! go out, no I/O.
//!
//! A lane is *forming* until its batch is due (enough items, enough bytes, or old enough), then *ready* and waits for
//! its turn, and *parked* while a gate is closed. Ready lanes take turns, one batch each. An item that was due and
//! could not go for too long leaves, whatever the reason, so that its message can be settled before its lease ends.

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

use crate::gates::{Admission, Gate};

pub use waits::{SAMPLE_EVERY, Sample, Share};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is decided yet.
    Idle,
    /// Waits for more items; `wake` is when the batch is due.
    Forming,
    /// Waits for its turn; `wake` is when its oldest item has waited too long.
    Ready,
    /// Waits for this gate; `wake` is when that opens.
    Parked(Gate),
}

#[derive(Debug)]
struct Lane<T> {
    key: LaneKey,
    items: VecDeque<(Instant, T)>,
    bytes: usize,
    /// Halves of a refused batch: each goes alone and at its turn, before the rest.
    halves: VecDeque<(Instant, Vec<T>)>,
    /// Items that may stand here at once; less than all while a gate's pace is known.
    room: usize,
    phase: Phase,
    wake: Option<Instant>,
    /// When the partner last let it go on, or will: items that came before waited for the partner.
    partner_until: Option<Instant>,
}

impl<T> Lane<T> {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.halves.is_empty()
    }

    fn len(&self) -> usize {
        self.items.len() + self.halves.iter().map(|(_, half)| half.len()).sum::<usize>()
    }

    /// The partner asked to wait. Our own limits do not count: they are each worker's, and another worker has its own.
    fn waits_for_partner(&self) -> bool {
        self.phase == Phase::Parked(Gate::RetryAfter)
    }

    fn waited_for_partner(&self, since: Instant) -> bool {
        self.partner_until.is_some_and(|until| since < until)
    }

    /// When the first to go came.
    fn oldest(&self) -> Option<Instant> {
        self.halves.front().map(|(since, _)| *since).or(self.items.front().map(|(since, _)| *since))
    }
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
        if lane.items.len() >= self.config.lane_items_max.min(lane.room) {
            self.left.add(1, usize::from(lane.waits_for_partner()));
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
            lane.halves.push_back((now, half));
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
                    let (items, limited) = self.take_batch(id);
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
        lanes
            .flat_map(|lane| {
                let halves = lane.halves.into_iter().flat_map(|(_, half)| half);
                halves.chain(lane.items.into_iter().map(|(_, item)| item))
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
            room: usize::MAX,
            phase: Phase::Idle,
            wake: None,
            partner_until: None,
        };
        self.lanes.insert(id, lane);
        id
    }

    /// Decides what a lane waits for; forgets an empty one. One that is ready keeps its turn, and one that is parked
    /// stays parked: its gate does not open sooner for what comes in.
    fn schedule(&mut self, id: u64, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(oldest) = lane.oldest() else { return self.forget(id) };
        if matches!(lane.phase, Phase::Ready | Phase::Parked(_)) {
            return;
        }
        let limits = &self.limits[lane.key.route];
        let due = oldest + limits.wait;
        let is_full =
            lane.items.len() >= limits.items_max || lane.bytes >= limits.bytes_max || !lane.halves.is_empty();
        if is_full || due <= now {
            self.make_ready(id);
        } else {
            lane.phase = Phase::Forming;
            self.set_wake(id, due);
        }
    }

    fn make_ready(&mut self, id: u64) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        lane.phase = Phase::Ready;
        self.ready.push_back(id);
        self.set_wake_to_patience(id);
    }

    fn set_wake_to_patience(&mut self, id: u64) {
        let Some(lane) = self.lanes.get(&id) else { return };
        if let Some(oldest) = lane.oldest() {
            self.set_wake(id, oldest + self.patience(lane));
        }
    }

    /// How long an item of the lane may stay: as long as its batch may take to form, and then behind a gate.
    fn patience(&self, lane: &Lane<T>) -> Duration {
        self.limits[lane.key.route].wait + self.config.hold_max
    }

    fn set_wake(&mut self, id: u64, at: Instant) {
        self.unwake(id);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.wake = Some(at);
            self.wakes.insert((at, id));
        }
    }

    fn unwake(&mut self, id: u64) {
        if let Some(at) = self.lanes.get_mut(&id).and_then(|lane| lane.wake.take()) {
            self.wakes.remove(&(at, id));
        }
    }

    fn wake_due(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.wakes.first()
            && at <= now
        {
            self.wakes.pop_first();
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.wake = None;
            if lane.phase == Phase::Ready {
                self.overdue.push_back(id);
            } else {
                self.make_ready(id);
            }
        }
    }

    /// Waits for the gate. What can't wait that long is taken out, and so is what stands so far back that its turn
    /// can't come in time at the gate's pace: held for nothing, it would hold its message, and others behind that.
    fn park(&mut self, id: u64, gate: Gate, until: Instant, every: Duration) -> Vec<T> {
        let Some(lane) = self.lanes.get(&id) else { return Vec::new() };
        let room = self.room(lane, until, every);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.phase = Phase::Parked(gate);
            lane.room = room;
        }
        let mut items = self.take_impatient(id, until);
        if let Some(lane) = self.lanes.get_mut(&id) {
            let beyond: Vec<T> =
                lane.items.drain(room.min(lane.items.len())..).map(|(_, item)| item).collect();
            lane.bytes -= beyond.iter().map(Weigh::bytes).sum::<usize>();
            self.items -= beyond.len();
            items.extend(beyond);
            self.set_wake(id, until);
        }
        items
    }

    /// How many items can go while the oldest may stay, when one call passes at `until` and one more every `every`.
    fn room(&self, lane: &Lane<T>, until: Instant, every: Duration) -> usize {
        if every.is_zero() {
            return usize::MAX;
        }
        let oldest = lane.items.front().map_or(until, |(since, _)| *since);
        let left = (oldest + self.patience(lane)).saturating_duration_since(until);
        let calls =
            usize::try_from(left.as_nanos() / every.as_nanos()).unwrap_or(usize::MAX).saturating_add(1);
        calls.saturating_mul(self.limits[lane.key.route].items_max)
    }

    /// Ready lanes had their turn before this is called, so what is overdue could not go.
    fn evict_overdue(&mut self, now: Instant) -> Option<Turn<T>> {
        while let Some(id) = self.overdue.pop_front() {
            if self.lanes.get(&id).is_none_or(|lane| lane.phase != Phase::Ready) {
                continue;
            }
            let items = self.take_impatient(id, now);
            self.set_wake_to_patience(id);
            if !items.is_empty() {
                self.left.add(items.len(), 0);
                return Some(Turn::Evict(Gate::Concurrency, None, items));
            }
        }
        None
    }

    /// The items, and how many of them waited for the partner.
    fn take_batch(&mut self, id: u64) -> (Vec<T>, usize) {
        let Some(lane) = self.lanes.get_mut(&id) else { return (Vec::new(), 0) };
        let limits = &self.limits[lane.key.route];
        let (mut batch, mut limited) = (Vec::new(), 0);
        if let Some((since, half)) = lane.halves.pop_front() {
            limited = if lane.waited_for_partner(since) { half.len() } else { 0 };
            batch = half;
        } else {
            let mut bytes = 0;
            while let Some((since, item)) = lane.items.front() {
                let fits = batch.is_empty() || bytes + item.bytes() <= limits.bytes_max;
                if batch.len() >= limits.items_max || !fits {
                    break;
                }
                bytes += item.bytes();
                limited += usize::from(lane.waited_for_partner(*since));
                batch.extend(lane.items.pop_front().map(|(_, item)| item));
            }
            lane.bytes -= bytes;
        }
        self.items -= batch.len();
        (batch, limited)
    }

    /// Takes out what may not stay until `until`; forgets the lane when nothing is left.
    fn take_impatient(&mut self, id: u64, until: Instant) -> Vec<T> {
        let Some(lane) = self.lanes.get(&id) else { return Vec::new() };
        let patience = self.patience(lane);
        let Some(lane) = self.lanes.get_mut(&id) else { return Vec::new() };
        let mut taken = Vec::new();
        while let Some((_, half)) = lane.halves.pop_front_if(|(since, _)| *since + patience <= until) {
            taken.extend(half);
        }
        while let Some((_, item)) = lane.items.pop_front_if(|(since, _)| *since + patience <= until) {
            lane.bytes -= item.bytes();
            taken.push(item);
        }
        self.items -= taken.len();
        if lane.is_empty() {
            self.forget(id);
        }
        taken
    }

    fn forget(&mut self, id: u64) {
        self.unwake(id);
        if let Some(lane) = self.lanes.remove(&id) {
            self.by_key.remove(&lane.key);
        }
    }
}

/// A gate that says it opens now, and is closed, is not asked again at once.
const CLOSED_MIN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
