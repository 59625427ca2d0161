//! The attack table is a promise: every covered row has a test that mounts the attack. This checks the promise.
//!
//! A test bears a row's id when a segment of its path starts with it: `s01_rogue_key_is_blamed` bears S01.

mod table;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::libtest::{Test, Verdict};
use crate::suite::{self, Suite};
use crate::workspace::Workspace;
use table::Table;

const TABLE: &str = "crates/protocol/spec/attacks.md";

/// The packages whose tests may bear a row.
const PACKAGES: [&str; 2] = ["keymoot-protocol", "keymoot-engine"];

/// Runs the tests of those packages, then checks the table.
pub fn attacks(workspace: &Workspace) -> Result<()> {
    let selection: Vec<&str> = PACKAGES.iter().flat_map(|package| ["-p", package]).collect();
    let suite = suite::run(workspace, &selection, None)?;
    check(workspace, &suite)?;
    match suite.problems.is_empty() {
        true => Ok(()),
        false => bail!("could not account for all tests"),
    }
}

/// Checks the table against a run that has been done.
pub fn check(workspace: &Workspace, suite: &Suite) -> Result<()> {
    let text =
        fs::read_to_string(workspace.root.join(TABLE)).with_context(|| format!("cannot read {TABLE}"))?;
    let table = Table::read(&text).with_context(|| format!("bad table in {TABLE}"))?;
    let sections = suite.report.sections.iter();
    let ours = sections.filter(|section| PACKAGES.contains(&suite.package(section).as_str()));
    let coverage = cover(&table, ours.flat_map(|section| &section.tests));
    for line in &coverage.lines {
        println!("{line}");
    }
    println!("{} rows wait for what they attack", table.later.len());
    match coverage.is_complete {
        true => Ok(()),
        false => bail!("the attack table and the tests do not agree"),
    }
}

struct Coverage {
    lines: Vec<String>,
    is_complete: bool,
}

fn cover<'a>(table: &Table, tests: impl Iterator<Item = &'a Test>) -> Coverage {
    let mut borne: BTreeMap<String, Vec<&Test>> = BTreeMap::new();
    for test in tests {
        for id in ids(&test.name) {
            borne.entry(id).or_default().push(test);
        }
    }
    let mut lines = Vec::new();
    let mut covered = 0;
    for id in &table.covered {
        let tests = borne.remove(id).unwrap_or_default();
        let verdict = if tests.iter().any(|test| test.verdict == Verdict::Failed) {
            "FAILED"
        } else if tests.iter().any(|test| test.verdict == Verdict::Ok) {
            covered += 1;
            "ok"
        } else {
            "MISSING"
        };
        lines.push(format!("{id} {:>3} {verdict}", tests.len()));
    }
    // Rows for later may have tests already; every other id is a slip of the pen.
    borne.retain(|id, _| !table.later.contains(id));
    for (id, tests) in &borne {
        lines.push(format!("{id} is not in the table, but a test bears it: {}", tests[0].name));
    }
    lines.push(format!("covered {covered} of {}", table.covered.len()));
    Coverage { lines, is_complete: covered == table.covered.len() && borne.is_empty() }
}

/// The row ids a test bears.
fn ids(test: &str) -> Vec<String> {
    test.split("::")
        .filter_map(|segment| segment.split_once('_'))
        .map(|(head, _)| head)
        .filter(|head| head.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(str::to_ascii_uppercase)
        .filter(|head| table::is_id(head))
        .collect()
}

#[cfg(test)]
mod tests;
