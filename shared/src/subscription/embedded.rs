//! Subscriptions in the embedded database.

mod suspensions;

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, Error, OptionalExtension as _, Row};

use super::{
    Applied, Captured, Claim, StoreError, Subscription, SubscriptionChange, SubscriptionKey,
    SubscriptionState, SubscriptionStore, from_json, json, unreadable::Unreadable,
};
use crate::{
    database::{Database, DatabaseError},
    ids::{AccountId, Pod},
    suspension::{CredentialsKey, Suspension},
};

const SCAN_MAX: usize = 1_000;

/// The subscription store in the embedded database.
#[derive(Clone, Debug)]
pub struct EmbeddedSubscriptionStore {
    database: Database,
    unreadable: Arc<Unreadable>,
}

impl EmbeddedSubscriptionStore {
    /// The store in that database.
    pub fn open(database: Database) -> Self {
        Self { database, unreadable: Arc::default() }
    }
}

#[async_trait]
impl SubscriptionStore for EmbeddedSubscriptionStore {
    async fn get(&self, key: &SubscriptionKey) -> Result<Option<Subscription>, StoreError> {
        let wanted = key.clone();
        let row = self.database.call(move |connection| StoredRow::find(connection, &wanted)).await?;
        row.map(|row| row.read(key.clone())).transpose()
    }

    async fn apply(&self, change: &SubscriptionChange) -> Result<Applied, StoreError> {
        let (key, change) = (change.key.clone(), change.clone());
        let (stored, row) = self
            .database
            .call(move |connection| {
                let stored = upsert(connection, &change)?;
                let row = StoredRow::find(connection, &change.key)?;
                Ok((stored, row.ok_or(Error::QueryReturnedNoRows)?))
            })
            .await?;
        Ok(Applied { stored, current: row.read(key)? })
    }

    async fn claim(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, StoreError> {
        let (key, owner) = (key.clone(), owner.to_owned());
        let claim = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "UPDATE subscription SET claim_owner = ?4, claim_until_ms = ?6 \
                     WHERE pod = ?1 AND account = ?2 AND audience_id = ?3 \
                     AND (claim_owner IS NULL OR claim_owner = ?4 OR claim_until_ms <= ?5)",
                )?
                .execute((key.pod.as_str(), i64::from(key.account), key.audience_id, owner, now_ms, until_ms))
        };
        Ok(self.database.call(claim).await? > 0)
    }

    async fn release(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        captured: Option<&Captured>,
    ) -> Result<bool, StoreError> {
        let (key, owner, captured) = (key.clone(), owner.to_owned(), captured.map(json));
        let release = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "UPDATE subscription \
                     SET claim_owner = NULL, claim_until_ms = NULL, captured = coalesce(?5, captured) \
                     WHERE pod = ?1 AND account = ?2 AND audience_id = ?3 AND claim_owner = ?4",
                )?
                .execute((key.pod.as_str(), i64::from(key.account), key.audience_id, owner, captured))
        };
        Ok(self.database.call(release).await? > 0)
    }

    async fn scan(
        &self,
        pod: &Pod,
        account: AccountId,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Subscription>, StoreError> {
        let (of, limit) = (pod.clone(), i64::try_from(limit.clamp(1, SCAN_MAX)).expect("clamped"));
        let scan = move |connection: &Connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM subscription WHERE pod = ?1 AND account = ?2 \
                     AND (?3 IS NULL OR audience_id > ?3) ORDER BY audience_id LIMIT ?4"
                ))?
                .query_map((of.as_str(), i64::from(account), after, limit), StoredRow::of)?
                .collect::<Result<Vec<_>, _>>()
        };
        let rows = self.database.call(scan).await?;
        let key = |audience_id| SubscriptionKey { pod: pod.clone(), account, audience_id };
        rows.into_iter().map(|row| (key(row.audience_id), row)).map(|(key, row)| row.read(key)).collect()
    }

    async fn note_refused(&self, note: &Suspension) -> Result<(), StoreError> {
        self.note_refused(note).await
    }

    async fn note_accepted(&self, key: &CredentialsKey, at_ms: i64) -> Result<bool, StoreError> {
        self.note_accepted(key, at_ms).await
    }

    async fn suspended(&self, pod: &Pod) -> Result<Vec<Suspension>, StoreError> {
        self.suspended(pod).await
    }
}

/// Stores the change unless a newer one is there; true when it is stored.
fn upsert(connection: &Connection, change: &SubscriptionChange) -> Result<bool, Error> {
    let key = &change.key;
    let rows = connection
        .prepare_cached(
            "INSERT INTO subscription \
             (pod, account, audience_id, state, name, settings, captured, changed_at_ms) \
             VALUES (?1, ?2, ?3, ?4, coalesce(?5, ''), coalesce(?6, '{}'), '{}', ?7) \
             ON CONFLICT DO UPDATE SET state = excluded.state, name = coalesce(?5, name), \
             settings = coalesce(?6, settings), changed_at_ms = excluded.changed_at_ms \
             WHERE changed_at_ms <= excluded.changed_at_ms",
        )?
        .execute((
            key.pod.as_str(),
            i64::from(key.account),
            key.audience_id,
            change.state.as_str(),
            &change.name,
            change.settings.as_ref().map(json),
            change.changed_at_ms,
        ))?;
    Ok(rows > 0)
}

const COLUMNS: &str =
    "audience_id, state, name, settings, captured, changed_at_ms, claim_owner, claim_until_ms";

/// A row as stored, its JSON not yet read.
struct StoredRow {
    audience_id: i64,
    state: String,
    name: String,
    settings: String,
    captured: String,
    changed_at_ms: i64,
    claim_owner: Option<String>,
    claim_until_ms: Option<i64>,
}

impl StoredRow {
    fn find(connection: &Connection, key: &SubscriptionKey) -> Result<Option<Self>, Error> {
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM subscription WHERE pod = ?1 AND account = ?2 AND audience_id = ?3"
            ))?
            .query_row((key.pod.as_str(), i64::from(key.account), key.audience_id), Self::of)
            .optional()
    }

    fn of(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            audience_id: row.get(0)?,
            state: row.get(1)?,
            name: row.get(2)?,
            settings: row.get(3)?,
            captured: row.get(4)?,
            changed_at_ms: row.get(5)?,
            claim_owner: row.get(6)?,
            claim_until_ms: row.get(7)?,
        })
    }

    fn read(self, key: SubscriptionKey) -> Result<Subscription, StoreError> {
        let state = SubscriptionState::from_stored(&self.state)?;
        let claim = self.claim_owner.zip(self.claim_until_ms);
        Ok(Subscription {
            key,
            state,
            name: self.name,
            settings: from_json(&self.settings)?,
            changed_at_ms: self.changed_at_ms,
            captured: from_json(&self.captured)?,
            claim: claim.map(|(owner, until_ms)| Claim { owner, until_ms }),
        })
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
