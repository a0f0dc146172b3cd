//! What the simulated partner has counted, by path.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

/// Paths counted apart; the rest share one line, so that a caller that makes up paths cannot fill the memory.
const PATHS_MAX: usize = 500;
/// The line of all paths past [`PATHS_MAX`].
const OTHER_PATHS: &str = "other";

/// One item of a request, as the partner judged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Taken; with the digest of its key, if it had one.
    Accepted(Option<u64>),
    /// Turned down, for now or for good.
    Failed,
}

/// A digest of an item's key. Two different keys meet in it less than once in ten million runs of a million items.
pub(crate) fn key_digest(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The counts of one path, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Requests that came, answered or not.
    pub(crate) requests: u64,
    /// Items taken, again and again if they came again.
    pub(crate) items: u64,
    /// Different keys among the items taken.
    pub(crate) distinct_keys: u64,
    /// Items taken whose key had been taken before.
    pub(crate) duplicates: u64,
    /// Items turned down inside an answer that was otherwise good.
    pub(crate) failed_items: u64,
    /// Requests by the status of their answer; `none` for those that got none.
    pub(crate) statuses: BTreeMap<String, u64>,
}

/// A reading of all counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stats {
    /// Everything together.
    #[serde(flatten)]
    pub(crate) total: Counts,
    /// Different lists that were created.
    pub(crate) lists: u64,
    /// By method and path, with `{id}` for the part that varies.
    pub(crate) paths: BTreeMap<String, Counts>,
}

#[derive(Debug, Default)]
struct Path {
    counts: Counts,
    keys: HashSet<u64>,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    paths: BTreeMap<String, Path>,
}

impl Tally {
    /// Whether an item with this key has been taken on this path.
    pub(crate) fn has(&self, path: &str, key: u64) -> bool {
        self.paths.get(path).is_some_and(|path| path.keys.contains(&key))
    }

    /// Counts one request, its answer's status and its items.
    pub(crate) fn count(&mut self, path: &str, status: Option<u16>, items: &[Counted]) {
        let known = self.paths.contains_key(path) || self.paths.len() < PATHS_MAX;
        let line = self.paths.entry(if known { path } else { OTHER_PATHS }.to_owned()).or_default();
        line.counts.requests += 1;
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        *line.counts.statuses.entry(status).or_default() += 1;
        for item in items {
            match item {
                Counted::Accepted(key) => {
                    line.counts.items += 1;
                    match key.map(|key| line.keys.insert(key)) {
                        Some(true) => line.counts.distinct_keys += 1,
                        Some(false) => line.counts.duplicates += 1,
                        None => {}
                    }
                }
                Counted::Failed => line.counts.failed_items += 1,
            }
        }
    }

    /// A reading; `lists` is the number of lists created.
    pub(crate) fn read(&self, lists: u64) -> Stats {
        let paths: BTreeMap<_, _> =
            self.paths.iter().map(|(path, line)| (path.clone(), line.counts.clone())).collect();
        let mut total = Counts::default();
        for counts in paths.values() {
            total.requests += counts.requests;
            total.items += counts.items;
            total.distinct_keys += counts.distinct_keys;
            total.duplicates += counts.duplicates;
            total.failed_items += counts.failed_items;
            for (status, count) in &counts.statuses {
                *total.statuses.entry(status.clone()).or_default() += count;
            }
        }
        Stats { total, lists, paths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_come_again_are_duplicates_of_their_path_alone() {
        let mut tally = Tally::default();
        let key = Some(key_digest("a"));
        tally.count("POST /events", Some(200), &[Counted::Accepted(key), Counted::Accepted(None)]);
        tally.count("POST /events", Some(200), &[Counted::Accepted(key), Counted::Failed]);
        tally.count("POST /users", None, &[Counted::Accepted(key)]);
        let stats = tally.read(0);
        assert_eq!(
            (stats.total.requests, stats.total.items, stats.total.distinct_keys, stats.total.duplicates),
            (3, 4, 2, 1)
        );
        assert_eq!(stats.paths["POST /events"].failed_items, 1);
        assert_eq!(stats.paths["POST /users"].statuses["none"], 1);
    }

    #[test]
    fn made_up_paths_share_one_line() {
        let mut tally = Tally::default();
        for number in 0..2 * PATHS_MAX {
            tally.count(&format!("GET /{number}"), Some(404), &[]);
        }
        let stats = tally.read(0);
        assert_eq!(stats.paths.len(), PATHS_MAX + 1);
        assert_eq!(stats.total.requests, 2 * PATHS_MAX as u64);
    }
}
