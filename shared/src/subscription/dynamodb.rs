//! Subscriptions in DynamoDB.
//!
//! The table's partition key is `pk` (text: pod, `#`, account, 0 for none), its sort key `sk` (number: audience id).
//! Every change is one conditional write, so processes need no lock between them, and every read is consistent. A
//! `false` of `release` can also mean that an earlier attempt of it took effect and its answer was lost.

mod suspensions;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::{UpdateItemError, UpdateItemOutput, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

use super::{
    Applied, Captured, Claim, StoreError, Subscription, SubscriptionChange, SubscriptionKey,
    SubscriptionState, SubscriptionStore, from_json, json, unreadable::Unreadable,
};
use crate::{
    aws::{CallError, within},
    ids::{AccountId, Pod},
    suspension::{CredentialsKey, Suspension},
};

const SCAN_MAX: usize = 1_000;

type Item = HashMap<String, AttributeValue>;

/// The subscription store in a table of DynamoDB.
#[derive(Clone, Debug)]
pub struct DynamoSubscriptionStore {
    client: Client,
    table: String,
    timeout: Duration,
    unreadable: Arc<Unreadable>,
}

impl DynamoSubscriptionStore {
    /// The store in that table. `timeout` is for each call, all attempts of the client included.
    pub fn new(client: Client, table: &str, timeout: Duration) -> Self {
        Self { client, table: table.to_owned(), timeout, unreadable: Arc::default() }
    }

    fn update(&self, key: &SubscriptionKey) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", partition(&key.pod, key.account))
            .key("sk", number(key.audience_id))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Makes the change, unless its condition does not hold.
    async fn write(&self, update: UpdateItemFluentBuilder) -> Result<Written, StoreError> {
        match within(self.timeout, update.send()).await {
            Ok(UpdateItemOutput { attributes, .. }) => Ok(Written::Done(attributes.unwrap_or_default())),
            Err(CallError::Failed(SdkError::ServiceError(answer)))
                if answer.err().is_conditional_check_failed_exception() =>
            {
                match answer.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(refusal) => {
                        Ok(Written::Refused(refusal.item.unwrap_or_default()))
                    }
                    error => Err(StoreError::Unavailable(error.to_string())),
                }
            }
            Err(error) => Err(StoreError::Unavailable(error.reason())),
        }
    }
}

/// What became of a conditional change, and the item afterwards.
enum Written {
    Done(Item),
    Refused(Item),
}

