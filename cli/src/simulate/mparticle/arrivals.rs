//! When messages are due: independent of each other and of how they are answered, as with a sender whose users do not
//! wait for anybody.

use std::time::Duration;

/// The times at which messages are due, counted from the start: a Poisson process, whose rate may grow at first.
#[derive(Debug)]
pub(crate) struct Arrivals {
    rate: f64,
    ramp: f64,
    lasts: Duration,
    rng: fastrand::Rng,
    /// How many would have come on average by the time of the last one.
    expected: f64,
}

impl Arrivals {
    /// `rate` a second for so long, more than zero; during `ramp`, at the start, the rate grows from nothing.
    pub(crate) fn new(rate: f64, ramp: Duration, lasts: Duration, seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self { rate, ramp: ramp.as_secs_f64(), lasts, rng, expected: 0.0 }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.expected -= (1.0 - self.rng.f64()).ln();
        let in_ramp = self.rate * self.ramp / 2.0;
        let at = if self.expected < in_ramp {
            (2.0 * self.ramp * self.expected / self.rate).sqrt()
        } else {
            self.expected / self.rate + self.ramp / 2.0
        };
        Duration::try_from_secs_f64(at).ok().filter(|at| *at < self.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_come_as_the_rate_says_at_random_times() {
        let times: Vec<_> = Arrivals::new(1_000.0, Duration::ZERO, Duration::from_secs(20), 1).collect();
        assert!((19_400..20_600).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted() && times.iter().all(|time| *time < Duration::from_secs(20)));
        // Of independent arrivals, a share of 1/e of the gaps is longer than the mean.
        let gaps = times.windows(2).filter(|pair| pair[1] - pair[0] > Duration::from_millis(1)).count();
        let share = gaps as f64 / times.len() as f64;
        assert!((0.35..0.39).contains(&share), "{share}");
    }

    #[test]
    fn a_ramp_begins_with_nothing_and_ends_at_the_rate() {
        let times: Vec<_> =
            Arrivals::new(1_000.0, Duration::from_secs(10), Duration::from_secs(20), 1).collect();
        let within = |from: u64, to: u64| {
            let range = Duration::from_secs(from)..Duration::from_secs(to);
            times.iter().filter(|time| range.contains(*time)).count()
        };
        assert!((20..90).contains(&within(0, 1)), "{}", within(0, 1));
        assert!((850..1_050).contains(&within(9, 10)), "{}", within(9, 10));
        assert!((9_600..10_400).contains(&within(10, 20)), "{}", within(10, 20));
    }
}
