//! Consent and the notifications of its change (protocol.md 3.3.4).
//!
//! `consented: true` under GDPR means the user agreed; under CCPA's `data_sale_opt_out` it means the user opted out.
//! An absent `consent_state` means unknown, since the permission may be missing: nothing is filled in for it.

use serde_json::Value;

use super::shape::{self, Shape, Table};

const CONSENT: Table = &[
    ("consented", Shape::Bool),
    ("document", Shape::Text),
    ("timestamp_unixtime_ms", Shape::Time),
    ("timestamp", Shape::Formerly("timestamp_unixtime_ms", &Shape::Time)), // 1.9.0
    ("location", Shape::Text),
    ("hardware_id", Shape::Text),
];

pub(super) const CONSENT_STATE: Table = &[
    ("gdpr_consent_state", Shape::MapOf(&Shape::Object(CONSENT))),
    ("ccpa_consent_state", Shape::MapOf(&Shape::Object(CONSENT))),
];

const NOTIFICATION: Table = &[
    ("type", Shape::Text),
    ("purpose", Shape::Text),
    ("old_gdpr_consent_state", Shape::Object(CONSENT)),
    ("new_gdpr_consent_state", Shape::Object(CONSENT)),
    ("old_ccpa_consent_state", Shape::Object(CONSENT)),
    ("new_ccpa_consent_state", Shape::Object(CONSENT)),
];

/// A list of notifications.
pub(super) const NOTIFICATIONS: Shape = Shape::With(notifications);

fn notifications(value: Value) -> Option<Value> {
    shape::list(value, |entry| {
        let mut fields = shape::normalise(shape::object(entry)?, &[NOTIFICATION]);
        if fields.get("type").and_then(Value::as_str) == Some("ccpa_consent_state") {
            fields.entry("purpose").or_insert_with(|| "data_sale_opt_out".into());
        }
        Some(Value::Object(fields))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn trap_60_consent_times_are_milliseconds_whatever_they_came_as() {
        let state = json!({
            "gdpr_consent_state": {
                "seconds": {"consented": "True", "timestamp_unixtime_ms": 1_525_132_800},
                "formerly": {"consented": false, "timestamp": 1_525_132_800_000_i64},
            }
        });
        let read = shape::normalise(shape::object(state).unwrap(), &[CONSENT_STATE]);
        let at = 1_525_132_800_000_i64;
        let expected = json!({
            "seconds": {"consented": true, "timestamp_unixtime_ms": at},
            "formerly": {"consented": false, "timestamp_unixtime_ms": at},
        });
        assert_eq!(read["gdpr_consent_state"], expected);
    }

    #[test]
    fn trap_59_ccpa_consent_keeps_its_value_and_its_purpose() {
        let read = notifications(json!([
            null,
            {"type": "ccpa_consent_state", "new_ccpa_consent_state": {"consented": true}},
            {"type": "new_kind", "purpose": "p"},
        ]));
        let expected = json!([
            {"type": "ccpa_consent_state", "new_ccpa_consent_state": {"consented": true}, "purpose": "data_sale_opt_out"},
            {"type": "new_kind", "purpose": "p"},
        ]);
        assert_eq!(read, Some(expected));
    }
}
