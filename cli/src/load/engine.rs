//! One loop, of one thread: takes turns from the [`Line`], and moves the exchanges of its connections on as their sockets
//! allow.

use std::{collections::VecDeque, io, time::Duration};

use mio::{Events, Poll, Token};

use super::{
    Ending, Failure, Plan, Traffic,
    alarm::Alarm,
    connection::{Connection, Step},
    line::{Line, Next, Turn},
    tally::Tally,
};

/// Pause of a connection that could not be made, so that a closed loop does not spin on a server that is away.
const CONNECT_PAUSE: Duration = Duration::from_millis(5);
/// Longest wait of a loop that could begin something: another loop may have put a turn into the line meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How often it is looked whether an exchange takes too long.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// What sockets say is taken so much at a time.
const EVENTS: usize = 256;

/// An exchange that goes on.
struct Exchange {
    turn: Turn,
    /// When it was begun in fact.
    started: Duration,
    /// When its socket last said something.
    moved: Duration,
}

/// A thread's share of the connections.
pub(super) struct Engine<'a> {
    plan: &'a Plan,
    line: &'a Line,
    traffic: &'a dyn Traffic,
    poll: Poll,
    alarm: Alarm,
    connections: Vec<Connection<'a>>,
    /// What goes on, connection by connection.
    exchanges: Vec<Option<Exchange>>,
    /// Connections without an exchange, the longest rested first.
    free: VecDeque<usize>,
    /// The same after they could not be made, and until when.
    pausing: VecDeque<(Duration, usize)>,
    /// A turn whose time is near.
    pending: Option<Turn>,
    swept: Duration,
    /// When the sockets were looked at last.
    looked: Duration,
    scratch: Vec<u8>,
    tally: Tally,
}

impl<'a> Engine<'a> {
    /// One with so many connections, at least one.
    ///
    /// # Errors
    /// When the system has nothing to wait with.
    pub(super) fn new(
        plan: &'a Plan,
        line: &'a Line,
        traffic: &'a dyn Traffic,
        connections: usize,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let alarm = Alarm::new(poll.registry(), Token(connections))?;
        Ok(Self {
            plan,
            line,
            traffic,
            poll,
            alarm,
            connections: (0..connections).map(|n| Connection::new(&plan.target, Token(n))).collect(),
            exchanges: (0..connections).map(|_| None).collect(),
            free: (0..connections).collect(),
            pausing: VecDeque::new(),
            pending: None,
            swept: Duration::ZERO,
            looked: Duration::ZERO,
            scratch: Vec::new(),
            tally: Tally::new(line.counts_from()),
        })
    }

