//! The delay before the next attempt: pure, so that it can be tested whole. The queue is the retry mechanism; this
//! only says when.

use std::time::Duration;

use penstock_shared::partner::Retry;

/// Before the next try after `attempt` failed ones (from 1): an exponential ceiling scaled by `jitter` in `[0, 1)`,
/// never sooner than half the base, and never sooner than the partner asked.
pub fn delay(retry: &Retry, attempt: u32, after: Option<Duration>, jitter: f64) -> Duration {
    let doublings = 2u32.saturating_pow(attempt.saturating_sub(1));
    let ceiling = retry.delay_base.saturating_mul(doublings).min(retry.delay_max);
    let jittered = ceiling.mul_f64(jitter.clamp(0.0, 1.0)).max(retry.delay_base / 2).min(retry.delay_max);
    jittered.max(after.unwrap_or_default())
}

/// Before the next look at an item that only waits (a gate, a subscription, credentials): a quarter of its age so
/// far, with up to a quarter more, so that a long wait is looked at ever more rarely; between the base delay and
/// `longest` (or the longest delay of the file, if that is shorter), and never sooner than asked.
pub fn wait(
    retry: &Retry,
    age: Duration,
    longest: Duration,
    after: Option<Duration>,
    jitter: f64,
) -> Duration {
    let share = age.mul_f64(0.25 * (1.0 + jitter.clamp(0.0, 1.0)));
    let longest = longest.min(retry.delay_max).max(retry.delay_base);
    share.clamp(retry.delay_base, longest).max(after.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(900);

    fn retry() -> Retry {
        Retry {
            attempts_max: 12,
            attempts_stated: true,
            delay_base: Duration::from_secs(1),
            delay_max: Duration::from_secs(900),
            age_max: Duration::from_secs(72 * 3600),
        }
    }

    proptest! {
        #[test]
        fn delays_stay_between_half_the_base_and_the_longest(attempt in 1u32.., jitter in 0.0f64..1.0) {
            let delay = delay(&retry(), attempt, None, jitter);
            prop_assert!(delay >= Duration::from_millis(500) && delay <= Duration::from_secs(900));
        }

        #[test]
        fn the_partner_is_never_asked_sooner_than_it_said(attempt in 1u32..40, jitter in 0.0f64..1.0, asked in 0u64..90_000) {
            let asked = Duration::from_secs(asked);
            prop_assert!(delay(&retry(), attempt, Some(asked), jitter) >= asked);
            prop_assert!(wait(&retry(), Duration::from_secs(60), LONGEST, Some(asked), jitter) >= asked);
        }

        #[test]
        fn waits_grow_with_age_within_bounds(age in 0u64..1_000_000, jitter in 0.0f64..1.0) {
            let wait = wait(&retry(), Duration::from_secs(age), LONGEST, None, jitter);
            prop_assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(900));
        }
    }

    #[test]
    fn ceilings_double() {
        assert_eq!(delay(&retry(), 1, None, 1.0), Duration::from_secs(1));
        assert_eq!(delay(&retry(), 4, None, 1.0), Duration::from_secs(8));
        assert_eq!(delay(&retry(), 40, None, 1.0), Duration::from_secs(900));
    }
}
