//! When requests are meant to start. Pure.

use std::time::Duration;

/// Times from the beginning of a run, ascending.
pub(crate) type Schedule = Box<dyn Iterator<Item = Duration> + Send>;

/// Evenly spaced starts. A rate of zero gives none.
#[expect(clippy::cast_precision_loss, reason = "a run has far fewer than 2^52 turns")]
pub(crate) fn constant(per_second: f64, during: Duration) -> Schedule {
    if per_second <= 0.0 {
        return Box::new(std::iter::empty());
    }
    let starts = (0_u64..).map(move |n| Duration::from_secs_f64(n as f64 / per_second));
    Box::new(starts.take_while(move |at| *at < during))
}

/// Starts of a Poisson process, as many independent senders make them: the same seed gives the same.
/// A rate of zero gives none.
pub(crate) fn poisson(per_second: f64, during: Duration, seed: u64) -> Schedule {
    if per_second <= 0.0 {
        return Box::new(std::iter::empty());
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut at = 0.0;
    let starts = std::iter::repeat_with(move || {
        at += -(1.0 - rng.f64()).ln() / per_second;
        Duration::from_secs_f64(at)
    });
    Box::new(starts.take_while(move |at| *at < during))
}
