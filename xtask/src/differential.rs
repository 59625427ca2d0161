//! Payloads of every kind, generated and mutated, read by the product and by second implementations: many more than in each run of
//! the tests.

use anyhow::Result;

use crate::tools::ensure_cpp_compiler;
use crate::workspace::{Workspace, run};

/// How many of each, if nobody says.
const CASES: u32 = 100_000;

/// Runs the readers' own tests with so many cases.
pub fn differential(workspace: &Workspace, cases: Option<u32>) -> Result<()> {
    // Bitcoin's interpreter.
    ensure_cpp_compiler()?;
    let cases = cases.unwrap_or(CASES);
    let mut test =
        workspace.cargo(&["test", "--locked", "--release", "-p", "keymoot-chains", "--test", "it"]);
    run(test.env("PROPTEST_CASES", cases.to_string()))?;
    println!("differential: {cases} cases of each test with generated payloads, no difference");
    Ok(())
}
