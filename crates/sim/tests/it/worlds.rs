//! Worlds keep every promise, and the same seed is the same world.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use keymoot_engine::real::Real;
use keymoot_sim::model::Model;
use keymoot_sim::{Kind, Report, Shape, run};

const ANY: Shape = Shape { nodes: None, small: false };

fn must_hold(failures: &[Report]) {
    let broken: Vec<_> = failures.iter().map(|report| (report.seed, &report.violation)).collect();
    assert!(broken.is_empty(), "replay with `cargo xtask sim --replay SEED`: {broken:?}");
}

#[test]
fn worlds_keep_every_promise_and_everything_happens_in_them() {
    let totals = run::many::<Model>(0..2_000, (ANY, None), 2, false);
    must_hold(&totals.failures);
    assert!(totals.verified > 5_000, "{totals:?}");
    // A world in which something never happens proves nothing about it.
    let missing = totals.coverage.missing();
    assert!(missing.is_empty(), "this never happens: {missing:?}");
    let with_bans = totals.coverage.worlds(Kind::Banned);
    assert!(with_bans * 50 >= totals.seeds, "bans in {with_bans} worlds only");
}

/// Elsewhere in each run, so that many runs see many worlds.
#[test]
fn worlds_from_a_random_seed_keep_every_promise() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let start = now.as_nanos() as u64 >> 8;
    println!("random start seed: {start}");
    let totals = run::many::<Model>(start..start + 400, (ANY, None), 2, false);
    must_hold(&totals.failures);
}

#[test]
fn worlds_of_real_cryptography_keep_every_promise() {
    let totals = run::many::<Real>(0..20, (Shape { nodes: Some(3), small: true }, None), 2, false);
    must_hold(&totals.failures);
    assert!(totals.verified > 10, "{totals:?}");
}

#[test]
fn i14_the_same_seed_is_the_same_history_in_two_processes() {
    let history = |seed: u64| {
        let told =
            Command::new(env!("CARGO_BIN_EXE_keymoot-sim")).args(["--replay", &seed.to_string()]).output();
        String::from_utf8(told.expect("the simulator runs").stdout).expect("it prints text")
    };
    let (one, other) = (history(11), history(11));
    assert!(one.lines().count() > 100 && one == other, "two processes, two histories");
    assert_ne!(one, history(12));
    let here = run::one::<Model>(11, ANY, None);
    assert!(one.ends_with(&format!("{here:?}\n")), "{here:?}");
}
