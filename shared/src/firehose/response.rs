//! The answers to the five requests, in the shape the reference writer gives them: what is empty is left out
//! (protocol.md 1.6).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::RequestKind;

/// The version of the format the answers are written in; constant, as the reference answers its own.
pub const FIREHOSE_VERSION: &str = "3.2.0";

/// What every answer begins with.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The kind of the request; the answer has the matching type.
    pub kind: RequestKind,
    /// The answer's id, from [`id_for`].
    pub id: &'a str,
    /// Now, ms since 1970 UTC.
    pub now_ms: i64,
}

/// The id of an answer: the request's own, verbatim, if it has one that is not empty, else a new UUID v4.
pub fn id_for(request_id: Option<&str>, rng: &mut fastrand::Rng) -> String {
    match request_id.filter(|id| !id.is_empty()) {
        Some(id) => id.to_owned(),
        None => uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid().to_string(),
    }
}

/// An answer as it is written.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    timestamp_ms: i64,
    firehose_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspend_subscription: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience_subscription_settings: Option<&'a BTreeMap<String, String>>,
}

/// The answer to an event request.
pub fn events(envelope: Envelope<'_>) -> Vec<u8> {
    written(&envelope.alone())
}

/// The answer to a membership request. `suspend_subscription` is always written; true stops mParticle from sending
/// for this account until its customer resumes (protocol.md 4.1).
pub fn membership(envelope: Envelope<'_>, suspend_subscription: bool) -> Vec<u8> {
    written(&Answer { suspend_subscription: Some(suspend_subscription), ..envelope.alone() })
}

/// The answer to a subscription request: the hidden settings that mParticle is to keep with the connection. Only
/// ids declared at registration are allowed.
pub fn subscription(envelope: Envelope<'_>, hidden_settings: &BTreeMap<String, String>) -> Vec<u8> {
    let settings = Some(hidden_settings).filter(|settings| !settings.is_empty());
    written(&Answer { audience_subscription_settings: settings, ..envelope.alone() })
}

/// The answer to a data subject request.
pub fn dsr(envelope: Envelope<'_>) -> Vec<u8> {
    written(&envelope.alone())
}

/// The answer to a registration request: the envelope, then `document` (`sdk_version`, `name`, …) as it is. The
/// envelope's own members win over those of the same name.
pub fn registration(envelope: Envelope<'_>, document: &Map<String, Value>) -> Vec<u8> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(envelope.alone()) else {
        unreachable!("a plain struct is an object")
    };
    for (name, value) in document {
        members.entry(name.as_str()).or_insert_with(|| value.clone());
    }
    written(&members)
}

impl<'a> Envelope<'a> {
    fn alone(self) -> Answer<'a> {
        Answer {
            kind: self.kind.response_wire(),
            id: self.id,
            timestamp_ms: self.now_ms,
            firehose_version: FIREHOSE_VERSION,
            suspend_subscription: None,
            audience_subscription_settings: None,
        }
    }
}

fn written(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("values with text keys always serialise")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(kind: RequestKind) -> Envelope<'static> {
        Envelope { kind, id: "1", now_ms: 1_714_592_744_067 }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn events_and_erasures_are_answered_by_the_envelope_alone() {
        assert_eq!(
            text(events(envelope(RequestKind::Events))),
            r#"{"type":"event_processing_response","id":"1","timestamp_ms":1714592744067,"firehose_version":"3.2.0"}"#
        );
        assert_eq!(
            text(dsr(envelope(RequestKind::Dsr))),
            r#"{"type":"dsr_processing_response","id":"1","timestamp_ms":1714592744067,"firehose_version":"3.2.0"}"#
        );
    }

    #[test]
    fn membership_answers_always_say_whether_to_suspend() {
        for suspend in [true, false] {
            let answer = text(membership(envelope(RequestKind::Membership), suspend));
            assert!(
                answer
                    .ends_with(&format!(r#""firehose_version":"3.2.0","suspend_subscription":{suspend}}}"#))
            );
        }
    }

    #[test]
    fn trap_80_subscription_answers_hold_hidden_settings_when_there_are_any() {
        let none = text(subscription(envelope(RequestKind::Subscription), &BTreeMap::new()));
        assert!(none.ends_with(r#""firehose_version":"3.2.0"}"#), "{none}");
        let hidden = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
        let some = text(subscription(envelope(RequestKind::Subscription), &hidden));
        assert!(some.ends_with(r#","audience_subscription_settings":{"a":"1","b":"2"}}"#), "{some}");
        assert_eq!(some, text(subscription(envelope(RequestKind::Subscription), &hidden)));
    }

    #[test]
    fn registration_answers_hold_the_document_behind_the_envelope() {
        let document = json!({"sdk_version": "3.2.0", "name": "Partner", "id": "not this"});
        let answer = text(registration(envelope(RequestKind::Registration), document.as_object().unwrap()));
        let expected = r#"{"type":"module_registration_response","id":"1","timestamp_ms":1714592744067,"#;
        assert_eq!(
            answer,
            format!(r#"{expected}"firehose_version":"3.2.0","sdk_version":"3.2.0","name":"Partner"}}"#)
        );
    }

    #[test]
    fn trap_34_an_id_is_echoed_or_made() {
        let mut rng = fastrand::Rng::with_seed(7);
        assert_eq!(id_for(Some("not a uuid"), &mut rng), "not a uuid");
        let made = uuid::Uuid::parse_str(&id_for(None, &mut rng)).unwrap();
        assert_eq!(made.get_version_num(), 4);
        assert_ne!(made.to_string(), id_for(Some(""), &mut rng));
    }
}
