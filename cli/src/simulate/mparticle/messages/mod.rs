//! The bodies: what mParticle writes, from a seed. Each is made when it is sent, with an id of its own.

mod audience;
mod batch;
mod commerce;
mod environment;
mod erasure;
mod event;
mod ids;
mod json;
mod person;
mod style;
#[cfg(test)]
mod tests;
mod words;

use penstock_shared::firehose::RequestKind;

use self::json::Object;
use self::person::Person;
use self::style::Style;

pub(super) use self::audience::{Action, Change, Entry, Profile, Settings, subscription};

/// Names that audiences are given in turn.
pub(super) const AUDIENCE_NAMES: &[&str] = words::AUDIENCES;

/// What a request says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    pub(super) kind: RequestKind,
    pub(super) id: &'a str,
    /// When it is made, ms since 1970 UTC.
    pub(super) now_ms: i64,
    /// The customer; none for registration requests.
    pub(super) account: Option<Customer<'a>>,
}

/// The customer a request is of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Customer<'a> {
    pub(super) account_id: u32,
    /// The settings as JSON.
    pub(super) settings: &'a str,
}

/// A body, and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) body: String,
    /// Items that a receiver finds in it, but for the user's data beside events.
    pub(super) items: u32,
    /// Whether it says something of the user: beside events, one item more for who keeps user profiles.
    pub(super) user_data: bool,
}

impl Envelope<'_> {
    /// Writes the whole, for about so many bytes.
    fn write(&self, style: Style, bytes: usize, members: impl FnOnce(&mut Object<'_>)) -> String {
        let mut out = String::with_capacity(bytes + bytes / 4);
        json::object(&mut out, |o| {
            if !style.envelope_last {
                self.members(o, style);
            }
            if let Some(account) = self.account {
                o.object("account", |o| {
                    o.bare("account_id", account.account_id);
                    o.raw("account_settings", account.settings);
                });
            }
            members(o);
            if style.envelope_last {
                self.members(o, style);
            }
        });
        out
    }

    fn members(&self, o: &mut Object<'_>, style: Style) {
        o.text("type", self.kind.wire());
        o.text("id", self.id);
        o.bare("timestamp_ms", self.now_ms);
        o.text("firehose_version", style.version);
    }
}

/// A new id for a request.
pub(super) fn request_id(rng: &mut fastrand::Rng) -> String {
    ids::text(&ids::uuid(rng)).to_owned()
}

/// A batch of events of the user of that number.
pub(super) fn events(envelope: &Envelope<'_>, user: u32, rng: &mut fastrand::Rng) -> Written {
    batch::events(envelope, &person(envelope, user), rng)
}

/// A profile update of the user of that number.
pub(super) fn profile(envelope: &Envelope<'_>, user: u32, rng: &mut fastrand::Rng) -> Written {
    batch::profile(envelope, &person(envelope, user), rng)
}

/// Changes of memberships.
pub(super) fn membership(
    envelope: &Envelope<'_>,
    profiles: &[Profile<'_>],
    rng: &mut fastrand::Rng,
) -> Written {
    audience::membership(envelope, profiles, |user| person(envelope, user), rng)
}

/// A request to erase the user of that number.
pub(super) fn erasure(envelope: &Envelope<'_>, user: u32, rng: &mut fastrand::Rng) -> Written {
    erasure::erasure(envelope, &person(envelope, user), rng)
}

/// What asks for the registration document, or, of the other kinds, only whether somebody answers.
pub(super) fn verification(envelope: &Envelope<'_>) -> Written {
    match envelope.kind {
        RequestKind::Events => batch::verification(envelope),
        _ => audience::verification(envelope),
    }
}

fn person(envelope: &Envelope<'_>, user: u32) -> Person {
    Person::of(envelope.account.map_or(0, |account| account.account_id), user)
}

/// Account settings as JSON.
pub(super) fn settings_json(settings: &[(String, String)]) -> String {
    let mut out = String::new();
    json::object(&mut out, |o| settings.iter().for_each(|(name, value)| o.text(name, value)));
    out
}
