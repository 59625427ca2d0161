//! Taste as a test: sizes, names, and a few habits that matter for an audit. Reads only.

mod names;
mod reach;
mod size;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::TokenStream;

use crate::finding::Finding;
use crate::tree;

/// One Rust file, read once for all rules.
struct Source {
    path: PathBuf,
    text: String,
    syntax: syn::File,
    tokens: TokenStream,
}

type Rule = fn(&Source, &mut Vec<Finding>);

const RULES: [Rule; 5] = [size::file, size::functions, names::names, words::lines, words::habits];

/// All findings in the tree below `root`, sorted by place.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let files = tree::files(root)?;
    let mut findings = Vec::new();
    for path in &files {
        if words::may_hold_machine_paths(path) {
            words::machine_paths(path, &must_be_text(root, path)?, &mut findings);
        }
        if path.extension().is_some_and(|extension| extension == "rs") {
            names::file(path, &mut findings);
            check_source(root, path, &mut findings)?;
        }
    }
    // What does not parse has been told above, and its modules cannot be followed.
    if findings.iter().all(|finding| !finding.what.starts_with(UNREADABLE)) {
        reach::check(root, &files, &mut findings)?;
    }
    findings.sort();
    Ok(findings)
}

const UNREADABLE: &str = "not valid Rust";

fn check_source(root: &Path, path: &Path, findings: &mut Vec<Finding>) -> Result<()> {
    let text = must_be_text(root, path)?;
    let parsed = syn::parse_file(&text).and_then(|syntax| Ok((syntax, syn::parse_str(&text)?)));
    match parsed {
        Ok((syntax, tokens)) => {
            let source = Source { path: path.to_owned(), text, syntax, tokens };
            RULES.iter().for_each(|rule| rule(&source, findings));
        }
        Err(error) => {
            findings.push(Finding::new(path, error.span().start().line, format!("{UNREADABLE}: {error}")))
        }
    }
    Ok(())
}

fn must_be_text(root: &Path, path: &Path) -> Result<String> {
    fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests;