#[async_trait]
impl SubscriptionStore for DynamoSubscriptionStore {
    async fn get(&self, key: &SubscriptionKey) -> Result<Option<Subscription>, StoreError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", partition(&key.pod, key.account))
            .key("sk", number(key.audience_id))
            .consistent_read(true);
        let answer = within(self.timeout, call.send()).await;
        let item = answer.map_err(|error| StoreError::Unavailable(error.reason()))?.item;
        item.map(|item| read(&item, key.clone())).transpose()
    }

    async fn apply(&self, change: &SubscriptionChange) -> Result<Applied, StoreError> {
        let update = self
            .update(&change.key)
            .update_expression(format!(
                "SET #state = :state, changed_at_ms = :at, {}, {}, {}",
                assignment("#name", ":name", change.name.is_some()),
                assignment("settings", ":settings", change.settings.is_some()),
                assignment("captured", ":captured", false),
            ))
            .condition_expression("attribute_not_exists(pk) OR changed_at_ms <= :at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":state", text(change.state.as_str()))
            .expression_attribute_values(":at", number(change.changed_at_ms))
            .expression_attribute_values(":name", text(change.name.clone().unwrap_or_default()))
            .expression_attribute_values(
                ":settings",
                text(json(&change.settings.clone().unwrap_or_default())),
            )
            .expression_attribute_values(":captured", text(json(&Captured::new())))
            .return_values(ReturnValue::AllNew);
        let (stored, item) = match self.write(update).await? {
            Written::Done(item) => (true, item),
            Written::Refused(item) => (false, item),
        };
        Ok(Applied { stored, current: read(&item, change.key.clone())? })
    }

    async fn claim(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(key)
            .update_expression("SET claim_owner = :owner, claim_until_ms = :until")
            .condition_expression(
                "attribute_exists(pk) AND \
                 (attribute_not_exists(claim_owner) OR claim_owner = :owner OR claim_until_ms <= :now)",
            )
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", number(until_ms))
            .expression_attribute_values(":now", number(now_ms));
        Ok(matches!(self.write(update).await?, Written::Done(_)))
    }

    async fn release(
        &self,
        key: &SubscriptionKey,
        owner: &str,
        captured: Option<&Captured>,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(key)
            .condition_expression("claim_owner = :owner")
            .expression_attribute_values(":owner", text(owner));
        let update = match captured {
            None => update.update_expression("REMOVE claim_owner, claim_until_ms"),
            Some(captured) => update
                .update_expression("SET captured = :captured REMOVE claim_owner, claim_until_ms")
                .expression_attribute_values(":captured", text(json(captured))),
        };
        Ok(matches!(self.write(update).await?, Written::Done(_)))
    }

    async fn scan(
        &self,
        pod: &Pod,
        account: AccountId,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Subscription>, StoreError> {
        let limit = limit.clamp(1, SCAN_MAX);
        let mut found = Vec::new();
        let mut next = None;
        let condition = if after.is_some() { "pk = :pk AND sk > :after" } else { "pk = :pk" };
        let mut values = Item::from([(":pk".to_owned(), partition(pod, account))]);
        values.extend(after.map(|audience_id| (":after".to_owned(), number(audience_id))));
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression(condition)
                .set_expression_attribute_values(Some(values.clone()))
                .consistent_read(true)
                .limit(i32::try_from(limit - found.len()).expect("at most a thousand"))
                .set_exclusive_start_key(next);
            let answer = within(self.timeout, call.send()).await;
            let answer = answer.map_err(|error| StoreError::Unavailable(error.reason()))?;
            for item in answer.items.unwrap_or_default() {
                let audience_id = read_number(&item, "sk")?;
                found.push(read(&item, SubscriptionKey { pod: pod.clone(), account, audience_id })?);
            }
            // A page can end by its bytes before it has what was asked for.
            next = answer.last_evaluated_key.filter(|_| found.len() < limit);
            if next.is_none() {
                return Ok(found);
            }
        }
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

/// Sets the attribute, or only when it is not there yet.
fn assignment(name: &str, value: &str, replaces: bool) -> String {
    if replaces { format!("{name} = {value}") } else { format!("{name} = if_not_exists({name}, {value})") }
}

fn partition(pod: &Pod, account: AccountId) -> AttributeValue {
    text(format!("{pod}#{}", i64::from(account)))
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn read(item: &Item, key: SubscriptionKey) -> Result<Subscription, StoreError> {
    let claim = match item.contains_key("claim_owner") {
        false => None,
        true => Some(Claim {
            owner: read_text(item, "claim_owner")?.to_owned(),
            until_ms: read_number(item, "claim_until_ms")?,
        }),
    };
    Ok(Subscription {
        key,
        state: SubscriptionState::from_stored(read_text(item, "state")?)?,
        name: read_text(item, "name")?.to_owned(),
        settings: from_json(read_text(item, "settings")?)?,
        changed_at_ms: read_number(item, "changed_at_ms")?,
        captured: from_json(read_text(item, "captured")?)?,
        claim,
    })
}

fn read_text<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    value.map(String::as_str).ok_or_else(|| StoreError::Corrupt(format!("no text in `{name}`")))
}

fn read_number(item: &Item, name: &str) -> Result<i64, StoreError> {
    let value = item.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok());
    value.ok_or_else(|| StoreError::Corrupt(format!("no whole number in `{name}`")))
}
