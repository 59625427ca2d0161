//! Hands over to the scenarios with real processes, in release, beside a program that is up to date.

use std::os::unix::process::CommandExt;

use anyhow::Result;

use crate::tools::ensure_c_compiler;
use crate::workspace::{Workspace, run};

/// Becomes the scenario; returns only when it cannot be started.
pub fn e2e(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    ensure_c_compiler()?;
    run(&mut workspace.cargo(&["build", "--release", "--locked", "--quiet", "-p", "keymoot"]))?;
    let mut scenario =
        workspace.cargo(&["run", "--release", "--locked", "--quiet", "-p", "keymoot-e2e", "--"]);
    Err(scenario.args(arguments).exec().into())
}
