//! `keymoot up` in several directories: none takes another's context, or writes into what is somebody else's.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::keymoot;

fn run(place: &Path, arguments: &[&str]) -> Output {
    let mut command = keymoot(arguments);
    command
        .current_dir(place)
        .env("XDG_CONFIG_HOME", place.join("config"))
        .env("XDG_RUNTIME_DIR", place.join("run"))
        .env_remove("KEYMOOT_CTX");
    command.output().expect("the binary runs")
}

fn must_refuse(place: &Path, arguments: &[&str], code: &str, exit: i32) -> Value {
    let output = run(place, &[arguments, &["--json"]].concat());
    let told: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
    assert_eq!((&told["code"], output.status.code()), (&code.into(), Some(exit)), "{told}");
    told
}

/// Starts it and lets it go; returns what it printed.
fn must_start(place: &Path, arguments: &[&str]) -> String {
    let all = [&["up", "--nodes", "2", "--patience", "120", "--exit"], arguments].concat();
    let output = run(place, &all);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

fn contexts(place: &Path) -> Vec<(String, String)> {
    let output = run(place, &["context", "list", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let rows = told["contexts"].as_array().expect("a list").iter();
    let text = |row: &Value, field: &str| row[field].as_str().expect("text").to_owned();
    rows.map(|row| (text(row, "name"), text(row, "directory"))).collect()
}

#[test]
fn a_second_directory_takes_no_context_over_and_a_foreign_one_is_left_alone() {
    let stage = tempfile::tempdir().expect("a place for temporary files");
    let place = stage.path();
    std::fs::create_dir(place.join("mine")).expect("a folder");
    std::fs::write(place.join("mine/letter.txt"), "dear").expect("a file");
    let told = must_refuse(place, &["up", "--dir", "mine"], "E2404", 6);
    assert_eq!(told["undone"], "nothing was started or written");
    let output = run(place, &["up", "--dir", "mine"]);
    assert!(
        output.stdout.is_empty(),
        "nothing is said to be kept: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    let left = std::fs::read_dir(place.join("mine")).expect("a folder").count();
    assert_eq!((left, contexts(place)), (1, vec![]));

    must_start(place, &["--dir", "first"]);
    let told = must_start(place, &["--dir", "second"]);
    assert!(told.contains("context second"), "{told}");
    let first = place.join("first/you").display().to_string();
    let second = place.join("second/you").display().to_string();
    let both = vec![("second".to_owned(), second), ("up".to_owned(), first)];
    assert_eq!(contexts(place), both);
    // What has ended says how it is started again, and that this command has asked for nothing.
    let told = must_refuse(place, &["sign", "--key", "hot", "--message", "x", "--context", "up"], "E5901", 5);
    assert!(
        told["help"].to_string().contains("keymoot up --dir") && told["help"].to_string().contains("first"),
        "{told}"
    );
    assert!(told["undone"].to_string().contains("has asked for nothing"), "{told}");
    let output = run(place, &["doctor", "--context", "up"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        told.contains("✗ processes") && told.contains("✗ gateway") && told.contains("✗ coordinators"),
        "{told}"
    );
    assert!(told.contains("keymoot up --dir") && told.contains("disk"), "{told}");
    let told = must_refuse(place, &["up", "--dir", "third", "--context", "up"], "E2609", 6);
    assert!(told["what"].to_string().contains("first"), "{told}");
    assert!(!place.join("third").exists(), "nothing was written");
    // It is found again under its name, with the key that it has.
    let told = must_start(place, &["--dir", "first"]);
    assert!(told.contains("context up") && told.contains("Key \"hot\" · dkls23 · 2-of-2 · key_"), "{told}");
    assert_eq!(contexts(place), both);
}
