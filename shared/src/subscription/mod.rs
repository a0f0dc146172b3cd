//! The subscription seam: which audiences each account has connected, and what the partner calls them; and which
//! credentials of accounts it refuses.
//!
//! Two implementations, [`dynamodb`] and [`embedded`], held to one contract suite
//! (`shared/tests/subscription_contract.rs`). Ordering rules are protocol.md 4.3.

pub mod dynamodb;
pub mod embedded;
mod unreadable;

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{AccountId, Pod},
    suspension::{CredentialsKey, Suspension},
};

/// Keeps subscriptions, and the state of accounts' credentials, so that an older change never overwrites a newer one.
#[async_trait]
pub trait SubscriptionStore: fmt::Debug + Send + Sync + 'static {
    /// The subscription as stored, tombstones included; `None` when none was ever stored.
    async fn get(&self, key: &SubscriptionKey) -> Result<Option<Subscription>, StoreError>;

    /// Stores a change unless a newer one (by `changed_at_ms`) is stored already; the change of an equal time is
    /// stored again, so a repeated request has the same end state. What was captured, and a live claim, are kept.
    /// Returns what is stored afterwards, and whether this change is part of it.
    async fn apply(&self, change: &SubscriptionChange) -> Result<Applied, StoreError>;

    /// Takes the right to create or change the audience at the partner until `until_ms`, for `owner` alone.
    /// True when `owner` has it now: no one had, the other's has lapsed at `now_ms`, or it was `owner`'s already.
    /// Needs a stored subscription; false when there is none.
    async fn claim(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, StoreError>;

    /// Ends `owner`'s claim and replaces the captured values by `captured` (`None` leaves them as they are; an
    /// empty map forgets them). False, and nothing changed, when the claim is not `owner`'s.
    async fn release(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        captured: Option<&Captured>,
    ) -> Result<bool, StoreError>;

    /// The subscriptions of an account, at most `limit` (clamped to 1..=1000) in the order of their audience ids,
    /// starting after audience `after`.
    async fn scan(
        &self,
        pod: &Pod,
        account: AccountId,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Subscription>, StoreError>;

    /// Notes that the partner refuses an account's credentials beyond doubt, or still does. `since_ms` is kept from the
    /// first note, `confirmed_ms` and `received_ms` are the newest note's, `refusals` are added up. A note that was not
    /// confirmed later than the one before changes nothing, so a repeated note counts once.
    async fn note_refused(&self, note: &Suspension) -> Result<(), StoreError>;

    /// Forgets what was noted of these credentials, unless they were refused after `at_ms`. True when nothing is noted
    /// of them afterwards.
    async fn note_accepted(&self, key: &CredentialsKey, at_ms: i64) -> Result<bool, StoreError>;

    /// All credentials of the pod that are noted as refused, in no order, those that hold no more included; at most
    /// [`SUSPENDED_MAX`](crate::suspension::SUSPENDED_MAX).
    async fn suspended(&self, pod: &Pod) -> Result<Vec<Suspension>, StoreError>;
}

/// Whose subscription to which audience. Audiences may be shared between accounts and ids repeat between pods
/// (protocol.md 4.6), so all three are the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubscriptionKey {
    /// The pod whose endpoint received it.
    pub pod: Pod,
    /// The account that connected the audience.
    pub account: AccountId,
    /// mParticle's id of the audience; the full 64 bits occur.
    pub audience_id: i64,
}

/// Values the partner gave for an audience, by the names `partner.toml` gives them: the partner's list id above all.
pub type Captured = BTreeMap<String, serde_json::Value>;

/// One audience that an account connected.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Whose, and which audience.
    pub key: SubscriptionKey,
    /// Connected, or removed since.
    pub state: SubscriptionState,
    /// The audience's name as last heard.
    pub name: String,
    /// The connection's settings as last heard, hidden ones included. `None` values are tags.
    pub settings: BTreeMap<String, Option<String>>,
    /// When the last change was made: the message's time, ms since 1970 UTC. What orders changes.
    pub changed_at_ms: i64,
    /// What the partner gave for it. Survives changes; emptied when the partner's list is deleted.
    pub captured: Captured,
    /// Who is creating or changing the audience at the partner now, and until when.
    pub claim: Option<Claim>,
}

/// A time-limited right to act for a subscription at the partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who has it: an item key, and who delivers it.
    pub owner: String,
    /// When it lapses, ms since 1970 UTC.
    pub until_ms: i64,
}

/// Whether an audience is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionState {
    /// Connected.
    Active,
    /// Removed: a tombstone, which keeps late memberships from reviving it.
    Removed,
}

/// A subscription request, as the store takes it.
#[derive(Clone, PartialEq)]
pub struct SubscriptionChange {
    /// Whose, and which audience.
    pub key: SubscriptionKey,
    /// What it becomes.
    pub state: SubscriptionState,
    /// The audience's name; `None` keeps the stored one.
    pub name: Option<String>,
    /// The connection's settings; `None` keeps the stored ones.
    pub settings: Option<BTreeMap<String, Option<String>>>,
    /// The message's time, ms since 1970 UTC.
    pub changed_at_ms: i64,
}

/// The result of [`SubscriptionStore::apply`].
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// True when the change is stored; false when a newer one stood in its way.
    pub stored: bool,
    /// The subscription as it is stored now.
    pub current: Subscription,
}

/// Why the store did not answer. The caller tries again later; nothing is known of what was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The store could not be reached, refused for now, or was too slow.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// What is stored can't be read.
    #[error("what is stored is unreadable: {0}")]
    Corrupt(String),
}

impl SubscriptionState {
    /// The word that stores keep.
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Removed => "removed",
        }
    }

    fn from_stored(word: &str) -> Result<Self, StoreError> {
        match word {
            "active" => Ok(Self::Active),
            "removed" => Ok(Self::Removed),
            _ => Err(StoreError::Corrupt("unknown state".to_owned())),
        }
    }
}

/// Settings or captured values as stores keep them: a JSON object, as text.
fn json<V: Serialize>(map: &BTreeMap<String, V>) -> String {
    serde_json::to_string(map).expect("keys are strings and values are JSON")
}

/// The error says where, and nothing of what was stored: it may be secret.
fn from_json<V: serde::de::DeserializeOwned>(text: &str) -> Result<BTreeMap<String, V>, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::Corrupt(format!("not a JSON object at line {} column {}", error.line(), error.column()))
    })
}

/// Without settings and captured values: they may be secrets.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("key", &self.key)
            .field("state", &self.state)
            .field("changed_at_ms", &self.changed_at_ms)
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

/// Without settings and captured values: they may be secrets.
impl fmt::Debug for SubscriptionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionChange")
            .field("key", &self.key)
            .field("state", &self.state)
            .field("changed_at_ms", &self.changed_at_ms)
            .finish_non_exhaustive()
    }
}
