//! What leaves without a turn: items that a gate has held for too long, or would.

use std::time::Duration;

use tokio::time::Instant;

use super::{Lanes, Turn, Weigh, lane::Phase};
use crate::gates::Gate;

impl<T: Weigh> Lanes<T> {
    /// Waits for the gate. What can't wait that long is taken out, and so is what stands so far back that its turn
    /// can't come in time at the gate's pace: held for nothing, it would hold its message, and others behind that.
    pub(super) fn park(&mut self, id: u64, gate: Gate, until: Instant, every: Duration) -> Vec<T> {
        let Some(lane) = self.lanes.get(&id) else { return Vec::new() };
        let room = lane.room_at_pace(until, every, self.patience(lane), &self.limits[lane.key.route]);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.phase = Phase::Parked(gate);
            lane.room = room;
        }
        let mut items = self.take_impatient(id, until);
        if let Some(lane) = self.lanes.get_mut(&id) {
            let beyond = lane.take_beyond(room);
            self.items -= beyond.len();
            items.extend(beyond);
            self.set_wake(id, until);
        }
        items
    }

    /// Ready lanes had their turn before this is called, so what is overdue could not go.
    pub(super) fn evict_overdue(&mut self, now: Instant) -> Option<Turn<T>> {
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

    /// Takes out what may not stay until `until`; forgets the lane when nothing is left.
    fn take_impatient(&mut self, id: u64, until: Instant) -> Vec<T> {
        let Some(lane) = self.lanes.get(&id) else { return Vec::new() };
        let patience = self.patience(lane);
        let Some(lane) = self.lanes.get_mut(&id) else { return Vec::new() };
        let taken = lane.take_impatient(until, patience);
        self.items -= taken.len();
        if lane.is_empty() {
            self.forget(id);
        }
        taken
    }
}
