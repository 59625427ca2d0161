//! Transactions that wallets make, signed by three nodes with real processes, by hand and as Bitcoin Core does it; and the guide
//! to that, command by command. What is signed, other libraries finish and verify.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use base64ct::{Base64, Encoding};
use bitcoin::bip32::Xpub;
use serde_json::{Value, json};

use crate::ceremony::Stage;
use crate::purse::{Made, Owner, Purse};
use crate::revoke::Up;
use crate::{keymoot, must_be_hex};

/// Every line of every shell block of the guide.
fn guide() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/bitcoin.md");
    let page = fs::read_to_string(page).expect("the guide is there");
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

fn must_make(stage: &Stage, key: &str, inputs: &[(Owner, u64)], outputs: &[(Owner, u64)]) -> Made {
    let xpub = stage.must_print(&["key", "xpub", key])["xpub"].as_str().expect("text").to_owned();
    let xpub: Xpub = xpub.parse().expect("an extended public key");
    Purse { xpub, inputs: inputs.to_vec(), outputs: outputs.to_vec() }.make()
}

fn bytes(text: &str) -> Vec<u8> {
    Base64::decode_vec(text.trim()).expect("base64")
}

/// What `keymoot hwi` prints for this on its standard input.
fn hwi(stage: &Stage, arguments: &[&str], input: &str) -> Value {
    let mut child = keymoot(&[&["hwi"], arguments].concat())
        .current_dir(stage.path(""))
        .env("XDG_CONFIG_HOME", stage.path("config"))
        .env("XDG_RUNTIME_DIR", stage.path("run"))
        .env_remove("KEYMOOT_CTX")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // Core ends it without a line end.
    child.stdin.take().expect("an input").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "also with an error");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), 1, "Bitcoin Core reads the first line");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn three_nodes_sign_what_wallets_make_by_the_guide_by_hand_and_for_bitcoin_core() {
    let stage = Stage::new();
    let _up = Up::must_start_with(&stage, "3", &["--bitcoin-network", "regtest"]);
    let inputs = [(Owner::Native(5), 100_000), (Owner::Native(6), 50_000), (Owner::Nested(7), 70_000)];
    let outputs = [(Owner::Somebody(1), 160_000), (Owner::Native(7), 59_000)];
    let payment = must_make(&stage, "hot", &inputs, &outputs);
    fs::write(stage.path("payment.psbt"), payment.version_0()).expect("a file");
    let guide = guide();
    assert!(guide.len() >= 10, "the guide has lost its commands");
    for line in &guide {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "keymoot", "no test knows how to run `{line}`");
        let output = stage.run(&words[1..]);
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.is_empty(), "`{line}`: {said}{complaint}");
        assert!(words[1] != "hwi" || !said.contains("\"error\""), "`{line}`: {said}");
    }
    let signed = fs::read_to_string(stage.path("signed.psbt")).expect("the guide has it signed");
    payment.must_spend(&bytes(&signed));
    by_hand(&stage);
    for_bitcoin_core(&stage, &payment);
    elsewhere(&stage, &payment);
    large(&stage, &payment);
    asked(&stage, &payment);
    refused(&stage, &payment);
    other_chains(&stage);
}

fn by_hand(stage: &Stage) {
    let inputs = [(Owner::Taproot(0), 100_000), (Owner::Taproot(1), 50_000)];
    let gathering = must_make(stage, "vault", &inputs, &[(Owner::Taproot(2), 149_000)]);
    let base64 = Base64::encode_string(&gathering.version_2());
    let signed = stage.must_print(&["sign", "--key", "vault", "--psbt", &base64]);
    gathering.must_spend(&bytes(signed["signed"].as_str().expect("text")));
    assert_eq!(signed["signatures"].as_array().map(Vec::len), Some(2));
    assert_eq!(signed["facts"]["fee_max"], "1000");
    let requests: std::collections::BTreeSet<_> =
        signed["signatures"].as_array().into_iter().flatten().map(|one| one["request"].to_string()).collect();
    assert_eq!(requests.len(), 2, "each signature is a request of its own");
    // For people the facts come first, and then what was asked for, on a line of its own.
    let output = stage.run(&["sign", "--key", "vault", "--psbt", &base64]);
    let said = String::from_utf8(output.stdout).expect("text");
    let psbt = said.lines().find(|line| line.trim().starts_with("cHNidP")).expect("a PSBT");
    gathering.must_spend(&bytes(psbt));
    for word in ["Bitcoin transaction on regtest", "proven to be ours at m/1/2", "2 signatures, verified"] {
        assert!(said.contains(word), "{said}");
    }
}

