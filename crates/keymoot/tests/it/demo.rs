//! The demo with real processes: the tour is played once, and everything that it prints is checked again.

use std::collections::BTreeMap;

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use serde_json::Value;
use sha2::{Digest, Sha256};

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
    assert_eq!(steps.last().map(|step| text(step, "step")), Some("end"));
    let left: Vec<_> = std::fs::read_dir(place.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
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
