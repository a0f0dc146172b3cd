//! The customers, their users and their audiences, and what happens to them: the part of mParticle that decides what
//! is sent. Without I/O; time is what it is told.

mod audience;
mod memberships;
#[cfg(test)]
mod tests;
mod zipf;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use self::audience::{Audience, State};
use self::zipf::Zipf;
use super::answer::Reply;
use super::kind::Kind;
use super::messages::{self, Change, Customer, Envelope, Written};
use super::rules::Loss;

/// The first customer's number.
const ACCOUNT_FIRST: u32 = 1001;
/// The first audience's number.
const AUDIENCE_FIRST: i64 = 501;
/// How many customers are looked at for one to whom something may happen.
const LOOKS: usize = 8;

/// How large the world is.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// Customers, at least one.
    pub(crate) accounts: u32,
    /// Users of each, at least one.
    pub(crate) users: u32,
    /// Audiences of each, at least one.
    pub(crate) audiences: u32,
    /// Profiles in one membership message at most.
    pub(crate) bulk: u32,
    /// What every customer has typed; `{account}` in a value stands for the customer's number.
    pub(crate) settings: Vec<(String, String)>,
    /// When a customer resumes what is faulted; never if none.
    pub(crate) resume_after: Option<Duration>,
}

/// A message, made and not sent yet.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// What a receiver finds in it to deliver.
    pub(crate) items: u32,
    /// Beside events: it says something of the user, too.
    pub(crate) user_data: bool,
    account: usize,
    /// The places of the audiences it is about.
    audiences: Vec<usize>,
    action: Option<&'static str>,
}

/// What there is to do when a message is due.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Send it.
    Send(Message),
    /// Nothing: what happened was in audiences whose connections are faulted.
    Withheld,
}

/// What an answer, or the lack of one, has done to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Consequence {
    /// Connections newly marked as faulted.
    pub(crate) faulted: u64,
    /// Customers newly suspended as a whole.
    pub(crate) suspended: u64,
}

/// Customers, users, audiences.
#[derive(Debug)]
pub(crate) struct World {
    population: Population,
    rng: fastrand::Rng,
    zipf: Zipf,
    accounts: Vec<Account>,
    audiences: Vec<Audience>,
    /// Connected with present members who were not all told of yet.
    flooding: VecDeque<Flood>,
    /// What customers will resume, the soonest first.
    resuming: VecDeque<(Duration, Resumption)>,
}

#[derive(Debug)]
struct Account {
    id: u32,
    settings: String,
    audiences: Vec<usize>,
    suspended: bool,
    /// How often the customer has renewed the credentials.
    renewed: u32,
}

#[derive(Clone, Copy, Debug)]
struct Flood {
    audience: usize,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
enum Resumption {
    Audience(usize),
    Account(usize),
}

impl World {
    /// Nothing is connected yet.
    pub(crate) fn new(population: Population, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut accounts, mut audiences) = (Vec::new(), Vec::<Audience>::new());
        let each = population.audiences.max(1) as usize;
        for place in 0..population.accounts.max(1) as usize {
            let own = audiences.len()..audiences.len() + each;
            for number in own.clone() {
                let id = match rng.u8(..20) {
                    // Wider than 32 bits, and than a double is exact.
                    0 => rng.i64(1 << 31..1 << 60),
                    // Shared with the customer before.
                    1 if number >= each => audiences[number - each].id,
                    _ => AUDIENCE_FIRST + number as i64,
                };
                audiences.push(Audience::new(place, id, number, population.users.max(1)));
            }
            let id = ACCOUNT_FIRST + u32::try_from(place).unwrap_or(u32::MAX - ACCOUNT_FIRST);
            let mut account = Account {
                id,
                settings: String::new(),
                audiences: own.collect(),
                suspended: false,
                renewed: 0,
            };
            account.write_settings(&population.settings);
            accounts.push(account);
        }
        let zipf = Zipf::new(population.accounts);
        let (flooding, resuming) = (VecDeque::new(), VecDeque::new());
        Self { population, rng, zipf, accounts, audiences, flooding, resuming }
    }

