//! GG20 with its full parameters: committees of three, five and nine make keys and moduli, and sign. These are the tests of
//! honest runs; in each run of all tests they have small moduli, because with these it is minutes.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::tools::ensure_c_compiler;
use crate::workspace::{Workspace, stream};

/// How the name of the full parameters begins.
const FULL: &str = "gg20/3072/";

/// Committees that have to sign.
const COMMITTEES: usize = 3;

/// Runs the tests of honest runs in release, where there are no other parameters, and shows how far they are.
pub fn gg20(workspace: &Workspace) -> Result<()> {
    ensure_c_compiler()?;
    let mut test =
        workspace.cargo(&["test", "--release", "--locked", "-p", "keymoot-protocol", "--test", "it"]);
    test.args(["gg20_honest", "--", "--nocapture"]).env("CARGO_TERM_COLOR", "never");
    let (mut signed, begun) = (0, Instant::now());
    let status = stream(&mut test, &workspace.logs()?.join("gg20.log"), |line| {
        println!("{:>7.1} s  {line}", begun.elapsed().as_secs_f64());
        signed += usize::from(has_signed(line));
    })?;
    ensure!(status.success(), "an honest run of GG20 has failed ({status})");
    ensure!(signed == COMMITTEES, "{signed} of {COMMITTEES} committees have signed with the full parameters");
    Ok(())
}

/// Whether a line says that a committee has signed with the full parameters.
fn has_signed(line: &str) -> bool {
    line.contains("count: ") && line.contains(" signatures of ") && line.contains(FULL)
}

#[cfg(test)]
mod tests {
    use super::has_signed;

    #[test]
    fn signatures_count_if_the_parameters_are_the_full_ones() {
        let line = |name| format!("count: 9 signatures of 2-of-3 with {name} verify elsewhere");
        assert!(has_signed(&line("gg20/3072/256/1280/512/128/128/v1")));
        assert!(!has_signed(&line("gg20/small/v1")));
        assert!(!has_signed("2-of-3 with gg20/3072/256/1280/512/128/128/v1: moduli in 9.1s"));
    }
}
