//! The demo with real processes: the tour is played once, and everything that it prints is checked again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{U256, keccak256};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chain::{self, Node};
use crate::{keymoot, must_be_hex, schema};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text {field} in {value}"))
}

fn verifies(scheme: &str, public: &str, step: &Value) -> bool {
    let (message, signature) = (text(step, "message"), text(step, "signature"));
    let length = u64::try_from(message.len()).expect("a short message").to_be_bytes();
    let signed = [b"\xffkeymoot signed message v1\n", &length[..], message.as_bytes()].concat();
    let digest = <[u8; 32]>::from(Sha256::digest(&signed));
    match scheme {
        "dkls23" => {
            let bytes: [u8; 65] = must_be_hex(signature);
            let (compact, id) = bytes.split_first_chunk::<64>().expect("65 bytes");
            let id = RecoveryId::try_from(i32::from(id[0])).expect("an id");
            let signature = RecoverableSignature::from_compact(compact, id).expect("r and s");
            let key = secp256k1::PublicKey::from_byte_array_compressed(must_be_hex(public)).expect("a key");
            signature.recover(secp256k1::Message::from_digest(digest)) == Ok(key)
        }
        "frost-taproot" => {
            let point: [u8; 33] = must_be_hex(public);
            let internal =
                secp256k1::XOnlyPublicKey::from_byte_array(point[1..].try_into().unwrap()).unwrap();
            let tag = Sha256::digest("TapTweak");
            let tweak = Sha256::new().chain_update(tag).chain_update(tag).chain_update(internal.serialize());
            let tweak = secp256k1::Scalar::from_be_bytes(tweak.finalize().into()).expect("below the order");
            let (output, _) = internal.add_tweak(secp256k1::SECP256K1, &tweak).expect("a key");
            let signature = secp256k1::schnorr::Signature::from_byte_array(must_be_hex(signature));
            secp256k1::SECP256K1.verify_schnorr(&signature, &digest, &output).is_ok()
        }
        _ => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&must_be_hex(public)).expect("a key");
            let signature = ed25519_dalek::Signature::from_bytes(&must_be_hex(signature));
            key.verify_strict(&signed, &signature).is_ok()
        }
    }
}

/// The account that an ECDSA key has, and that has signed the transaction of this step.
fn must_be_signed(step: &Value, addresses: &Value) {
    let bytes = |field: &str| {
        hex::decode(text(step, field).strip_prefix("0x").expect("hex behind 0x")).expect("hexadecimal")
    };
    let raw = bytes("raw");
    let transaction = TxEnvelope::decode_2718_exact(&raw).expect("a signed transaction");
    assert_eq!(transaction.signature_hash(), keccak256(bytes("unsigned")), "what is shown is what is signed");
    assert_eq!(text(step, "hash"), format!("{:#x}", keccak256(&raw)));
    let sender = chain::sender(&transaction).to_checksum(None);
    assert_eq!(
        (text(step, "account"), &addresses["addresses"][0]["address"]),
        (&*sender, &Value::from(&*sender))
    );
    assert_eq!((transaction.chain_id(), transaction.nonce()), (Some(11_155_111), 0), "a test network");
    assert_eq!(transaction.to().map(|to| to.to_checksum(None)).as_deref(), Some(text(step, "to")));
    assert_eq!(transaction.value(), text(step, "value").parse::<U256>().expect("wei"));
    let detail = &step["facts"]["detail"];
    assert_eq!((&detail["from"], &detail["to"]), (&step["account"], &step["to"]));
    assert_eq!((step["verified"].as_bool(), text(step, "verified_by")), (Some(true), "libsecp256k1"));
}

