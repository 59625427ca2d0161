//! Hands over to the bench program, in release, with its output untouched: others read it.

use std::os::unix::process::CommandExt;

use anyhow::Result;

use crate::tools::ensure_c_compiler;
use crate::workspace::Workspace;

/// Becomes the bench program; returns only when it cannot be started.
pub fn bench(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    ensure_c_compiler()?;
    let mut run = workspace.cargo(&["run", "--release", "--locked", "-p", "keymoot-bench", "--"]);
    Err(run.args(arguments).exec().into())
}
