//! What is sent, and how often each kind of it.

use std::str::FromStr;

use penstock_shared::firehose::RequestKind;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A user's batch of events.
    Events,
    /// A batch without events: a profile update.
    Profile,
    /// Users enter or leave audiences.
    Membership,
    /// An audience is connected, changed or removed.
    Subscription,
    /// An erasure.
    Dsr,
    /// The registration document is asked for, without a token.
    Registration,
    /// A verification call in the form of an event request.
    NoopEvents,
    /// A verification call in the form of a membership request.
    NoopMembership,
}

/// The kinds with their words, their requests, and how many of a thousand messages they are unless told otherwise.
const KINDS: [(Kind, &str, RequestKind, u32); 8] = [
    (Kind::Events, "events", RequestKind::Events, 800),
    (Kind::Profile, "profile", RequestKind::Events, 25),
    (Kind::Membership, "membership", RequestKind::Membership, 150),
    (Kind::Subscription, "subscription", RequestKind::Subscription, 6),
    (Kind::Dsr, "dsr", RequestKind::Dsr, 4),
    (Kind::Registration, "registration", RequestKind::Registration, 1),
    (Kind::NoopEvents, "noop-events", RequestKind::Events, 7),
    (Kind::NoopMembership, "noop-membership", RequestKind::Membership, 7),
];

impl Kind {
    /// How many kinds there are.
    pub(crate) const COUNT: usize = KINDS.len();

    /// All of them, in the order of their places.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, ..)| *kind)
    }

    /// Where it stands among all.
    pub(crate) fn place(self) -> usize {
        self as usize
    }

    /// Its word in reports and in `--mix`.
    pub(crate) fn label(self) -> &'static str {
        KINDS[self.place()].1
    }

    /// The request that carries it.
    pub(crate) fn request(self) -> RequestKind {
        KINDS[self.place()].2
    }
}

/// How often each kind is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mix {
    weights: [u32; Kind::COUNT],
}

impl Default for Mix {
    fn default() -> Self {
        Self { weights: KINDS.map(|(_, _, _, weight)| weight) }
    }
}

impl Mix {
    /// One kind, as often as its weight says.
    pub(crate) fn draw(&self, rng: &mut fastrand::Rng) -> Kind {
        let mut left = rng.u64(..self.total());
        for (kind, weight) in Kind::all().zip(self.weights.map(u64::from)) {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        Kind::Events
    }

    fn total(&self) -> u64 {
        self.weights.iter().copied().map(u64::from).sum()
    }
}

/// `events=90,membership=10`: kinds with their weights; what is not named is not sent.
impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self { weights: [0; Kind::COUNT] };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (word, weight) =
                part.split_once('=').ok_or_else(|| format!("`{part}` is not KIND=WEIGHT"))?;
            let kind = Kind::all().find(|kind| kind.label() == word.trim()).ok_or_else(|| {
                let words: Vec<_> = Kind::all().map(Kind::label).collect();
                format!("`{word}` is none of {}", words.join(", "))
            })?;
            let weight = weight.trim().parse();
            mix.weights[kind.place()] =
                weight.map_err(|_| format!("the weight of `{word}` is no whole number"))?;
        }
        if mix.total() == 0 { Err("nothing would be sent".to_owned()) } else { Ok(mix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_at_their_places() {
        assert!(KINDS.iter().enumerate().all(|(n, (kind, ..))| kind.place() == n));
    }

    #[test]
    fn kinds_come_as_often_as_their_weights_say() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mix: Mix = "events=3, noop-events=1".parse().unwrap();
        let drawn: Vec<Kind> = (0..40_000).map(|_| mix.draw(&mut rng)).collect();
        let events = drawn.iter().filter(|kind| **kind == Kind::Events).count();
        assert!((29_400..30_600).contains(&events), "{events}");
        assert!(drawn.iter().all(|kind| [Kind::Events, Kind::NoopEvents].contains(kind)));
        let usual: std::collections::BTreeSet<_> =
            (0..40_000).map(|_| Mix::default().draw(&mut rng)).collect();
        assert_eq!(usual.len(), Kind::COUNT);
    }

    #[test]
    fn a_mix_that_cannot_be_meant_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "nothing"),
            ("events=0", "nothing"),
            ("events", "KIND=WEIGHT"),
            ("event=1", "none of events, profile"),
            ("events=-1", "whole number"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
