//! How much of the work waits for the partner: what holds a fleet of workers back when more of them would not help.

use std::time::Duration;

/// How often [`Share`] is told what there is.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// Samples that a mean is made of, about: half a minute of them.
const SAMPLES: f64 = 30.0;

/// Items that left the lanes since the last sample; when none did, those that are in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// All of them.
    pub items: u64,
    /// Those that wait or waited because the partner said so, with a 429.
    pub limited: u64,
}

impl Sample {
    /// Counts items, and how many of them are limited.
    pub(super) fn add(&mut self, items: usize, limited: usize) {
        self.items += items as u64;
        self.limited += limited as u64;
    }
}

/// The share of the work that waits for the partner. Work and waiting work are each a mean in which the last samples
/// weigh most, so that a second with few items does not weigh as much as one with many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    items: f64,
    limited: f64,
}

impl Share {
    /// Takes one sample, and gives the share, 0 to 1; 0 of nothing.
    #[expect(clippy::cast_precision_loss, reason = "a share of far fewer than 2^52 items")]
    pub fn take(&mut self, sample: Sample) -> f64 {
        // A second without work takes nothing from the mean of work: both would fall alike, and the share of a worker
        // that has nothing to do would never end.
        let items = if sample.items == 0 { self.items } else { sample.items as f64 };
        self.items += (items - self.items) / SAMPLES;
        self.limited += (sample.limited as f64 - self.limited) / SAMPLES;
        if self.items > 0.0 { self.limited / self.items } else { 0.0 }
    }
}
