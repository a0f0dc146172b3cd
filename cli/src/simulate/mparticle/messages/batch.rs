//! Event requests: one user's batch of events, and the batch without events that is a profile update.

use super::environment::Environment;
use super::event::{self, Session};
use super::ids;
use super::json::Object;
use super::person::Person;
use super::style::Style;
use super::{Envelope, Written};

/// Half of all batches are smaller than this, in bytes.
const BYTES_MEDIAN: f64 = 3_200.0;
/// How far apart small and large ones are: the standard deviation of the logarithm.
const BYTES_SPREAD: f64 = 0.95;
/// The smallest and the largest batch aimed at. One event more may go beyond.
const BYTES: (f64, f64) = (1_000.0, 50_000.0);
/// Below this a batch is one of a server: it says little of the user and nothing of a device.
const BYTES_WITH_DEVICE: usize = 2_200;
/// The gap between two events of a session at most, in milliseconds.
const GAP_MS: i64 = 20_000;
/// A batch that was kept on a device: its events are up to this old, within what is sent on (protocol.md 4.9).
const LATE_MS: i64 = 20 * 3_600_000;

/// Writes a batch with events.
pub(super) fn events(envelope: &Envelope<'_>, person: &Person, rng: &mut fastrand::Rng) -> Written {
    let style = Style::draw(rng);
    let target = size(rng);
    let server = target < BYTES_WITH_DEVICE;
    let environment = if server { Environment::SERVER } else { Environment::draw(rng) };
    let mut items = 0;
    // Servers often tell of an event and nothing of the user.
    let mut user_data = !server || rng.bool();
    let body = envelope.write(style, target + 2_000, |o| {
        user(o, person, environment, user_data.then_some(target / 1_000), rng, style);
        let mut session = Session { until_ms: envelope.now_ms, id: 0, person, style };
        if rng.u8(..20) > 0 {
            session.id = ids::wide(rng);
        }
        items = session_events(o, &session, target, rng);
        user_data |= rest(o, environment, rng, style);
    });
    Written { body, items, user_data }
}

/// Writes a batch without events: what is known of the user has changed.
pub(super) fn profile(envelope: &Envelope<'_>, person: &Person, rng: &mut fastrand::Rng) -> Written {
    let style = Style::draw(rng);
    let body = envelope.write(style, 2_000, |o| {
        user(o, person, Environment::SERVER, Some(rng.usize(1..8)), rng, style);
        rest(o, Environment::SERVER, rng, style);
    });
    Written { body, items: 1, user_data: true }
}

/// Writes a verification call: no events, and nothing of a user.
pub(super) fn verification(envelope: &Envelope<'_>) -> Written {
    let style = Style { nulls: false, envelope_last: false, version: "3.2.0" };
    let body = envelope.write(style, 500, |o| o.raw("events", "[]"));
    Written { body, items: 0, user_data: false }
}

/// A size with a long tail, in bytes.
fn size(rng: &mut fastrand::Rng) -> usize {
    // The sum of twelve uniform numbers is near enough to a normal one.
    let normal = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
    let bytes = BYTES_MEDIAN * (normal * BYTES_SPREAD).exp();
    bytes.clamp(BYTES.0, BYTES.1) as usize
}

fn user(
    o: &mut Object<'_>,
    person: &Person,
    environment: Environment,
    attributes: Option<usize>,
    rng: &mut fastrand::Rng,
    style: Style,
) {
    o.uuid("source_id", rng);
    // Text on paper; a bare number occurs.
    match rng.u8(..50) {
        0 => o.bare("mpid", person.mpid),
        _ => o.digits("mpid", person.mpid),
    }
    person.identities(o, style);
    style.empty_list(o, "partner_identities");
    match attributes {
        Some(about) => person.attributes(o, rng, style, 2 + about),
        None => style.empty_object(o, "user_attributes"),
    }
    environment.write(o, person, rng, style);
}

/// Writes `events` until the whole has its size; gives their number.
fn session_events(o: &mut Object<'_>, session: &Session<'_>, target: usize, rng: &mut fastrand::Rng) -> u32 {
    let mut count = 0;
    let late = if rng.u8(..50) == 0 { rng.i64(0..LATE_MS) } else { 0 };
    let until_ms = session.until_ms - late;
    // Their number shows only when they are written: an event takes about this many bytes.
    let mut at_ms = until_ms - (target / 450) as i64 * GAP_MS / 2;
    o.list("events", |l| {
        loop {
            let kind =
                if count == 0 && target > BYTES_WITH_DEVICE { "session_start" } else { event::draw(rng) };
            // Equal times occur, and some events overtake others.
            let swapped = if rng.u8(..30) == 0 { GAP_MS } else { 0 };
            event::write(l, kind, at_ms - swapped, session, rng);
            count += 1;
            if rng.u8(..6) > 0 {
                at_ms = until_ms.min(at_ms + rng.i64(0..GAP_MS));
            }
            if l.written() >= target {
                break;
            }
        }
    });
    count
}

/// Says whether there was something of the user in it.
fn rest(o: &mut Object<'_>, environment: Environment, rng: &mut fastrand::Rng, style: Style) -> bool {
    o.text("source_channel", environment.channel());
    if environment.kind.is_some() {
        o.uuid("device_application_stamp", rng);
        o.object("integration_attributes", |o| o.text("Sandbox.sdkVersion", "2.1.0"));
    }
    let consent = rng.u8(..4) == 0;
    match consent {
        true => o.object("consent_state", |o| {
            o.object("gdpr_consent_state", |o| {
                o.object("newsletter", |o| {
                    o.bare("consented", rng.bool());
                    o.text("document", "privacy-notice-2025-09");
                    o.bare("timestamp_unixtime_ms", 1_763_844_043_059_i64);
                    o.text("location", "onboarding/consent");
                });
            });
        }),
        false => style.absent(o, "consent_state"),
    }
    style.empty_list(o, "system_notifications");
    style.empty_list(o, "event_connection_settings");
    match rng.u8(..3) {
        0 => o.object("platform_fields", |o| {
            o.bare("mp_account_id", 88);
            o.text("mp_account_name", "Lamplight Media");
            o.bare("workspace_id", 4120);
            o.text("input_name", "Lamplight Android");
            o.text("dataplan_id", "lamplight_reader");
            o.bare("dataplan_version", 6);
        }),
        _ => style.absent(o, "platform_fields"),
    }
    consent
}
