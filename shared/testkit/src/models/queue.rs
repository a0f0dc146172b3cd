//! A queue that misbehaves as SQS may: messages twice and out of order, sends and deletes that fail, in part or after
//! they took effect, leases that are lost, times of no answer at all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use penstock_shared::{
    clock::Clock,
    queue::{Depth, Message, Outgoing, Queue, QueueError, QueueLimits, Receipt},
};
use tokio::{sync::Notify, time::Instant};

use super::{Observer, happens, latency};

/// SQS's.
const DELAY_MAX: Duration = Duration::from_secs(900);
const WAIT_MAX: Duration = Duration::from_secs(20);
const RECEIVE_MAX: usize = 10;

/// How often each fault happens, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Not stored, and said so.
    pub send_fails: u8,
    /// Nobody knows: stored or not, half and half.
    pub send_unconfirmed: u8,
    /// The answer to a send takes 200 ms more.
    pub send_slow: u8,
    /// Not deleted, and said so.
    pub delete_fails: u8,
    /// Deleted, and said not to be.
    pub delete_unconfirmed: u8,
    /// Not renewed, and said so.
    pub renew_fails: u8,
    /// The lease lapses at a renewal.
    pub lease_lost: u8,
    /// Nothing received, and said so.
    pub receive_fails: u8,
    /// Stays visible although it was received.
    pub duplicated: u8,
    /// Handed out in any order.
    pub reordered: bool,
    /// Every call fails.
    pub outage: bool,
}

impl Faults {
    /// All of them, but for an outage.
    pub const STORM: Self = Self {
        send_fails: 10,
        send_unconfirmed: 5,
        send_slow: 5,
        delete_fails: 10,
        delete_unconfirmed: 5,
        renew_fails: 5,
        lease_lost: 5,
        receive_fails: 10,
        duplicated: 10,
        reordered: true,
        outage: false,
    };
}

#[derive(Debug)]
struct Stored {
    body: Bytes,
    visible_at: Instant,
    sent_at_ms: i64,
    receives: u32,
}

#[derive(Debug)]
struct State {
    messages: BTreeMap<u64, Stored>,
    next_id: u64,
    faults: Faults,
    rng: fastrand::Rng,
    delays: Vec<Duration>,
    repeats: u64,
    redriven: u64,
}

/// A queue in memory.
#[derive(Debug)]
pub struct QueueModel {
    name: &'static str,
    state: Mutex<State>,
    bell: Notify,
    clock: Clock,
    body_max: usize,
    dead_letter: Option<(Arc<Self>, u32)>,
    observer: Observer,
}

impl QueueModel {
    /// An empty queue without faults.
    pub fn new(clock: Clock, seed: u64) -> Self {
        let state = State {
            messages: BTreeMap::new(),
            next_id: 0,
            faults: Faults::default(),
            rng: fastrand::Rng::with_seed(seed),
            delays: Vec::new(),
            repeats: 0,
            redriven: 0,
        };
        Self {
            name: "queue",
            state: Mutex::new(state),
            bell: Notify::new(),
            clock,
            body_max: 200_000,
            dead_letter: None,
            observer: Observer::default(),
        }
    }

    /// Longest body, in bytes; 200,000 if not set.
    #[must_use]
    pub fn with_body_max(mut self, body_max: usize) -> Self {
        self.body_max = body_max;
        self
    }

    /// A message that was received `receives_max` times, and is due again, moves to `queue`.
    #[must_use]
    pub fn with_dead_letter(mut self, queue: Arc<Self>, receives_max: u32) -> Self {
        self.dead_letter = Some((queue, receives_max));
        self
    }

    /// Tells `observer` what happens, under this name.
    #[must_use]
    pub fn observed(mut self, name: &'static str, observer: Observer) -> Self {
        (self.name, self.observer) = (name, observer);
        self
    }

