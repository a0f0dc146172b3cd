//! Hands packs to the queue, and to a second one when the first is slow or fails: a brown-out of one queue is not
//! heard by the sender.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use penstock_shared::{
    queue::{Outgoing, Queue, QueueError, QueueLimits},
    telemetry::IngressMetrics,
};
use tokio::time::{Instant, sleep_until};

use super::route::{Route, Which};
use crate::{config::PackingConfig, health::Health};

/// A second try is made only if this much of the budget is left for it.
const SECOND_TRY: Duration = Duration::from_millis(20);
/// The queue asked first has at least this long, however late it is.
const PATIENCE_MIN: Duration = Duration::from_millis(5);

/// The queue, and what stands in for it.
#[derive(Debug)]
pub(crate) struct Outlet {
    main: Arc<dyn Queue>,
    fallback: Option<Arc<dyn Queue>>,
    /// How long the queue that was asked first may take, at most, before the other is asked too.
    patience: Duration,
    send_timeout: Duration,
    metrics: Arc<IngressMetrics>,
    health: Arc<Health>,
    route: Route,
}

/// What a queue said of the messages at these places.
struct Word {
    of: Which,
    places: Vec<usize>,
    results: Vec<Result<(), QueueError>>,
}

/// Whether a queue was there: it stored, or refused for good.
fn is_answer(result: &Result<(), QueueError>) -> bool {
    !matches!(result, Err(QueueError::Unavailable(_) | QueueError::OutcomeUnknown(_)))
}

impl Outlet {
    pub(crate) fn new(
        main: Arc<dyn Queue>,
        fallback: Option<Arc<dyn Queue>>,
        config: &PackingConfig,
        metrics: Arc<IngressMetrics>,
        health: Arc<Health>,
    ) -> Self {
        let (patience, send_timeout) = (config.fallback_after, config.send_timeout);
        Self { main, fallback, patience, send_timeout, metrics, health, route: Route::default() }
    }

    /// What both queues take.
    pub(super) fn limits(&self) -> QueueLimits {
        let main = self.main.limits();
        let fallback = self.fallback.as_ref().map_or(main, |queue| queue.limits());
        QueueLimits {
            message_bytes_max: main.message_bytes_max.min(fallback.message_bytes_max),
            delay_max: main.delay_max.min(fallback.delay_max),
        }
    }

    /// Sends messages and tells of each as soon as it is known whether it is stored: its place, and true or false. Tells
    /// once of each. The first of their requests gives up at `earliest`, the last at `latest`.
    ///
    /// A queue that says no is followed by one more try: with the other queue, or, where there is none, with the same
    /// one, but then only for what it certainly did not store.
    pub(super) async fn put(
        &self,
        messages: &[Outgoing],
        (earliest, latest): (Instant, Instant),
        mut tell: impl FnMut(usize, bool),
    ) {
        let started = Instant::now();
        let first = self.fallback.as_ref().map_or(Which::Main, |_| self.route.first(started));
        let second = self.fallback.as_ref().map_or(Which::Main, |_| first.other());
        let mut untold: Vec<usize> = (0..messages.len()).collect();
        let mut calls = FuturesUnordered::new();
        calls.push(self.ask(first, untold.clone(), messages));
        let mut may_ask_again = true;
        // The other queue needs its time too.
        let patience = (started + self.patience).min(earliest - SECOND_TRY).max(started + PATIENCE_MIN);
        let mut patience = pin!(sleep_until(patience));
        let mut answered = false;
        let mut too_late = pin!(sleep_until(started + self.send_timeout));
        while !untold.is_empty() {
            tokio::select! {
                biased;
                Some(word) = calls.next() => {
                    if word.of == first && may_ask_again {
                        self.note(first, word.results.iter().any(Result::is_ok), Instant::now());
                    }
                    answered |= word.results.iter().any(is_answer);
                    let again = self.hear(word, &mut untold, &mut tell);
                    let in_time = Instant::now() + SECOND_TRY < latest;
                    if std::mem::take(&mut may_ask_again) && in_time && !again.is_empty() {
                        calls.push(self.ask(second, again, messages));
                    } else if calls.is_empty() {
                        break;
                    }
                }
                () = &mut patience, if may_ask_again && self.fallback.is_some() => {
                    may_ask_again = false;
                    self.metrics.queue_sends.of([first.word(), "slow"]).increment(1);
                    self.note(first, false, Instant::now());
                    calls.push(self.ask(second, untold.clone(), messages));
                }
                () = &mut too_late => {
                    self.metrics.queue_sends.of([first.word(), "slow"]).increment(1);
                    if may_ask_again { self.note(first, false, Instant::now()); }
                    break;
                }
            }
        }
        self.health.note_queue(answered);
        untold.into_iter().for_each(|place| tell(place, false));
    }

    async fn ask(&self, which: Which, places: Vec<usize>, messages: &[Outgoing]) -> Word {
        let queue = self.fallback.as_ref().filter(|_| which == Which::Fallback).unwrap_or(&self.main);
        let messages: Vec<Outgoing> = places.iter().map(|&place| messages[place].clone()).collect();
        let results = queue.send(&messages).await;
        let stored = results.iter().filter(|result| result.is_ok()).count();
        let outcome = match stored {
            0 => "failed",
            all if all == messages.len() => "stored",
            _ => "partly",
        };
        self.metrics.queue_sends.of([which.word(), outcome]).increment(1);
        Word { of: which, places, results }
    }

    /// Tells what is stored and what never will be; returns the places that are worth another try.
    fn hear(&self, word: Word, untold: &mut Vec<usize>, tell: &mut impl FnMut(usize, bool)) -> Vec<usize> {
        let mut again = Vec::new();
        let silence = || Err(QueueError::OutcomeUnknown("the queue said nothing of it".to_owned()));
        let results = word.results.into_iter().chain(std::iter::repeat_with(silence));
        for (place, result) in word.places.into_iter().zip(results) {
            let Some(at) = untold.iter().position(|waiting| *waiting == place) else { continue };
            let Err(error) = result else {
                untold.swap_remove(at);
                tell(place, true);
                continue;
            };
            tracing::debug!(%error, queue = word.of.word(), "a queue did not store a pack");
            match error {
                QueueError::Unavailable(_) => again.push(place),
                // May be stored already: the other queue's copy is a duplicate then, and so would be the sender's
                // next try after a 503.
                QueueError::OutcomeUnknown(_) if self.fallback.is_some() => again.push(place),
                _ => {}
            }
        }
        again
    }

    fn note(&self, first: Which, well: bool, now: Instant) {
        if self.fallback.is_none() || first != Which::Main {
            return;
        }
        match self.route.note_main(well, now) {
            None => {}
            Some(Which::Main) => {
                self.metrics.fallback_first.set(0.0);
                tracing::info!("the main queue is well again");
            }
            Some(Which::Fallback) => {
                self.metrics.fallback_first.set(1.0);
                tracing::error!("the main queue fails or is slow: packs go to the fallback first");
            }
        }
    }
}
