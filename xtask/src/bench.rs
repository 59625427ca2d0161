//! Hands over to the bench program, in release, with its output untouched: others read it.

use std::os::unix::process::CommandExt;

use anyhow::Result;

use crate::tools::{ensure_c_compiler, ensure_program_at};
use crate::workspace::{Workspace, run};

/// A workspace of its own: it builds GMP.
const CGGMP24: &str = "bench/cggmp24/Cargo.toml";

/// The case that it runs beside.
const CASE: &str = "gg20/full/2of3/batch16";

/// Becomes the bench program; returns only when it cannot be started.
pub fn bench(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    ensure_c_compiler()?;
    let mut bench = workspace.cargo(&["run", "--release", "--locked", "-p", "keymoot-bench", "--"]);
    if wants_cggmp24(arguments) {
        ensure_program_at("make", "--version", &["make"])?;
        ensure_program_at("m4", "--version", &["m4"])?;
        let target = workspace.root.join("target/cggmp24");
        let mut build = workspace.cargo(&["build", "--release", "--locked", "--manifest-path", CGGMP24]);
        run(build.arg("--target-dir").arg(&target))?;
        bench.env("KEYMOOT_BENCH_CGGMP24", target.join("release/keymoot-bench-cggmp24"));
    }
    Err(bench.args(arguments).exec().into())
}

/// Whether the peer of GG20 is asked for, and a case that it runs beside.
fn wants_cggmp24(arguments: &[String]) -> bool {
    let mut words = arguments.iter();
    let only = words.find_map(|word| match word.as_str() {
        "--only" => arguments.iter().skip_while(|word| *word != "--only").nth(1).map(String::as_str),
        word => word.strip_prefix("--only="),
    });
    arguments.iter().any(|word| word == "--peers") && only.is_none_or(|only| CASE.contains(only))
}

#[cfg(test)]
mod tests {
    use super::wants_cggmp24;

    #[test]
    fn the_peer_that_builds_for_minutes_is_there_for_its_case_only() {
        let wants = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            wants_cggmp24(&words)
        };
        assert!(wants("protocol --peers --json") && wants("protocol --peers --only gg20"));
        assert!(wants("protocol --only=gg20/full --peers"));
        assert!(!wants("protocol --only gg20") && !wants("protocol --peers --only dkls23"));
        assert!(!wants("protocol --peers --only gg20/online"));
    }
}
