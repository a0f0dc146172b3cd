//! What is to become of each item of a request.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use penstock_shared::{
    ids::{Address, ItemKey},
    pack::{PackedRequest, Pending, PendingItem},
};

use crate::{
    in_flight::Ticket,
    item::{CallContext, LaneItem, SubscriptionDuty},
    lanes::LaneKey,
    outcome::Outcome,
};

/// The items of one request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) items: Vec<PlannedItem>,
}

/// One item, and what becomes of it.
#[derive(Debug)]
pub(crate) struct PlannedItem {
    pub(crate) pending: PendingItem,
    /// Never before in a pack as an item of its own.
    pub(crate) is_first_seen: bool,
    pub(crate) planned: Planned,
}

#[derive(Debug)]
pub(crate) enum Planned {
    /// It ends, or waits, without a call.
    Outcome(Outcome),
    /// It goes to a lane.
    Lane(LaneDraft),
}

/// A [`LaneItem`] whose message has no book yet. `Debug` shows nothing of its content.
pub(crate) struct LaneDraft {
    pub(crate) lane: LaneKey,
    pub(crate) key: ItemKey,
    pub(crate) json: Bytes,
    pub(crate) call: Arc<CallContext>,
    pub(crate) subscription: Option<SubscriptionDuty>,
}

impl fmt::Debug for LaneDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneDraft")
            .field("lane", &self.lane.route)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl LaneDraft {
    pub(super) fn with_ticket(self, ticket: Ticket) -> (LaneKey, LaneItem) {
        let Self { lane, key, json, call, subscription } = self;
        (lane, LaneItem { ticket, key, json, call, subscription })
    }
}

impl Plan {
    /// The request as one item. One that is to be tried again has not been seen yet: its items will be.
    pub(super) fn whole(outcome: Outcome) -> Self {
        let pending = PendingItem::untried(Address::Whole);
        let is_first_seen = !matches!(outcome, Outcome::Retry { .. });
        Self { items: vec![PlannedItem { pending, is_first_seen, planned: Planned::Outcome(outcome) }] }
    }

    /// The same for each item that is pending; for a request that was never split, for the request as one.
    pub(super) fn same_for_all(request: &PackedRequest, outcome: &Outcome) -> Self {
        match &request.pending {
            Pending::Items(items) => {
                let items = items.iter().map(|pending| PlannedItem {
                    pending: pending.clone(),
                    is_first_seen: false,
                    planned: Planned::Outcome(outcome.clone()),
                });
                Self { items: items.collect() }
            }
            Pending::All | Pending::SetAside(_) => Self::whole(outcome.clone()),
        }
    }

    pub(super) fn add(&mut self, pending: &Wanted, planned: Planned) {
        let (pending, is_first_seen) = (pending.item.clone(), pending.is_first_seen);
        self.items.push(PlannedItem { pending, is_first_seen, planned });
    }
}

/// An item that is to be done, as its pack had it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) item: PendingItem,
    pub(super) is_first_seen: bool,
}

/// Which items of a request are to be done.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    /// `None`: all of them.
    items: Option<&'a [PendingItem]>,
    /// Attempts and times of a request that was tried, or waited, as a whole.
    whole: Option<&'a PendingItem>,
}

impl<'a> Selection<'a> {
    pub(super) fn of(request: &'a PackedRequest) -> Self {
        match &request.pending {
            Pending::All | Pending::SetAside(_) => Self { items: None, whole: None },
            Pending::Items(items) => match items.iter().find(|item| item.address == Address::Whole) {
                Some(whole) => Self { items: None, whole: Some(whole) },
                None => Self { items: Some(items), whole: None },
            },
        }
    }

    /// The item at the address as it is pending; `None` when it is not to be done.
    pub(super) fn wanted(&self, address: Address) -> Option<Wanted> {
        match self.items {
            Some(items) => {
                let item = items.iter().find(|item| item.address == address)?;
                Some(Wanted { item: item.clone(), is_first_seen: false })
            }
            None => Some(match self.whole {
                Some(whole) => Wanted {
                    item: PendingItem { address, ..whole.clone() },
                    is_first_seen: address != Address::Whole,
                },
                None => Wanted { item: PendingItem::untried(address), is_first_seen: true },
            }),
        }
    }

    /// What is asked for by name and stands in no plan.
    pub(super) fn left_of(&self, plan: &Plan) -> Vec<Wanted> {
        let is_planned =
            |item: &PendingItem| plan.items.iter().any(|planned| planned.pending.address == item.address);
        let left = self.items.unwrap_or_default().iter().filter(|item| !is_planned(item));
        left.map(|item| Wanted { item: item.clone(), is_first_seen: false }).collect()
    }

    /// Addresses that are asked for by name.
    pub(super) fn named(&self) -> impl Iterator<Item = Address> + '_ {
        self.items.unwrap_or_default().iter().map(|item| item.address)
    }
}
