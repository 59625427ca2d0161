//! The one command of CI: verify, all tests, attack coverage, and on request a short fuzz run.

use std::time::Duration;

use crate::libtest::Verdict;
use crate::suite::Suite;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{attacks, clients, fuzz, suite, verify};

const FUZZ_TIME: Duration = Duration::from_secs(10);

/// Runs everything, or with `only` just the tests whose name contains it. The last line printed is the sums;
/// returns whether the run is good.
pub fn test(workspace: &Workspace, only: Option<&str>, with_fuzz: bool) -> bool {
    let mut tally = Tally::default();
    if only.is_some() || verify::check(workspace, &mut tally) {
        clients::ensure_for(workspace, only);
        match suite::run(workspace, &["--workspace"], only) {
            Ok(suite) => judge(workspace, &suite, only, &mut tally),
            Err(error) => {
                println!("FAIL tests: {error:#}");
                tally.failed += 1;
            }
        }
        if with_fuzz {
            fuzz_all(workspace, &mut tally);
        }
    } else {
        println!("verify failed: no test was run");
    }
    tally.conclude()
}

fn judge(workspace: &Workspace, suite: &Suite, only: Option<&str>, tally: &mut Tally) {
    count(suite, tally);
    if only.is_none() {
        tally.check("attacks", || attacks::check(workspace, suite));
    }
    if suite.report.tests().next().is_none() {
        println!("no test was run");
        if only.is_none() {
            tally.failed += 1;
        }
    }
}

/// An ignored test is a failed one: a test that is not run proves nothing.
fn count(suite: &Suite, tally: &mut Tally) {
    for test in suite.report.tests().filter(|test| test.verdict == Verdict::Ignored) {
        println!("ignored, which counts as failed: {}", test.name);
    }
    tally.passed += suite.count(Verdict::Ok);
    tally.failed += suite.count(Verdict::Failed) + suite.count(Verdict::Ignored) + suite.problems.len();
}

fn fuzz_all(workspace: &Workspace, tally: &mut Tally) {
    let mut targets = Vec::new();
    tally.check("fuzz build", || {
        targets = fuzz::build(workspace, None)?;
        Ok(())
    });
    for target in targets {
        tally
            .check(&format!("fuzz {}", target.name), || fuzz::run(workspace, &target, None, Some(FUZZ_TIME)));
    }
}
