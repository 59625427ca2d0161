//! The simulator sees: every planted bug is found, by the promise that it breaks.

use keymoot_sim::model::Model;
use keymoot_sim::{Bug, Shape, run};

/// Worlds in which a bug has to show itself.
const SEEDS: u64 = 20_000;

/// What is to be said against the simulator for not finding a bug.
fn missed(bug: Bug) -> Option<String> {
    let shape = Shape { nodes: None, small: false };
    let totals = run::many::<Model>(0..SEEDS, (shape, Some(bug)), 2, true);
    println!("{bug:?}: {} worlds", totals.seeds);
    match totals.failures.first().and_then(|report| report.violation.as_ref()) {
        None => Some(format!("{bug:?} is not found")),
        Some((_, found)) if bug.expected().contains(&found.invariant) => None,
        Some((_, found)) => Some(format!("{bug:?} is found by {}: {}", found.invariant, found.what)),
    }
}

#[test]
fn every_planted_bug_is_found_by_the_promise_that_it_breaks() {
    let missed: Vec<String> = Bug::ALL.iter().copied().filter_map(missed).collect();
    assert!(Bug::ALL.len() >= 30 && missed.is_empty(), "{missed:?}");
}
