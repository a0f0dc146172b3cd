//! The state of an account's credentials: which of them the partner refuses, so that mParticle can be told to stop.
//!
//! The worker finds it out, the store keeps it, ingress answers by it. Credentials are told apart by a digest of the
//! account's settings; nothing of the settings themselves is kept.

use std::{collections::BTreeMap, fmt, time::Duration};

use aws_lc_rs::digest;

use crate::{
    clock::millis,
    firehose::Account,
    ids::{AccountId, Pod, hex},
};

/// How long a suspension holds without being confirmed. Items that wait for an account are tried at least each quarter
/// of an hour, and each try confirms it; where nothing is left to try, nobody knows any more.
pub const SUSPENSION_LASTS: Duration = Duration::from_secs(60 * 60);

/// Suspensions of a pod that are read at most; others are left out.
pub const SUSPENDED_MAX: usize = 10_000;

const BYTES: usize = 16;

/// Tells an account's settings from others: a digest, from which they cannot be read back. Neither `Debug` nor logs
/// show it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; BYTES]);

impl Fingerprint {
    /// The fingerprint of an account's settings as read leniently, in whatever order they came. A setting that is null
    /// or blank counts as absent, as it does for its declared default. The same settings of another pod or account
    /// have another fingerprint.
    pub fn of(pod: &Pod, account: &Account) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut update = |part: &str| {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        };
        update("penstock account settings 1");
        update(pod.as_str());
        update(&i64::from(account.id).to_string());
        let names: BTreeMap<&str, &str> =
            account.settings.keys().filter_map(|name| Some((name.as_str(), account.text(name)?))).collect();
        for (name, value) in names {
            update(name);
            update(value);
        }
        let digest = context.finish();
        Self(digest.as_ref()[..BYTES].try_into().expect("a SHA-256 digest has 32 bytes"))
    }

    /// As stores keep it: 32 hex digits.
    pub(crate) fn to_stored(self) -> String {
        hex(&self.0)
    }

    /// `None` when it is not what [`Fingerprint::to_stored`] gave.
    pub(crate) fn from_stored(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_be_bytes())).filter(|read| read.to_stored() == text)
    }

    /// Its first half, as a number that tells nearly as well.
    pub(crate) fn short(self) -> u64 {
        u64::from_be_bytes(self.0[..8].try_into().expect("half of 16 bytes"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

/// Whose credentials, and which: an account may have several configurations, and changes its keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialsKey {
    /// The pod whose endpoint received the account's messages.
    pub pod: Pod,
    /// The account.
    pub account: AccountId,
    /// Of the settings that hold the credentials.
    pub fingerprint: Fingerprint,
}

/// Credentials that the partner refuses beyond doubt. Times are ms since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// Which.
    pub key: CredentialsKey,
    /// When they were first refused.
    pub since_ms: i64,
    /// When they were last refused.
    pub confirmed_ms: i64,
    /// When ingress received the newest message that was refused for them.
    pub received_ms: i64,
    /// How many calls were refused. In a note: how many since the note before.
    pub refusals: u32,
}

impl Suspension {
    /// Whether it was confirmed within [`SUSPENSION_LASTS`].
    pub fn holds(&self, now_ms: i64) -> bool {
        now_ms < self.confirmed_ms.saturating_add(millis(SUSPENSION_LASTS))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::firehose;

    fn of(pod: &str, account: Value, settings: Value) -> Fingerprint {
        let body = json!({
            "type": "audience_membership_change_request",
            "account": { "account_id": account, "account_settings": settings },
        });
        Fingerprint::of(&Pod::new(pod).unwrap(), &firehose::account(body.to_string().as_bytes()))
    }

    #[test]
    fn trap_39_settings_that_differ_have_fingerprints_that_differ() {
        let one = of("us1", json!(7), json!({ "apiKey": "a", "region": "b" }));
        for (pod, account, settings) in [
            ("us1", 7, json!({ "apiKey": "b", "region": "a" })),
            ("us1", 7, json!({ "apiKey": "ar", "egion": "b" })),
            ("us1", 7, json!({ "apiKey": "a" })),
            ("us1", 7, json!({ "apiKey": "A", "region": "b" })),
            ("us1", 8, json!({ "apiKey": "a", "region": "b" })),
            ("eu1", 7, json!({ "apiKey": "a", "region": "b" })),
        ] {
            assert!(of(pod, json!(account), settings.clone()) != one, "{pod} {account} {settings}");
        }
    }

    #[test]
    fn trap_37_settings_that_mean_the_same_have_one_fingerprint() {
        let one = of("us1", json!(7), json!({ "a": "1", "b": "true", "c": "x" }));
        for settings in [
            json!({ "c": "x", "b": "true", "a": "1" }),
            json!({ "a": 1, "b": true, "c": "x" }),
            json!({ "a": "1", "b": "true", "c": "x", "d": null, "e": "", "f": "  ", "g": {} }),
        ] {
            assert!(of("us1", json!("7"), settings.clone()) == one, "{settings}");
        }
        let nothing = of("us1", json!(7), json!({}));
        assert!(of("us1", json!(7), Value::Null) == nothing && of("us1", json!(7), json!("x")) == nothing);
    }

    /// It lies in stores that several releases share.
    #[test]
    fn a_fingerprint_never_changes_and_is_read_back_as_stored() {
        let one = of("us1", json!(7), json!({ "apiKey": "a" }));
        assert_eq!(one.to_stored(), "3a1a69846d4d2236ad75798ee68ebd1b");
        assert!(Fingerprint::from_stored(&one.to_stored()) == Some(one));
        for broken in ["", "7", &one.to_stored().to_uppercase(), &format!("0{}", one.to_stored())] {
            assert!(Fingerprint::from_stored(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn trap_98_debug_shows_no_fingerprint() {
        let fingerprint = of("us1", json!(7), json!({ "apiKey": "a" }));
        assert_eq!(format!("{fingerprint:?}"), "Fingerprint");
    }
}
