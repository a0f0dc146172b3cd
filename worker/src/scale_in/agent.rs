//! The ECS agent's endpoint for a task's own protection. The task role needs `ecs:UpdateTaskProtection`.
//!
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html>

use std::time::Duration;

use reqwest::{Client, redirect};
use serde_json::{Value, json};
use url::Url;

use super::rule::EXPIRES_MINUTES;

/// For one call, all of it.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The agent of the task this process runs in.
#[derive(Clone, Debug)]
pub struct EcsAgent {
    client: Client,
    state: Url,
}

/// Why ECS did not take what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// `ECS_AGENT_URI` is none.
    #[error("ECS_AGENT_URI is no URL: {0}")]
    Url(#[from] url::ParseError),
    /// No answer in time, or none at all.
    #[error("the ECS agent did not answer: {0}")]
    Call(#[from] reqwest::Error),
    /// An answer that is no "done".
    #[error("the ECS agent answered {status}: {reason}")]
    Refused {
        /// HTTP's status.
        status: u16,
        /// ECS's words.
        reason: String,
    },
}

impl EcsAgent {
    /// The agent at `ECS_AGENT_URI`.
    ///
    /// # Errors
    /// When that is no URL, or the client can't be set up.
    pub fn new(uri: &str) -> Result<Self, AgentError> {
        let state = Url::parse(&format!("{}/task-protection/v1/state", uri.trim_end_matches('/')))?;
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .timeout(TIMEOUT)
            .build()?;
        Ok(Self { client, state })
    }

    /// Asks for protection for some minutes, or gives it back.
    ///
    /// # Errors
    /// When the agent does not say that it is so.
    pub(crate) async fn protect(&self, protect: bool) -> Result<(), AgentError> {
        let body = if protect {
            json!({ "ProtectionEnabled": true, "ExpiresInMinutes": EXPIRES_MINUTES })
        } else {
            json!({ "ProtectionEnabled": false })
        };
        let request = self.client.put(self.state.clone()).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status();
        let answer = response.bytes().await.map_err(reqwest::Error::without_url)?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() && answer["protection"]["ProtectionEnabled"] == protect {
            return Ok(());
        }
        let reasons = [&answer["failure"]["Reason"], &answer["error"]["Code"], &answer["error"]["Message"]];
        let reason: Vec<&str> = reasons.into_iter().filter_map(Value::as_str).collect();
        Err(AgentError::Refused { status: status.as_u16(), reason: reason.join(", ") })
    }
}
