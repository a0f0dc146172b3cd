//! What each lane waits for: more items, its turn, or a gate; and when that ends.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    LaneKey, Lanes, Weigh,
    lane::{Lane, Phase},
};

impl<T: Weigh> Lanes<T> {
    pub(super) fn lane_id(&mut self, key: &LaneKey) -> u64 {
        if let Some(id) = self.by_key.get(key) {
            return *id;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.by_key.insert(key.clone(), id);
        self.lanes.insert(id, Lane::new(key.clone()));
        id
    }

    /// Decides what a lane waits for; forgets an empty one. One that is ready keeps its turn, and one that is parked
    /// stays parked: its gate does not open sooner for what comes in.
    pub(super) fn schedule(&mut self, id: u64, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(oldest) = lane.oldest() else { return self.forget(id) };
        if matches!(lane.phase, Phase::Ready | Phase::Parked(_)) {
            return;
        }
        let limits = &self.limits[lane.key.route];
        let due = oldest + limits.wait;
        if lane.has_whole_batch(limits) || due <= now {
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

    pub(super) fn set_wake_to_patience(&mut self, id: u64) {
        let Some(lane) = self.lanes.get(&id) else { return };
        if let Some(oldest) = lane.oldest() {
            self.set_wake(id, oldest + self.patience(lane));
        }
    }

    /// How long an item of the lane may stay: as long as its batch may take to form, and then behind a gate.
    pub(super) fn patience(&self, lane: &Lane<T>) -> Duration {
        self.limits[lane.key.route].wait + self.config.hold_max
    }

    pub(super) fn set_wake(&mut self, id: u64, at: Instant) {
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

    pub(super) fn wake_due(&mut self, now: Instant) {
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

    pub(super) fn forget(&mut self, id: u64) {
        self.unwake(id);
        if let Some(lane) = self.lanes.remove(&id) {
            self.by_key.remove(&lane.key);
        }
    }
}
