//! `[[routes]]`: which items become which calls.

mod answer;
mod check;
mod read;

use std::time::Duration;

pub use answer::{Answer, FailedList, ItemAnswers, Verdict};

pub(super) use check::check;
pub(super) use read::read_all;

use super::{Expr, Mapping, RouteLimits, Template};

/// A rule: which items it takes, and what becomes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name: unique, `[a-z0-9-]{1,40}`.
    pub name: String,
    /// The kind of item it takes.
    pub takes: Takes,
    /// Which of these it takes; all when `None`.
    pub when: Option<Expr>,
    /// What becomes of them.
    pub action: RouteAction,
}

/// What becomes of a route's items.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteAction {
    /// They are filtered, with this reason.
    Drop(String),
    /// They are sent.
    Call(Box<Call>),
}

/// The kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Takes {
    /// One event of a batch.
    Event,
    /// A user's profile without events.
    Profile,
    /// One (profile, audience) change.
    Membership,
    /// An audience connected, changed or removed.
    Subscription,
    /// An erasure request.
    Erasure,
}

/// The call that a route makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `POST`, `PUT`, `PATCH`, `DELETE` or `GET`.
    pub method: &'static str,
    /// What is appended to the base URL; begins with a slash. Sees `group`, `settings`, `pod`, `account`.
    pub path: Template,
    /// Whether items wait until their audience's subscription is stored, and captured when a route captures.
    pub needs_subscription: bool,
    /// What the items of one call have in common; all may share a call when `None`.
    pub group: Option<Expr>,
    /// The route's own rates.
    pub limits: RouteLimits,
    /// How many items share a call.
    pub batch: Batch,
    /// An item as the partner wants it. `None`: the call has no body of items.
    pub item: Option<Mapping>,
    /// The whole call's JSON; sees `items`, the mapped items, and `group`, `settings`, `pod`, `account`. `None`: the
    /// item itself when [`Batch::items_max`] is 1, else the array of items; no body at all when `item` is `None` too.
    pub body: Option<Mapping>,
    /// What to keep of the answer for the audience: name and expression. On subscription routes only.
    pub capture: Vec<(String, Expr)>,
    /// How to read the partner's answer.
    pub answer: Answer,
}

/// How many items share a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Items a call, 1 to 10,000; 1 on subscription routes, where each has an answer and a claim of its own.
    pub items_max: usize,
    /// Bytes of a call's body, 1 KiB to 50 MB. One item that is longer goes alone.
    pub bytes_max: usize,
    /// How long the first item waits for company; at most 60 s.
    pub wait: Duration,
}

impl Takes {
    /// All five.
    pub const ALL: [Self; 5] =
        [Self::Event, Self::Profile, Self::Membership, Self::Subscription, Self::Erasure];

    /// The word that the file uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Profile => "profile",
            Self::Membership => "membership",
            Self::Subscription => "subscription",
            Self::Erasure => "erasure",
        }
    }
}

impl Route {
    /// The call it makes, unless it drops its items.
    pub fn call(&self) -> Option<&Call> {
        match &self.action {
            RouteAction::Call(call) => Some(call),
            RouteAction::Drop(_) => None,
        }
    }

    /// Adds every expression in it to `found`.
    pub(super) fn collect<'a>(&'a self, found: &mut Vec<&'a Expr>) {
        found.extend(&self.when);
        let Some(call) = self.call() else { return };
        found.extend(&call.group);
        for mapping in call.item.iter().chain(&call.body) {
            mapping.collect(found);
        }
        found.extend(call.capture.iter().map(|(_, expr)| expr));
        call.answer.collect(found);
    }
}
