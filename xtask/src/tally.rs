//! Counts what passed and what failed. A check is a step with a name; tests are counted one by one.

use std::time::Instant;

use anyhow::Result;

/// How many checks and tests passed and failed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
}

impl Tally {
    /// Does one step, prints its name, outcome and seconds, and counts it. Returns whether it passed.
    pub fn check(&mut self, name: &str, step: impl FnOnce() -> Result<()>) -> bool {
        println!("---- {name}");
        let start = Instant::now();
        let outcome = step();
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("ok   {name} ({seconds:.1} s)");
                true
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL {name} ({seconds:.1} s): {error:#}");
                false
            }
        }
    }

    /// Prints the sums, which every caller looks for in the last line. Good is: something passed, nothing failed.
    pub fn conclude(self) -> bool {
        println!("{} passed, {} failed", self.passed, self.failed);
        self.passed > 0 && self.failed == 0
    }
}
