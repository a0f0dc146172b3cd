//! What mParticle reads in an answer, and what is wrong with it.

use penstock_shared::firehose::RequestKind;
use serde_json::Value;

use super::messages::Settings;

/// How far the time in an answer may be from ours, in milliseconds: seconds instead of milliseconds are found, clocks
/// that differ are not.
const CLOCKS_APART_MS: i64 = 3_600_000;

/// What a good answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Values of hidden settings, to be kept with the connection.
    pub(crate) hidden: Settings,
    /// The customer's configuration is to be marked as faulted.
    pub(crate) suspend: bool,
}

/// How an answer breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// None of the eight statuses mParticle has a rule for: the message is lost.
    Status,
    /// Not a JSON object.
    NotJson,
    /// Not the response of that request.
    WrongType,
    /// Not the request's id.
    WrongId,
    /// Not about now in milliseconds.
    WrongTime,
    /// `suspend_subscription` is no flag, or `audience_subscription_settings` no object of texts.
    WrongMember,
}

impl Violation {
    /// A word for reports.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::NotJson => "not_json",
            Self::WrongType => "wrong_type",
            Self::WrongId => "wrong_id",
            Self::WrongTime => "wrong_time",
            Self::WrongMember => "wrong_member",
        }
    }
}

/// Reads the body of an answer with 200 or 202. What can be read is acted on, whatever is wrong with the rest: nobody
/// knows what mParticle does with a bad answer, and partners with bad ones live on.
pub(crate) fn read(kind: RequestKind, id: &str, now_ms: i64, body: &[u8]) -> (Reply, Option<Violation>) {
    let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(body) else {
        return (Reply::default(), Some(Violation::NotJson));
    };
    let mut violation = match () {
        () if answer.get("type").and_then(Value::as_str) != Some(kind.response_wire()) => {
            Some(Violation::WrongType)
        }
        () if answer.get("id").and_then(Value::as_str) != Some(id) => Some(Violation::WrongId),
        () if !is_about(answer.get("timestamp_ms"), now_ms) => Some(Violation::WrongTime),
        () => None,
    };
    let mut reply = Reply::default();
    match answer.get("suspend_subscription") {
        None => {}
        Some(Value::Bool(suspend)) => reply.suspend = *suspend && kind == RequestKind::Membership,
        Some(_) => violation = violation.or(Some(Violation::WrongMember)),
    }
    if kind == RequestKind::Subscription
        && let Some(settings) = answer.get("audience_subscription_settings")
    {
        match texts(settings) {
            Some(hidden) => reply.hidden = hidden,
            None => violation = violation.or(Some(Violation::WrongMember)),
        }
    }
    (reply, violation)
}

fn is_about(time: Option<&Value>, now_ms: i64) -> bool {
    let time = time.and_then(Value::as_i64);
    time.is_some_and(|time| time.abs_diff(now_ms) <= CLOCKS_APART_MS.unsigned_abs())
}

fn texts(settings: &Value) -> Option<Settings> {
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    settings.as_object()?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_763_931_343_059;

    fn violation(kind: RequestKind, answer: &Value) -> Option<Violation> {
        read(kind, "7", NOW, answer.to_string().as_bytes()).1
    }

    #[test]
    fn a_good_answer_is_none() {
        let answer = json!({ "type": "event_processing_response", "id": "7", "timestamp_ms": NOW + 20, "firehose_version": "3.2.0" });
        assert_eq!(violation(RequestKind::Events, &answer), None);
    }

    #[test]
    fn every_fault_in_an_answer_is_found() {
        let good = json!({ "type": "audience_membership_change_response", "id": "7", "timestamp_ms": NOW });
        for (member, value, expected) in [
            ("type", json!("event_processing_response"), Violation::WrongType),
            ("type", json!(null), Violation::WrongType),
            ("id", json!("8"), Violation::WrongId),
            ("id", json!(7), Violation::WrongId),
            ("timestamp_ms", json!(NOW / 1000), Violation::WrongTime),
            ("timestamp_ms", json!(null), Violation::WrongTime),
            ("suspend_subscription", json!("true"), Violation::WrongMember),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert_eq!(violation(RequestKind::Membership, &bad), Some(expected), "{bad}");
        }
        for bad in [&b""[..], b"[]", b"OK", b"{"] {
            assert_eq!(read(RequestKind::Events, "7", NOW, bad).1, Some(Violation::NotJson));
        }
        let settings = json!({ "type": "audience_subscription_response", "id": "7", "timestamp_ms": NOW,
            "audience_subscription_settings": { "listKey": 5 } });
        assert_eq!(violation(RequestKind::Subscription, &settings), Some(Violation::WrongMember));
    }

    #[test]
    fn hidden_settings_and_suspension_are_read_where_they_mean_something() {
        let answer = |kind: RequestKind| {
            json!({ "type": kind.response_wire(), "id": "7", "timestamp_ms": NOW, "suspend_subscription": true,
                "audience_subscription_settings": { "listKey": "k" } })
        };
        let reply = |kind: RequestKind| read(kind, "7", NOW, answer(kind).to_string().as_bytes());
        let hidden = Settings::from([("listKey".to_owned(), "k".to_owned())]);
        assert_eq!(reply(RequestKind::Subscription), (Reply { hidden, suspend: false }, None));
        let suspended = Reply { hidden: Settings::new(), suspend: true };
        assert_eq!(reply(RequestKind::Membership), (suspended, None));
        assert_eq!(reply(RequestKind::Events), (Reply::default(), None));
    }
}