#[test]
fn the_tour_of_the_demo_signs_with_real_processes_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a place for temporary files");
    let output = keymoot(&["demo", "--exit", "--json", "--patience", "120"])
        .env("TMPDIR", place.path())
        .output()
        .expect("the binary runs");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*complaints), (Some(0), ""));
    let steps: Vec<Value> = String::from_utf8(output.stdout)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect();
    steps.iter().for_each(schema::must_fit);
    let keys: BTreeMap<&str, &Value> =
        steps.iter().filter(|step| step["step"] == "key").map(|step| (text(step, "name"), step)).collect();
    assert_eq!(keys.len(), 3);
    let signed: Vec<&Value> = steps.iter().filter(|step| step["step"] == "signature").collect();
    assert_eq!(signed.len(), 7);
    for step in &signed {
        let key = keys[text(step, "key")];
        assert_eq!(step["verified"], true);
        assert!(verifies(text(key, "scheme"), text(key, "public_key"), step), "{step}");
    }
    let refusal = steps.iter().find(|step| step["step"] == "refusal").expect("one request is refused");
    assert_eq!(text(refusal, "code"), "E2104");
    assert!(text(refusal, "what").contains("need 2, reachable 1 (node-1)"), "{refusal}");
    assert!(refusal["details"].to_string().contains("killed by you"), "{refusal}");
    assert!(text(refusal, "undone").contains("NOT signed"), "{refusal}");
    let again = signed[4];
    assert_eq!(text(again, "request"), text(refusal, "request"), "the same command is the same request");
    let named = |name: &str| steps.iter().find(|step| step["step"] == name).expect("there is one");
    must_be_signed(named("transaction"), named("addresses"));
    let names: Vec<&str> = steps.iter().rev().map(|step| text(step, "step")).take(2).collect();
    assert_eq!(names, ["end", "transaction"]);
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What a demo prints with this node behind its signer, up to what ends with this step.
fn must_say(node: SocketAddr, last: &str) -> Vec<Value> {
    let place = tempfile::tempdir().expect("a place for temporary files");
    let url = format!("http://{node}");
    let mut demo = keymoot(&["demo", "--json", "--patience", "120", "--ethereum", &url])
        .env("TMPDIR", place.path())
        .env("XDG_RUNTIME_DIR", place.path())
        .env("XDG_CONFIG_HOME", place.path())
        .env_remove("KEYMOOT_CTX")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut steps: Vec<Value> = Vec::new();
    for line in BufReader::new(demo.stdout.take().expect("an output")).lines().map_while(Result::ok) {
        steps.push(serde_json::from_str(&line).expect("one JSON object a line"));
        if steps.last().is_some_and(|step| step["step"] == last || step["code"].is_string()) {
            break;
        }
    }
    // Its processes notice by themselves.
    let _ = demo.kill();
    let _ = demo.wait();
    steps.iter().for_each(schema::must_fit);
    assert_eq!(steps.last().map(|step| &step["step"]), Some(&last.into()), "{steps:?}");
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_node_for_development_the_demo_ends_with_a_transfer_in_a_block() {
    let node = Node::start(true).await;
    let address = node.address;
    let steps = tokio::task::spawn_blocking(move || must_say(address, "sent")).await.expect("a demo");
    let sent = steps.last().expect("a step");
    let ledger = node.ledger.lock().expect("nobody has panicked");
    let [(hash, from, transaction)] = &ledger.taken[..] else {
        panic!("one transfer: {}", ledger.taken.len())
    };
    assert_eq!(
        (text(sent, "hash"), text(sent, "account")),
        (&*format!("{hash:#x}"), &*from.to_checksum(None))
    );
    let addresses = steps.iter().find(|step| step["step"] == "addresses").expect("there is one");
    assert_eq!(sent["account"], addresses["addresses"][0]["address"]);
    assert_eq!((&sent["block"], transaction.chain_id()), (&1.into(), Some(chain::CHAIN_ID)));
    let balances = |row: usize| [&sent["balances"][row]["before"], &sent["balances"][row]["after"]];
    let after = ledger.balances[from].to_string();
    assert_eq!(balances(0), [&Value::from("1000000000000000000"), &after.into()]);
    assert_eq!(balances(1), [&Value::from("0"), &sent["value"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_node_the_demo_says_what_is_missing_and_sends_nothing() {
    let node = Node::start(false).await;
    let address = node.address;
    let steps = tokio::task::spawn_blocking(move || must_say(address, "transaction")).await.expect("a demo");
    let missing = steps.iter().find(|step| step["step"] == "unfunded").expect("it is said");
    // A thousandth of an ether, and 21,000 gas at twice the price of this node.
    assert_eq!((text(missing, "balance"), text(missing, "missing")), ("0", "1084000000000000"));
    let addresses = steps.iter().find(|step| step["step"] == "addresses").expect("there is one");
    assert_eq!(missing["account"], addresses["addresses"][0]["address"]);
    must_be_signed(steps.last().expect("a step"), addresses);
    assert!(node.ledger.lock().expect("nobody has panicked").taken.is_empty());
}

#[test]
fn a_demo_listens_on_this_machine_only() {
    for (address, code) in
        [("0.0.0.0", "E2605"), ("192.0.2.1", "E2605"), ("::", "E2605"), ("localhost:1", "E2001")]
    {
        let output = crate::run(&["demo", "--exit", "--listen", address]);
        let complaint = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{address}: {complaint}");
        assert!(complaint.starts_with(&format!("error[{code}]: ")), "{address}: {complaint}");
    }
}
