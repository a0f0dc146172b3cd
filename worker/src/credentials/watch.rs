//! What is known of accounts whose credentials were refused lately, and what the store is to be told of it. Pure: time
//! comes in as ms since 1970 UTC.
//!
//! An account that is never refused takes no memory. Messages of one account may differ in their settings because it
//! has several configurations, or because it got a new key; these are told apart by time of receipt: credentials first
//! seen after the last message with others have replaced those, and what still waits with the old ones says nothing any
//! more.

mod account;

use std::collections::BTreeMap;

use penstock_shared::{
    clock::millis,
    ids::{AccountId, Pod},
    suspension::{CredentialsKey, Fingerprint, SUSPENDED_MAX, SUSPENSION_LASTS, Suspension},
};

use self::account::{AccountWatch, KeyWatch, Owed};
use super::{Origin, SuspendConfig};

/// Accounts watched at once; what is refused beyond waits for room.
const ACCOUNTS_MAX: usize = 10_000;
/// Pods heard of.
const PODS_MAX: usize = 16;
/// How often a suspension that goes on is confirmed, in ms.
const CONFIRM_EVERY_MS: i64 = 5 * 60 * 1000;
/// With so many accounts refused and none accepted, it is the partner, or our `partner.toml`, rather than all of them.
const EVERYONE: usize = 3;

/// Something the store is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// These are refused.
    Refused(Suspension),
    /// These are not, as of then.
    Accepted(CredentialsKey, i64),
}

impl Change {
    pub(super) fn key(&self) -> &CredentialsKey {
        match self {
            Self::Refused(note) => &note.key,
            Self::Accepted(key, _) => key,
        }
    }
}

/// All accounts of all pods.
#[derive(Debug)]
pub(super) struct Watch {
    config: SuspendConfig,
    pods: BTreeMap<Pod, PodWatch>,
}

#[derive(Debug)]
struct PodWatch {
    /// When a call of any account was last accepted.
    accepted_ms: i64,
    accounts: BTreeMap<AccountId, AccountWatch>,
}

impl Watch {
    pub(super) fn new(config: SuspendConfig) -> Self {
        Self { config, pods: BTreeMap::new() }
    }

    /// A message arrived. True when the store is to be told something.
    pub(super) fn arrived(&mut self, pod: &Pod, account: AccountId, origin: Origin, now_ms: i64) -> bool {
        let Some(account) = self.pod(pod).and_then(|pod| pod.accounts.get_mut(&account)) else {
            return false;
        };
        let key = account.key(origin.fingerprint);
        let first_ms = key.saw(origin.received_ms);
        let mut is_owed = false;
        for other in &mut account.keys {
            if other.fingerprint != origin.fingerprint && other.last_ms < first_ms {
                is_owed |= other.clear(now_ms);
            }
        }
        is_owed
    }

    /// A call was refused for its credentials.
    pub(super) fn refused(&mut self, pod: &Pod, account: AccountId, origin: Origin, now_ms: i64) -> bool {
        let config = self.config;
        let Some(pod) = self.pod(pod) else { return false };
        if !pod.accounts.contains_key(&account) && pod.accounts.len() >= ACCOUNTS_MAX {
            return false;
        }
        let is_everyone =
            pod.accounts.values().filter(|account| account.is_refused()).take(EVERYONE).count() >= EVERYONE;
        let accepted_ms = pod.accepted_ms;
        let account = pod.accounts.entry(account).or_insert_with(|| AccountWatch::new(now_ms));
        account.refused_ms = now_ms;
        let is_replaced = account.keys.iter().any(|other| {
            other.fingerprint != origin.fingerprint
                && other.first_ms.is_some_and(|first_ms| first_ms > origin.received_ms)
        });
        if is_replaced {
            return false;
        }
        let key = account.key(origin.fingerprint);
        key.saw(origin.received_ms);
        let refusals = key.refuse(now_ms);
        let noted_ms = key.noted_ms.filter(|_| !matches!(key.owed, Some(Owed::Accepted(_))));
        let is_due = match noted_ms {
            Some(noted_ms) => now_ms.saturating_sub(noted_ms) >= CONFIRM_EVERY_MS,
            None => {
                refusals.count >= config.refusals
                    && now_ms.saturating_sub(refusals.since_ms) >= millis(config.over)
                    && !(is_everyone && accepted_ms < refusals.since_ms)
            }
        };
        if is_due {
            key.owed = Some(Owed::Refused);
        }
        is_due
    }

    /// A call was accepted.
    pub(super) fn accepted(
        &mut self,
        pod: &Pod,
        account: AccountId,
        fingerprint: Fingerprint,
        now_ms: i64,
    ) -> bool {
        let Some(pod) = self.pod(pod) else { return false };
        pod.accepted_ms = now_ms;
        let keys = pod.accounts.get_mut(&account).map(|account| &mut account.keys);
        let key = keys.into_iter().flatten().find(|key| key.fingerprint == fingerprint);
        key.is_some_and(|key| key.clear(now_ms))
    }

