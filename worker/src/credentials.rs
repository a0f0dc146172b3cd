//! Which accounts' credentials the partner refuses, so that ingress can tell mParticle to stop sending for them.
//!
//! Split says what arrives and calls say how they were answered; both only touch memory. What follows from it is
//! written beside them, one write for each change, and confirmed every few minutes. What other workers found out is
//! read from the store every [`REFRESH_EVERY`].
//!
//! Each worker counts for itself: many workers need a little longer to be sure, never less.

mod watch;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use penstock_shared::{
    clock::Clock,
    firehose::Account,
    ids::{AccountId, Pod},
    partner::{Auth, Partner},
    subscription::{StoreError, SubscriptionStore},
    suspension::{CredentialsKey, Fingerprint},
};
use tokio::{sync::Notify, time::timeout};

use self::watch::{Change, Watch};
use crate::{
    answer::Judged,
    outcome::{Outcome, RetryReason},
};

/// How often the store is asked what other workers know.
const REFRESH_EVERY: Duration = Duration::from_secs(15);

/// Longest call to the store.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest writing of what is left at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// When refused credentials are taken for bad beyond doubt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SuspendConfig {
    /// After as many refused calls without an accepted one between; 0 for never.
    pub(crate) refusals: usize,
    /// And not sooner than this after the first of them.
    pub(crate) over: Duration,
}

/// Which credentials an item's call uses, and when its message was received, ms since 1970 UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) received_ms: i64,
}

/// What an answer says of the credentials of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The partner did something with them.
    Accepted,
    /// It refused the whole call for them.
    Refused,
}

/// Watches the credentials of all accounts.
#[derive(Debug)]
pub(crate) struct Credentials {
    watch: Mutex<Watch>,
    changed: Notify,
    store: Arc<dyn SubscriptionStore>,
    /// The pod whose suspensions are read even when nothing of it was seen.
    pod: Pod,
    clock: Clock,
    is_on: bool,
}

impl Credentials {
    /// Nothing is watched when the settings say so, or when calls carry no credentials of the accounts.
    pub(crate) fn new(
        store: Arc<dyn SubscriptionStore>,
        pod: Pod,
        clock: Clock,
        partner: &Partner,
        config: SuspendConfig,
    ) -> Self {
        let is_on = config.refusals > 0 && are_the_accounts(partner);
        Self { watch: Mutex::new(Watch::new(config)), changed: Notify::new(), store, pod, clock, is_on }
    }

    /// A message was read. Gives what its items' calls are to carry along; `None` when nothing is watched.
    pub(crate) fn arrived(&self, pod: &Pod, account: &Account, received_ms: i64) -> Option<Origin> {
        if !self.is_on || account.id == AccountId::Unknown {
            return None;
        }
        let origin = Origin { fingerprint: Fingerprint::of(pod, account), received_ms };
        let now_ms = self.clock.now_ms();
        let is_owed = self.watch().arrived(pod, account.id, origin, now_ms);
        self.wake(is_owed);
        Some(origin)
    }

    /// A call of the account was answered.
    pub(crate) fn answered(&self, pod: &Pod, account: AccountId, origin: Origin, evidence: Evidence) {
        let now_ms = self.clock.now_ms();
        let is_owed = match evidence {
            Evidence::Accepted => self.watch().accepted(pod, account, origin.fingerprint, now_ms),
            Evidence::Refused => self.watch().refused(pod, account, origin, now_ms),
        };
        self.wake(is_owed);
    }

    fn wake(&self, is_owed: bool) {
        if is_owed {
            self.changed.notify_one();
        }
    }

