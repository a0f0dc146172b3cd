//! What mParticle does with an answer (protocol.md 1.4). How often it tries again, after which pauses, and how long it
//! waits for an answer is published nowhere: those numbers are settings here, and their defaults are guesses.

use std::time::Duration;

/// The statuses after which mParticle sends a message again.
const RETRIED: [u16; 6] = [408, 429, 500, 502, 503, 504];
/// The statuses that mParticle takes for success.
const TAKEN: [u16; 2] = [200, 202];
/// Named causes of a faulted connection besides used-up tries: authentication and permissions.
const FAULTING: [u16; 2] = [401, 403];

/// What becomes of a message after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// mParticle forgets it.
    Taken,
    /// It is sent again after this pause.
    Again(Duration),
    /// It is gone for ever.
    Lost(Loss),
}

/// Why a message is gone for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The last try that mParticle makes was in vain; the connection of an audience is marked faulted.
    Exhausted,
    /// A status after which it does not try again.
    Refused,
    /// Likewise, and one that marks the connection of an audience as faulted.
    Denied,
}

impl Loss {
    /// Whether the connections of the audiences in the message are marked as faulted.
    pub(crate) fn is_fault(self) -> bool {
        matches!(self, Self::Exhausted | Self::Denied)
    }
}

/// How often a message is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    pauses: Vec<Duration>,
}

impl Retries {
    /// As many tries more as there are pauses.
    pub(crate) fn new(pauses: Vec<Duration>) -> Self {
        Self { pauses }
    }

    /// What becomes of a message whose try number `tries` (from 1) had this status, or no answer.
    pub(crate) fn verdict(&self, status: Option<u16>, tries: u32) -> Verdict {
        match status {
            Some(status) if TAKEN.contains(&status) => Verdict::Taken,
            Some(status) if FAULTING.contains(&status) => Verdict::Lost(Loss::Denied),
            Some(status) if !RETRIED.contains(&status) => Verdict::Lost(Loss::Refused),
            _ => {
                let pause = (tries as usize).checked_sub(1).and_then(|tried| self.pauses.get(tried));
                pause.map_or(Verdict::Lost(Loss::Exhausted), |pause| Verdict::Again(*pause))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries() -> Retries {
        Retries::new([1, 2, 4].map(Duration::from_secs).to_vec())
    }

    #[test]
    fn only_200_and_202_take_a_message() {
        let taken: Vec<u16> =
            (100..=999).filter(|status| retries().verdict(Some(*status), 1) == Verdict::Taken).collect();
        assert_eq!(taken, [200, 202]);
    }

    #[test]
    fn six_statuses_and_silence_bring_a_message_back_and_all_others_lose_it() {
        let again = Verdict::Again(Duration::from_secs(1));
        let tried: Vec<u16> =
            (100..=999).filter(|status| retries().verdict(Some(*status), 1) == again).collect();
        assert_eq!(tried, [408, 429, 500, 502, 503, 504]);
        assert_eq!(retries().verdict(None, 1), again);
        for status in [201, 204, 301, 307, 400, 404, 405, 409, 413, 422, 501, 505] {
            assert_eq!(retries().verdict(Some(status), 1), Verdict::Lost(Loss::Refused), "{status}");
        }
    }

    #[test]
    fn pauses_grow_as_given_and_then_the_message_is_lost() {
        let pauses: Vec<Verdict> = (1..=4).map(|tries| retries().verdict(Some(503), tries)).collect();
        let again = |seconds| Verdict::Again(Duration::from_secs(seconds));
        assert_eq!(pauses, [again(1), again(2), again(4), Verdict::Lost(Loss::Exhausted)]);
        assert_eq!(Retries::new(Vec::new()).verdict(None, 1), Verdict::Lost(Loss::Exhausted));
    }

    #[test]
    fn used_up_tries_authentication_and_permissions_fault_and_other_refusals_do_not() {
        let faults = |status| match retries().verdict(status, 4) {
            Verdict::Lost(loss) => loss.is_fault(),
            other => panic!("{other:?}"),
        };
        assert!(faults(Some(429)) && faults(None) && faults(Some(401)) && faults(Some(403)));
        assert!(!faults(Some(400)) && !faults(Some(413)));
    }
}