    /// Everything the store has of the pod: what others noted is noted here, and what others cleared is cleared.
    pub(super) fn listed(&mut self, name: &Pod, listed: &[Suspension], now_ms: i64) {
        let Some(pod) = self.pod(name) else { return };
        let is_whole = listed.len() < SUSPENDED_MAX;
        let by_key: BTreeMap<_, _> =
            listed.iter().map(|noted| ((noted.key.account, noted.key.fingerprint), noted)).collect();
        for (account, watched) in &mut pod.accounts {
            for key in watched.keys.iter_mut().filter(|key| key.owed.is_none() && key.noted_ms.is_some()) {
                if is_whole && !by_key.contains_key(&(*account, key.fingerprint)) {
                    key.noted_ms = None;
                    key.refusals = None;
                }
            }
        }
        for ((account, fingerprint), noted) in by_key {
            if !pod.accounts.contains_key(&account) && pod.accounts.len() >= ACCOUNTS_MAX {
                continue;
            }
            let account = pod.accounts.entry(account).or_insert_with(|| AccountWatch::new(now_ms));
            let key = account.key(fingerprint);
            key.last_ms = key.last_ms.max(noted.received_ms);
            key.noted_ms = Some(noted.confirmed_ms);
            if key.owed.is_none() && !noted.holds(now_ms) {
                key.owed = Some(Owed::Accepted(noted.confirmed_ms));
            }
        }
    }

    /// Pods heard of.
    pub(super) fn pods(&self) -> Vec<Pod> {
        self.pods.keys().cloned().collect()
    }

    /// Everything the store is to be told.
    pub(super) fn owed(&self) -> Vec<Change> {
        let accounts = self.pods.iter().flat_map(|(pod, watch)| {
            watch
                .accounts
                .iter()
                .flat_map(move |(account, watch)| watch.keys.iter().map(move |key| (pod, account, key)))
        });
        let change = |(pod, account, key): (&Pod, &AccountId, &KeyWatch)| {
            let of = CredentialsKey { pod: pod.clone(), account: *account, fingerprint: key.fingerprint };
            match key.owed? {
                Owed::Accepted(at_ms) => Some(Change::Accepted(of, at_ms)),
                Owed::Refused => key.refusals.map(|refusals| {
                    Change::Refused(Suspension {
                        key: of,
                        since_ms: refusals.since_ms,
                        confirmed_ms: refusals.last_ms,
                        received_ms: key.last_ms,
                        refusals: refusals.untold,
                    })
                }),
            }
        };
        accounts.filter_map(change).collect()
    }

    /// The store was told; `is_done` is false where it knows of a later refusal. True when it is a turn of things:
    /// suspended, or no more.
    pub(super) fn written(&mut self, change: &Change, is_done: bool) -> bool {
        let CredentialsKey { pod, account, fingerprint } = change.key();
        let account = self.pods.get_mut(pod).and_then(|pod| pod.accounts.get_mut(account));
        let keys = account.map(|account| &mut account.keys);
        let Some(key) = keys.into_iter().flatten().find(|key| key.fingerprint == *fingerprint) else {
            return false;
        };
        match change {
            Change::Refused(note) => {
                // What was accepted meanwhile is owed on top.
                key.owed = key.owed.filter(|owed| *owed != Owed::Refused);
                if let Some(refusals) = &mut key.refusals {
                    refusals.untold = refusals.untold.saturating_sub(note.refusals);
                }
                key.noted_ms.replace(note.confirmed_ms).is_none()
            }
            Change::Accepted(_, at_ms) => {
                key.owed = key.owed.filter(|owed| *owed != Owed::Accepted(*at_ms));
                if is_done { key.noted_ms.take().is_some() } else { false }
            }
        }
    }

    /// Forgets accounts that were not refused for long, and of which the store knows nothing.
    pub(super) fn forget(&mut self, now_ms: i64) {
        let since_ms = now_ms.saturating_sub(millis(SUSPENSION_LASTS));
        for pod in self.pods.values_mut() {
            pod.accounts.retain(|_, account| {
                account.refused_ms > since_ms || account.keys.iter().any(KeyWatch::is_open)
            });
        }
    }

    /// The pod, unless it is one too many.
    fn pod(&mut self, pod: &Pod) -> Option<&mut PodWatch> {
        if !self.pods.contains_key(pod) {
            if self.pods.len() >= PODS_MAX {
                return None;
            }
            let empty = PodWatch { accepted_ms: i64::MIN, accounts: BTreeMap::new() };
            self.pods.insert(pod.clone(), empty);
        }
        self.pods.get_mut(pod)
    }
}

#[cfg(test)]
mod tests;
