//! The simulator sees: every planted bug is found.

use keymoot_sim::model::Model;
use keymoot_sim::{Bug, Shape, run};

/// Worlds in which a bug has to show itself.
const SEEDS: u64 = 20_000;

#[test]
fn every_planted_bug_is_found() {
    let shape = Shape { nodes: None, small: false };
    let is_missed = |bug: &&Bug| {
        let totals = run::many::<Model>(0..SEEDS, (shape, Some(**bug)), 2, true);
        println!("{bug:?}: {} worlds", totals.seeds);
        totals.failures.is_empty()
    };
    let missed: Vec<_> = Bug::ALL.iter().filter(is_missed).collect();
    assert!(Bug::ALL.len() >= 25 && missed.is_empty(), "not found: {missed:?}");
}
