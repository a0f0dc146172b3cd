//! The five request types.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the five requests a message is; the wire words are those of protocol.md 3.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestKind {
    /// What can this integration do? Answered at once, unauthenticated.
    #[serde(rename = "module_registration_request")]
    Registration,
    /// One user's batch of events.
    #[serde(rename = "event_processing_request")]
    Events,
    /// An audience was connected, changed or removed.
    #[serde(rename = "audience_subscription_request")]
    Subscription,
    /// Users entered or left audiences.
    #[serde(rename = "audience_membership_change_request")]
    Membership,
    /// A data subject request (erasure).
    #[serde(rename = "dsr_processing_request")]
    Dsr,
}

impl RequestKind {
    /// All five.
    pub const ALL: [Self; 5] =
        [Self::Registration, Self::Events, Self::Subscription, Self::Membership, Self::Dsr];

    /// The `type` of the request on the wire.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Registration => "module_registration_request",
            Self::Events => "event_processing_request",
            Self::Subscription => "audience_subscription_request",
            Self::Membership => "audience_membership_change_request",
            Self::Dsr => "dsr_processing_request",
        }
    }

    /// The `type` of the matching response.
    pub fn response_wire(self) -> &'static str {
        match self {
            Self::Registration => "module_registration_response",
            Self::Events => "event_processing_response",
            Self::Subscription => "audience_subscription_response",
            Self::Membership => "audience_membership_change_response",
            Self::Dsr => "dsr_processing_response",
        }
    }

    /// Reads the wire word; exact, as the reference reader does (protocol.md trap 32).
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.wire() == word)
    }

    /// A short word for metrics and reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Events => "events",
            Self::Subscription => "subscription",
            Self::Membership => "membership",
            Self::Dsr => "dsr",
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire())
    }
}
