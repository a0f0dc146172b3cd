//! What a new registration may not change of one that mParticle has imported (protocol.md trap 94).

use serde_json::{Map, Value};

/// The partner identity that mParticle knows is renamed or gone, which it does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the partner identity `{earlier}` was registered before and can't be {}; keep it in [registration.permissions]",
    .now.as_ref().map_or_else(|| "removed".to_owned(), |now| format!("renamed to `{now}`"))
)]
pub struct Broken {
    /// The identity's type in the earlier document.
    pub earlier: String,
    /// What stands in its place.
    pub now: Option<String>,
}

/// Checks that `now` may follow `earlier`; both are registration documents, with or without their envelope.
///
/// # Errors
/// When the partner identity was renamed or removed.
pub fn check_succession(earlier: &Map<String, Value>, now: &Map<String, Value>) -> Result<(), Broken> {
    match (partner_identity(earlier), partner_identity(now)) {
        (Some(earlier), now) if now != Some(earlier) => {
            Err(Broken { earlier: earlier.to_owned(), now: now.map(str::to_owned) })
        }
        _ => Ok(()),
    }
}

fn partner_identity(document: &Map<String, Value>) -> Option<&str> {
    document.get("permissions")?.get("partner_identities")?.get(0)?.get("type")?.as_str()
}