    /// From now on these faults happen.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Messages not deleted, as they were sent.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.state().messages.values().map(|stored| stored.body.clone()).collect()
    }

    /// Messages not deleted.
    pub fn len(&self) -> usize {
        self.state().messages.len()
    }

    /// Whether every message is deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The delays of all messages ever sent here.
    pub fn delays(&self) -> Vec<Duration> {
        self.state().delays.clone()
    }

    /// How often something happened that may make a duplicate: a message received again, or stored by a send that
    /// was not confirmed.
    pub fn repeats(&self) -> u64 {
        self.state().repeats
    }

    /// Messages that moved to the dead-letter queue for being received too often.
    pub fn redriven(&self) -> u64 {
        self.state().redriven
    }

    /// Puts a message in, without faults.
    pub fn put(&self, body: Bytes) {
        self.insert(&Outgoing::now(body));
    }

    fn insert(&self, message: &Outgoing) {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.delays.push(message.delay);
        let stored = Stored {
            body: message.body.clone(),
            visible_at: Instant::now() + message.delay.min(DELAY_MAX),
            sent_at_ms: self.clock.now_ms(),
            receives: 0,
        };
        state.messages.insert(id, stored);
        drop(state);
        self.observer.note(format_args!(
            "{} stores {id}, {} bytes, delay {:?}",
            self.name,
            message.body.len(),
            message.delay
        ));
        self.bell.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pause(&self) {
        let pause = latency(&mut self.state().rng);
        tokio::time::sleep(pause).await;
    }

    /// True with the probability that `percent` picks from the faults, and during an outage.
    fn fault(&self, percent: impl Fn(&Faults) -> u8) -> bool {
        let mut state = self.state();
        let percent = percent(&state.faults);
        state.faults.outage || happens(&mut state.rng, percent)
    }

    fn send_one(&self, message: &Outgoing) -> Result<(), QueueError> {
        if message.body.is_empty() || message.body.len() > self.body_max {
            return Err(QueueError::Refused(format!("{} bytes", message.body.len())));
        }
        if self.fault(|faults| faults.send_fails) {
            return Err(unavailable());
        }
        let (unconfirmed, is_stored) = {
            let mut state = self.state();
            let percent = state.faults.send_unconfirmed;
            let unconfirmed = happens(&mut state.rng, percent);
            let is_stored = !unconfirmed || state.rng.bool();
            state.repeats += u64::from(unconfirmed && is_stored);
            (unconfirmed, is_stored)
        };
        if is_stored {
            self.insert(message);
        }
        if unconfirmed { Err(unconfirmed_call()) } else { Ok(()) }
    }

    fn take(&self, max: usize, lease: Duration) -> Vec<Message> {
        self.set_aside();
        let mut state = self.state();
        let State { messages, faults, rng, repeats, .. } = &mut *state;
        let now = Instant::now();
        let mut visible: Vec<(Instant, u64)> = messages
            .iter()
            .filter(|(_, stored)| stored.visible_at <= now)
            .map(|(id, stored)| (stored.visible_at, *id))
            .collect();
        visible.sort_unstable();
        if faults.reordered {
            rng.shuffle(&mut visible);
        }
        visible.truncate(max.clamp(1, RECEIVE_MAX));
        let mut taken = Vec::new();
        for (_, id) in visible {
            let Some(stored) = messages.get_mut(&id) else { continue };
            stored.receives += 1;
            *repeats += u64::from(stored.receives > 1);
            if !happens(rng, faults.duplicated) {
                stored.visible_at = now + lease;
            }
            self.observer.note(format_args!("{} hands out {id} for the {}.", self.name, stored.receives));
            taken.push(Message {
                receipt: Receipt(format!("{id}.{}", stored.receives)),
                body: stored.body.clone(),
                receive_count: stored.receives,
                sent_at_ms: stored.sent_at_ms,
            });
        }
        taken
    }

    /// What was received too often leaves for the dead-letter queue.
    fn set_aside(&self) {
        let Some((dead_letter, receives_max)) = &self.dead_letter else { return };
        let now = Instant::now();
        let mut state = self.state();
        let worn = state
            .messages
            .extract_if(.., |_, stored| stored.visible_at <= now && stored.receives >= *receives_max);
        let worn: Vec<Bytes> = worn.map(|(_, stored)| stored.body).collect();
        state.redriven += worn.len() as u64;
        drop(state);
        worn.into_iter().for_each(|body| dead_letter.put(body));
    }

    fn renew_now(&self, id: u64, receives: u32, lease: Duration) -> Result<(), QueueError> {
        let mut state = self.state();
        let State { messages, faults, rng, .. } = &mut *state;
        let now = Instant::now();
        match messages.get_mut(&id) {
            Some(stored) if stored.receives == receives && stored.visible_at > now => {
                if happens(rng, faults.lease_lost) {
                    stored.visible_at = now;
                    self.observer.note(format_args!("{} loses the lease of {id}", self.name));
                    return Err(QueueError::LeaseLost);
                }
                stored.visible_at = now + lease;
                Ok(())
            }
            _ => Err(QueueError::LeaseLost),
        }
    }

    fn delete_one(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let Some((id, receives)) = parse(receipt) else { return Err(QueueError::LeaseLost) };
        if self.fault(|faults| faults.delete_fails) {
            return Err(unavailable());
        }
        let mut state = self.state();
        // A receipt that a later receive has outdated deletes nothing, and succeeds.
        let is_held = state.messages.get(&id).is_some_and(|stored| stored.receives == receives);
        if is_held {
            state.messages.remove(&id);
        }
        self.observer.note(format_args!("{} deletes {id}: {is_held}", self.name));
        let percent = state.faults.delete_unconfirmed;
        if happens(&mut state.rng, percent) { Err(unconfirmed_call()) } else { Ok(()) }
    }
}

