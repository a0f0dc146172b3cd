//! One batch → one call → one outcome an item. No retry loop: what fails goes back to the queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use penstock_shared::{
    clock::{Clock, millis},
    ids::ItemKey,
    partner::Partner,
    subscription::Captured,
};
use tokio::time::Instant;

use crate::{
    answer::{self, Judged},
    call,
    credentials::{self, Credentials},
    destination::{Answer, Call, CallError, Destination},
    item::{DutyKind, LaneItem, SubscriptionDuty},
    lanes::{Batch, LaneKey},
    ledger::Ledger,
    mapping::{MappingError, Program, to_json},
    outcome::{FilterReason, Outcome, RejectReason, RetryReason},
    subscriptions::Subscriptions,
};

/// What delivering needs.
#[derive(Debug)]
pub(crate) struct Deliverer {
    pub(crate) program: Arc<Program>,
    pub(crate) partner: Arc<Partner>,
    pub(crate) destination: Arc<dyn Destination>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) clock: Clock,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) claimant: Claimant,
}

/// Names those who claim a subscription: no two the same, so that the same message in two workers at once, or twice in
/// one, creates one list.
#[derive(Debug)]
pub(crate) struct Claimant {
    worker: u64,
    claims: AtomicU64,
}

impl Claimant {
    /// Claims of the worker with this seed.
    pub(crate) fn new(worker: u64) -> Self {
        Self { worker, claims: AtomicU64::new(0) }
    }

    fn next(&self, item: &ItemKey) -> String {
        format!("{item}/{:x}.{}", self.worker, self.claims.fetch_add(1, Relaxed))
    }
}

/// What the gates learn of a call that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) lane: LaneKey,
    /// The partner asked for fewer calls; inside, for how long, if it said.
    pub(crate) throttled: Option<Option<Duration>>,
    /// Halves of a batch that was refused as a whole.
    pub(crate) halves: Option<[Vec<LaneItem>; 2]>,
}

impl Deliverer {
    /// Sends a batch and records each item's outcome.
    pub(crate) async fn deliver(&self, batch: Batch<LaneItem>) -> Ended {
        let Batch { key: lane, items } = batch;
        let duty =
            items.first().and_then(|item| Some((item.subscription.clone()?, self.claimant.next(&item.key))));
        let Some((duty, owner)) = duty else { return self.send(lane, items).await };
        match self.begin_duty(&duty, &owner).await {
            Err(outcome) => {
                record_all(items, &outcome);
                Ended { lane, throttled: None, halves: None }
            }
            Ok(()) => self.send_for_duty(lane, items, &duty, &owner).await,
        }
    }

    async fn send(&self, lane: LaneKey, items: Vec<LaneItem>) -> Ended {
        let (judged, _) = self.exchange(&lane, &items).await;
        let outcomes = match judged {
            Judged::Outcomes(outcomes) => outcomes,
            Judged::Halve => return Ended { lane, throttled: None, halves: Some(halve(items)) },
        };
        let throttled = outcomes.iter().find_map(throttling);
        for (item, outcome) in items.into_iter().zip(outcomes) {
            item.ticket.record(outcome);
        }
        Ended { lane, throttled, halves: None }
    }

    /// Makes the call and reads the answer: what became of each item, and what was captured.
    async fn exchange(&self, lane: &LaneKey, items: &[LaneItem]) -> (Judged, Option<Captured>) {
        let all = |outcome: Outcome| (Judged::Outcomes(vec![outcome; items.len()]), None);
        let parts: Vec<_> = items.iter().map(|item| (&item.key, &item.json)).collect();
        match call::render(&self.partner, &self.program, lane, &items[0].call, &parts) {
            Err(error) => all(Outcome::rejected(RejectReason::MappingFailed, error.to_string())),
            Ok(call) => match self.timed(&call).await {
                Ok(answer) => {
                    let (judged, captured) = self.judge(lane, items, &answer);
                    self.note_credentials(lane, items, answer.status, &judged);
                    (judged, captured)
                }
                Err(error) => all(no_answer(&error)),
            },
        }
    }

    /// The items of a lane have their settings in common; of their messages the one received last counts.
    fn note_credentials(&self, lane: &LaneKey, items: &[LaneItem], status: StatusCode, judged: &Judged) {
        let origins = items.iter().filter_map(|item| item.call.origin);
        if let Some(origin) = origins.max_by_key(|origin| origin.received_ms)
            && let Some(evidence) = credentials::evidence(status, judged)
        {
            self.credentials.answered(&lane.pod, lane.account, origin, evidence);
        }
    }

