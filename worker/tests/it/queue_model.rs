//! A queue in memory that misbehaves as SQS may: twice delivered, out of order, sends and deletes that fail, leases
//! that are lost. Deterministic: its faults come from a seed, its time is tokio's.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use penstock_shared::{
    clock::Clock,
    queue::{Depth, Message, Outgoing, Queue, QueueError, QueueLimits, Receipt},
};
use tokio::{sync::Notify, time::Instant};

/// How often each fault happens, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) send_fails: u8,
    /// Stored, and said not to be.
    pub(crate) send_unconfirmed: u8,
    pub(crate) delete_fails: u8,
    pub(crate) renew_fails: u8,
    /// The lease lapses at once.
    pub(crate) lease_lost: u8,
    pub(crate) receive_fails: u8,
    /// Stays visible although it was received.
    pub(crate) duplicated: u8,
    /// Handed out in any order.
    pub(crate) reordered: bool,
}

impl Faults {
    /// All of them.
    pub(crate) const STORM: Self = Self {
        send_fails: 10,
        send_unconfirmed: 5,
        delete_fails: 10,
        renew_fails: 5,
        lease_lost: 5,
        receive_fails: 10,
        duplicated: 10,
        reordered: true,
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
}

#[derive(Debug)]
pub(crate) struct QueueModel {
    state: Mutex<State>,
    bell: Notify,
    clock: Clock,
}

impl QueueModel {
    pub(crate) fn new(clock: Clock, seed: u64) -> Self {
        let state = State {
            messages: BTreeMap::new(),
            next_id: 0,
            faults: Faults::default(),
            rng: fastrand::Rng::with_seed(seed),
            delays: Vec::new(),
        };
        Self { state: Mutex::new(state), bell: Notify::new(), clock }
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Messages not deleted, as they were sent.
    pub(crate) fn bodies(&self) -> Vec<Bytes> {
        self.state().messages.values().map(|stored| stored.body.clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.state().messages.len()
    }

    /// The delays of all messages ever sent here.
    pub(crate) fn delays(&self) -> Vec<Duration> {
        self.state().delays.clone()
    }

    /// Puts a message in, without faults.
    pub(crate) fn put(&self, body: Bytes) {
        self.insert(&Outgoing::now(body));
    }

    fn insert(&self, message: &Outgoing) {
        let mut state = self.state();
        let id = state.next_id;
        state.next_id += 1;
        state.delays.push(message.delay);
        let stored = Stored {
            body: message.body.clone(),
            visible_at: Instant::now() + message.delay,
            sent_at_ms: self.clock.now_ms(),
            receives: 0,
        };
        state.messages.insert(id, stored);
        drop(state);
        self.bell.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn take(&self, max: usize, lease: Duration) -> Vec<Message> {
        let mut state = self.state();
        let State { messages, faults, rng, .. } = &mut *state;
        let now = Instant::now();
        let mut visible: Vec<u64> =
            messages.iter().filter(|(_, stored)| stored.visible_at <= now).map(|(id, _)| *id).collect();
        if faults.reordered {
            rng.shuffle(&mut visible);
        }
        visible.truncate(max);
        let mut taken = Vec::new();
        for id in visible {
            let stored = messages.get_mut(&id).unwrap();
            stored.receives += 1;
            if rng.u8(0..100) >= faults.duplicated {
                stored.visible_at = now + lease;
            }
            taken.push(Message {
                receipt: Receipt(format!("{id}:{}", stored.receives)),
                body: stored.body.clone(),
                receive_count: stored.receives,
                sent_at_ms: stored.sent_at_ms,
            });
        }
        taken
    }
}

fn parse(receipt: &Receipt) -> (u64, u32) {
    let (id, receives) = receipt.0.split_once(':').unwrap();
    (id.parse().unwrap(), receives.parse().unwrap())
}

#[async_trait]
impl Queue for QueueModel {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let send = |message: &Outgoing| {
            let (fails, unconfirmed) = {
                let mut state = self.state();
                let faults = state.faults;
                (state.rng.u8(0..100) < faults.send_fails, state.rng.u8(0..100) < faults.send_unconfirmed)
            };
            if fails {
                return Err(QueueError::Unavailable("by script".to_owned()));
            }
            self.insert(message);
            if unconfirmed { Err(QueueError::OutcomeUnknown("by script".to_owned())) } else { Ok(()) }
        };
        messages.iter().map(send).collect()
    }

    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError> {
        let deadline = Instant::now() + wait;
        let fails = {
            let mut state = self.state();
            let percent = state.faults.receive_fails;
            state.rng.u8(0..100) < percent
        };
        if fails {
            return Err(QueueError::Unavailable("by script".to_owned()));
        }
        loop {
            let rung = self.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let taken = self.take(max.min(10), lease);
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            let next = self.state().messages.values().map(|stored| stored.visible_at).min();
            let until = next.unwrap_or(deadline).min(deadline);
            tokio::select! {
                biased;
                () = &mut rung => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError> {
        let (id, receives) = parse(receipt);
        let mut state = self.state();
        let State { messages, faults, rng, .. } = &mut *state;
        if rng.u8(0..100) < faults.renew_fails {
            return Err(QueueError::Unavailable("by script".to_owned()));
        }
        let now = Instant::now();
        match messages.get_mut(&id) {
            Some(stored) if stored.receives == receives && stored.visible_at > now => {
                if rng.u8(0..100) < faults.lease_lost {
                    stored.visible_at = now;
                    return Err(QueueError::LeaseLost);
                }
                stored.visible_at = now + lease;
                Ok(())
            }
            _ => Err(QueueError::LeaseLost),
        }
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let delete = |receipt| {
            let (id, receives) = parse(receipt);
            let mut state = self.state();
            let percent = state.faults.delete_fails;
            if state.rng.u8(0..100) < percent {
                return Err(QueueError::Unavailable("by script".to_owned()));
            }
            // A receipt that a later receive has outdated deletes nothing, and succeeds.
            if state.messages.get(&id).is_some_and(|stored| stored.receives == receives) {
                state.messages.remove(&id);
            }
            Ok(())
        };
        receipts.iter().map(delete).collect()
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth { visible: self.len() as u64, ..Depth::default() })
    }

    fn limits(&self) -> QueueLimits {
        QueueLimits { message_bytes_max: 200_000, delay_max: Duration::from_secs(900) }
    }
}
