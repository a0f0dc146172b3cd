//! The whole pipeline under one seed: ingress, workers, queues, store and partner in one thread and under paused time,
//! with everything going wrong that can, and an oracle that knows what must come of it.
//!
//! `PENSTOCK_SIM_SEED=n cargo test -p penstock --test simulation` runs one seed and prints what happened in it.
//! `PENSTOCK_SIM_SEEDS=n` runs the first n.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod messages;
mod oracle;
mod pace;
mod partner_model;
mod trace;
mod world;

use std::{collections::BTreeSet, time::Duration};

use world::simulate;

const SEEDS: u64 = 200;
const SEEDS_TWICE: u64 = 20;

#[expect(clippy::disallowed_methods, reason = "the person who replays a seed names it in the environment")]
fn setting(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("a seed is a number"))
}

#[test]
fn every_item_of_every_accepted_request_ends_once_whatever_fails() {
    if let Some(seed) = setting("PENSTOCK_SIM_SEED") {
        let report = simulate(seed, true);
        println!("settled {:?} after the last fault; {:?}", report.settled_after, report.happened);
        assert_eq!(report.problems, Vec::<String>::new());
        return;
    }
    let (mut failed, mut happened, mut longest) = (Vec::new(), BTreeSet::new(), Duration::ZERO);
    let seeds = setting("PENSTOCK_SIM_SEEDS").unwrap_or(SEEDS);
    for seed in 0..seeds {
        let report = simulate(seed, false);
        happened.extend(report.happened);
        longest = longest.max(report.settled_after);
        if !report.problems.is_empty() {
            eprintln!("PENSTOCK_SIM_SEED={seed} cargo test -p penstock --test simulation");
            report.problems.iter().take(5).for_each(|problem| eprintln!("    {problem}"));
            failed.push(seed);
        }
    }
    println!("settled at most {longest:?} after the last fault; {happened:?}");
    assert_eq!(failed, Vec::<u64>::new(), "see above for how to replay these seeds");
    // A simulation in which nothing goes wrong proves nothing.
    let all = [
        "503",
        "answer lost",
        "at least once",
        "batch refused",
        "broken",
        "busy",
        "exactly once",
        "hangs",
        "ingress crash",
        "partner outage",
        "queue outage",
        "reset",
        "store outage",
        "throttled",
        "worker crash",
    ];
    assert_eq!(happened.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn the_same_seed_gives_the_same_trace_twice() {
    for seed in 0..SEEDS_TWICE {
        let (first, second) = (simulate(seed, false), simulate(seed, false));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert!(first.hash.1 > 100, "seed {seed} has hardly any events");
    }
}
