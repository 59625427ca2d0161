//! Read-only checks of the tree, cheapest first. CI runs exactly these before any test.

use anyhow::Result;

use crate::finding::report;
use crate::tally::Tally;
use crate::tools::{DENY, ensure_c_compiler};
use crate::workspace::{Workspace, run};
use crate::{layers, tidy};

type Step = fn(&Workspace) -> Result<()>;

const STEPS: [(&str, Step); 6] = [
    ("fmt", |place| run(&mut place.cargo(&["fmt", "--all", "--check"]))),
    ("tidy", |place| report(&tidy::check(&place.root)?)),
    ("layers", |place| report(&layers::check(&place.root)?)),
    ("clippy", clippy),
    ("doc", doc),
    ("deny", deny),
];

/// Runs the steps up to the first that fails and prints the sums; returns whether all passed.
pub fn verify(workspace: &Workspace) -> bool {
    let mut tally = Tally::default();
    check(workspace, &mut tally);
    tally.conclude()
}

/// The same as a part of something larger.
pub fn check(workspace: &Workspace, tally: &mut Tally) -> bool {
    STEPS.iter().all(|(name, step)| tally.check(name, || step(workspace)))
}

/// The writing counterpart of `verify`.
pub fn fix(workspace: &Workspace) -> Result<()> {
    run(&mut workspace.cargo(&["fmt", "--all"]))?;
    run(&mut workspace.cargo(&[
        "clippy",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
        "--workspace",
        "--all-targets",
    ]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    ensure_c_compiler()?;
    run(&mut workspace.cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn doc(workspace: &Workspace) -> Result<()> {
    let mut doc =
        workspace.cargo(&["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"]);
    run(doc.env("RUSTDOCFLAGS", "-D rustdoc::broken_intra_doc_links -D warnings"))
}

fn deny(workspace: &Workspace) -> Result<()> {
    let mut deny = DENY.command(workspace)?;
    // The manifests of all platforms' dependencies are read, so they must be here first.
    run(&mut workspace.cargo(&["fetch", "--locked", "--quiet"]))?;
    run(deny.args(["--offline", "check", "licenses", "bans", "sources"]))
}
