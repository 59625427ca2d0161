//! Bitcoin Core's kernel on a block with spends of ours. A workspace of its own, because ten minutes of C++ are no part of each run
//! of the tests; the tests have Bitcoin Core's interpreter.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::tools::{ensure_cpp_compiler, ensure_or_install, ensure_program_at};
use crate::workspace::{Workspace, run};

/// The workspace.
const MANIFEST: &str = "e2e/kernel/Cargo.toml";
/// What it needs, as Debian calls it.
const PACKAGES: [&str; 2] = ["cmake", "libboost-dev"];

/// Builds the product and the kernel, and has the kernel judge.
pub fn kernel(workspace: &Workspace) -> Result<()> {
    ensure_cpp_compiler()?;
    ensure_program_at("cmake", "--version", &PACKAGES)?;
    ensure_or_install(has_boost, "Boost's headers", &PACKAGES)?;
    run(&mut workspace.cargo(&["build", "--locked", "-p", "keymoot"]))?;
    let mut judge = workspace.cargo(&["run", "--locked", "--manifest-path", MANIFEST, "--target-dir"]);
    judge.arg(workspace.target.join("kernel")).arg("--");
    run(judge.arg(workspace.target.join("debug/keymoot")))
}

fn has_boost() -> bool {
    let mut look = Command::new("c++");
    look.args(["-fsyntax-only", "-include", "boost/version.hpp", "-xc++", "/dev/null"]);
    look.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
