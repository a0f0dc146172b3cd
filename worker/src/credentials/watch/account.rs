//! One account: which of its credentials were refused in a row, and what of that the store knows or is owed.

use penstock_shared::{
    clock::millis,
    suspension::{Fingerprint, SUSPENSION_LASTS},
};

/// Sets of credentials watched of one account; the ones seen longest ago give way.
pub(super) const KEYS_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct AccountWatch {
    pub(super) refused_ms: i64,
    pub(super) keys: Vec<KeyWatch>,
}

#[derive(Debug)]
pub(super) struct KeyWatch {
    pub(super) fingerprint: Fingerprint,
    /// Receipt of the first message seen with them; `None` when they are known from the store alone.
    pub(super) first_ms: Option<i64>,
    /// Receipt of the newest.
    pub(super) last_ms: i64,
    pub(super) refusals: Option<Refusals>,
    /// The store has them as refused, last confirmed then.
    pub(super) noted_ms: Option<i64>,
    pub(super) owed: Option<Owed>,
}

/// Refusals in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusals {
    pub(super) since_ms: i64,
    pub(super) last_ms: i64,
    pub(super) count: usize,
    /// Of these, the ones the store was not told.
    pub(super) untold: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    Refused,
    Accepted(i64),
}

impl AccountWatch {
    pub(super) fn new(now_ms: i64) -> Self {
        Self { refused_ms: now_ms, keys: Vec::new() }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.keys.iter().any(|key| key.refusals.is_some())
    }

    pub(super) fn key(&mut self, fingerprint: Fingerprint) -> &mut KeyWatch {
        let known = self.keys.iter().position(|key| key.fingerprint == fingerprint);
        let index = known.unwrap_or_else(|| {
            if self.keys.len() >= KEYS_MAX {
                let oldest =
                    (0..self.keys.len()).min_by_key(|n| (self.keys[*n].is_open(), self.keys[*n].last_ms));
                oldest.map(|oldest| self.keys.swap_remove(oldest));
            }
            self.keys.push(KeyWatch {
                fingerprint,
                first_ms: None,
                last_ms: i64::MIN,
                refusals: None,
                noted_ms: None,
                owed: None,
            });
            self.keys.len() - 1
        });
        &mut self.keys[index]
    }
}

impl KeyWatch {
    /// Notes the receipt of a message; gives that of the first.
    pub(super) fn saw(&mut self, received_ms: i64) -> i64 {
        self.last_ms = self.last_ms.max(received_ms);
        *self.first_ms.insert(self.first_ms.map_or(received_ms, |first_ms| first_ms.min(received_ms)))
    }

    pub(super) fn refuse(&mut self, now_ms: i64) -> Refusals {
        let fresh = Refusals { since_ms: now_ms, last_ms: now_ms, count: 0, untold: 0 };
        let lapsed = |row: &Refusals| now_ms.saturating_sub(row.last_ms) >= millis(SUSPENSION_LASTS);
        let mut row = self.refusals.filter(|row| !lapsed(row)).unwrap_or(fresh);
        row.last_ms = now_ms;
        row.count = row.count.saturating_add(1);
        row.untold = row.untold.saturating_add(1);
        self.refusals = Some(row);
        row
    }

    /// They are refused no more. True when the store is to be told, and was not to be told before.
    pub(super) fn clear(&mut self, now_ms: i64) -> bool {
        self.refusals = None;
        if !self.is_open() {
            return false;
        }
        let owed = self.owed.replace(Owed::Accepted(now_ms));
        !matches!(owed, Some(Owed::Accepted(_)))
    }

    /// Whether the store may have them as refused, or is to be told something of them.
    pub(super) fn is_open(&self) -> bool {
        self.noted_ms.is_some() || self.owed.is_some()
    }
}
