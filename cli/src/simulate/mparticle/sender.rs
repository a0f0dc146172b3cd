//! The sender: what is sent in each turn of the load, and what follows from each answer, as with mParticle.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use penstock_shared::clock::Clock;

use super::answer::{self, Reply, Violation};
use super::kind::{Kind, Mix};
use super::record::Record;
use super::rules::{Loss, Retries, Verdict};
use super::tally::{Shown, Tally};
use super::world::{Message, Turn, World};
use crate::load::{self, Ending, Failure, Line, Traffic};

/// Bytes of messages that may wait for an answer or their next try.
const BYTES_MAX: usize = 512 * 1024 * 1024;
/// The first number of the turns in which an audience is connected as a burst.
const BURSTS: u64 = 1 << 62;
/// The first number of the turns in which the members of such an audience are told of.
const PRESENT: u64 = 1 << 63;

/// An audience that is connected with all its members at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    /// When, counted from the start.
    pub(crate) at: Duration,
    /// Its present members.
    pub(crate) profiles: u32,
}

/// The sender; its connections share it.
#[derive(Debug)]
pub(super) struct Sender {
    clock: Clock,
    retries: Retries,
    bursts: Vec<Burst>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    world: World,
    mix: Mix,
    rng: fastrand::Rng,
    /// What is on its way or waits for its next try, by its turn.
    jobs: HashMap<u64, Job>,
    bytes: usize,
    /// Turns in which members are told of, so far.
    present: u64,
    tally: Tally,
    record: Option<Record>,
    failure: Option<io::Error>,
}

/// A message under way.
#[derive(Clone, Debug)]
struct Job {
    message: Message,
    /// Tries begun.
    tries: u32,
}

impl Sender {
    pub(super) fn new(
        world: World,
        mix: Mix,
        retries: Retries,
        bursts: Vec<Burst>,
        record: Option<Record>,
        seed: u64,
    ) -> Self {
        let state = State {
            world,
            mix,
            rng: fastrand::Rng::with_seed(seed),
            jobs: HashMap::new(),
            bytes: 0,
            present: 0,
            tally: Tally::new(),
            record,
            failure: None,
        };
        Self { clock: Clock::system(), retries, bursts, state: Mutex::new(state) }
    }

    /// Puts what is due at a time of its own into the line.
    pub(super) fn prepare(&self, line: &Line) {
        for (number, burst) in self.bursts.iter().enumerate() {
            if !line.push(load::Turn { at: burst.at, number: BURSTS + number as u64 }) {
                self.lock().tally.held_back += 1;
            }
        }
    }

    /// What was counted so far, and how many messages are under way; writes the record out.
    ///
    /// # Errors
    /// The record cannot be written, or could not before.
    pub(super) fn look(&self) -> io::Result<(Tally, u64)> {
        let mut state = self.lock();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        state.record.as_mut().map_or(Ok(()), Record::flush)?;
        Ok((state.tally.clone(), state.jobs.len() as u64))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self, job: Job, turn: u64, status: u16, body: &[u8], line: &Line) {
        let message = &job.message;
        let (reply, violation) = answer::read(message.kind.request(), &message.id, self.clock.now_ms(), body);
        let mut state = self.lock();
        if let Some(violation) = violation {
            let id = message.id.clone();
            state.tally.violated(Shown { violation, kind: message.kind, id, status });
        }
        state.done(turn);
        state.taken(message, &reply, line);
    }
}

impl Traffic for Sender {
    fn begin(&self, turn: u64, line: &Line) -> bool {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let state = &mut *state;
        state.tally.resumed += state.world.resume(line.now());
        if !state.jobs.contains_key(&turn) {
            let burst =
                turn.checked_sub(BURSTS).and_then(|number| self.bursts.get(usize::try_from(number).ok()?));
            let Some(message) = state.make(turn, burst, now_ms) else { return false };
            state.bytes += message.body.len();
            state.jobs.insert(turn, Job { message, tries: 0 });
        }
        let Some(job) = state.jobs.get_mut(&turn) else { return false };
        job.tries += 1;
        state.tally.tried(job.message.kind, job.tries);
        true
    }

