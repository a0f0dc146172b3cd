//! Spilled bodies as objects of S3. How long they live is the bucket's lifecycle rule.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::{Client, error::SdkError, operation::get_object::GetObjectError, primitives::ByteStream};
use bytes::Bytes;
use tokio::time::timeout;

use super::{Spill, SpillError, SpillKey};
use crate::aws::{CallError, within};

/// A bucket, or a part of one, that holds spilled bodies.
#[derive(Clone, Debug)]
pub struct S3Spill {
    client: Client,
    bucket: String,
    prefix: String,
    timeout: Duration,
}

impl S3Spill {
    /// Objects of that bucket whose names begin with `prefix`, which may be empty; it is put before the key as it is.
    /// `timeout` is for a whole body, all attempts of the client included.
    pub fn new(client: Client, bucket: &str, prefix: &str, timeout: Duration) -> Self {
        Self { client, bucket: bucket.to_owned(), prefix: prefix.to_owned(), timeout }
    }

    fn name(&self, key: &SpillKey) -> String {
        format!("{}{}", self.prefix, key.as_str())
    }

    async fn fetch(&self, key: &SpillKey) -> Result<Bytes, SpillError> {
        let call = self.client.get_object().bucket(&self.bucket).key(self.name(key)).send();
        let object = call.await.map_err(|error| match error {
            SdkError::ServiceError(answer) if matches!(answer.err(), GetObjectError::NoSuchKey(_)) => {
                SpillError::Missing
            }
            error => SpillError::Unavailable(CallError::Failed(error).reason()),
        })?;
        let body = object.body.collect().await;
        body.map(|body| body.into_bytes()).map_err(|error| SpillError::Unavailable(error.to_string()))
    }
}

#[async_trait]
impl Spill for S3Spill {
    async fn put(&self, key: &SpillKey, body: Bytes) -> Result<(), SpillError> {
        let call = self.client.put_object().bucket(&self.bucket).key(self.name(key));
        let stored = within(self.timeout, Box::pin(call.body(ByteStream::from(body)).send())).await;
        stored.map(drop).map_err(|error| SpillError::Unavailable(error.reason()))
    }

    async fn get(&self, key: &SpillKey) -> Result<Bytes, SpillError> {
        let late = |_| SpillError::Unavailable(format!("no body within {} ms", self.timeout.as_millis()));
        timeout(self.timeout, self.fetch(key)).await.map_err(late)?
    }

    async fn delete(&self, key: &SpillKey) -> Result<(), SpillError> {
        let call = self.client.delete_object().bucket(&self.bucket).key(self.name(key));
        let deleted = within(self.timeout, call.send()).await;
        deleted.map(drop).map_err(|error| SpillError::Unavailable(error.reason()))
    }
}
