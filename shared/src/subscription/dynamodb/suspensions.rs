//! Refused credentials, in the same table of DynamoDB.
//!
//! All of a pod lie under one partition key (`suspended/` and the pod), so that one query lists them. The sort key is
//! half of the fingerprint as a number. `expires` is in seconds, as DynamoDB wants it of an attribute for its TTL, which
//! may be turned on; nothing depends on it.

use aws_sdk_dynamodb::{error::SdkError, types::AttributeValue};

use super::{DynamoSubscriptionStore, Item, number, read_number, read_text, text};
use crate::{
    aws::{CallError, within},
    clock::millis,
    ids::{AccountId, Pod},
    subscription::StoreError,
    suspension::{CredentialsKey, Fingerprint, SUSPENDED_MAX, SUSPENSION_LASTS, Suspension},
};

/// How long after it lapsed a suspension may be deleted by DynamoDB.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

impl DynamoSubscriptionStore {
    pub(super) async fn note_refused(&self, note: &Suspension) -> Result<(), StoreError> {
        let lapses_ms = note.confirmed_ms.saturating_add(millis(SUSPENSION_LASTS));
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", partition(&note.key.pod))
            .key("sk", sort_key(&note.key))
            .update_expression(
                "SET account = :account, fingerprint = :fingerprint, since_ms = if_not_exists(since_ms, :since), \
                 confirmed_ms = :confirmed, received_ms = :received, expires = :expires ADD refusals :refusals",
            )
            .condition_expression("attribute_not_exists(pk) OR confirmed_ms < :confirmed")
            .expression_attribute_values(":account", number(note.key.account.into()))
            .expression_attribute_values(":fingerprint", text(note.key.fingerprint.to_stored()))
            .expression_attribute_values(":since", number(note.since_ms))
            .expression_attribute_values(":confirmed", number(note.confirmed_ms))
            .expression_attribute_values(":received", number(note.received_ms))
            .expression_attribute_values(":expires", number(lapses_ms.saturating_add(KEPT_MS) / 1000))
            .expression_attribute_values(":refusals", number(note.refusals.into()));
        self.write(update).await.map(drop)
    }

    pub(super) async fn note_accepted(&self, key: &CredentialsKey, at_ms: i64) -> Result<bool, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", partition(&key.pod))
            .key("sk", sort_key(key))
            .condition_expression("attribute_not_exists(pk) OR confirmed_ms <= :at")
            .expression_attribute_values(":at", number(at_ms));
        match within(self.timeout, delete.send()).await {
            Ok(_) => Ok(true),
            Err(CallError::Failed(SdkError::ServiceError(answer)))
                if answer.err().is_conditional_check_failed_exception() =>
            {
                Ok(false)
            }
            Err(error) => Err(StoreError::Unavailable(error.reason())),
        }
    }

    pub(super) async fn suspended(&self, pod: &Pod) -> Result<Vec<Suspension>, StoreError> {
        let mut rows = Vec::new();
        let mut next = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", partition(pod))
                .consistent_read(true)
                .limit(i32::try_from(SUSPENDED_MAX - rows.len()).expect("at most ten thousand"))
                .set_exclusive_start_key(next);
            let answer = within(self.timeout, call.send()).await;
            let answer = answer.map_err(|error| StoreError::Unavailable(error.reason()))?;
            rows.extend(answer.items.unwrap_or_default().iter().map(|item| read(item, pod)));
            // A page can end by its bytes.
            next = answer.last_evaluated_key.filter(|_| rows.len() < SUSPENDED_MAX);
            if next.is_none() {
                return self.unreadable.leave_out(pod, rows);
            }
        }
    }
}

/// No key of subscriptions: those have a `#`, which neither this prefix nor the name of a pod holds.
fn partition(pod: &Pod) -> AttributeValue {
    text(format!("suspended/{pod}"))
}

fn sort_key(key: &CredentialsKey) -> AttributeValue {
    AttributeValue::N(key.fingerprint.short().to_string())
}

fn read(item: &Item, pod: &Pod) -> Result<Suspension, StoreError> {
    let fingerprint = Fingerprint::from_stored(read_text(item, "fingerprint")?)
        .ok_or_else(|| StoreError::Corrupt("no fingerprint in `fingerprint`".to_owned()))?;
    Ok(Suspension {
        key: CredentialsKey {
            pod: pod.clone(),
            account: AccountId::from(read_number(item, "account")?),
            fingerprint,
        },
        since_ms: read_number(item, "since_ms")?,
        confirmed_ms: read_number(item, "confirmed_ms")?,
        received_ms: read_number(item, "received_ms")?,
        refusals: u32::try_from(read_number(item, "refusals")?).unwrap_or(u32::MAX),
    })
}
