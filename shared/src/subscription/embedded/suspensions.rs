//! Refused credentials in the embedded database.

use rusqlite::{Connection, Row};

use super::EmbeddedSubscriptionStore;
use crate::{
    ids::{AccountId, Pod},
    subscription::StoreError,
    suspension::{CredentialsKey, Fingerprint, SUSPENDED_MAX, Suspension},
};

impl EmbeddedSubscriptionStore {
    pub(super) async fn note_refused(&self, note: &Suspension) -> Result<(), StoreError> {
        let note = note.clone();
        let upsert = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "INSERT INTO suspension \
                     (pod, account, fingerprint, since_ms, confirmed_ms, received_ms, refusals) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                     ON CONFLICT DO UPDATE SET confirmed_ms = excluded.confirmed_ms, \
                     received_ms = excluded.received_ms, refusals = refusals + excluded.refusals \
                     WHERE confirmed_ms < excluded.confirmed_ms",
                )?
                .execute((
                    note.key.pod.as_str(),
                    i64::from(note.key.account),
                    note.key.fingerprint.to_stored(),
                    note.since_ms,
                    note.confirmed_ms,
                    note.received_ms,
                    note.refusals,
                ))
        };
        self.database.call(upsert).await?;
        Ok(())
    }

    pub(super) async fn note_accepted(&self, key: &CredentialsKey, at_ms: i64) -> Result<bool, StoreError> {
        let key = key.clone();
        let delete = move |connection: &Connection| {
            let (account, fingerprint) = (i64::from(key.account), key.fingerprint.to_stored());
            connection
                .prepare_cached(
                    "DELETE FROM suspension \
                     WHERE pod = ?1 AND account = ?2 AND fingerprint = ?3 AND confirmed_ms <= ?4",
                )?
                .execute((key.pod.as_str(), account, &fingerprint, at_ms))?;
            let stands = connection
                .prepare_cached(
                    "SELECT 1 FROM suspension WHERE pod = ?1 AND account = ?2 AND fingerprint = ?3",
                )?
                .exists((key.pod.as_str(), account, &fingerprint))?;
            Ok(!stands)
        };
        Ok(self.database.call(delete).await?)
    }

    pub(super) async fn suspended(&self, pod: &Pod) -> Result<Vec<Suspension>, StoreError> {
        let of = pod.clone();
        let limit = i64::try_from(SUSPENDED_MAX).expect("ten thousand");
        let list = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "SELECT account, fingerprint, since_ms, confirmed_ms, received_ms, refusals \
                     FROM suspension WHERE pod = ?1 LIMIT ?2",
                )?
                .query_map((of.as_str(), limit), |row| Ok(StoredRow::of(row)))?
                .collect::<Result<Vec<_>, _>>()
        };
        let rows = self.database.call(list).await?;
        self.unreadable.leave_out(pod, rows.into_iter().map(|row| read(row, pod)))
    }
}

fn read(row: Result<StoredRow, rusqlite::Error>, pod: &Pod) -> Result<Suspension, StoreError> {
    row.map_err(|error| StoreError::Corrupt(error.to_string()))?.read(pod)
}

/// A row as stored, its fingerprint not yet read.
struct StoredRow {
    account: i64,
    fingerprint: String,
    since_ms: i64,
    confirmed_ms: i64,
    received_ms: i64,
    refusals: u32,
}

impl StoredRow {
    fn of(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            account: row.get(0)?,
            fingerprint: row.get(1)?,
            since_ms: row.get(2)?,
            confirmed_ms: row.get(3)?,
            received_ms: row.get(4)?,
            refusals: row.get(5)?,
        })
    }

    fn read(self, pod: &Pod) -> Result<Suspension, StoreError> {
        let fingerprint = Fingerprint::from_stored(&self.fingerprint)
            .ok_or_else(|| StoreError::Corrupt("no fingerprint in `fingerprint`".to_owned()))?;
        Ok(Suspension {
            key: CredentialsKey { pod: pod.clone(), account: AccountId::from(self.account), fingerprint },
            since_ms: self.since_ms,
            confirmed_ms: self.confirmed_ms,
            received_ms: self.received_ms,
            refusals: self.refusals,
        })
    }
}
