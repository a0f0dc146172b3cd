//! Keeps each metric a second time, as plain numbers: the recorder that renders them hands none out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key};

use super::{Kind, METRICS, Metric};

/// The numbers of every metric whose handles were made.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    counters: BTreeMap<Key, Arc<AtomicU64>>,
    /// As the bits of an `f64`.
    gauges: BTreeMap<Key, Arc<AtomicU64>>,
    histograms: BTreeMap<Key, Arc<Buckets>>,
}

/// How many values fell at or below each bound and above the one before; the last, above all.
#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
}

/// A handle that is shown, and kept here.
struct Both<H, V> {
    shown: H,
    kept: Arc<V>,
}

impl Kept {
    pub(super) fn counter(&self, key: &Key, shown: Counter) -> Counter {
        let kept = self.values(|values| values.counters.entry(key.clone()).or_default().clone());
        Counter::from_arc(Arc::new(Both { shown, kept }))
    }

    pub(super) fn gauge(&self, key: &Key, shown: Gauge) -> Gauge {
        let kept = self.values(|values| values.gauges.entry(key.clone()).or_default().clone());
        Gauge::from_arc(Arc::new(Both { shown, kept }))
    }

    pub(super) fn histogram(&self, key: &Key, shown: Histogram) -> Histogram {
        let kept = self.values(|values| {
            let new = || Arc::new(Buckets::new(bounds(key.name())));
            values.histograms.entry(key.clone()).or_insert_with(new).clone()
        });
        Histogram::from_arc(Arc::new(Both { shown, kept }))
    }

    /// The numbers now. Each is read by itself: two that change together may be a moment apart.
    pub(super) fn read(&self) -> Readings {
        self.values(|values| Readings {
            counters: read(&values.counters, |value| value.load(Relaxed)),
            gauges: read(&values.gauges, |value| f64::from_bits(value.load(Relaxed))),
            histograms: read(&values.histograms, |value| {
                value.counts.iter().map(|count| count.load(Relaxed)).collect()
            }),
        })
    }

    fn values<T>(&self, f: impl FnOnce(&mut Values) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read<V, T>(values: &BTreeMap<Key, Arc<V>>, read: impl Fn(&V) -> T) -> BTreeMap<Key, T> {
    values.iter().map(|(key, value)| (key.clone(), read(value))).collect()
}

fn bounds(name: &str) -> &'static [f64] {
    METRICS
        .iter()
        .find_map(|metric| match metric.kind {
            Kind::Histogram(bounds) if metric.name == name => Some(bounds),
            _ => None,
        })
        .unwrap_or_default()
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl CounterFn for Both<Counter, AtomicU64> {
    fn increment(&self, value: u64) {
        self.shown.increment(value);
        self.kept.fetch_add(value, Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.shown.absolute(value);
        self.kept.fetch_max(value, Relaxed);
    }
}

impl Both<Gauge, AtomicU64> {
    fn change(&self, change: impl Fn(f64) -> f64) {
        let changed = |bits| Some(change(f64::from_bits(bits)).to_bits());
        // It always gives a value, so it never fails.
        self.kept.fetch_update(Relaxed, Relaxed, changed).ok();
    }
}

impl GaugeFn for Both<Gauge, AtomicU64> {
    fn increment(&self, value: f64) {
        self.shown.increment(value);
        self.change(|before| before + value);
    }

    fn decrement(&self, value: f64) {
        self.shown.decrement(value);
        self.change(|before| before - value);
    }

    fn set(&self, value: f64) {
        self.shown.set(value);
        self.kept.store(value.to_bits(), Relaxed);
    }
}

impl HistogramFn for Both<Histogram, Buckets> {
    fn record(&self, value: f64) {
        self.shown.record(value);
        let bucket = self.kept.bounds.partition_point(|bound| *bound < value);
        self.kept.counts[bucket].fetch_add(1, Relaxed);
    }
}

/// The metrics as numbers, as of about one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Readings {
    counters: BTreeMap<Key, u64>,
    gauges: BTreeMap<Key, f64>,
    histograms: BTreeMap<Key, Vec<u64>>,
}

impl Readings {
    /// The sum of a counter over the words of `label` that `pick` wants.
    pub(super) fn count(&self, metric: &Metric, label: &str, pick: impl Fn(&str) -> bool) -> u64 {
        let is_wanted = |key: &Key| key.labels().all(|each| each.key() != label || pick(each.value()));
        of(&self.counters, metric).filter(|(key, _)| is_wanted(key)).map(|(_, count)| count).sum()
    }

    /// A gauge without labels; 0 before it was ever set.
    pub(super) fn gauge(&self, metric: &Metric) -> f64 {
        of(&self.gauges, metric).map(|(_, value)| *value).sum()
    }

    /// How many values of a histogram, over all its words, fell into each of its buckets.
    pub(super) fn buckets(&self, metric: &Metric) -> Vec<u64> {
        let Kind::Histogram(bounds) = metric.kind else { return Vec::new() };
        let mut sums = vec![0; bounds.len() + 1];
        for (_, counts) in of(&self.histograms, metric) {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        sums
    }
}

fn of<'a, V>(values: &'a BTreeMap<Key, V>, metric: &Metric) -> impl Iterator<Item = (&'a Key, &'a V)> {
    let name = metric.name;
    values.iter().filter(move |(key, _)| key.name() == name)
}
