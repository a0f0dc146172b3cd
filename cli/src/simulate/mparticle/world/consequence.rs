//! What answers, and calls that were never answered, do to connections, and customers who resume what is faulted.

use std::time::Duration;

use super::audience::State;
use super::{Flood, Kind, Message, World};
use crate::simulate::mparticle::answer::Reply;
use crate::simulate::mparticle::rules::Loss;

/// What an answer, or the lack of one, has done to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Consequence {
    /// Connections newly marked as faulted.
    pub(crate) faulted: u64,
    /// Customers newly suspended as a whole.
    pub(crate) suspended: u64,
}

/// What a customer resumes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resumption {
    Audience(usize),
    Account(usize),
}

impl World {
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
                    account.resume(&self.population.settings);
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
}
