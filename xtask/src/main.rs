//! `cargo xtask`: the command line of the chores.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use keymoot_xtask::cli::{Arguments, Chore, DifferentialArguments, FuzzArguments, TestArguments};
use keymoot_xtask::workspace::Workspace;
use keymoot_xtask::{
    attacks, bench, coverage, differential, e2e, finding, fuzz, gg20, kernel, layers, sim, test, tidy, verify,
};

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
        Chore::Sim(arguments) => sim::sim(workspace, &arguments)?,
        Chore::E2e { arguments } => e2e::e2e(workspace, &arguments)?,
        Chore::Attacks => attacks::attacks(workspace)?,
        Chore::Fuzz(FuzzArguments { target, runs, seconds }) => {
            fuzz::fuzz(workspace, target.as_deref(), runs, seconds.map(Duration::from_secs))?
        }
        Chore::Differential(DifferentialArguments { cases }) => differential::differential(workspace, cases)?,
        Chore::Kernel => kernel::kernel(workspace)?,
        Chore::Gg20 => gg20::gg20(workspace)?,
        Chore::Coverage => coverage::coverage(workspace)?,
        Chore::Tidy => finding::report(&tidy::check(&workspace.root)?)?,
        Chore::Layers => finding::report(&layers::check(&workspace.root)?)?,
    }
    Ok(true)
}
