//! Customers connect audiences, change their settings and names, and disconnect them.

use super::audience::{Audience, State};
use super::{AUDIENCE_FIRST, Kind, LOOKS, Message, World};
use crate::simulate::mparticle::messages::{self, Change};

impl World {
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

    pub(super) fn subscription(&mut self, now_ms: i64) -> Message {
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

    pub(super) fn add(&mut self, place: usize, now_ms: i64) -> Message {
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
}