    /// What happens next, of this kind if that is possible: before an audience is connected nobody can enter it, so
    /// it is connected instead; and where nothing can happen to audiences, a batch of events is sent.
    pub(crate) fn next(&mut self, kind: Kind, now_ms: i64) -> Turn {
        match kind {
            Kind::Membership => self.membership(now_ms),
            Kind::Subscription => Turn::Send(self.subscription(now_ms)),
            other => Turn::Send(self.plain(other, now_ms)),
        }
    }

    /// A new audience of somebody's, with so many members, is connected: the message, and once it is taken
    /// [`World::present`] tells of the members.
    pub(crate) fn connect(&mut self, profiles: u32, now_ms: i64) -> Message {
        let account = self.zipf.draw(&mut self.rng);
        let number = self.audiences.len();
        let users = profiles.max(self.population.users);
        let mut audience = Audience::new(account, AUDIENCE_FIRST + number as i64, number, users);
        audience.present = profiles;
        self.audiences.push(audience);
        self.accounts[account].audiences.push(number);
        self.add(number, now_ms)
    }

    /// Takes in what an answer says to a message that was taken.
    pub(crate) fn taken(&mut self, message: &Message, reply: &Reply, since: Duration) -> Consequence {
        let connects = message.action == Some("add");
        for place in message.audiences.iter().copied().filter(|_| message.kind == Kind::Subscription) {
            let audience = &mut self.audiences[place];
            audience.keep(&reply.hidden);
            audience.updating = false;
            audience.state = match audience.state {
                State::Connecting if connects => State::Connected,
                State::Removing => State::Idle,
                other => other,
            };
            if connects && audience.state == State::Connected && audience.present > 0 {
                self.flooding.push_back(Flood { audience: place, next: 0 });
            }
        }
        if reply.suspend { self.suspend(message.account, since) } else { Consequence::default() }
    }

    /// Takes in that a message is gone for ever.
    pub(crate) fn lost(&mut self, message: &Message, loss: Loss, since: Duration) -> Consequence {
        let mut consequence = Consequence::default();
        for place in message.audiences.iter().copied() {
            let audience = &mut self.audiences[place];
            if loss.is_fault() && audience.fault() {
                consequence.faulted += 1;
                self.resume_later(since, Resumption::Audience(place));
            } else if message.kind == Kind::Subscription {
                audience.updating = false;
                audience.state = match audience.state {
                    State::Connecting | State::Removing => State::Idle,
                    other => other,
                };
            }
        }
        consequence
    }

    /// Customers resume what is due; gives how many connections were.
    pub(crate) fn resume(&mut self, since: Duration) -> u64 {
        let mut resumed = 0;
        while self.resuming.front().is_some_and(|(at, _)| *at <= since) {
            let Some((_, resumption)) = self.resuming.pop_front() else { break };
            let places = match resumption {
                Resumption::Audience(place) if self.accounts[self.audiences[place].account].suspended => {
                    continue;
                }
                Resumption::Audience(place) => vec![place],
                Resumption::Account(place) => {
                    let account = &mut self.accounts[place];
                    account.suspended = false;
                    account.renewed += 1;
                    account.write_settings(&self.population.settings);
                    account.audiences.clone()
                }
            };
            for place in places {
                let audience = &mut self.audiences[place];
                resumed += u64::from(matches!(audience.state, State::Faulted { .. }));
                audience.resume();
            }
        }
        resumed
    }

    fn suspend(&mut self, account: usize, since: Duration) -> Consequence {
        if std::mem::replace(&mut self.accounts[account].suspended, true) {
            return Consequence::default();
        }
        self.resume_later(since, Resumption::Account(account));
        let faulted = self.accounts[account].audiences.iter().filter(|place| self.audiences[**place].fault());
        Consequence { faulted: faulted.count() as u64, suspended: 1 }
    }

