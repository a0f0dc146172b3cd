//! What a metric is: a name, a help text, and labels whose words are all known beforehand.

use metrics::{Counter, Gauge, Histogram, Key, Level, Metadata, with_recorder};

/// One metric of the product.
#[derive(Debug)]
pub struct Metric {
    /// `<area>_<thing>_<unit>[_total]`, in base units.
    pub name: &'static str,
    /// What is counted or measured, for the operator.
    pub help: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [Label],
}

/// Which kind of metric.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution over these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The kind in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A label and every word it can have; the last one stands for any other.
#[derive(Debug)]
pub struct Label {
    /// The label's name.
    pub name: &'static str,
    /// Its words; never empty.
    pub words: &'static [&'static str],
}

/// A metric's handles, one for each combination of its labels' words, made once: emitting looks nothing up by name.
#[derive(Clone, Debug)]
pub struct Family<H> {
    metric: &'static Metric,
    handles: Vec<H>,
}

impl<H> Family<H> {
    /// The handle of these words, in the order of the metric's labels. An unknown word is taken as the label's last.
    pub fn of<const N: usize>(&self, words: [&str; N]) -> &H {
        debug_assert_eq!(N, self.metric.labels.len(), "labels of {}", self.metric.name);
        let index = self.metric.labels.iter().zip(words).fold(0, |index, (label, word)| {
            let known = label.words.iter().position(|known| *known == word);
            index * label.words.len() + known.unwrap_or(label.words.len() - 1)
        });
        &self.handles[index]
    }
}

const METADATA: Metadata<'static> = Metadata::new("penstock", Level::INFO, None);

impl Metric {
    /// The counter of a metric without labels.
    pub(super) fn counter(&self) -> Counter {
        with_recorder(|recorder| recorder.register_counter(&self.key(&[]), &METADATA))
    }

    /// The gauge of a metric without labels.
    pub(super) fn gauge(&self) -> Gauge {
        with_recorder(|recorder| recorder.register_gauge(&self.key(&[]), &METADATA))
    }

    /// The histogram of a metric without labels.
    pub(super) fn histogram(&self) -> Histogram {
        with_recorder(|recorder| recorder.register_histogram(&self.key(&[]), &METADATA))
    }

    /// A counter for each combination of words.
    pub(super) fn counters(&'static self) -> Family<Counter> {
        self.family(|key| with_recorder(|recorder| recorder.register_counter(key, &METADATA)))
    }

    /// A gauge for each combination of words.
    pub(super) fn gauges(&'static self) -> Family<Gauge> {
        self.family(|key| with_recorder(|recorder| recorder.register_gauge(key, &METADATA)))
    }

    /// A histogram for each combination of words.
    pub(super) fn histograms(&'static self) -> Family<Histogram> {
        self.family(|key| with_recorder(|recorder| recorder.register_histogram(key, &METADATA)))
    }

    fn family<H>(&'static self, register: impl Fn(&Key) -> H) -> Family<H> {
        let mut combinations: Vec<Vec<&'static str>> = vec![Vec::new()];
        for label in self.labels {
            combinations = combinations
                .iter()
                .flat_map(|words| label.words.iter().map(move |word| [words.as_slice(), &[*word]].concat()))
                .collect();
        }
        let handles = combinations.iter().map(|words| register(&self.key(words))).collect();
        Family { metric: self, handles }
    }

    fn key(&self, words: &[&'static str]) -> Key {
        let labels: Vec<metrics::Label> = self
            .labels
            .iter()
            .zip(words)
            .map(|(label, word)| metrics::Label::from_static_parts(label.name, word))
            .collect();
        Key::from_parts(self.name, labels)
    }
}
