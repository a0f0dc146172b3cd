//! One line: what stands in it, and what it gives out. When that happens is not its business.

use std::{collections::VecDeque, time::Duration};

use penstock_shared::partner::Batch as BatchLimits;
use tokio::time::Instant;

use super::{LaneKey, Weigh};
use crate::gates::Gate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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
pub(super) struct Lane<T> {
    pub(super) key: LaneKey,
    items: VecDeque<(Instant, T)>,
    bytes: usize,
    /// Halves of a refused batch: each goes alone and at its turn, before the rest.
    halves: VecDeque<(Instant, Vec<T>)>,
    /// Items that may stand here at once; less than all while a gate's pace is known.
    pub(super) room: usize,
    pub(super) phase: Phase,
    pub(super) wake: Option<Instant>,
    /// When the partner last let it go on, or will: items that came before waited for the partner.
    pub(super) partner_until: Option<Instant>,
}

impl<T> Lane<T> {
    /// Nothing stands in it yet.
    pub(super) fn new(key: LaneKey) -> Self {
        Self {
            key,
            items: VecDeque::new(),
            bytes: 0,
            halves: VecDeque::new(),
            room: usize::MAX,
            phase: Phase::Idle,
            wake: None,
            partner_until: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.halves.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len() + self.halves.iter().map(|(_, half)| half.len()).sum::<usize>()
    }

    /// As many items as there is room for, or as `items_max` allows. Halves don't count: they were in before.
    pub(super) fn is_full(&self, items_max: usize) -> bool {
        self.items.len() >= items_max.min(self.room)
    }

    /// The partner asked to wait. Our own limits do not count: they are each worker's, and another worker has its own.
    pub(super) fn waits_for_partner(&self) -> bool {
        self.phase == Phase::Parked(Gate::RetryAfter)
    }

    fn waited_for_partner(&self, since: Instant) -> bool {
        self.partner_until.is_some_and(|until| since < until)
    }

    /// When the first to go came.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.halves.front().map(|(since, _)| *since).or(self.items.front().map(|(since, _)| *since))
    }

    pub(super) fn push_half(&mut self, half: Vec<T>, now: Instant) {
        self.halves.push_back((now, half));
    }

    /// How many items can go while the oldest may stay, when one call passes at `until` and one more every `every`.
    pub(super) fn room_at_pace(
        &self,
        until: Instant,
        every: Duration,
        patience: Duration,
        limits: &BatchLimits,
    ) -> usize {
        if every.is_zero() {
            return usize::MAX;
        }
        let oldest = self.items.front().map_or(until, |(since, _)| *since);
        let left = (oldest + patience).saturating_duration_since(until);
        let calls =
            usize::try_from(left.as_nanos() / every.as_nanos()).unwrap_or(usize::MAX).saturating_add(1);
        calls.saturating_mul(limits.items_max)
    }

    /// Everything, in the order it would go.
    pub(super) fn into_items(self) -> impl Iterator<Item = T> {
        let halves = self.halves.into_iter().flat_map(|(_, half)| half);
        halves.chain(self.items.into_iter().map(|(_, item)| item))
    }
}

impl<T: Weigh> Lane<T> {
    pub(super) fn push(&mut self, item: T, now: Instant) {
        self.bytes += item.bytes();
        self.items.push_back((now, item));
    }

    /// Waiting for more would make its next batch no larger.
    pub(super) fn has_whole_batch(&self, limits: &BatchLimits) -> bool {
        self.items.len() >= limits.items_max || self.bytes >= limits.bytes_max || !self.halves.is_empty()
    }

    /// The items, and how many of them waited for the partner.
    pub(super) fn take_batch(&mut self, limits: &BatchLimits) -> (Vec<T>, usize) {
        if let Some((since, half)) = self.halves.pop_front() {
            let limited = if self.waited_for_partner(since) { half.len() } else { 0 };
            return (half, limited);
        }
        let (mut batch, mut limited, mut bytes) = (Vec::new(), 0, 0);
        while let Some((since, item)) = self.items.front() {
            let fits = batch.is_empty() || bytes + item.bytes() <= limits.bytes_max;
            if batch.len() >= limits.items_max || !fits {
                break;
            }
            bytes += item.bytes();
            limited += usize::from(self.waited_for_partner(*since));
            batch.extend(self.items.pop_front().map(|(_, item)| item));
        }
        self.bytes -= bytes;
        (batch, limited)
    }

    /// Takes out what may not stay until `until`.
    pub(super) fn take_impatient(&mut self, until: Instant, patience: Duration) -> Vec<T> {
        let mut taken = Vec::new();
        while let Some((_, half)) = self.halves.pop_front_if(|(since, _)| *since + patience <= until) {
            taken.extend(half);
        }
        while let Some((_, item)) = self.items.pop_front_if(|(since, _)| *since + patience <= until) {
            self.bytes -= item.bytes();
            taken.push(item);
        }
        taken
    }

    /// Takes out what stands behind the first `room` items.
    pub(super) fn take_beyond(&mut self, room: usize) -> Vec<T> {
        let beyond: Vec<T> = self.items.drain(room.min(self.items.len())..).map(|(_, item)| item).collect();
        self.bytes -= beyond.iter().map(Weigh::bytes).sum::<usize>();
        beyond
    }
}
