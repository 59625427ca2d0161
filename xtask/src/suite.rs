//! Runs `cargo test` and knows which package each test belongs to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::libtest::{Report, Section, Verdict};
use crate::tools::{ensure_c_compiler, ensure_namespaces};
use crate::workspace::{Workspace, packages, read, stream};

/// A finished run.
pub struct Suite {
    /// What it reported.
    pub report: Report,
    /// Why the report cannot be trusted; empty when it can.
    pub problems: Vec<String>,
    /// The package by the file name of its test binary.
    owners: BTreeMap<String, String>,
}

impl Suite {
    /// The package whose tests are in this section.
    pub fn package(&self, section: &Section) -> String {
        match section.binary.strip_prefix("Doc-tests ") {
            Some(library) => library.replace('_', "-"),
            None => self.owners.get(&section.binary).cloned().unwrap_or_default(),
        }
    }

    /// How many tests ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.report.sections.iter().map(|section| section.count(verdict)).sum()
    }
}

/// Builds and runs the selected packages' tests, those whose name contains `filter`. Prints one line per
/// binary, its sums, and failures in full; everything is in the log. An error means nothing was run.
pub fn run(workspace: &Workspace, selection: &[&str], filter: Option<&str>) -> Result<Suite> {
    ensure_c_compiler()?;
    ensure_namespaces();
    let owners = build(workspace, selection)?;
    let mut test = workspace.cargo(&["test", "--locked", "--no-fail-fast"]);
    test.args(selection).args(["--", "--show-output"]).args(filter).env("CARGO_TERM_COLOR", "never");
    let log = workspace.logs()?.join("test.log");
    let mut report = Report::default();
    let status = stream(&mut test, &log, |line| {
        if report.feed(line) {
            println!("{line}");
        }
    })?;
    let mut problems = report.problems();
    let has_failed = report.tests().any(|test| test.verdict == Verdict::Failed);
    if !status.success() && !has_failed && problems.is_empty() {
        problems.push(format!("`cargo test` failed though no test did ({status})"));
    }
    for problem in &problems {
        println!("could not account for all tests: {problem}");
    }
    println!("log: {}", log.display());
    Ok(Suite { report, problems, owners })
}

/// Compiles with the terminal attached, so that compiler errors look as always.
fn build(workspace: &Workspace, selection: &[&str]) -> Result<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Message {
        package_id: Option<String>,
        executable: Option<PathBuf>,
    }
    let names: BTreeMap<String, String> =
        packages(&workspace.root)?.into_iter().map(|package| (package.id, package.name)).collect();
    let mut build = workspace.cargo(&["test", "--locked", "--no-run"]);
    let messages = read(build.args(selection).arg("--message-format=json-render-diagnostics"))
        .context("the tests do not compile")?;
    let mut owners = BTreeMap::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line)?;
        let (Some(id), Some(executable)) = (message.package_id, message.executable) else { continue };
        if let (Some(name), Some(file)) = (names.get(&id), executable.file_name()) {
            owners.insert(file.to_string_lossy().into_owned(), name.clone());
        }
    }
    Ok(owners)
}
