//! Runs the fuzz targets, on stable and without a sanitizer: our crates forbid `unsafe`, so what there is to
//! find is panics, hangs and broken promises.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::tools::{FUZZ, ensure_cpp_compiler};
use crate::workspace::{self, Workspace, stream};

const FOLDER: &str = "crates/protocol/fuzz";
const GOLDEN: &str = "crates/protocol/vectors/golden/wire.json";
const RUNS: u64 = 1_000_000;
const TIME: Duration = Duration::from_secs(180);

/// Runs one target or all, each for `runs` executions or for that time, whichever ends first.
pub fn fuzz(
    workspace: &Workspace,
    only: Option<&str>,
    runs: Option<u64>,
    time: Option<Duration>,
) -> Result<()> {
    // Whole sessions are a hundred times slower than decoders, so that time bounds them where nobody says otherwise.
    let (runs, time) = if runs.is_none() && time.is_none() { (Some(RUNS), Some(TIME)) } else { (runs, time) };
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

/// Runs one built target, from valid messages on, and prints how many inputs it tried.
pub fn run(workspace: &Workspace, target: &str, runs: Option<u64>, time: Option<Duration>) -> Result<()> {
    seed(&workspace.root, target)?;
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

/// Puts the golden bytes of every wire type into the target's corpus: mutating a valid message reaches what chance
/// alone does not. What an older version left there is replaced.
fn seed(root: &Path, target: &str) -> Result<()> {
    let text = fs::read_to_string(root.join(GOLDEN)).with_context(|| format!("cannot read {GOLDEN}"))?;
    let golden: BTreeMap<String, String> =
        serde_json::from_str(&text).with_context(|| format!("{GOLDEN} is not names with bytes"))?;
    ensure!(!golden.is_empty(), "{GOLDEN} is empty");
    let corpus = root.join(FOLDER).join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    for (name, digits) in golden {
        let bytes = bytes(&digits).with_context(|| format!("`{name}` in {GOLDEN} is not hexadecimal"))?;
        fs::write(corpus.join(format!("golden-{}", name.replace(", ", "-").replace(' ', "-"))), bytes)?;
    }
    Ok(())
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.starts_with('+'))?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect()
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

    #[test]
    fn a_corpus_begins_with_the_golden_bytes() {
        let root = tempfile::tempdir().expect("a folder");
        let golden = root.path().join(GOLDEN);
        fs::create_dir_all(golden.parent().expect("a folder")).expect("a folder");
        fs::write(&golden, r#"{ "Header to all": "00ff", "Share, ed25519": "0a" }"#).expect("a file");
        seed(root.path(), "echo").expect("seeds");
        seed(root.path(), "echo").expect("the same seeds again");
        let seed_named = |name: &str| fs::read(root.path().join(FOLDER).join("corpus/echo").join(name)).ok();
        assert_eq!(seed_named("golden-Header-to-all"), Some(vec![0, 255]));
        assert_eq!(seed_named("golden-Share-ed25519"), Some(vec![10]));
        fs::write(&golden, "{}").expect("a file");
        assert!(seed(root.path(), "echo").is_err(), "seeds of nothing are a mistake");
    }

    #[test]
    fn bytes_are_pairs_of_hexadecimal_digits() {
        assert_eq!(bytes("00fF10"), Some(vec![0, 255, 16]));
        assert_eq!(bytes(""), Some(vec![]));
        for bad in ["0", "0g", "+1", "000", "é1"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }
}
