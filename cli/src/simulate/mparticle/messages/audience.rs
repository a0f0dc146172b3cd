//! Subscription and membership requests (protocol.md 3.2, 3.4).

use std::collections::BTreeMap;

use super::json::{List, Object};
use super::person::{Person, pick};
use super::style::Style;
use super::words::{SECTIONS, USER_ATTRIBUTES};
use super::{Envelope, Written};

/// The settings of a connection, by name.
pub(in crate::simulate::mparticle) type Settings = BTreeMap<String, String>;

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulate::mparticle) struct Change<'a> {
    pub(in crate::simulate::mparticle) audience_id: i64,
    pub(in crate::simulate::mparticle) name: &'a str,
    pub(in crate::simulate::mparticle) settings: &'a Settings,
    /// Those before an update.
    pub(in crate::simulate::mparticle) previous: Option<&'a Settings>,
    /// `add`, `update` or `remove`.
    pub(in crate::simulate::mparticle) action: &'static str,
}

/// What happens to a user in an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate::mparticle) enum Action {
    Add,
    Delete,
    AttributeUpdate,
}

/// One audience in which something happened to a user.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulate::mparticle) struct Entry<'a> {
    pub(in crate::simulate::mparticle) audience_id: i64,
    pub(in crate::simulate::mparticle) name: &'a str,
    pub(in crate::simulate::mparticle) settings: &'a Settings,
    pub(in crate::simulate::mparticle) action: Action,
}

/// One user with the audiences in which something happened.
#[derive(Clone, Debug)]
pub(in crate::simulate::mparticle) struct Profile<'a> {
    pub(in crate::simulate::mparticle) user: u32,
    pub(in crate::simulate::mparticle) entries: Vec<Entry<'a>>,
}

/// Writes a subscription request.
pub(in crate::simulate::mparticle) fn subscription(
    envelope: &Envelope<'_>,
    change: &Change<'_>,
    rng: &mut fastrand::Rng,
) -> Written {
    let style = Style::draw(rng);
    let body = envelope.write(style, 700, |o| {
        o.bare("audience_id", change.audience_id);
        o.text("audience_name", change.name);
        settings(o, "audience_subscription_settings", change.settings);
        o.text("audience_description", "Read at least one issue in each of the last four weeks");
        match change.previous {
            Some(previous) => settings(o, "previous_audience_subscription_settings", previous),
            None => style.absent(o, "previous_audience_subscription_settings"),
        }
        o.text("action", change.action);
    });
    Written { body, items: 1, user_data: false }
}

/// Writes a membership request; `person` knows the users.
pub(super) fn membership(
    envelope: &Envelope<'_>,
    profiles: &[Profile<'_>],
    person: impl Fn(u32) -> Person,
    rng: &mut fastrand::Rng,
) -> Written {
    let style = Style::draw(rng);
    let body = envelope.write(style, 500 + 700 * profiles.len(), |o| {
        o.list("user_profiles", |l| {
            for profile in profiles {
                write_profile(l, profile, &person(profile.user), rng, style);
            }
        });
    });
    let items = profiles.iter().map(|profile| profile.entries.len()).sum::<usize>();
    Written { body, items: u32::try_from(items).unwrap_or(u32::MAX), user_data: false }
}

/// Writes a verification call: a membership request without profiles, or a registration request.
pub(super) fn verification(envelope: &Envelope<'_>) -> Written {
    // The documented sample says 2.1.1.
    let version = if envelope.account.is_some() { "2.1.1" } else { "3.2.0" };
    let style = Style { nulls: false, envelope_last: false, version };
    Written { body: envelope.write(style, 500, |_| {}), items: 0, user_data: false }
}

fn write_profile(
    l: &mut List<'_>,
    profile: &Profile<'_>,
    person: &Person,
    rng: &mut fastrand::Rng,
    style: Style,
) {
    l.object(|o| {
        person.identities(o, style);
        style.empty_list(o, "device_identities");
        style.empty_list(o, "partner_identities");
        o.list("audiences", |l| {
            for entry in &profile.entries {
                l.object(|o| write_entry(o, entry, rng, style));
            }
        });
        o.digits("mpid", person.mpid);
    });
}

fn write_entry(o: &mut Object<'_>, entry: &Entry<'_>, rng: &mut fastrand::Rng, style: Style) {
    o.bare("audience_id", entry.audience_id);
    o.text("audience_name", entry.name);
    settings(o, "audience_subscription_settings", entry.settings);
    let (action, shares) = match entry.action {
        Action::Add => ("add", rng.u8(..4) == 0),
        Action::Delete => ("delete", false),
        Action::AttributeUpdate => ("attribute_update", true),
    };
    o.text("action", action);
    match shares {
        true => o.list("user_attributes", |l| attributes(l, rng)),
        false => style.empty_list(o, "user_attributes"),
    }
}

fn attributes(l: &mut List<'_>, rng: &mut fastrand::Rng) {
    let (name, values) = pick(USER_ATTRIBUTES, rng);
    l.object(|o| {
        o.text("key", name);
        match values {
            [] => o.null("value"),
            values => o.text("value", pick(values, rng)),
        }
        o.text("action", "upsert");
    });
    if rng.bool() {
        l.object(|o| {
            o.text("key", "Topics");
            o.list("list_value", |l| SECTIONS[..rng.usize(1..4)].iter().for_each(|value| l.text(value)));
            o.text("action", "upsert");
        });
    }
    if rng.u8(..4) == 0 {
        l.object(|o| {
            o.text("key", "Trial ends");
            o.text("action", "delete");
        });
    }
}

fn settings(o: &mut Object<'_>, name: &str, settings: &Settings) {
    o.object(name, |o| settings.iter().for_each(|(name, value)| o.text(name, value)));
}
