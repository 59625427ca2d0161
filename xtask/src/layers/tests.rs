//! The walls hold: each kind of breach in a small workspace is found, and a clean one passes.

use super::*;

const LINTS: &str = "\n[lints]\nworkspace = true\n";

const ROOT: &str = "[workspace]
members = [\"crates/*\"]
exclude = [\"strangers\"]
resolver = \"3\"
[workspace.lints.rust]
unsafe_code = \"forbid\"
";

/// A clean workspace with these files over it.
fn must_plant(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let mut all = vec![("Cargo.toml".to_owned(), ROOT.to_owned())];
    for member in ["types", "protocol", "engine", "keymoot"] {
        all.push((format!("crates/{member}/Cargo.toml"), manifest(member, "")));
        all.push((format!("crates/{member}/src/lib.rs"), CLEAN.to_owned()));
    }
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    for (path, text) in all {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    root
}

const CLEAN: &str = "//! Clean: std::time is only named here.
use core::time::Duration;
use std::collections::BTreeMap;
fn log(x: &str) -> &str { \"Instant\" }
#[cfg(test)]
mod tests { use std::{io, time::Instant}; #[test] fn f() { println!(); } }
";

fn manifest(member: &str, dependencies: &str) -> String {
    let name = if member == "keymoot" { member.to_owned() } else { format!("keymoot-{member}") };
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{LINTS}\n{dependencies}\n"
    )
}

/// A crate of another house, planted so that no network is needed.
fn stranger(name: &str) -> String {
    let features = "[features]\ngetrandom = []\nstd = []\n";
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{features}")
}

fn must_check(files: &[(&str, &str)]) -> Vec<String> {
    let root = must_plant(files);
    check(root.path()).expect("a check").iter().map(ToString::to_string).collect()
}

/// The findings when protocol's manifest ends so, with a planted stranger of that name outside the workspace.
fn must_check_protocol(stranger_name: &str, dependencies: &str) -> Vec<String> {
    must_check(&[
        (&format!("strangers/{stranger_name}/Cargo.toml"), &stranger(stranger_name)),
        (&format!("strangers/{stranger_name}/src/lib.rs"), ""),
        ("crates/protocol/Cargo.toml", &manifest("protocol", dependencies)),
    ])
}

#[test]
fn a_clean_workspace_passes() {
    assert_eq!(must_check(&[]), [""; 0]);
    let allowed = "[dependencies]\nkeymoot-types = { path = \"../types\" }\n";
    assert_eq!(must_check(&[("crates/protocol/Cargo.toml", &manifest("protocol", allowed))]), [""; 0]);
}

#[test]
fn a_pure_crate_may_not_gain_tokio() {
    for table in ["dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
        let found = must_check_protocol(
            "tokio",
            &format!("[{table}]\ntokio = {{ path = \"../../strangers/tokio\" }}"),
        );
        assert!(found.len() == 1 && found[0].contains("depends on `tokio`"), "{found:?}");
    }
    let renamed =
        "[dependencies]\nquiet = { package = \"tokio-stream\", path = \"../../strangers/tokio-stream\" }";
    assert_eq!(must_check_protocol("tokio-stream", renamed).len(), 1);
}

#[test]
fn a_dev_dependency_is_free() {
    let dev = "[dev-dependencies]\ntokio = { path = \"../../strangers/tokio\" }";
    assert_eq!(must_check_protocol("tokio", dev), [""; 0]);
}

#[test]
fn a_pure_crate_may_not_ask_the_system_for_chance() {
    let plain = "[dependencies]\nrand_core = { path = \"../../strangers/rand_core\" }";
    assert_eq!(must_check_protocol("rand_core", plain), [""; 0]);
    let asked = plain.replace(" }", ", features = [\"getrandom\"] }");
    assert!(must_check_protocol("rand_core", &asked)[0].contains("the feature `getrandom`"));
    let own = format!("{plain}\n[features]\nhost = [\"rand_core/std\"]");
    let found = must_check(&[
        ("strangers/rand_core/Cargo.toml", &stranger("rand_core")),
        ("strangers/rand_core/src/lib.rs", ""),
        ("crates/protocol/Cargo.toml", &manifest("protocol", &own)),
    ]);
    assert!(found.len() == 1 && found[0].contains("switches on `rand_core/std`"), "{found:?}");
}

#[test]
fn impure_names_are_found() {
    for source in [
        "use std::time::Duration;",
        "use std::{collections::BTreeMap, time::Instant};",
        "use std::{self, fs as storage};",
        "use std::*;",
        "fn f() { let x = ::std::env::var(X); }",
        "fn f() { m!(std::thread::spawn(g)); }",
        "use rand_core::OsRng;",
        "fn f(r: &mut rand_core::OsRng) {}",
        "fn f() { rand::thread_rng(); }",
        "struct S { map: HashMap<u8, u8> }",
        "async fn f() {}",
        "fn f() { x.await }",
        "fn f() { println!(\"x\"); }",
        "fn f() { log::warn!(\"x\"); }",
        "#[cfg(not(test))] fn f() { std::process::abort(); }",
    ] {
        let found = must_check(&[("crates/protocol/src/lib.rs", source)]);
        assert!(
            !found.is_empty() && found[0].starts_with("crates/protocol/src/lib.rs:1: `"),
            "{source} {found:?}"
        );
    }
}

#[test]
fn impure_names_are_found_in_modules_but_not_in_test_modules() {
    let files = [
        ("crates/engine/src/lib.rs", "mod a;\n#[cfg(test)]\nmod b;"),
        ("crates/engine/src/a.rs", "\nuse std::net::IpAddr;"),
        ("crates/engine/src/b.rs", "use std::net::IpAddr;"),
    ];
    let found = must_check(&files);
    assert!(found.len() == 1 && found[0].starts_with("crates/engine/src/a.rs:2:"), "{found:?}");
}

#[test]
fn the_binary_may_touch_the_world() {
    assert_eq!(must_check(&[("crates/keymoot/src/lib.rs", "use std::time::Instant;")]), [""; 0]);
}

#[test]
fn a_forbidden_edge_is_found() {
    let upward = "[dependencies]\nkeymoot-engine = { path = \"../engine\" }";
    let found = must_check(&[("crates/protocol/Cargo.toml", &manifest("protocol", upward))]);
    assert!(found[0].contains("`keymoot-protocol` may not depend on `keymoot-engine`"), "{found:?}");
    assert!(found[0].starts_with("crates/protocol/Cargo.toml:10:"), "{found:?}");
}

#[test]
fn nobody_leans_on_a_tool() {
    let edge = "[dependencies]\nkeymoot-xtask = { path = \"../xtask\" }";
    let found = must_check(&[
        ("crates/xtask/Cargo.toml", &manifest("xtask", "")),
        ("crates/xtask/src/lib.rs", ""),
        ("crates/keymoot/Cargo.toml", &manifest("keymoot", edge)),
    ]);
    assert!(found.len() == 1 && found[0].contains("may not depend on `keymoot-xtask`"), "{found:?}");
}

#[test]
fn an_unknown_crate_is_found() {
    let found =
        must_check(&[("crates/cache/Cargo.toml", &manifest("cache", "")), ("crates/cache/src/lib.rs", "")]);
    assert!(found.len() == 1 && found[0].contains("`keymoot-cache` is not in the layer table"), "{found:?}");
}

#[test]
fn a_pure_crate_takes_the_workspace_lints() {
    let without = manifest("types", "").replace(LINTS, "");
    let found = must_check(&[("crates/types/Cargo.toml", &without)]);
    assert!(found.len() == 1 && found[0].contains("no `[lints] workspace = true`"), "{found:?}");
}
