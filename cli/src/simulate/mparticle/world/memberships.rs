//! Users enter and leave audiences that are connected.

use super::audience::State;
use super::{Flood, Kind, LOOKS, Message, Turn, World};
use crate::simulate::mparticle::messages::{self, Action, Entry, Profile};

/// A change that is decided on.
#[derive(Clone, Copy, Debug)]
struct Decided {
    audience: usize,
    action: Action,
}

impl World {
    /// Changes of memberships of one customer: of one user in four of five messages, and of up to `bulk` in the rest.
    pub(super) fn membership(&mut self, now_ms: i64) -> Turn {
        let Some((account, live)) = self.live() else { return Turn::Send(self.connect_idle(now_ms)) };
        let profiles = match self.rng.u8(..5) {
            0 => self.rng.u32(1..=self.population.bulk.max(1)),
            _ => 1,
        };
        let mut users: Vec<u32> =
            (0..profiles).map(|_| self.rng.u32(..self.population.users.max(1))).collect();
        // Nobody stands twice in one message: of two changes only the later would count.
        users.sort_unstable();
        users.dedup();
        let changed: Vec<_> = users.into_iter().map(|user| (user, self.decide(user, &live))).collect();
        let changed: Vec<_> = changed.into_iter().filter(|(_, entries)| !entries.is_empty()).collect();
        if changed.is_empty() {
            return Turn::Withheld;
        }
        Turn::Send(self.write_memberships(account, &changed, now_ms))
    }

    /// How many messages are to tell of the present members of the audience that this message has connected; once for
    /// each, [`World::present`] is to be called.
    pub(crate) fn present_messages(&self, message: &Message) -> u32 {
        let [place] = message.audiences[..] else { return 0 };
        if message.action != Some("add") {
            return 0;
        }
        let floods = self.flooding.iter().any(|flood| flood.audience == place && flood.next == 0);
        if floods { self.audiences[place].present.div_ceil(self.population.bulk.max(1)) } else { 0 }
    }

    /// The next message that tells of the present members of an audience that was connected as a burst, or that
    /// nothing is sent for them.
    pub(crate) fn present(&mut self, now_ms: i64) -> Turn {
        let Some(Flood { audience, next }) = self.flooding.pop_front() else { return Turn::Withheld };
        let of = &self.audiences[audience];
        let end = next.saturating_add(self.population.bulk.max(1)).min(of.present);
        if end < of.present {
            self.flooding.push_front(Flood { audience, next: end });
        }
        if of.state != State::Connected {
            return Turn::Withheld;
        }
        let account = of.account;
        let decided = vec![Decided { audience, action: Action::Add }];
        let changed: Vec<_> = (next..end).map(|user| (user, decided.clone())).collect();
        for (user, _) in &changed {
            self.audiences[audience].set(*user, true);
        }
        Turn::Send(self.write_memberships(account, &changed, now_ms))
    }

    /// A customer with audiences that changes happen in, and these.
    fn live(&mut self) -> Option<(usize, Vec<usize>)> {
        for _ in 0..LOOKS {
            let account = self.zipf.draw(&mut self.rng);
            let is_live = |place: &usize| {
                let state = self.audiences[*place].state;
                matches!(state, State::Connected | State::Faulted { connected: true })
            };
            let live: Vec<usize> = self.accounts[account].audiences.iter().copied().filter(is_live).collect();
            if !live.is_empty() {
                return Some((account, live));
            }
        }
        None
    }

    fn connect_idle(&mut self, now_ms: i64) -> Message {
        for _ in 0..LOOKS {
            let account = &self.accounts[self.zipf.draw(&mut self.rng)];
            let idle = account.audiences.iter().find(|place| self.audiences[**place].state == State::Idle);
            if let Some(place) = idle.filter(|_| !account.suspended) {
                return self.add(*place, now_ms);
            }
        }
        self.plain(Kind::Events, now_ms)
    }

    /// What happens to a user in one audience, sometimes in two; not in those that are faulted.
    fn decide(&mut self, user: u32, live: &[usize]) -> Vec<Decided> {
        let first = self.rng.usize(..live.len());
        let count = if self.rng.u8(..7) == 0 { 2.min(live.len()) } else { 1 };
        let mut decided = Vec::new();
        for n in 0..count {
            let place = live[(first + n) % live.len()];
            let audience = &mut self.audiences[place];
            if audience.state != State::Connected {
                continue;
            }
            let action = match audience.has(user) {
                false => Action::Add,
                true if self.rng.u8(..5) < 3 => Action::Delete,
                true => Action::AttributeUpdate,
            };
            audience.set(user, action != Action::Delete);
            decided.push(Decided { audience: place, action });
        }
        decided
    }

    fn write_memberships(&mut self, account: usize, changed: &[(u32, Vec<Decided>)], now_ms: i64) -> Message {
        // The audiences are put aside for as long as the message is written, so that it may look at them.
        let audiences = std::mem::take(&mut self.audiences);
        let entry = |decided: &Decided| {
            let audience = &audiences[decided.audience];
            Entry {
                audience_id: audience.id,
                name: &audience.name,
                settings: audience.settings(),
                action: decided.action,
            }
        };
        let profile = |(user, decided): &(u32, Vec<Decided>)| Profile {
            user: *user,
            entries: decided.iter().map(entry).collect(),
        };
        let profiles: Vec<Profile<'_>> = changed.iter().map(profile).collect();
        let mut message = self.message(Kind::Membership, account, now_ms, |envelope, rng| {
            messages::membership(envelope, &profiles, rng)
        });
        drop(profiles);
        self.audiences = audiences;
        let mut about: Vec<usize> = changed.iter().flat_map(|(_, d)| d.iter().map(|d| d.audience)).collect();
        about.sort_unstable();
        about.dedup();
        message.audiences = about;
        message
    }
}