    fn resume_later(&mut self, since: Duration, resumption: Resumption) {
        if let Some(after) = self.population.resume_after {
            self.resuming.push_back((since + after, resumption));
        }
    }

    fn plain(&mut self, kind: Kind, now_ms: i64) -> Message {
        let account = self.zipf.draw(&mut self.rng);
        let user = self.rng.u32(..self.population.users.max(1));
        self.message(kind, account, now_ms, |envelope, rng| match kind {
            Kind::Profile => messages::profile(envelope, user, rng),
            Kind::Dsr => messages::erasure(envelope, user, rng),
            Kind::Registration | Kind::NoopEvents | Kind::NoopMembership => messages::verification(envelope),
            Kind::Events | Kind::Membership | Kind::Subscription => messages::events(envelope, user, rng),
        })
    }

    fn subscription(&mut self, now_ms: i64) -> Message {
        for _ in 0..LOOKS {
            let account = &self.accounts[self.zipf.draw(&mut self.rng)];
            let place = account.audiences[self.rng.usize(..account.audiences.len())];
            match self.audiences[place].state {
                State::Idle if !account.suspended => return self.add(place, now_ms),
                State::Connected if !self.audiences[place].updating => return self.change(place, now_ms),
                _ => {}
            }
        }
        self.plain(Kind::Events, now_ms)
    }

    fn add(&mut self, place: usize, now_ms: i64) -> Message {
        self.audiences[place].connect();
        self.subscribe(place, "add", None, now_ms)
    }

    fn change(&mut self, place: usize, now_ms: i64) -> Message {
        let audience = &mut self.audiences[place];
        // A few more updates than removals: else hardly anything would stay connected.
        if self.rng.u8(..10) < 8 {
            let before = audience.change(&mut self.rng);
            return self.subscribe(place, "update", Some(before), now_ms);
        }
        audience.state = State::Removing;
        self.subscribe(place, "remove", None, now_ms)
    }

    fn subscribe(
        &mut self,
        place: usize,
        action: &'static str,
        previous: Option<messages::Settings>,
        now_ms: i64,
    ) -> Message {
        let audience = &self.audiences[place];
        let (account, settings, name) =
            (audience.account, audience.settings().clone(), audience.name.clone());
        let change = Change {
            audience_id: audience.id,
            name: &name,
            settings: &settings,
            previous: previous.as_ref(),
            action,
        };
        let mut message = self.message(Kind::Subscription, account, now_ms, |envelope, rng| {
            messages::subscription(envelope, &change, rng)
        });
        message.audiences = vec![place];
        message.action = Some(action);
        message
    }

    fn message(
        &mut self,
        kind: Kind,
        account: usize,
        now_ms: i64,
        write: impl FnOnce(&Envelope<'_>, &mut fastrand::Rng) -> Written,
    ) -> Message {
        let id = messages::request_id(&mut self.rng);
        let customer = &self.accounts[account];
        let customer = Customer { account_id: customer.id, settings: &customer.settings };
        let envelope = Envelope {
            kind: kind.request(),
            id: &id,
            now_ms,
            account: (kind != Kind::Registration).then_some(customer),
        };
        let Written { body, items, user_data } = write(&envelope, &mut self.rng);
        let (audiences, action) = (Vec::new(), None);
        Message { kind, id, body: body.into(), items, user_data, account, audiences, action }
    }
}

impl Account {
    /// A customer who resumes after a suspension has typed new credentials.
    fn write_settings(&mut self, settings: &[(String, String)]) {
        let number = match self.renewed {
            0 => self.id.to_string(),
            renewed => format!("{}-{renewed}", self.id),
        };
        let filled = settings.iter().map(|(name, value)| (name.clone(), value.replace("{account}", &number)));
        self.settings = messages::settings_json(&filled.collect::<Vec<_>>());
    }
}