/// A cluster is for one network, and says so to everybody who means another: by hand, for wallets, over REST.
fn elsewhere(stage: &Stage, payment: &Made) {
    let psbt = Base64::encode_string(&payment.version_0());
    for command in [
        &["sign", "--key", "hot", "--psbt", &psbt, "--yes"][..],
        &["key", "address", "hot"],
        &["key", "xpub", "hot"],
    ] {
        stage.must_refuse(&[command, &["--network", "mainnet"]].concat(), "E2704", 2, "regtest");
    }
    let input = format!("signtx {psbt}");
    let refused = hwi(stage, &["--stdin", "--key", "hot", "--chain", "main"], &input);
    assert!(refused["error"].as_str().is_some_and(|error| error.starts_with("E2704")), "{refused}");
    let mut marked = payment.psbt.clone();
    let xpub = stage.must_print(&["key", "xpub", "hot"])["xpub"].as_str().expect("text").parse();
    let xpub = Xpub { network: bitcoin::NetworkKind::Main, ..xpub.expect("an extended public key") };
    marked.xpub.insert(xpub, (xpub.fingerprint(), bitcoin::bip32::DerivationPath::master()));
    let marked = Base64::encode_string(&marked.serialize());
    stage.must_refuse(&["sign", "--key", "hot", "--psbt", &marked, "--yes"], "E2704", 2, "global.xpub");
}

/// A PSBT of exactly one mebibyte goes through all processes; with one byte more, nobody but us sees it.
fn large(stage: &Stage, payment: &Made) {
    let padded = |bytes: usize| {
        let mut psbt = payment.psbt.clone();
        let key = bitcoin::psbt::raw::Key { type_value: 0xf0, key: vec![1] };
        psbt.unknown.insert(key, vec![7; bytes]);
        psbt.serialize()
    };
    let room = (1 << 20) - (padded(1 << 19).len() - (1 << 19));
    for (psbt, fits) in [(padded(room), true), (padded(room + 1), false)] {
        assert_eq!(psbt.len() == 1 << 20, fits);
        fs::write(stage.path("large.psbt"), psbt).expect("a file");
        let sign = ["sign", "--key", "hot", "--kind", "psbt", "--file", "large.psbt", "--yes"];
        if fits {
            let signed = stage.must_print(&sign)["signed"].as_str().expect("text").to_owned();
            payment.must_spend(&bytes(&signed));
        } else {
            stage.must_refuse(&sign, "E2701", 2, "1048576");
        }
    }
}

fn for_bitcoin_core(stage: &Stage, payment: &Made) {
    let listed = hwi(stage, &["--stdin"], "enumerate");
    let fingerprint = |name: &str| -> String {
        let one = listed.as_array().into_iter().flatten().find(|one| one["label"] == name).expect("a signer");
        one["fingerprint"].as_str().expect("text").to_owned()
    };
    must_be_hex::<4>(&fingerprint("hot"));
    let options = ["--stdin", "--fingerprint", &fingerprint("hot"), "--chain", "regtest"];
    let input = format!("signtx \"{}\"", Base64::encode_string(&payment.version_0()));
    let signed = hwi(stage, &options, &input);
    payment.must_spend(&bytes(signed["psbt"].as_str().unwrap_or_else(|| panic!("{signed}"))));
    // The key of another signer has nothing to sign in it.
    let other =
        hwi(stage, &["--stdin", "--fingerprint", &fingerprint("vault"), "--chain", "regtest"], &input);
    assert_eq!(other["code"], -5, "{other}");
    assert!(other["error"].as_str().is_some_and(|error| error.starts_with("E2703")), "{other}");
    let away = hwi(stage, &["--context", "nobody", "enumerate"], "");
    assert_eq!((&away[0]["code"], away.as_array().map(Vec::len)), (&json!(-3), Some(1)), "{away}");
}

