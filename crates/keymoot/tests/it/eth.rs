//! `keymoot eth` from outside, as far as it goes without a cluster.

use serde_json::Value;

use crate::keymoot;

/// The code and exit code of a run that must fail.
fn refused(arguments: &[&str]) -> (String, Option<i32>) {
    let place = tempfile::tempdir().expect("a place for temporary files");
    std::fs::write(place.path().join("odd.toml"), "chain_idd = 1\n").expect("a file can be written");
    let output = keymoot(&[&["eth", "--json"], arguments].concat())
        .env("XDG_RUNTIME_DIR", place.path())
        .env("XDG_CONFIG_HOME", place.path())
        .env_remove("KEYMOOT_CTX")
        .current_dir(place.path())
        .output()
        .expect("the binary runs");
    assert!(output.stdout.is_empty(), "nothing was started");
    let told: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
    crate::schema::must_fit(&told);
    (told["code"].as_str().expect("a code").to_owned(), output.status.code())
}

#[test]
fn a_signer_does_not_start_without_all_that_it_needs() {
    let node = ["--downstream", "http://127.0.0.1:1"];
    assert_eq!(refused(&node), ("E2302".into(), Some(2)), "for no chain");
    assert_eq!(refused(&["--chain-id", "1"]), ("E2302".into(), Some(2)), "with no node behind");
    assert_eq!(refused(&["--config", "odd.toml"]), ("E2301".into(), Some(2)), "with an unknown key");
    let nobody = [&node[..], &["--chain-id", "1"]].concat();
    assert_eq!(refused(&nobody), ("E2601".into(), Some(2)), "as nobody");
}
