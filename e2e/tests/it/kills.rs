//! Processes that die at any moment.

use keymoot_e2e::load::percentile;
use keymoot_e2e::scenario::{failover, kill};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn nothing_acknowledged_is_lost_when_processes_are_killed() {
    let _alone = crate::alone();
    let seed = rand::random();
    println!("seed {seed}");
    let report = runtime().block_on(kill::run(8, seed)).expect("all promises are kept");
    println!("{report:?}");
    assert!(report.tally.failures.is_empty(), "{:?}", report.tally.failures);
    assert!(report.tally.signed > 50, "a load that asks for nothing proves nothing");
    assert!(percentile(report.ready, 1.0) < 15_000);
}

#[test]
fn another_coordinator_goes_on() {
    let _alone = crate::alone();
    let report = runtime().block_on(failover::run(2)).expect("all promises are kept");
    println!("{:?} {:?}", report.gaps, report.tally.failures);
    assert!(report.tally.failures.is_empty(), "{:?}", report.tally.failures);
    assert!(percentile(report.gaps, 1.0) < 10_000);
}
