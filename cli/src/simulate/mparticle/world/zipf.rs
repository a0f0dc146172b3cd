//! Customers differ in size by orders of magnitude: the n-th largest sends an n-th of what the largest does.

/// Draws places from a Zipf distribution with exponent 1.
#[derive(Debug)]
pub(super) struct Zipf {
    /// Shares of the first, the first two, and so on.
    cumulative: Vec<f64>,
}

impl Zipf {
    /// Over so many places, at least one.
    pub(super) fn new(places: u32) -> Self {
        let mut sum = 0.0;
        let cumulative = (1..=places.max(1)).map(|place| {
            sum += 1.0 / f64::from(place);
            sum
        });
        Self { cumulative: cumulative.collect() }
    }

    /// A place, counted from 0: the largest is the first.
    pub(super) fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let all = self.cumulative.last().copied().unwrap_or_default();
        let point = rng.f64() * all;
        self.cumulative.partition_point(|sum| *sum <= point).min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_comes_half_as_often_as_the_first_and_all_come() {
        let mut rng = fastrand::Rng::with_seed(1);
        let zipf = Zipf::new(50);
        let mut counts = [0_u32; 50];
        for _ in 0..100_000 {
            counts[zipf.draw(&mut rng)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|count| *count > 0));
        assert_eq!(Zipf::new(1).draw(&mut rng), 0);
    }
}
