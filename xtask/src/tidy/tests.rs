//! Each rule fires on a small bad tree, and a good tree passes.

use super::*;

/// A tree with a good crate and these files beside or over it.
fn must_plant(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let good = [
        (".gitignore", "/target/\n/private/\n"),
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/types\"]\n"),
        ("crates/types/Cargo.toml", "[package]\nname = \"keymoot-types\"\n"),
        ("crates/types/src/lib.rs", "//! Words.\nmod id;\nmod transcript;\n#[cfg(test)]\nmod proofs;\n"),
        (
            "crates/types/src/id.rs",
            "//! Names.\nmod print;\n/// Not sha2::Sha256.\npub fn data() -> u8 { 1 }\n",
        ),
        ("crates/types/src/id/print.rs", "fn metadata() -> &'static str { \"Sha256 a/home/b\" }\n"),
        ("crates/types/src/transcript.rs", "use sha2::{Digest, Sha256};\n"),
        ("crates/types/src/proofs.rs", "use sha2::Sha256;\n"),
        ("target/debug/common.rs", "not rust"),
        ("private/common.rs", "not rust"),
    ];
    for (path, text) in good.iter().chain(files) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    root
}

fn must_check(files: &[(&str, &str)]) -> Vec<String> {
    let root = must_plant(files);
    check(root.path()).expect("a check").iter().map(ToString::to_string).collect()
}

/// The only finding in a tree with this file in a place where it is not dead.
fn must_find_one(text: &str) -> String {
    let found = must_check(&[("crates/types/tests/story.rs", text)]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one")
}

#[test]
fn a_good_tree_passes() {
    assert_eq!(must_check(&[]), [""; 0]);
}

#[test]
fn a_long_file_is_found_without_its_unit_tests() {
    let long = "//\n".repeat(601);
    assert!(must_find_one(&long).starts_with("crates/types/tests/story.rs:601: 601 lines"));
    let tested = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "//\n".repeat(600), "//\n".repeat(100));
    assert_eq!(must_check(&[("crates/types/tests/story.rs", &tested)]), [""; 0]);
}

#[test]
fn a_long_function_is_found_wherever_it_is() {
    let body = "\n".repeat(70);
    for text in [
        format!("fn f() {{{body}}}"),
        format!("struct S; impl S {{ fn f() {{{body}}} }}"),
        format!("trait T {{ fn f() {{{body}}} }}"),
        format!("mod m {{ fn f() {{ let brace = \"}}\";{body}}} }}"),
    ] {
        let found = must_find_one(&text);
        assert!(found.starts_with("crates/types/tests/story.rs:1: `f` has 71 lines"), "{found}");
    }
    let fits = format!("fn f() {{{}}}", "\n".repeat(69));
    assert_eq!(must_check(&[("crates/types/tests/story.rs", &fits)]), [""; 0]);
}

#[test]
fn names_that_say_nothing_are_found() {
    for (text, word) in [
        ("struct KeyManager;", "manager"),
        ("enum Misc {}", "misc"),
        ("trait PrintUtil {}", "util"),
        ("fn a_helper() {}", "helper"),
        ("struct S; impl S { fn common() {} }", "common"),
        ("mod info {}", "info"),
    ] {
        let found = must_find_one(text);
        assert!(found.contains(&format!(":1: `{word}` in the name")), "{found}");
    }
    let found = must_check(&[("crates/types/tests/utils.rs", ""), ("crates/types/tests/data/a.rs", "")]);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_mod_rs_is_found() {
    let found = must_check(&[("crates/types/tests/it/mod.rs", "")]);
    assert!(found[0].contains("a `mod.rs`"), "{found:?}");
}

#[test]
fn a_hash_outside_the_transcript_is_found() {
    for text in
        ["use sha2::{self as s};", "fn f() { let h = Sha512::new(); }", "type M = hmac::SimpleHmac<H>;"]
    {
        let found = must_check(&[("crates/types/src/id/print.rs", text)]);
        assert!(found.len() == 1 && found[0].contains("outside transcript.rs"), "{text} {found:?}");
    }
}

#[test]
fn a_dead_file_is_found() {
    let found = must_check(&[("crates/types/src/print.rs", "")]);
    assert!(
        found.len() == 1 && found[0].starts_with("crates/types/src/print.rs:1: a dead file"),
        "{found:?}"
    );
}

#[test]
fn open_promises_are_found() {
    for text in [concat!("// TO", "DO: later"), concat!("/* FIX", "ME */"), concat!("fn f() { todo", "!() }")]
    {
        assert!(must_find_one(text).contains("issue list"));
    }
}

#[test]
fn tests_which_are_not_run_are_found() {
    for text in ["#[test] #[ignore] fn f() {}", "#[cfg_attr(slow, ignore = \"slow\")] fn f() {}"] {
        assert!(must_find_one(text).contains("an ignored test"));
    }
    assert!(must_find_one("/// ```rust,ignore\n/// x\n/// ```\nfn f() {}").contains("an ignored doctest"));
}

#[test]
fn a_sleeping_test_is_found() {
    for text in ["fn f() { std::thread::sleep(x) }", "use std::{thread::{sleep, spawn}, fmt};"] {
        assert!(must_find_one(text).contains("wait for an event"));
    }
}

#[test]
fn a_path_of_one_machine_is_found() {
    let path = concat!("see /ho", "me/me/x");
    for file in ["README.md", "crates/types/vectors.json", "run.sh"] {
        let found = must_check(&[(file, path)]);
        assert!(found.len() == 1 && found[0].starts_with(&format!("{file}:1: ")), "{found:?}");
    }
}

#[test]
fn what_does_not_parse_is_found() {
    assert!(must_find_one("fn f( {").contains(UNREADABLE));
}
