//! Which lines of the audit unit the tests reach; too few is a failure.

mod llvm;

use anyhow::Result;

use crate::tools::{LLVM_COV, ensure_c_compiler};
use crate::workspace::{Workspace, run};

/// The share of lines that must be reached, in per cent.
const FLOOR: &str = "90";

/// Measures and prints the table.
pub fn coverage(workspace: &Workspace) -> Result<()> {
    ensure_c_compiler()?;
    let llvm = llvm::find(workspace)?;
    let mut measure = LLVM_COV.command(workspace)?;
    measure.env("LLVM_COV", llvm.join("llvm-cov")).env("LLVM_PROFDATA", llvm.join("llvm-profdata"));
    run(measure.args(["-p", "keymoot-protocol", "--locked", "--summary-only", "--fail-under-lines", FLOOR]))
}
