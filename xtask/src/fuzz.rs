//! Runs the fuzz targets, on stable and without a sanitizer: our crates forbid `unsafe`, so what there is to
//! find is panics, hangs and broken promises.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::tools::{FUZZ, ensure_cpp_compiler};
use crate::workspace::{self, Workspace, stream};

const FOLDER: &str = "crates/protocol/fuzz";
const RUNS: u64 = 1_000_000;

/// Runs one target or all, each for `runs` executions or for that time, whichever ends first.
pub fn fuzz(
    workspace: &Workspace,
    only: Option<&str>,
    runs: Option<u64>,
    time: Option<Duration>,
) -> Result<()> {
    let runs = runs.or_else(|| time.is_none().then_some(RUNS));
    let mut failed = Vec::new();
    for target in build(workspace, only)? {
        if let Err(error) = run(workspace, &target, runs, time) {
            println!("{error:#}");
            failed.push(target);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("failed: {}", failed.join(", ")),
    }
}

/// Builds the targets and returns their names.
pub fn build(workspace: &Workspace, only: Option<&str>) -> Result<Vec<String>> {
    let mut names = targets(workspace)?;
    names.retain(|name| only.is_none_or(|only| only == name));
    ensure!(!names.is_empty(), "there is no such fuzz target");
    ensure_cpp_compiler()?;
    for name in &names {
        let mut build = FUZZ.command(workspace)?;
        workspace::run(build.args(["build", name, "--sanitizer", "none", "--fuzz-dir", FOLDER]))?;
    }
    Ok(names)
}

/// The `[[bin]]` names of the fuzz workspace.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let manifest = workspace.root.join(FOLDER).join("Cargo.toml");
    let text = fs::read_to_string(manifest).with_context(|| format!("cannot read {FOLDER}/Cargo.toml"))?;
    let table: toml::Table = text.parse()?;
    let bins = table.get("bin").and_then(|bins| bins.as_array()).into_iter().flatten();
    Ok(bins.filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned())).collect())
}

/// Runs one built target and prints how many inputs it tried.
pub fn run(workspace: &Workspace, target: &str, runs: Option<u64>, time: Option<Duration>) -> Result<()> {
    let mut fuzz = FUZZ.command(workspace)?;
    fuzz.args(["run", target, "--sanitizer", "none", "--fuzz-dir", FOLDER, "--", "-print_final_stats=1"]);
    fuzz.args(runs.map(|runs| format!("-runs={runs}")));
    fuzz.args(time.map(|time| format!("-max_total_time={}", time.as_secs())));
    let log = workspace.logs()?.join(format!("fuzz-{target}.log"));
    let mut lines = Vec::new();
    let status = stream(&mut fuzz, &log, |line| lines.push(line.to_owned()))?;
    let done = lines.iter().rev().find_map(|line| executions(line));
    match (status.success(), done) {
        (true, Some(done)) => {
            println!("{target}: {done} executions, no crash");
            Ok(())
        }
        (true, None) => bail!("{target}: the fuzzer did not say how many inputs it tried"),
        (false, done) => {
            for line in lines.iter().filter(|line| !line.starts_with('#')) {
                println!("{line}");
            }
            bail!(
                "{target}: crashed after {} executions ({status}); log: {}",
                done.unwrap_or(0),
                log.display()
            )
        }
    }
}

/// `stat::number_of_executed_units: 17` or `Done 17 runs in 2 second(s)`.
fn executions(line: &str) -> Option<u64> {
    if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
        return count.trim().parse().ok();
    }
    line.strip_prefix("Done ")?.split_once(" runs in ")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_both_lines() {
        assert_eq!(executions("stat::number_of_executed_units: 1048576"), Some(1_048_576));
        assert_eq!(executions("Done 17 runs in 2 second(s)"), Some(17));
        assert_eq!(executions("#17 NEW cov: 5"), None);
    }
}
