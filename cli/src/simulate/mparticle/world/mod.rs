//! The customers, their users and their audiences, and what happens to them: the part of mParticle that decides what
//! is sent. Without I/O; time is what it is told.

mod account;
mod audience;
mod consequence;
mod memberships;
mod message;
mod subscriptions;
#[cfg(test)]
mod tests;
mod zipf;

use std::collections::VecDeque;
use std::time::Duration;

use self::account::Account;
use self::audience::Audience;
pub(crate) use self::consequence::Consequence;
use self::consequence::Resumption;
pub(crate) use self::message::{Message, Turn};
use self::zipf::Zipf;
use super::kind::Kind;
use super::messages;

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

#[derive(Clone, Copy, Debug)]
struct Flood {
    audience: usize,
    next: u32,
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
            accounts.push(Account::new(place, own.collect(), &population.settings));
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
}
