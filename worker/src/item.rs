//! One item on its way from split to settle.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use minijinja::Value;
use penstock_shared::{ids::ItemKey, subscription::SubscriptionKey};

use crate::{credentials::Origin, in_flight::Ticket, lanes::Weigh};

/// A mapped item, waiting in its lane. `Debug` shows nothing of its content.
pub(crate) struct LaneItem {
    /// The duty to say how it ended.
    pub(crate) ticket: Ticket,
    /// Its idempotency key.
    pub(crate) key: ItemKey,
    /// The item as the partner wants it.
    pub(crate) json: Bytes,
    /// What calls about it may use.
    pub(crate) call: Arc<CallContext>,
    /// What is to be kept of the answer, for a subscription change.
    pub(crate) subscription: Option<SubscriptionDuty>,
}

/// What the items of a lane have in common: what expressions about a whole call see. `Debug` shows none of it.
pub(crate) struct CallContext {
    /// `settings`.
    pub(crate) settings: Value,
    /// `account`.
    pub(crate) account: Value,
    /// `group`.
    pub(crate) group: Value,
    /// Which credentials its expressions see; `None` when nobody watches them.
    pub(crate) origin: Option<Origin>,
}

/// What a subscription change asks of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubscriptionDuty {
    /// Whose subscription.
    pub(crate) key: SubscriptionKey,
    /// What the change is.
    pub(crate) change: DutyKind,
}

/// What becomes of the captured values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DutyKind {
    /// Create the audience at the partner once, and keep what it gives.
    Create,
    /// Change it; keep what it gives, if it gives anything.
    Change,
    /// Delete it, and forget what was kept.
    Delete,
}

impl fmt::Debug for LaneItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneItem")
            .field("key", &self.key)
            .field("bytes", &self.json.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext").finish_non_exhaustive()
    }
}

impl Weigh for LaneItem {
    fn bytes(&self) -> usize {
        self.json.len() + 1
    }
}