fn parse(receipt: &Receipt) -> Option<(u64, u32)> {
    let (id, receives) = receipt.0.split_once('.')?;
    Some((id.parse().ok()?, receives.parse().ok()?))
}

fn unavailable() -> QueueError {
    QueueError::Unavailable("by script".to_owned())
}

fn unconfirmed_call() -> QueueError {
    QueueError::OutcomeUnknown("by script".to_owned())
}

#[async_trait]
impl Queue for QueueModel {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        self.pause().await;
        let results = messages.iter().map(|message| self.send_one(message)).collect();
        self.bell.notify_waiters();
        self.pause().await;
        if self.fault(|faults| faults.send_slow) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        results
    }

    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError> {
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        self.pause().await;
        if self.fault(|faults| faults.receive_fails) {
            return Err(unavailable());
        }
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let taken = self.take(max, lease);
            if !taken.is_empty() || Instant::now() >= deadline {
                self.pause().await;
                return Ok(taken);
            }
            let next = self.state().messages.values().map(|stored| stored.visible_at).min();
            tokio::select! {
                biased;
                () = &mut rung => {}
                () = tokio::time::sleep_until(next.unwrap_or(deadline).min(deadline)) => {}
            }
        }
    }

    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError> {
        self.pause().await;
        let (id, receives) = parse(receipt).ok_or(QueueError::LeaseLost)?;
        if self.fault(|faults| faults.renew_fails) {
            return Err(unavailable());
        }
        let renewed = self.renew_now(id, receives, lease);
        self.bell.notify_waiters();
        self.pause().await;
        renewed
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        self.pause().await;
        let results = receipts.iter().map(|receipt| self.delete_one(receipt)).collect();
        self.pause().await;
        results
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        if self.state().faults.outage {
            return Err(unavailable());
        }
        let (state, now) = (self.state(), Instant::now());
        let mut depth = Depth::default();
        for stored in state.messages.values() {
            match (stored.visible_at <= now, stored.receives) {
                (true, _) => depth.visible += 1,
                (false, 0) => depth.delayed += 1,
                (false, _) => depth.leased += 1,
            }
        }
        let oldest = state.messages.values().map(|stored| stored.sent_at_ms).min();
        let age = |at_ms: i64| {
            Duration::from_millis(self.clock.now_ms().saturating_sub(at_ms).max(0).unsigned_abs())
        };
        depth.oldest_age = oldest.map(age);
        Ok(depth)
    }

    fn limits(&self) -> QueueLimits {
        QueueLimits { message_bytes_max: self.body_max, delay_max: DELAY_MAX }
    }
}
