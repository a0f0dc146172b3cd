//! How much of the work waits for the partner: what holds a fleet of workers back when more of them would not help.

use std::time::Duration;

/// How often [`Share`] is told what there is.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Samples that a mean is made of, about: half a minute of them.
const SAMPLES: f64 = 30.0;

/// Items since the last sample: those that left the lanes, and those that are in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// All of them.
    pub items: u64,
    /// Those that a gate held back: a rate, a Retry-After, or as many calls under way as may be.
    pub limited: u64,
}

impl Sample {
    /// Counts items.
    pub(super) fn add(&mut self, items: usize, is_limited: bool) {
        self.items += items as u64;
        self.limited += if is_limited { items as u64 } else { 0 };
    }

    /// 0 to 1; 0 of nothing.
    #[expect(clippy::cast_precision_loss, reason = "a share of far fewer than 2^52 items")]
    fn share(self) -> f64 {
        if self.items == 0 { 0.0 } else { self.limited as f64 / self.items as f64 }
    }
}

/// The share of the work that waits for the partner, as a mean in which the last samples weigh most, so that no single
/// instant decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share(f64);

impl Share {
    /// Takes one sample, and gives the mean, 0 to 1.
    pub fn take(&mut self, sample: Sample) -> f64 {
        self.0 += (sample.share() - self.0) / SAMPLES;
        self.0
    }
}
