//! Where an item stands in its request, and its text form.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an item stands inside its request: stable through re-packing, so that a retry names exactly what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// The n-th element of `events`, counted from 0.
    Event(u32),
    /// The user data of an event request, without its events.
    Profile,
    /// The n-th audience of the m-th user profile.
    Membership(u32, u32),
    /// The m-th user profile, when it has no audience entry at all.
    BareProfile(u32),
    /// A subscription made up from the n-th audience of the m-th profile, because none was ever received for it.
    ImpliedSubscription(u32, u32),
    /// The whole request: a subscription change, a data subject request, or one that could not be read at all.
    Whole,
}

/// Text that is no item address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no item address (e0, p, m0.0, b0, i0.0 or w)")]
pub struct InvalidAddress(String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(n) => write!(f, "e{n}"),
            Self::Profile => f.write_str("p"),
            Self::Membership(m, n) => write!(f, "m{m}.{n}"),
            Self::BareProfile(m) => write!(f, "b{m}"),
            Self::ImpliedSubscription(m, n) => write!(f, "i{m}.{n}"),
            Self::Whole => f.write_str("w"),
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for Address {
    type Error = InvalidAddress;
    fn try_from(text: String) -> Result<Self, InvalidAddress> {
        text.parse()
    }
}

impl std::str::FromStr for Address {
    type Err = InvalidAddress;
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.chars().take(20).collect());
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| invalid());
        let pair = |digits: &str| {
            let (m, n) = digits.split_once('.').ok_or_else(invalid)?;
            Ok::<_, InvalidAddress>((number(m)?, number(n)?))
        };
        match (text.as_bytes().first(), text.get(1..).unwrap_or_default()) {
            (Some(b'e'), rest) => number(rest).map(Self::Event),
            (Some(b'p'), "") => Ok(Self::Profile),
            (Some(b'm'), rest) => pair(rest).map(|(m, n)| Self::Membership(m, n)),
            (Some(b'b'), rest) => number(rest).map(Self::BareProfile),
            (Some(b'i'), rest) => pair(rest).map(|(m, n)| Self::ImpliedSubscription(m, n)),
            (Some(b'w'), "") => Ok(Self::Whole),
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_their_text_form() {
        let all = [
            Address::Event(7),
            Address::Profile,
            Address::Membership(3, 1),
            Address::BareProfile(2),
            Address::ImpliedSubscription(0, 4),
            Address::Whole,
        ];
        for address in all {
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
        for wrong in ["", "e", "x1", "m1", "m1.", "pp", "e-1", "é"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong} was read");
        }
    }
}
