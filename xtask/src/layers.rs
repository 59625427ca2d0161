//! Who may lean on whom, and what a pure crate may not touch. The table is ARCHITECTURE.md's, as code.

mod purity;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::finding::Finding;
use crate::workspace::{Package, packages};
use table::Layer;

/// All findings in the workspace at `root`, sorted by place.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    // cargo prints real paths, so the root must be one too.
    let root = fs::canonicalize(root)?;
    let packages = packages(&root)?;
    let mut findings = Vec::new();
    for package in &packages {
        let manifest =
            package.manifest_path.strip_prefix(&root).context("a package outside the workspace")?;
        match Layer::of(&package.name) {
            None => findings.push(Finding::new(
                manifest,
                1,
                format!("`{}` is not in the layer table (say there what it may lean on)", package.name),
            )),
            Some(layer) => {
                edges(package, manifest, layer, &packages, &mut findings);
                if layer.is_pure {
                    purity::check(&root, package, manifest, &mut findings)?;
                }
            }
        }
    }
    findings.sort();
    Ok(findings)
}

fn edges(
    package: &Package,
    manifest: &Path,
    layer: &Layer,
    packages: &[Package],
    findings: &mut Vec<Finding>,
) {
    let is_ours =
        |name: &str| packages.iter().any(|package| package.name == name && name.starts_with("keymoot"));
    for dependency in package.shipped().filter(|dependency| is_ours(&dependency.name)) {
        if !layer.may_lean_on(&dependency.name) {
            let what = format!(
                "`{}` may not depend on `{}` (the layer table does not list it; a new edge needs an ADR)",
                package.name, dependency.name
            );
            findings.push(Finding::new(manifest, line_of(package, &dependency.name), what));
        }
    }
}

/// Where a manifest names something; the first line when it is spelled in another way.
fn line_of(package: &Package, word: &str) -> usize {
    let text = fs::read_to_string(&package.manifest_path).unwrap_or_default();
    text.lines().position(|line| line.trim_start().starts_with(word)).map_or(1, |i| i + 1)
}

/// The folder of a package, relative to the root.
fn folder(manifest: &Path) -> PathBuf {
    manifest.parent().unwrap_or(Path::new("")).to_owned()
}

#[cfg(test)]
mod tests;
