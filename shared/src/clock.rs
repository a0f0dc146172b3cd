//! Wall-clock milliseconds derived from `tokio::time`, so that the pipeline runs under paused time.

use std::time::Duration;

use tokio::time::Instant;

/// Reads the time as milliseconds since 1970 UTC, advancing with `tokio::time` from an origin given once.
///
/// Leases, delays and ages are compared in this time. It follows the monotonic clock after start, so a step of the
/// system clock while the process runs does not move it; but see [`Clock::following_system`].
#[derive(Clone, Copy, Debug)]
pub struct Clock(Source);

#[derive(Clone, Copy, Debug)]
enum Source {
    Steady { origin_ms: i64, origin: Instant },
    System,
}

impl Clock {
    /// A clock that says `origin_ms` now and goes on with `tokio::time`.
    pub fn starting_at(origin_ms: i64) -> Self {
        Self(Source::Steady { origin_ms, origin: Instant::now() })
    }

    /// A clock set from the system's time. Called once, by the binary.
    pub fn system() -> Self {
        Self::starting_at(Self::following_system().now_ms())
    }

    /// The system's time, read anew each time: for a process that its platform freezes between two pieces of work, as
    /// the monotonic clock may stand still meanwhile.
    pub fn following_system() -> Self {
        Self(Source::System)
    }

    /// Milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        match self.0 {
            Source::Steady { origin_ms, origin } => origin_ms.saturating_add(millis(origin.elapsed())),
            Source::System => jiff::Timestamp::now().as_millisecond(),
        }
    }

    /// How long until `at_ms`; zero when it has passed.
    pub fn until(&self, at_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(at_ms.saturating_sub(self.now_ms())).unwrap_or(0))
    }
}

/// Whole milliseconds of a duration, saturating at `i64::MAX`.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn advances_with_paused_time_only() {
        let clock = Clock::starting_at(1_000);
        assert_eq!(clock.now_ms(), 1_000);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(clock.now_ms(), 1_250);
        assert_eq!(clock.until(1_300), Duration::from_millis(50));
        assert_eq!(clock.until(900), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn following_the_system_it_knows_no_other_time() {
        let (steady, following) = (Clock::system(), Clock::following_system());
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert!(steady.now_ms() - following.now_ms() > 80_000_000);
    }
}