    /// Works until the line is over.
    ///
    /// # Errors
    /// When waiting fails.
    pub(super) fn run(mut self) -> io::Result<Tally> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.end_pauses();
            let Some(wake) = self.begin_what_is_due() else { return Ok(self.tally) };
            let most = if self.gathered(wake) { Duration::ZERO } else { self.longest_wait(wake)? };
            match self.poll.poll(&mut events, Some(most)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let Token(place) = event.token();
                if place < self.connections.len() {
                    let step = self.connections[place].advance();
                    self.note(place, step);
                }
            }
            self.sweep();
        }
    }

    /// Lets what sockets say gather, if the plan wants it to, and no longer than until a turn is due at `wake`; then they
    /// are not waited for.
    #[expect(clippy::disallowed_methods, reason = "a thread of its own, in the machine's time")]
    fn gathered(&mut self, wake: Duration) -> bool {
        if self.plan.look_every.is_zero() {
            return false;
        }
        let rest = wake.min(self.looked + self.plan.look_every).saturating_sub(self.line.now());
        if !rest.is_zero() {
            std::thread::sleep(rest);
        }
        self.looked = self.line.now();
        true
    }

    /// How long to wait for sockets at most, with an alarm at `wake`.
    fn longest_wait(&self, wake: Duration) -> io::Result<Duration> {
        let most = if self.free.is_empty() && self.pausing.is_empty() { SWEEP_EVERY } else { LOOK_EVERY };
        match wake.checked_sub(self.line.now()) {
            Some(after) if after < most => self.alarm.set(after, most),
            Some(_) => Ok(most),
            None => Ok(Duration::ZERO),
        }
    }

    /// Begins the turns whose time has come, as far as there are connections. Returns when to look again at the latest;
    /// `None` when all is over.
    fn begin_what_is_due(&mut self) -> Option<Duration> {
        loop {
            if self.pending.is_none() {
                if self.free.is_empty() {
                    return Some(Duration::MAX);
                }
                match self.line.take() {
                    Next::Turn(turn) => self.pending = Some(turn),
                    Next::NotBefore(at) => return Some(at),
                    Next::Over if self.free.len() + self.pausing.len() == self.connections.len() => {
                        return None;
                    }
                    Next::Unknown | Next::Over => return Some(Duration::MAX),
                }
            }
            let turn = self.pending?;
            if turn.at > self.line.now() {
                return Some(turn.at);
            }
            self.pending = None;
            self.begin(turn);
        }
    }

    fn begin(&mut self, turn: Turn) {
        let Some(place) = self.free.pop_front() else { return };
        let started = self.line.now();
        if !self.traffic.begin(turn.number, self.line) {
            self.free.push_front(place);
            self.line.ended();
            return;
        }
        self.scratch.clear();
        let signed = self.traffic.is_signed(turn.number);
        let body = self.traffic.body(turn.number, &mut self.scratch);
        let step = self.connections[place].begin(body, signed, self.poll.registry());
        self.exchanges[place] = Some(Exchange { turn, started, moved: started });
        self.note(place, step);
    }

    /// Notes what came of looking at a connection.
    fn note(&mut self, place: usize, step: Step) {
        match step {
            Step::Nothing => {
                if let Some(exchange) = &mut self.exchanges[place] {
                    exchange.moved = self.line.now();
                }
            }
            Step::Answered => self.end(place, None),
            Step::Failed(failure) => self.end(place, Some(failure)),
        }
    }

    fn end(&mut self, place: usize, failure: Option<Failure>) {
        let Some(Exchange { turn, started, .. }) = self.exchanges[place].take() else { return };
        let ended = self.line.now();
        let outcome = match (failure, self.connections[place].reply()) {
            (None, Some(reply)) => Ok(reply),
            (failure, _) => Err(failure.unwrap_or(Failure::Broken)),
        };
        let status = outcome.as_ref().map(|reply| reply.status).map_err(|failure| *failure);
        self.tally.note(turn.at, started, ended, status);
        let latency = ended.saturating_sub(turn.at);
        let ending = match outcome {
            Ok(reply) => Ending::Answered { reply, latency },
            Err(failure) => {
                let refusal = self.connections[place].refusal().filter(|_| failure == Failure::Connect);
                Ending::Failed { failure, refusal }
            }
        };
        self.traffic.ended(turn.number, &ending, self.line);
        self.line.ended();
        if failure == Some(Failure::Connect) {
            self.pausing.push_back((ended + CONNECT_PAUSE, place));
        } else {
            self.free.push_back(place);
        }
    }

    fn end_pauses(&mut self) {
        let now = self.line.now();
        while let Some((_, place)) = self.pausing.pop_front_if(|(until, _)| *until <= now) {
            self.free.push_back(place);
        }
    }

    /// Gives up what takes too long.
    fn sweep(&mut self) {
        let now = self.line.now();
        if now.saturating_sub(self.swept) < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        for place in 0..self.exchanges.len() {
            let moved = self.exchanges[place].as_ref().map(|exchange| exchange.moved);
            if moved.is_some_and(|moved| now.saturating_sub(moved) > self.plan.timeout) {
                let failure = self.connections[place].give_up();
                self.end(place, Some(failure));
            }
        }
    }
}
