//! The names of things: pods, accounts, items and their keys. Newtypes, so that one is never taken for another.

mod address;

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

pub use self::address::{Address, InvalidAddress};

/// mParticle's data centre an endpoint serves: `us1`, `us2`, `eu1`, `au1`, or a name of the operator's own.
///
/// Nothing in a message names its pod (protocol.md 7), so it comes from the endpoint's configuration and goes into
/// every key: account and audience ids of two pods may collide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pod(String);

/// A pod name that is not 1 to 16 lower-case letters, digits or hyphens.
#[derive(Debug, thiserror::Error)]
#[error("pod `{0}` is not 1 to 16 lower-case letters, digits or hyphens (for instance us1, us2, eu1, au1)")]
pub struct InvalidPod(String);

impl Pod {
    /// Checks and keeps a pod's name.
    ///
    /// # Errors
    /// When the name is empty, longer than 16 bytes, or holds anything but lower-case letters, digits and hyphens.
    pub fn new(name: &str) -> Result<Self, InvalidPod> {
        let fits = (1..=16).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(name.to_owned())) } else { Err(InvalidPod(name.chars().take(40).collect())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pod {
    type Error = InvalidPod;
    fn try_from(name: String) -> Result<Self, InvalidPod> {
        Self::new(&name)
    }
}

impl From<Pod> for String {
    fn from(pod: Pod) -> Self {
        pod.0
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A customer of mParticle at this partner. `Unknown` when the message names none, or names it 0 or unreadably
/// (protocol.md trap 36): such messages get a line of their own and are never mixed with a real account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub enum AccountId {
    /// The message did not say.
    #[default]
    Unknown,
    /// The id mParticle gave; never 0.
    Known(i64),
}

impl From<i64> for AccountId {
    fn from(id: i64) -> Self {
        if id == 0 { Self::Unknown } else { Self::Known(id) }
    }
}

impl From<AccountId> for i64 {
    fn from(id: AccountId) -> Self {
        match id {
            AccountId::Unknown => 0,
            AccountId::Known(id) => id,
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Known(id) => write!(f, "{id}"),
        }
    }
}

/// The idempotency key of one item: 32 hex digits, the same after a retry, a re-packing, a crash or a redrive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemKey(String);

/// What makes an item itself, for [`ItemKey::new`].
#[derive(Clone, Copy, Debug)]
pub struct ItemIdentity<'a> {
    /// The pod whose endpoint received the request.
    pub pod: &'a Pod,
    /// The account of the request.
    pub account: AccountId,
    /// An id of the item's own, such as the event's `id`. With it the key does not depend on the request, so the
    /// same event in two requests has one effect (protocol.md trap 45).
    pub own_id: Option<&'a str>,
    /// The request's `id`, if it has one. Some senders use a constant (protocol.md 4.11), so it is never enough.
    pub request_id: Option<&'a str>,
    /// The request's `timestamp_ms`, if it has one: a retry keeps it, and the same change made again later has another.
    pub request_ms: Option<i64>,
    /// Where the item stands in its request.
    pub address: Address,
    /// The item's bytes as received; they tell apart what a constant request id would merge.
    pub raw: &'a [u8],
}

impl ItemKey {
    /// Hashes the identity with SHA-256 and keeps the first 16 bytes.
    pub fn new(of: ItemIdentity<'_>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut field = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        field(of.pod.as_str().as_bytes());
        field(of.account.to_string().as_bytes());
        match of.own_id {
            Some(id) => {
                field(b"own");
                field(id.as_bytes());
            }
            None => {
                field(of.request_id.unwrap_or_default().as_bytes());
                field(of.request_ms.map_or_else(String::new, |ms| ms.to_string()).as_bytes());
                field(of.address.to_string().as_bytes());
                field(of.raw);
            }
        }
        let digest = context.finish();
        Self(hex(&digest.as_ref()[..16]))
    }

    /// The key as 32 lower-case hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower-case hex digits of the bytes.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity<'a>(pod: &'a Pod, own_id: Option<&'a str>, raw: &'a [u8]) -> ItemIdentity<'a> {
        ItemIdentity {
            pod,
            account: AccountId::Known(7),
            own_id,
            request_id: Some("r"),
            request_ms: Some(5),
            address: Address::Event(0),
            raw,
        }
    }

    #[test]
    fn trap_40_same_account_id_in_two_pods_gives_two_keys() {
        let (us, eu) = (Pod::new("us1").unwrap(), Pod::new("eu1").unwrap());
        assert_ne!(ItemKey::new(identity(&us, Some("e"), b"")), ItemKey::new(identity(&eu, Some("e"), b"")));
    }

    #[test]
    fn trap_45_an_event_with_an_id_has_one_key_in_every_request() {
        let pod = Pod::new("us1").unwrap();
        let first = identity(&pod, Some("event-1"), b"{}");
        let again = ItemIdentity { request_id: Some("another"), address: Address::Event(9), ..first };
        assert_eq!(ItemKey::new(first), ItemKey::new(again));
    }

    #[test]
    fn constant_request_ids_do_not_merge_different_items() {
        let pod = Pod::new("us1").unwrap();
        assert_ne!(ItemKey::new(identity(&pod, None, b"a")), ItemKey::new(identity(&pod, None, b"b")));
    }

    #[test]
    fn the_same_change_made_again_later_has_another_key() {
        let pod = Pod::new("us1").unwrap();
        let first = identity(&pod, None, b"a");
        assert_eq!(ItemKey::new(first), ItemKey::new(identity(&pod, None, b"a")));
        assert_ne!(ItemKey::new(first), ItemKey::new(ItemIdentity { request_ms: Some(6), ..first }));
    }

    #[test]
    fn account_zero_is_unknown() {
        assert_eq!(AccountId::from(0), AccountId::Unknown);
        assert_eq!(i64::from(AccountId::Known(-3)), -3);
    }
}
