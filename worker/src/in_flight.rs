//! One received message and everything to give back when it is done: lease, permits, and the book of its items.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use penstock_shared::{
    pack::{PackedRequest, PendingItem},
    queue::Receipt,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{
    intake::Source,
    lease::Lease,
    ledger::Held,
    outcome::{Outcome, RetryReason},
};

/// A received message before it is split.
#[derive(Debug)]
#[must_use = "settle it, or the message comes back when its lease lapses"]
pub struct Received {
    /// Which queue it came from.
    pub source: Source,
    /// Names this receipt.
    pub receipt: Receipt,
    /// The encoded pack.
    pub body: Bytes,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// Renewed until dropped.
    pub lease: Lease,
    /// Its share of the messages and bytes that may be held.
    pub permits: Vec<OwnedSemaphorePermit>,
}

/// One item of a message: which it is, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index into [`InFlight::requests`].
    pub request: usize,
    /// The item as the pack had it pending.
    pub pending: PendingItem,
    /// How it ended; `None` while it is open.
    pub outcome: Option<Outcome>,
}

/// A message whose items are being worked on. When the last outcome is recorded it goes to settle by itself, once.
#[derive(Debug)]
pub struct InFlight {
    /// The message.
    pub received: Received,
    /// Its requests, as unpacked.
    pub requests: Vec<PackedRequest>,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    slots: Vec<Slot>,
    held: Option<Held>,
    open: usize,
    to_settle: Option<mpsc::Sender<Arc<InFlight>>>,
}

impl InFlight {
    /// Opens the book. `to_settle` must have room for every message that permits allow at once.
    ///
    /// Returns a ticket for each slot that has no outcome yet, in order. With none, the message is on its way to
    /// settle already.
    pub fn open(
        received: Received,
        requests: Vec<PackedRequest>,
        slots: Vec<Slot>,
        held: Held,
        to_settle: mpsc::Sender<Arc<Self>>,
    ) -> Vec<Ticket> {
        let undecided: Vec<usize> =
            slots.iter().enumerate().filter(|(_, slot)| slot.outcome.is_none()).map(|(n, _)| n).collect();
        let open = undecided.len();
        let book = Mutex::new(Book { slots, held: Some(held), open, to_settle: Some(to_settle) });
        let flight = Arc::new(Self { received, requests, book });
        if open == 0 {
            flight.hand_over();
        }
        undecided.into_iter().map(|slot| Ticket { flight: flight.clone(), slot, recorded: false }).collect()
    }

    /// The slots with their outcomes, and the duty to count them; once.
    pub fn take_slots(&self) -> Option<(Vec<Slot>, Held)> {
        let mut book = self.book();
        let held = book.held.take()?;
        Some((std::mem::take(&mut book.slots), held))
    }

    fn record(self: &Arc<Self>, slot: usize, outcome: Outcome) {
        let mut book = self.book();
        if let Some(slot) = book.slots.get_mut(slot)
            && slot.outcome.is_none()
        {
            slot.outcome = Some(outcome);
            book.open -= 1;
            if book.open == 0 {
                drop(book);
                self.hand_over();
            }
        }
    }

    fn hand_over(self: &Arc<Self>) {
        let Some(to_settle) = self.book().to_settle.take() else { return };
        if to_settle.try_send(self.clone()).is_err() {
            // Settle has ended: the process is on its way out, and the message comes back when its lease lapses.
            tracing::warn!("a message is left to its lease: settle has ended");
        }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to say how one item ended. Dropped without a word, the item is handed back for another try, so no fault
/// of a stage can make it vanish.
#[derive(Debug)]
#[must_use = "record the item's outcome"]
pub struct Ticket {
    flight: Arc<InFlight>,
    slot: usize,
    recorded: bool,
}

impl Ticket {
    /// Records how the item ended.
    pub fn record(mut self, outcome: Outcome) {
        self.recorded = true;
        self.flight.record(self.slot, outcome);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.recorded {
            self.flight.record(self.slot, Outcome::retry(RetryReason::HandedBack));
        }
    }
}
