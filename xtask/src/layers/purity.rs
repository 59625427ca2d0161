//! What a pure crate may not touch. Time, chance and storage are arguments there, so that every run replays
//! bit for bit; this looks at its manifest and at every name in its source.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{folder, line_of};
use crate::finding::Finding;
use crate::modules::reachable;
use crate::source::{Name, Scope, names};
use crate::workspace::Package;

/// Crates that wait, log, or ask the system; also `name-*` of each.
const CRATES: [&str; 31] = [
    "tokio",
    "async-std",
    "smol",
    "futures",
    "mio",
    "socket2",
    "rand",
    "getrandom",
    "fastrand",
    "tracing",
    "log",
    "env_logger",
    "slog",
    "reqwest",
    "ureq",
    "hyper",
    "tonic",
    "axum",
    "tower",
    "rustls",
    "quinn",
    "sqlx",
    "redb",
    "redis",
    "rusqlite",
    "sled",
    "rocksdb",
    "chrono",
    "time",
    "tempfile",
    "walkdir",
];

/// Crates which are pure only without these features.
const FEATURES: [(&str, &[&str]); 2] =
    [("rand_core", &["getrandom", "std", "os_rng"]), ("rand_chacha", &["getrandom", "os_rng"])];

const MODULES: [&[&str]; 9] = [
    &["std", "time"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "io"],
    &["std", "env"],
    &["std", "thread"],
    &["std", "process"],
    &["log"],
    &["tracing"],
];

const WORDS: [&str; 9] =
    ["OsRng", "thread_rng", "getrandom", "HashMap", "HashSet", "SystemTime", "Instant", "async", "await"];

const MACROS: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];

/// All checks of one pure crate.
pub(super) fn check(
    root: &Path,
    package: &Package,
    manifest: &Path,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    dependencies(package, manifest, findings);
    lints(package, manifest, findings)?;
    sources(root, manifest, findings)
}

fn dependencies(package: &Package, manifest: &Path, findings: &mut Vec<Finding>) {
    for dependency in package.shipped() {
        let name = &dependency.name;
        let line = line_of(package, name);
        let is_banned = |banned: &str| {
            name.strip_prefix(banned).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if CRATES.iter().any(|banned| is_banned(banned)) {
            findings.push(Finding::new(manifest, line, format!("a pure crate depends on `{name}` {WHY}")));
        }
        for feature in forbidden_features(name) {
            if dependency.features.iter().any(|asked| asked == feature) {
                let what = format!("a pure crate asks for the feature `{feature}` of `{name}` {WHY}");
                findings.push(Finding::new(manifest, line, what));
            }
        }
    }
    for (own, switched_on) in &package.features {
        let Some(forbidden) = switched_on.iter().find(|feature| is_forbidden_feature(feature)) else {
            continue;
        };
        let what = format!("the feature `{own}` of a pure crate switches on `{forbidden}` {WHY}");
        findings.push(Finding::new(manifest, line_of(package, own), what));
    }
}

const WHY: &str =
    "(no clock, chance, waiting, I/O, log or random order here; see ARCHITECTURE.md, laws 1 and 3)";

fn forbidden_features(name: &str) -> &'static [&'static str] {
    FEATURES.into_iter().find(|(known, _)| *known == name).map_or(&[], |(_, features)| features)
}

/// `rand_core/std` or `rand_core?/std`, as a feature of our own names it.
fn is_forbidden_feature(switch: &str) -> bool {
    switch
        .split_once('/')
        .is_some_and(|(name, feature)| forbidden_features(name.trim_end_matches('?')).contains(&feature))
}

/// The workspace lints forbid `unsafe` and more, but only for crates that ask for them.
fn lints(package: &Package, manifest: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    let table: toml::Table = fs::read_to_string(&package.manifest_path)?.parse()?;
    let workspace = table.get("lints").and_then(|lints| lints.get("workspace"));
    if workspace.and_then(toml::Value::as_bool) != Some(true) {
        let what = "no `[lints] workspace = true` (the workspace lints forbid `unsafe`)";
        findings.push(Finding::new(manifest, 1, what));
    }
    Ok(())
}

fn sources(root: &Path, manifest: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    for (path, is_product) in reachable(root, &folder(manifest))? {
        if !is_product {
            continue;
        }
        let text = fs::read_to_string(root.join(&path))?;
        let tokens = syn::parse_str(&text).with_context(|| format!("cannot parse {}", path.display()))?;
        for name in names(tokens, Scope::Product).iter().filter(|name| is_impure(name)) {
            let what = format!("`{}` in a pure crate {WHY}", name.segments.join("::"));
            findings.push(Finding::new(&path, name.line, what));
        }
    }
    Ok(())
}

fn is_impure(name: &Name) -> bool {
    let is_word = |segment: &String| WORDS.contains(&segment.as_str());
    let is_macro = name.is_macro && name.segments.last().is_some_and(|last| MACROS.contains(&last.as_str()));
    let is_module = |module: &[&str]| name.starts_with(module) && name.segments.len() > 1;
    is_macro || MODULES.into_iter().any(is_module) || name.segments.iter().any(is_word)
}
