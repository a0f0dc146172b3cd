//! What is to be done with a message whose items all have outcomes. Pure.

use std::{collections::BTreeMap, time::Duration};

use penstock_shared::{
    clock::millis,
    ids::{AccountId, Pod},
    pack::{DeadReason, Pack, PackedRequest, Pending, PendingItem},
    partner::Retry,
    spill::SpillKey,
};

use super::spilled;
use crate::{
    backoff,
    in_flight::Slot,
    ledger::End,
    outcome::{Outcome, RejectReason, RetryReason},
};

/// Everything to be done, in the order of the fields; then the message is deleted.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    pub(super) requeues: Vec<Requeue>,
    pub(super) dead: Option<Pack>,
    /// Bodies that no pack refers to any more. Only those of requests that were never divided: the parts of one that
    /// was refer to the same body from several packs.
    pub(super) spilled_done: Vec<SpillKey>,
    /// One for each item.
    pub(super) ends: Vec<End>,
}

/// A pack of one account's items that are to be tried at about the same time.
#[derive(Debug)]
pub(super) struct Requeue {
    pub(super) pack: Pack,
    pub(super) delay: Duration,
    pub(super) account: String,
}

impl Settlement {
    /// Nothing is left to be tried or set aside.
    pub(super) fn is_complete(&self) -> bool {
        self.requeues.is_empty() && self.dead.is_none()
    }
}

/// Items that are put back together: one account's, with delays of the same order, so that one that waits an hour
/// does not hold one that waits a second.
type Group = (Pod, AccountId, u32);

pub(super) fn plan(
    requests: &[PackedRequest],
    slots: Vec<Slot>,
    retry: &Retry,
    now_ms: i64,
    rng: &mut fastrand::Rng,
) -> Settlement {
    let mut settlement = Settlement::default();
    // One for all: what failed together comes back together, as the same batch with the same idempotency key.
    let jitter = rng.f64();
    let mut again: BTreeMap<Group, BTreeMap<usize, Vec<PendingItem>>> = BTreeMap::new();
    let mut dead: BTreeMap<usize, Vec<PendingItem>> = BTreeMap::new();
    for slot in slots {
        let request = &requests[slot.request];
        match end(&slot, request, retry, now_ms, jitter) {
            (end, Next::Nothing) => settlement.ends.push(end),
            (end, Next::Again(item, delay)) => {
                settlement.ends.push(end);
                let group = (request.pod.clone(), request.account, magnitude(delay));
                again.entry(group).or_default().entry(slot.request).or_default().push(item);
            }
            (end, Next::SetAside(item)) => {
                settlement.ends.push(end);
                dead.entry(slot.request).or_default().push(item);
            }
        }
    }
    let is_left =
        |index: &usize| dead.contains_key(index) || again.values().any(|group| group.contains_key(index));
    settlement.spilled_done = (0..requests.len())
        .filter(|index| requests[*index].pending == Pending::All && !is_left(index))
        .filter_map(|index| spilled(&requests[index].body).cloned())
        .collect();
    settlement.requeues =
        again.into_iter().map(|(group, items)| requeue(requests, &group, items, now_ms)).collect();
    settlement.dead = (!dead.is_empty()).then(|| pack(requests, dead));
    settlement
}

enum Next {
    Nothing,
    Again(PendingItem, Duration),
    SetAside(PendingItem),
}

fn end(slot: &Slot, request: &PackedRequest, retry: &Retry, now_ms: i64, jitter: f64) -> (End, Next) {
    let dead = |code: RejectReason, detail: &str, attempts: u32| {
        let reason = Some(DeadReason::new(code.label(), detail, now_ms));
        (End::Dead(code), Next::SetAside(PendingItem { attempts, dead: reason, ..slot.pending.clone() }))
    };
    let (reason, after) = match &slot.outcome {
        Some(Outcome::Delivered) => return (End::Delivered, Next::Nothing),
        Some(Outcome::Filtered(reason)) => return (End::Filtered(*reason), Next::Nothing),
        Some(Outcome::Rejected { reason, detail }) => return dead(*reason, detail, slot.pending.attempts),
        Some(Outcome::Retry { reason, after }) => (*reason, *after),
        None => (RetryReason::HandedBack, None),
    };
    let age_ms = now_ms.saturating_sub(slot.pending.redriven_at_ms.unwrap_or(request.received_at_ms)).max(0);
    let attempts = slot.pending.attempts + u32::from(reason.counts_as_attempt());
    if attempts >= retry.attempts_max && reason.counts_as_attempt() {
        let detail = format!("{attempts} attempts; the last: {}", reason.label());
        return dead(RejectReason::AttemptsExhausted, &detail, attempts);
    }
    if age_ms > millis(retry.age_max) {
        let detail = format!("{} s old; the last: {}", age_ms / 1000, reason.label());
        return dead(RejectReason::TooOld, &detail, attempts);
    }
    let delay = match reason {
        RetryReason::HandedBack => Duration::ZERO,
        RetryReason::NotDue => after.unwrap_or_default(),
        _ if reason.counts_as_attempt() => backoff::delay(retry, attempts, after, jitter),
        _ => {
            let age = Duration::from_millis(age_ms.unsigned_abs());
            backoff::wait(retry, age, reason.longest_wait(), after, jitter)
        }
    };
    let not_before_ms = now_ms.saturating_add(millis(delay));
    (
        End::Requeued(reason),
        Next::Again(PendingItem { attempts, not_before_ms, ..slot.pending.clone() }, delay),
    )
}

/// The power of two of the delay's seconds.
fn magnitude(delay: Duration) -> u32 {
    (delay.as_secs() + 1).ilog2()
}

fn requeue(
    requests: &[PackedRequest],
    (_, account, _): &Group,
    items: BTreeMap<usize, Vec<PendingItem>>,
    now_ms: i64,
) -> Requeue {
    let latest = items.values().flatten().map(|item| item.not_before_ms).max().unwrap_or(now_ms);
    let delay = Duration::from_millis(u64::try_from(latest.saturating_sub(now_ms)).unwrap_or(0));
    Requeue { pack: pack(requests, items), delay, account: account.to_string() }
}

/// The requests with just these items pending. Bodies stay whole, byte for byte.
fn pack(requests: &[PackedRequest], items: BTreeMap<usize, Vec<PendingItem>>) -> Pack {
    let requests = items
        .into_iter()
        .map(|(index, items)| PackedRequest { pending: Pending::Items(items), ..requests[index].clone() });
    Pack { requests: requests.collect() }
}

#[cfg(test)]
mod tests;