    async fn timed(&self, call: &Call) -> Result<Answer, CallError> {
        let begun = Instant::now();
        let result = self.destination.call(call).await;
        let class = status_class(result.as_ref());
        let metrics = self.ledger.metrics();
        metrics.calls.of([class]).increment(1);
        if result.as_ref().is_ok_and(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS) {
            metrics.calls_throttled.increment(1);
        }
        metrics.call_duration.of([class]).record(begun.elapsed().as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most 10,000 items")]
        metrics.batch_items.record(call.items.len() as f64);
        tracing::debug!(route = call.route, account.id = %call.account, batch.items = call.items.len(), class, "called the partner");
        result
    }

    fn judge(&self, lane: &LaneKey, items: &[LaneItem], answer: &Answer) -> (Judged, Option<Captured>) {
        let program = self.program.call(lane.route).expect("an item is in a lane only when its route calls");
        let jsons: Vec<_> = items.iter().map(|item| &item.json).collect();
        let variables = call::variables(&items[0].call, lane);
        let (judged, seen) = answer::judge(program, answer, variables, &jsons, self.clock.now_ms());
        if program.capture.is_empty() || judged != Judged::Outcomes(vec![Outcome::Delivered]) {
            return (judged, None);
        }
        // A change, or a deletion, need not answer with what the creation gave.
        let is_needed = items[0].subscription.as_ref().is_none_or(|duty| duty.change == DutyKind::Create);
        let mut captured = Captured::new();
        for (name, expression) in &program.capture {
            match expression.eval(&seen).and_then(|value| to_json(&value)) {
                Ok(Some(value)) if !value.is_null() => {
                    captured.insert(name.clone(), value);
                }
                Ok(_) | Err(_) if !is_needed => return (judged, None),
                Ok(_) => return (Judged::Outcomes(vec![not_captured(name, None)]), None),
                Err(error) => return (Judged::Outcomes(vec![not_captured(name, Some(&error))]), None),
            }
        }
        (judged, Some(captured))
    }

    /// Takes the sole right to act for the audience, so that two workers never create two lists.
    async fn begin_duty(&self, duty: &SubscriptionDuty, owner: &str) -> Result<(), Outcome> {
        let store = &self.subscriptions.store;
        let now = self.clock.now_ms();
        let until = now.saturating_add(2 * millis(self.partner.api.timeout)).saturating_add(5_000);
        let failed = |error| {
            tracing::warn!(%error, "the subscription store did not answer; the item waits");
            Outcome::retry(RetryReason::StoreUnavailable)
        };
        if !store.claim(&duty.key, owner, now, until).await.map_err(failed)? {
            return Err(Outcome::retry(RetryReason::Claimed));
        }
        if duty.change != DutyKind::Create || !self.subscriptions.captures {
            return Ok(());
        }
        // Between split and now another change may have created the audience.
        let stored = store.get(&duty.key).await.map_err(failed)?;
        if stored.is_some_and(|stored| !stored.captured.is_empty()) {
            store.release(&duty.key, owner, None).await.map_err(failed)?;
            return Err(Outcome::Filtered(FilterReason::Duplicate));
        }
        Ok(())
    }

    /// The item's outcome is recorded only after what the partner gave is stored: a crash between the two calls the
    /// partner again, with the same idempotency key, rather than forget its list.
    async fn send_for_duty(
        &self,
        lane: LaneKey,
        items: Vec<LaneItem>,
        duty: &SubscriptionDuty,
        owner: &str,
    ) -> Ended {
        let (judged, captured) = self.exchange(&lane, &items).await;
        let outcome = match judged {
            Judged::Outcomes(outcomes) => outcomes.into_iter().next(),
            Judged::Halve => None, // a subscription's call has one item, which is never halved
        };
        let outcome = outcome.unwrap_or_else(|| Outcome::retry(RetryReason::HandedBack));
        let throttled = throttling(&outcome);
        let captured = match (duty.change, &outcome) {
            (DutyKind::Delete, Outcome::Delivered) => Some(Captured::new()),
            (_, Outcome::Delivered) => captured,
            _ => None,
        };
        let released = self.subscriptions.store.release(&duty.key, owner, captured.as_ref()).await;
        self.subscriptions.forget(&duty.key);
        let outcome = match released {
            Ok(false) if captured.is_some() => Outcome::retry(RetryReason::Claimed),
            Ok(_) => outcome,
            Err(error) => {
                tracing::warn!(%error, "could not store what the partner gave for an audience; the item is tried again");
                Outcome::retry(RetryReason::StoreUnavailable)
            }
        };
        record_all(items, &outcome);
        Ended { lane, throttled, halves: None }
    }
}

fn not_captured(name: &str, error: Option<&MappingError>) -> Outcome {
    let why = error.map_or_else(|| "the answer has no value for it".to_owned(), ToString::to_string);
    Outcome::rejected(RejectReason::MappingFailed, format!("capture `{name}`: {why}"))
}

fn no_answer(error: &CallError) -> Outcome {
    match error {
        CallError::Timeout => Outcome::retry(RetryReason::Timeout),
        CallError::Network(_) => Outcome::retry(RetryReason::Network),
        CallError::PrivateAddress(_) => Outcome::rejected(RejectReason::Refused, error.to_string()),
    }
}

fn throttling(outcome: &Outcome) -> Option<Option<Duration>> {
    match outcome {
        Outcome::Retry { reason: RetryReason::Throttled, after } => Some(*after),
        Outcome::Retry { after: Some(after), .. } => Some(Some(*after)),
        _ => None,
    }
}

fn halve(mut items: Vec<LaneItem>) -> [Vec<LaneItem>; 2] {
    let second = items.split_off(items.len() / 2);
    [items, second]
}

fn record_all(items: Vec<LaneItem>, outcome: &Outcome) {
    for item in items {
        item.ticket.record(outcome.clone());
    }
}

fn status_class(result: Result<&Answer, &CallError>) -> &'static str {
    match result {
        Ok(answer) => match answer.status {
            status if status.is_success() => "2xx",
            status if status.is_redirection() => "3xx",
            status if status.is_client_error() => "4xx",
            status if status.is_server_error() => "5xx",
            _ => "other",
        },
        Err(CallError::Timeout) => "timeout",
        Err(CallError::Network(_) | CallError::PrivateAddress(_)) => "network",
    }
}
