//! A secret of AWS Secrets Manager, with the versions that count while it is rotated.

use std::{fmt, time::Duration};

use aws_sdk_secretsmanager::{
    Client,
    operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
};
use secrecy::SecretString;

use super::{CallError, within};

/// The stages of a version, in the order a rotation moves one through them. They are read in this order: a version
/// that is moved on between two reads is then seen twice, never not at all.
const PENDING: &str = "AWSPENDING";
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// One secret, read by name or ARN. Needs the right `secretsmanager:GetSecretValue` on it.
#[derive(Clone)]
pub struct StoredSecret {
    client: Client,
    name: String,
    call_timeout: Duration,
}

/// What a secret holds now.
#[derive(Clone, Debug)]
pub struct SecretVersions {
    /// The version in use.
    pub current: SecretString,
    /// The one a rotation is preparing, and the version before the current: as far as they exist and are text.
    pub beside: Vec<SecretString>,
}

/// Why a secret was not read. Holds nothing of its content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager gave no version, or no answer; whether another version exists is not known either.
    #[error("Secrets Manager gives no {stage} of the secret: {reason}")]
    Call {
        /// The stage of the version that was asked for.
        stage: &'static str,
        /// The service's words.
        reason: String,
    },
    /// The current version is bytes that are no text.
    #[error("the secret's AWSCURRENT is no UTF-8 text")]
    NotText,
}

impl StoredSecret {
    /// The secret of that name or ARN; each of the three calls of a read may take `call_timeout`.
    pub fn new(client: Client, name: &str, call_timeout: Duration) -> Self {
        Self { client, name: name.to_owned(), call_timeout }
    }

    /// Reads every version that counts.
    ///
    /// # Errors
    /// When a version cannot be read, unless it is one beside the current that does not exist.
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn read(&self) -> Result<SecretVersions, SecretError> {
        let pending = self.version(PENDING).await?;
        let current = self.version(CURRENT).await?;
        let previous = self.version(PREVIOUS).await?;
        let Some(current) = current else {
            let reason = "there is no such secret, or it has no such version".to_owned();
            return Err(SecretError::Call { stage: CURRENT, reason });
        };
        let current = text(&current).ok_or(SecretError::NotText)?;
        let beside = [pending, previous].iter().flatten().filter_map(text).collect();
        Ok(SecretVersions { current, beside })
    }

    /// The version of that stage; `None` when there is none.
    async fn version(&self, stage: &'static str) -> Result<Option<GetSecretValueOutput>, SecretError> {
        let call = self.client.get_secret_value().secret_id(&self.name).version_stage(stage).send();
        match within(self.call_timeout, call).await {
            Ok(output) => Ok(Some(output)),
            Err(CallError::Failed(error))
                if error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(SecretError::Call { stage, reason: error.reason() }),
        }
    }
}

/// The content, whichever way it was stored.
fn text(output: &GetSecretValueOutput) -> Option<SecretString> {
    if let Some(text) = output.secret_string() {
        return Some(text.into());
    }
    std::str::from_utf8(output.secret_binary()?.as_ref()).ok().map(SecretString::from)
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSecret").field("name", &self.name).finish_non_exhaustive()
    }
}
