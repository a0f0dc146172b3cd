//! mParticle's messages, as protocol.md 3 has them.
//!
//! [`sort`] is for ingress: one pass over the bytes, no parsing. [`read`] is for the worker: item by item, tolerant
//! of everything the reference reader takes and more. Both go by the same facts, so whatever is sorted as
//! deliverable has at least one item. [`response`] makes the five answers.

mod account;
mod audience;
mod coerce;
mod consent;
mod dsr;
mod environment;
mod event;
mod facts;
mod identity;
mod kind;
mod raw;
mod request;
pub mod response;
mod shape;
mod sorter;
mod words;

pub use account::{Account, account};
pub use audience::{Membership, SubscriptionRequest};
pub use dsr::{Dsr, DsrType};
pub use event::Event;
pub use identity::pick;
pub use kind::RequestKind;
pub use request::{Item, ItemContent, Request, Unreadable, read};
pub use sorter::{SortError, Sorted, sort};
pub use words::{AudienceAction, EventType, RuntimeKind, SubscriptionAction};

/// Members of an object by name, in their order on the wire; numbers keep their digits.
pub type Fields = serde_json::Map<String, serde_json::Value>;

/// Values of settings by id, as text; a null value is `None`.
pub type Settings = indexmap::IndexMap<String, Option<String>>;

#[cfg(test)]
mod tests;