    /// Keeps store and memory in step; never ends.
    ///
    /// # Cancel safety
    /// When dropped, what is not written yet is still owed: see [`Credentials::flush`].
    pub(crate) async fn tend(&self) {
        if !self.is_on {
            return std::future::pending().await;
        }
        let mut turns = tokio::time::interval(REFRESH_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_reachable = true;
        loop {
            let mut result = Ok(());
            tokio::select! {
                biased;
                _ = turns.tick() => result = self.refresh().await,
                () = self.changed.notified() => {}
            }
            if result.is_ok() {
                result = self.write().await;
            }
            match (&result, is_reachable) {
                (Err(error), true) => {
                    tracing::warn!(%error, "the state of credentials cannot be kept: the store does not answer");
                }
                (Ok(()), false) => tracing::info!("the state of credentials is kept again"),
                _ => {}
            }
            is_reachable = result.is_ok();
        }
    }

    /// Writes what is still owed, for a short time.
    pub(crate) async fn flush(&self) {
        if !matches!(timeout(FLUSH_TIMEOUT, self.write()).await, Ok(Ok(()))) {
            tracing::warn!("a change of the state of credentials was not written; it will be found out anew");
        }
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        let mut pods = self.watch().pods();
        if !pods.contains(&self.pod) {
            pods.push(self.pod.clone());
        }
        for pod in pods {
            let listed = within(self.store.suspended(&pod)).await?;
            self.watch().listed(&pod, &listed, self.clock.now_ms());
        }
        self.watch().forget(self.clock.now_ms());
        Ok(())
    }

    /// Writes all that is owed; stops at the first failure, as the rest would most likely fail as well.
    async fn write(&self) -> Result<(), StoreError> {
        let owed = self.watch().owed();
        for change in owed {
            let is_done = match &change {
                Change::Refused(note) => within(self.store.note_refused(note)).await.map(|()| true)?,
                Change::Accepted(key, at_ms) => within(self.store.note_accepted(key, *at_ms)).await?,
            };
            let is_news = self.watch().written(&change, is_done);
            log(&change, is_news);
        }
        Ok(())
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(CALL_TIMEOUT, call)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned())))
}

fn log(change: &Change, is_news: bool) {
    let CredentialsKey { pod, account, .. } = change.key();
    match change {
        Change::Refused(note) if is_news => tracing::warn!(
            %pod,
            account.id = %account,
            refusals = note.refusals,
            "the partner refuses the credentials of account {account}: mParticle is told to suspend it"
        ),
        Change::Accepted(..) if is_news => tracing::info!(
            %pod,
            account.id = %account,
            "the credentials of account {account} are refused no more: mParticle may send for it"
        ),
        _ => {}
    }
}

/// What the answer says of the call's credentials; `None` when that is nothing.
pub(crate) fn evidence(status: StatusCode, judged: &Judged) -> Option<Evidence> {
    let Judged::Outcomes(outcomes) = judged else { return None };
    if outcomes.contains(&Outcome::Delivered) {
        return Some(Evidence::Accepted);
    }
    let refused =
        |outcome: &Outcome| matches!(outcome, Outcome::Retry { reason: RetryReason::Unauthorized, .. });
    // 407 is the word of a proxy on our side, whatever account the call is for.
    let is_refused = status != StatusCode::PROXY_AUTHENTICATION_REQUIRED
        && !outcomes.is_empty()
        && outcomes.iter().all(refused);
    is_refused.then_some(Evidence::Refused)
}

/// Whether calls are authenticated by what the customer typed. Where they are not, a 401 is about the partner's own
/// credentials, or about `partner.toml`, and no account is to be suspended for it.
fn are_the_accounts(partner: &Partner) -> bool {
    let env = minijinja::Environment::new();
    let names_settings = |source: &str| {
        let names = env.compile_expression(source).map(|expression| expression.undeclared_variables(false));
        names.is_ok_and(|names| names.contains("settings"))
    };
    match &partner.auth {
        Auth::None => partner.api.headers.iter().any(|(_, value)| names_settings(&value.source)),
        auth => auth.expressions().any(|expression| names_settings(&expression.source)),
    }
}

#[cfg(test)]
mod tests;
