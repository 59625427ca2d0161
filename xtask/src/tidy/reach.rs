//! Rules that need to know which files a crate is made of: dead files, and hashes outside the transcript.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::finding::Finding;
use crate::modules::reachable;
use crate::source::{Name, Scope, names};

/// Crates in which everything hashed is a named struct in `transcript.rs`.
const HASHING: [&str; 2] = ["crates/types", "crates/protocol"];
const HASH_CRATES: [&str; 9] =
    ["sha1", "sha2", "sha3", "blake2", "blake3", "hmac", "hkdf", "ripemd", "tiny_keccak"];
const HASH_TYPES: [&str; 8] = ["Sha2", "Sha3", "Sha5", "Keccak", "Blake", "Ripemd", "Hmac", "Hkdf"];

/// Checks every package in the tree.
pub(super) fn check(root: &Path, files: &[PathBuf], findings: &mut Vec<Finding>) -> Result<()> {
    for manifest in files.iter().filter(|file| file.file_name().is_some_and(|name| name == "Cargo.toml")) {
        let package = manifest.parent().unwrap_or(Path::new(""));
        let modules = reachable(root, package)?;
        let src = package.join("src");
        let is_source =
            |file: &&PathBuf| file.starts_with(&src) && file.extension().is_some_and(|e| e == "rs");
        for dead in files.iter().filter(is_source).filter(|file| !modules.contains_key(*file)) {
            findings.push(Finding::new(
                dead,
                1,
                "a dead file (no `mod` leads here, so nothing compiles or tests it)",
            ));
        }
        if HASHING.iter().any(|hashing| package == Path::new(hashing)) {
            hashes(root, &src, &modules, findings)?;
        }
    }
    Ok(())
}

fn hashes(
    root: &Path,
    src: &Path,
    modules: &BTreeMap<PathBuf, bool>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let is_transcript =
        |path: &Path| path.starts_with(src.join("transcript")) || path == src.join("transcript.rs");
    for (path, _) in modules.iter().filter(|(path, is_product)| **is_product && !is_transcript(path)) {
        let text =
            fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {}", path.display()))?;
        for name in names(syn::parse_str(&text)?, Scope::Product).iter().filter(|name| is_hash(name)) {
            let name_in_full = name.segments.join("::");
            let what =
                format!("`{name_in_full}` outside transcript.rs (everything hashed is a named struct there)");
            findings.push(Finding::new(path, name.line, what));
        }
    }
    Ok(())
}

fn is_hash(name: &Name) -> bool {
    let is_crate = |first: &String| HASH_CRATES.contains(&first.as_str()) && name.segments.len() > 1;
    let is_type = |segment: &String| HASH_TYPES.iter().any(|hash| segment.starts_with(hash));
    name.segments.first().is_some_and(is_crate) || name.segments.iter().any(is_type)
}