/// Runs it at a terminal, where somebody types this answer; says how it ended and what was shown.
fn at_a_terminal(stage: &Stage, line: &str, answer: &str) -> (Option<i32>, String) {
    let command = format!("{} {line}", env!("CARGO_BIN_EXE_keymoot"));
    let mut child = std::process::Command::new("script")
        .args(["-q", "-e", "-f", "-c", &command, "/dev/null"])
        .current_dir(stage.path(""))
        .env("XDG_CONFIG_HOME", stage.path("config"))
        .env("XDG_RUNTIME_DIR", stage.path("run"))
        .env("TERM", "dumb")
        .env_remove("KEYMOOT_CTX")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a terminal");
    child.stdin.take().expect("an input").write_all(answer.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn asked(stage: &Stage, payment: &Made) {
    let line = "sign --key hot --psbt payment.psbt --out asked.psbt --context ./up/you";
    let (code, shown) = at_a_terminal(stage, line, "n\n");
    assert_eq!(code, Some(3), "{shown}");
    let place = |word: &str| shown.find(word).unwrap_or_else(|| panic!("no {word} in {shown}"));
    assert!(place("sends     0.00160000 BTC") < place("Sign this? [y/N]"), "{shown}");
    assert!(place("Sign this? [y/N]") < place("error[E2705]"), "{shown}");
    assert!(!stage.path("asked.psbt").exists());
    let (code, shown) = at_a_terminal(stage, line, "y\n");
    assert_eq!(code, Some(0), "{shown}");
    payment.must_spend(&bytes(&fs::read_to_string(stage.path("asked.psbt")).expect("a file")));
}

fn refused(stage: &Stage, payment: &Made) {
    let file = stage.path("payment.psbt");
    let sign = ["sign", "--key", "hot", "--psbt", "payment.psbt", "--context", "./up/you"];
    let output = stage.run(&sign);
    let (shown, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{shown}{told}");
    assert!(
        shown.contains("sends     0.00160000 BTC to bcrt1q") && told.starts_with("error[E2705]"),
        "{shown}{told}"
    );
    let output = stage.run(&[&sign[..], &["--json"]].concat());
    let told: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
    assert_eq!((&told["code"], output.stdout.len()), (&json!("E2705"), 0), "{told}");
    let mut lacking = payment.psbt.clone();
    lacking.inputs[1].non_witness_utxo = None;
    fs::write(&file, lacking.serialize()).expect("a file");
    stage.must_refuse(&[&sign[..], &["--yes"]].concat(), "E2702", 3, "inputs[1].non_witness_utxo");
    fs::write(&file, &payment.version_0()[..100]).expect("a file");
    stage.must_refuse(&[&sign[..], &["--yes"]].concat(), "E2701", 2, "no PSBT");
    fs::remove_file(&file).expect("it is there");
    stage.must_refuse(&[&sign[..], &["--yes"]].concat(), "E2001", 2, "no file `payment.psbt`");
}

fn other_chains(stage: &Stage) {
    let send = "0x02f00107843b9aca008504a817c80082520894000102030405060708090a0b0c0d0e0f101112138814d1120d7b16000080c0";
    let signed = stage.must_print(&["sign", "--key", "hot", "--tx", send]);
    assert!(signed["signed"].as_str().is_some_and(|text| text.starts_with("0x02f8")), "{signed}");
    assert_eq!(signed["facts"]["detail"]["nonce"], 7);
    let permit = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/facts/tests/permit.json");
    let signed =
        stage.must_print(&["sign", "--key", "hot", "--typed-data", permit.to_str().expect("text"), "--yes"]);
    let digits = signed["signed"].as_str().expect("text");
    assert!(digits.len() == 132 && (digits.ends_with("1b") || digits.ends_with("1c")), "{signed}");
    let created = stage.run(&["key", "create", "solana", "--scheme", "frost-ed25519"]);
    assert!(created.status.success());
    let public =
        stage.must_print(&["key", "show", "solana"])["public_key"].as_str().expect("text").to_owned();
    let public: [u8; 32] = must_be_hex(&public);
    // A legacy message: one signer, who sends 5 lamports by the system program.
    let accounts = [public, [2; 32], [0; 32], [9; 32]].concat();
    let transfer = [1, 2, 2, 0, 1, 12, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
    let message = [&[1, 0, 1, 3], &accounts[..], &transfer].concat();
    fs::write(stage.path("transfer"), Base64::encode_string(&message)).expect("a file");
    let signed = stage.must_print(&["sign", "--key", "solana", "--sol-tx", "transfer"]);
    let whole = bytes(signed["signed"].as_str().expect("text"));
    let (signature, rest) = whole[1..].split_first_chunk::<64>().expect("a signature");
    assert_eq!((whole[0], rest), (1, &message[..]));
    let key = ed25519_dalek::VerifyingKey::from_bytes(&public).expect("a key");
    key.verify_strict(&message, &ed25519_dalek::Signature::from_bytes(signature)).expect("it verifies");
}
