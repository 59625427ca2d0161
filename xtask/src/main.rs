//! `cargo xtask`: the command line of the chores.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use keymoot_xtask::workspace::Workspace;
use keymoot_xtask::{attacks, bench, coverage, finding, fuzz, layers, test, tidy, verify};

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check the tree without changing it: format, tidy, layers, clippy, docs, licences
    Verify,
    /// Format, and let clippy repair what it can
    Fix,
    /// Verify, run all tests and check attack coverage; what CI runs
    Test(TestArguments),
    /// Measure; the flags go to the bench program
    Bench {
        /// What to measure (`protocol`) and its flags: `--peers`, `--only NAME`, `--json`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Check that every covered row of the attack table has a passing test
    Attacks,
    /// Run the fuzz targets
    Fuzz(FuzzArguments),
    /// Measure which lines the tests reach
    Coverage,
    /// Check sizes, names and other matters of taste
    Tidy,
    /// Check who depends on whom, and that pure crates are pure
    Layers,
}

#[derive(Args)]
struct TestArguments {
    /// Only tests whose name contains this; no verify, no attack coverage
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Also run each fuzz target for a few seconds
    #[arg(long)]
    fuzz: bool,
}

#[derive(Args)]
struct FuzzArguments {
    /// One target instead of all
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Executions per target; a million unless `--seconds` is given
    #[arg(long)]
    runs: Option<u64>,
    /// Time per target
    #[arg(long)]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    match Workspace::find().and_then(|workspace| run(&workspace, Arguments::parse().chore)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does the chore; `false` is a failure which has been told already, in the last line.
fn run(workspace: &Workspace, chore: Chore) -> Result<bool> {
    match chore {
        Chore::Verify => return Ok(verify::verify(workspace)),
        Chore::Test(TestArguments { only, fuzz }) => return Ok(test::test(workspace, only.as_deref(), fuzz)),
        Chore::Fix => verify::fix(workspace)?,
        Chore::Bench { arguments } => bench::bench(workspace, &arguments)?,
        Chore::Attacks => attacks::attacks(workspace)?,
        Chore::Fuzz(FuzzArguments { target, runs, seconds }) => {
            fuzz::fuzz(workspace, target.as_deref(), runs, seconds.map(Duration::from_secs))?
        }
        Chore::Coverage => coverage::coverage(workspace)?,
        Chore::Tidy => finding::report(&tidy::check(&workspace.root)?)?,
        Chore::Layers => finding::report(&layers::check(&workspace.root)?)?,
    }
    Ok(true)
}
