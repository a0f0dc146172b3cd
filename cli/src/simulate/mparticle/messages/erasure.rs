//! Data subject requests (protocol.md 3.5).

use super::ids;
use super::json::Object;
use super::person::{Person, pick};
use super::style::Style;
use super::{Envelope, Written};

/// Writes a request to erase a person, its time in one of the forms that are known.
pub(super) fn erasure(envelope: &Envelope<'_>, person: &Person, rng: &mut fastrand::Rng) -> Written {
    let style = Style::draw(rng);
    let body = envelope.write(style, 1_000, |o| {
        o.uuid("subject_request_id", rng);
        o.text("subject_request_type", "erasure");
        submitted(o, envelope.now_ms, rng);
        o.object("subject_identities", |o| {
            o.object("controller_customer_id", |o| value(o, &person.customer));
            o.object("email", |o| value(o, &person.email));
            if rng.bool() {
                let device = ids::uuid(&mut person.device_rng());
                o.object("ios_vendor_id", |o| value(o, ids::text(&device)));
            }
        });
        o.text("api_version", "3.0");
        o.text("regulation", pick(&["gdpr", "ccpa"], rng));
        if rng.u8(..4) == 0 {
            let extensions = r#"{"opendsr.mparticle.com":{"skip_waiting_period":true}}"#;
            o.raw("extensions", extensions);
        }
    });
    Written { body, items: 1, user_data: false }
}

fn value(o: &mut Object<'_>, value: &str) {
    o.text("encoding", "raw");
    o.text("value", value);
}

fn submitted(o: &mut Object<'_>, now_ms: i64, rng: &mut fastrand::Rng) {
    let at_ms = now_ms - rng.i64(0..600_000);
    match rng.u8(..3) {
        0 => o.bare("submitted_time", format_args!("{}.{:09}", at_ms / 1000, rng.u32(..1_000_000_000))),
        1 => o.bare("submitted_time", at_ms),
        _ => match jiff::Timestamp::from_millisecond(at_ms) {
            Ok(at) => o.text("submitted_time", &at.to_string()),
            Err(_) => o.bare("submitted_time", at_ms),
        },
    }
}
