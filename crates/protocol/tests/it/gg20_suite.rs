//! The parameters: there is one set, and a small one that no optimised build can have.

use std::path::Path;
use std::process::Command;

use keymoot_protocol::gg20::Suite;

/// Compiles a program that uses the small parameters, with these flags.
fn compiles(name: &str, flags: &[&str]) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gg20/suite/small.rs");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("{name}.rs"));
    let program = format!(
        "pub struct Lengths {{ pub modulus: usize, pub mask: usize, pub slack: usize }}\n\
         pub const fn is_sound(_: &Lengths, _: usize) -> bool {{ true }}\n\
         #[path = {source:?}] mod small;\n\
         fn main() {{ assert!(small::SMALL.modulus + small::SMALL.mask + small::SMALL.slack > 0) }}\n"
    );
    std::fs::write(&file, program).expect("a file in the target folder");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(compiler)
        .args(["--edition", "2024", "--emit", "metadata", "--out-dir"])
        .arg(folder)
        .args(flags)
        .arg(&file)
        .output()
        .expect("the compiler runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() || told.contains("cannot find") || told.contains("could not find"),
        "{told}"
    );
    output.status.success()
}

const FEATURE: &str = "feature=\"small-parameters\"";

#[test]
fn no_optimised_build_has_the_small_parameters() {
    assert!(compiles("debug", &["-C", "debug-assertions=on", "--cfg", FEATURE]), "a build for tests");
    assert!(
        !compiles("release", &["-C", "debug-assertions=off", "-O", "--cfg", FEATURE]),
        "with the feature"
    );
    assert!(!compiles("bare", &["-C", "debug-assertions=on"]), "without it");
}

#[test]
fn every_suite_has_a_name_and_a_digest_of_its_own() {
    let names: std::collections::BTreeSet<_> = Suite::ALL.iter().map(|suite| suite.name()).collect();
    assert_eq!(names.len(), Suite::ALL.len());
    for suite in Suite::ALL {
        assert_eq!(Suite::of(&suite.digest()), Some(*suite));
    }
    assert_eq!(Suite::Full.modulus_bits(), 3072);
    assert_eq!(Suite::ALL[0], Suite::Full);
}