    fn is_signed(&self, turn: u64) -> bool {
        // The token exists only once the registration has been read.
        self.lock().jobs.get(&turn).is_none_or(|job| job.message.kind != Kind::Registration)
    }

    fn body<'a>(&'a self, turn: u64, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let body = self.lock().jobs.get(&turn).map(|job| job.message.body.clone());
        scratch.extend_from_slice(&body.unwrap_or_default());
        scratch
    }

    fn ended(&self, turn: u64, ending: &Ending<'_>, line: &Line) {
        let mut state = self.lock();
        let Some(job) = state.jobs.get(&turn).cloned() else { return };
        let (answer, latency) = match ending {
            Ending::Answered { reply, latency } => (Ok(reply.status), Some(*latency)),
            Ending::Failed { failure, refusal } => {
                if let Some(refusal) = refusal {
                    state.tally.no_connection.get_or_insert_with(|| refusal.to_string());
                }
                (Err(*failure), None)
            }
        };
        state.tally.ended(job.message.kind, latency);
        match self.retries.verdict(answer.ok(), job.tries) {
            // Refused only once the line is closed: then nobody knows what would have become of it.
            Verdict::Again(pause) => _ = line.push(load::Turn { at: line.now() + pause, number: turn }),
            Verdict::Lost(loss) => {
                state.done(turn);
                state.lost(&job.message, answer, loss, line.now());
            }
            Verdict::Taken => {
                drop(state);
                if let Ending::Answered { reply, .. } = ending {
                    self.taken(job, turn, reply.status, reply.body, line);
                }
            }
        }
    }
}

impl State {
    /// What is sent in a turn that was not tried before; nothing if nothing is to be sent.
    fn make(&mut self, turn: u64, burst: Option<&Burst>, now_ms: i64) -> Option<Message> {
        if self.bytes >= BYTES_MAX {
            self.tally.held_back += 1;
            return None;
        }
        let made = match (turn, burst) {
            (PRESENT.., _) => self.world.present(now_ms),
            (_, Some(burst)) => Turn::Send(self.world.connect(burst.profiles, now_ms)),
            (_, None) => {
                let kind = self.mix.draw(&mut self.rng);
                self.world.next(kind, now_ms)
            }
        };
        match made {
            Turn::Send(message) => Some(message),
            Turn::Withheld => {
                self.tally.withheld += 1;
                None
            }
        }
    }

    fn done(&mut self, turn: u64) {
        if let Some(job) = self.jobs.remove(&turn) {
            self.bytes -= job.message.body.len();
        }
    }

    fn taken(&mut self, message: &Message, reply: &Reply, line: &Line) {
        let counts = self.tally.of(message.kind);
        counts.taken += 1;
        counts.items_taken += u64::from(message.items);
        let consequence = self.world.taken(message, reply, line.now());
        self.tally.followed(consequence);
        for _ in 0..self.world.present_messages(message) {
            if !line.push(load::Turn { at: line.now(), number: PRESENT + self.present }) {
                self.tally.held_back += 1;
            }
            self.present += 1;
        }
        if let Some(Err(error)) = self.record.as_mut().map(|record| record.taken(message)) {
            self.record = None;
            self.failure = Some(error);
            line.close();
        }
    }

    fn lost(&mut self, message: &Message, answer: Result<u16, Failure>, loss: Loss, since: Duration) {
        let kind = message.kind;
        if let Ok(status) = answer
            && loss != Loss::Exhausted
        {
            let shown = Shown { violation: Violation::Status, kind, id: message.id.clone(), status };
            self.tally.violated(shown);
        }
        self.tally.lost(kind, answer, loss);
        let consequence = self.world.lost(message, loss, since);
        self.tally.followed(consequence);
    }
}
