//! The users: made anew from their number whenever they are needed, so that a population of any size costs no memory
//! and a user is the same person in every message.

use super::ids;
use super::json::Object;
use super::style::Style;
use super::words::{FIRST_NAMES, LAST_NAMES, LISTS, PLACES, Place, USER_ATTRIBUTES};

/// A user of one account.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) mpid: i64,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) place: &'static Place,
    pub(super) email: String,
    pub(super) customer: String,
    mobile: String,
    /// Decides what the person's devices are called.
    pub(super) devices: u64,
    /// How well the customer knows them.
    known: Known,
}

/// Which identities a person has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Address and customer number.
    Well,
    /// These, and a telephone.
    Completely,
    /// The address alone.
    ByEmail,
    /// Two addresses: all identities of a profile are sent.
    Twice,
    /// Only by device and mpid.
    NotAtAll,
}

impl Person {
    /// The user of that number in that account.
    pub(super) fn of(account: u32, number: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed((u64::from(account) << 32) | u64::from(number));
        let rng = &mut rng;
        let (first_name, last_name) = (pick(FIRST_NAMES, rng), pick(LAST_NAMES, rng));
        let known = match rng.u8(..100) {
            0..50 => Known::Well,
            50..75 => Known::Completely,
            75..90 => Known::ByEmail,
            90..95 => Known::Twice,
            _ => Known::NotAtAll,
        };
        let ascii = |name: &str| name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "");
        Self {
            mpid: ids::wide(rng),
            first_name,
            last_name,
            place: &PLACES[rng.usize(..PLACES.len())],
            email: format!("{}.{}.{account}-{number}@example.com", ascii(first_name), ascii(last_name)),
            customer: format!("cust-{account}-{number}"),
            mobile: format!("+1202555{:04}", rng.u32(..10_000)),
            devices: rng.u64(..),
            known,
        }
    }

    /// Writes `user_identities`, unless there is none.
    pub(super) fn identities(&self, o: &mut Object<'_>, style: Style) {
        if self.known == Known::NotAtAll {
            return style.empty_list(o, "user_identities");
        }
        o.list("user_identities", |l| {
            l.object(|o| identity(o, "email", &self.email));
            if self.known == Known::Twice {
                l.object(|o| identity(o, "email", &format!("old.{}", self.email)));
            }
            if self.known != Known::ByEmail {
                l.object(|o| identity(o, "customer", &self.customer));
            }
            if self.known == Known::Completely {
                l.object(|o| identity(o, "mobile_number", &self.mobile));
            }
        });
    }

    /// Writes `user_attributes` with about so many besides the reserved ones, and lists; some have none at all.
    pub(super) fn attributes(&self, o: &mut Object<'_>, rng: &mut fastrand::Rng, style: Style, about: usize) {
        o.object("user_attributes", |o| {
            o.text("$FirstName", self.first_name);
            match style.nulls && rng.u8(..4) == 0 {
                true => o.null("$LastName"),
                false => o.text("$LastName", self.last_name),
            }
            o.text("$City", self.place.0);
            o.text("$Country", self.place.1);
            o.text("$Zip", self.place.2);
            let begin = rng.usize(..USER_ATTRIBUTES.len());
            for n in 0..about.min(USER_ATTRIBUTES.len()) {
                let (name, values) = USER_ATTRIBUTES[(begin + n) % USER_ATTRIBUTES.len()];
                match values {
                    [] => o.null(name),
                    values => o.text(name, pick(values, rng)),
                }
            }
        });
        if rng.u8(..3) == 0 {
            o.object("user_attribute_lists", |o| {
                for (name, values) in LISTS {
                    let count = rng.usize(usize::from(!style.nulls)..=values.len());
                    o.list(name, |l| values[..count].iter().for_each(|value| l.text(value)));
                }
            });
        }
    }

    /// The names of the person's devices come from this.
    pub(super) fn device_rng(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.devices)
    }
}

/// Writes the members of an identity.
pub(super) fn identity(o: &mut Object<'_>, kind: &str, value: &str) {
    o.text("type", kind);
    o.text("encoding", "raw");
    o.text("value", value);
}

/// One of a list that is not empty.
pub(super) fn pick<T: Copy>(list: &[T], rng: &mut fastrand::Rng) -> T {
    list[rng.usize(..list.len())]
}
