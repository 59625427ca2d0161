//! Runs the fuzz targets, on stable and without a sanitizer: our crates forbid `unsafe`, so what there is to
//! find is panics, hangs and broken promises.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::tools::{FUZZ, ensure_cpp_compiler};
use crate::workspace::{self, Workspace, stream};

/// Fuzz workspaces, and where they begin: names with hexadecimal digits. A target begins with the bytes whose name begins with its
/// own, or with all if there are none.
const WORKSPACES: [(&str, &str); 2] = [
    ("crates/protocol/fuzz", "crates/protocol/vectors/golden/wire.json"),
    ("crates/chains/fuzz", "crates/chains/vectors/payloads.json"),
];
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
            failed.push(target.name);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("failed: {}", failed.join(", ")),
    }
}

/// What is fuzzed.
pub struct Target {
    folder: &'static str,
    golden: &'static str,
    /// Its name.
    pub name: String,
}

/// Builds the targets.
pub fn build(workspace: &Workspace, only: Option<&str>) -> Result<Vec<Target>> {
    let mut targets = targets(workspace)?;
    targets.retain(|target| only.is_none_or(|only| only == target.name));
    ensure!(!targets.is_empty(), "there is no such fuzz target");
    ensure_cpp_compiler()?;
    for Target { folder, name, .. } in &targets {
        let mut build = FUZZ.command(workspace)?;
        workspace::run(build.args(["build", name, "--sanitizer", "none", "--fuzz-dir", folder]))?;
    }
    Ok(targets)
}

/// The `[[bin]]`s of the fuzz workspaces.
fn targets(workspace: &Workspace) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for (folder, golden) in WORKSPACES {
        let manifest = workspace.root.join(folder).join("Cargo.toml");
        let text =
            fs::read_to_string(manifest).with_context(|| format!("cannot read {folder}/Cargo.toml"))?;
        let table: toml::Table = text.parse()?;
        let bins = table.get("bin").and_then(|bins| bins.as_array()).into_iter().flatten();
        let names = bins.filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned()));
        targets.extend(names.map(|name| Target { folder, golden, name }));
    }
    Ok(targets)
}

/// Runs one built target, from valid messages on, and prints how many inputs it tried.
pub fn run(workspace: &Workspace, target: &Target, runs: Option<u64>, time: Option<Duration>) -> Result<()> {
    seed(&workspace.root, target)?;
    let Target { folder, name: target, .. } = target;
    let mut fuzz = FUZZ.command(workspace)?;
    fuzz.args(["run", target, "--sanitizer", "none", "--fuzz-dir", folder, "--", "-print_final_stats=1"]);
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
fn seed(root: &Path, Target { folder, golden: file, name: target }: &Target) -> Result<()> {
    let text = fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))?;
    let mut golden: BTreeMap<String, String> =
        serde_json::from_str(&text).with_context(|| format!("{file} is not names with bytes"))?;
    ensure!(!golden.is_empty(), "{file} is empty");
    if golden.keys().any(|name| name.starts_with(target)) {
        golden.retain(|name, _| name.starts_with(target));
    }
    let corpus = root.join(folder).join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    for (name, digits) in golden {
        let bytes = bytes(&digits).with_context(|| format!("`{name}` in {file} is not hexadecimal"))?;
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
        let golden = root.path().join("golden.json");
        fs::write(&golden, r#"{ "Header to all": "00ff", "Share, ed25519": "0a", "psbt, old": "0b" }"#)
            .expect("a file");
        let target = |name: &str| Target { folder: "fuzz", golden: "golden.json", name: name.to_owned() };
        seed(root.path(), &target("echo")).expect("seeds");
        seed(root.path(), &target("echo")).expect("the same seeds again");
        seed(root.path(), &target("psbt")).expect("its own seeds");
        let seed_named =
            |target: &str, name: &str| fs::read(root.path().join("fuzz/corpus").join(target).join(name)).ok();
        assert_eq!(seed_named("echo", "golden-Header-to-all"), Some(vec![0, 255]));
        assert_eq!(seed_named("echo", "golden-Share-ed25519"), Some(vec![10]));
        assert_eq!(seed_named("psbt", "golden-psbt-old"), Some(vec![11]));
        assert_eq!(seed_named("psbt", "golden-Share-ed25519"), None, "it has its own");
        fs::write(&golden, "{}").expect("a file");
        assert!(seed(root.path(), &target("echo")).is_err(), "seeds of nothing are a mistake");
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
