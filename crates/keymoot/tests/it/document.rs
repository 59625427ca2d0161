//! What programs read: the document keeps to its schema, and everything in it that can be checked is checked again.

use std::collections::BTreeSet;

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Parity, Scalar, XOnlyPublicKey};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sha3::Keccak256;

use crate::{must_be_hex, must_print, schema};

const SCHEMES: [&str; 3] = ["frost-taproot", "frost-ed25519", "dkls23"];

fn must_document(arguments: &[&str]) -> Value {
    let text = must_print(&[&["lab", "--json"], arguments].concat());
    let document = serde_json::from_str(&text).expect("one JSON document and nothing else");
    schema::must_fit(&document);
    document
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn numbers(value: &Value) -> Vec<u64> {
    list(value).iter().map(|number| number.as_u64().expect("a number")).collect()
}

/// BIP-340's tagged hash, from nothing but SHA-256.
fn tagged(tag: &str, bytes: &[u8]) -> [u8; 32] {
    let tag = Sha256::digest(tag);
    Sha256::new().chain_update(tag).chain_update(tag).chain_update(bytes).finalize().into()
}

fn check_taproot(key: &Value, message: &str) {
    let output = XOnlyPublicKey::from_byte_array(must_be_hex(text(&key["output_key"]))).expect("a key");
    let internal = XOnlyPublicKey::from_byte_array(must_be_hex(text(&key["internal_key"]))).expect("a key");
    let tweak = Scalar::from_be_bytes(tagged("TapTweak", &internal.serialize())).expect("below the order");
    let tweaked: (XOnlyPublicKey, Parity) = internal.add_tweak(secp256k1::SECP256K1, &tweak).expect("a key");
    assert_eq!(tweaked.0, output, "the output key commits to no script");

    let (network, version, program) = bech32::segwit::decode(text(&key["address"])).expect("an address");
    assert_eq!((network, version.to_u8(), program), (bech32::hrp::BC, 1, output.serialize().to_vec()));
    assert!(text(&key["address"]).starts_with("bc1p"));
    let xpub = bs58::decode(text(&key["xpub"])).with_check(None).into_vec().expect("base58 with its check");
    assert_eq!((xpub.len(), &xpub[46..]), (78, &internal.serialize()[..]));

    for signed in list(&key["signatures"]) {
        assert_eq!(signed["message"], message);
        let digest: [u8; 32] = must_be_hex(text(&signed["digest"]));
        assert_eq!(digest, tagged("keymoot/text-message/v1", message.as_bytes()));
        let signature =
            secp256k1::schnorr::Signature::from_byte_array(must_be_hex(text(&signed["signature"])));
        secp256k1::SECP256K1.verify_schnorr(&signature, &digest, &output).expect("the signature verifies");
        assert_eq!(signed["verified_by"], "libsecp256k1");
    }
}

fn check_ed25519(key: &Value, message: &str) {
    let output =
        ed25519_dalek::VerifyingKey::from_bytes(&must_be_hex(text(&key["output_key"]))).expect("a key");
    for absent in ["internal_key", "address", "xpub"] {
        assert!(key[absent].is_null(), "{absent}");
    }
    for signed in list(&key["signatures"]) {
        assert_eq!((text(&signed["message"]), &signed["digest"]), (message, &Value::Null));
        let signature = ed25519_dalek::Signature::from_bytes(&must_be_hex(text(&signed["signature"])));
        output.verify_strict(message.as_bytes(), &signature).expect("the signature verifies");
        assert_eq!(signed["verified_by"], "ed25519-dalek");
    }
}

fn check_dkls23(key: &Value, message: &str, needed: u64, total: u64) {
    let bytes: [u8; 33] = must_be_hex(text(&key["public_key"]));
    let public = secp256k1::PublicKey::from_byte_array_compressed(bytes).expect("a key");
    assert_eq!(text(&key["public_key"])[2..], *text(&key["output_key"]));
    let xpub = bs58::decode(text(&key["xpub"])).with_check(None).into_vec().expect("base58 with its check");
    assert_eq!((xpub.len(), &xpub[45..]), (78, &bytes[..]));

    let (setups, batches) = (list(&key["pair_setups"]), list(&key["presignatures"]));
    assert_eq!(setups.len(), if total > 8 { batches.len() } else { 1 });
    for (setup, batch) in setups.iter().cycle().zip(batches) {
        assert_eq!((&batch["pair_setup"], &batch["size"]), (&setup["name"], &4.into()));
        let parties = numbers(&setup["parties"]);
        let count = parties.len() as u64;
        assert_eq!(
            (count, setup["pairs"].as_u64()),
            (if total > 8 { needed } else { total }, Some(count * (count - 1) / 2))
        );
        assert!(numbers(&batch["signers"]).iter().all(|signer| parties.contains(signer)));
        for (run, count) in [(setup, count), (batch, needed)] {
            let counted = |round: &Value| round["messages"] == count * (count - 1);
            assert!(list(&run["rounds"]).iter().all(counted), "{run}");
        }
    }
    let signatures = list(&key["signatures"]);
    let signers = |made: &[Value]| made.iter().map(|one| numbers(&one["signers"])).collect::<Vec<_>>();
    assert_eq!(signers(batches), signers(signatures), "one batch for each set of signers");
    assert_eq!(key["presignatures_discarded"], 3 * signatures.len());
    let used: BTreeSet<_> = signatures.iter().map(|signed| text(&signed["presignature"])).collect();
    assert_eq!(used.len(), signatures.len(), "a presignature signs once");
    for signed in signatures {
        assert_eq!(signed["message"], message);
        let digest: [u8; 32] = must_be_hex(text(&signed["digest"]));
        assert_eq!(digest, <[u8; 32]>::from(Keccak256::digest(message)));
        let digest = secp256k1::Message::from_digest(digest);
        let compact: [u8; 64] = must_be_hex(text(&signed["signature"]));
        let id = signed["recovery_id"].as_u64().and_then(|id| i32::try_from(id).ok()).expect("an id");
        let id = RecoveryId::try_from(id).expect("an id");
        let recoverable = RecoverableSignature::from_compact(&compact, id).expect("r and s");
        assert_eq!(recoverable.recover(digest), Ok(public));
        let der = hex::decode(text(&signed["der"])).expect("hexadecimal");
        let signature = secp256k1::ecdsa::Signature::from_der(&der).expect("strict DER");
        assert_eq!(signature.serialize_compact(), compact);
        secp256k1::SECP256K1.verify_ecdsa(digest, &signature, &public).expect("the signature verifies");
        assert_eq!(signed["verified_by"], "libsecp256k1");
    }
}

fn check(document: &Value, needed: u64, total: u64, message: &str) {
    assert_eq!((&document["threshold"], &document["parties"]), (&needed.into(), &total.into()));
    for key in list(&document["keys"]) {
        match text(&key["scheme"]) {
            "frost-taproot" => check_taproot(key, message),
            "frost-ed25519" => check_ed25519(key, message),
            _ => check_dkls23(key, message, needed, total),
        }
        if key["scheme"] != "dkls23" {
            assert!(key["public_key"].is_null());
            assert!(list(&key["pair_setups"]).is_empty() && list(&key["presignatures"]).is_empty());
            for signed in list(&key["signatures"]) {
                assert!(["recovery_id", "der", "presignature"].iter().all(|name| signed[name].is_null()));
            }
        }
        assert_eq!(key["dkg"]["certificate_signatures"], total);
        let rounds: Vec<_> = list(&key["dkg"]["rounds"]).iter().map(|round| text(&round["name"])).collect();
        let promised = ["hello", "commit", "echo", "open", "echo", "shares", "proofs", "echo", "certify"];
        assert_eq!(rounds, promised);
        for round in list(&key["dkg"]["rounds"]) {
            assert_eq!(round["messages"], total * (total - 1), "everybody to everybody else: {round}");
        }
        let quorums: Vec<_> =
            list(&key["signatures"]).iter().map(|signed| numbers(&signed["signers"])).collect();
        assert!(quorums.iter().all(|signers| signers.len() as u64 == needed));
        let distinct: BTreeSet<_> = quorums.iter().collect();
        assert_eq!((quorums.len(), distinct.len()), if needed == total { (1, 1) } else { (2, 2) });

        let refusal = &key["refusal"];
        let (reachable, absent) =
            (numbers(&refusal["reachable_parties"]), numbers(&refusal["absent_parties"]));
        assert_eq!((&refusal["needed"], &refusal["reachable"]), (&needed.into(), &(needed - 1).into()));
        assert_eq!(reachable.len() as u64, needed - 1);
        assert_eq!([reachable, absent].concat(), (1..=total).collect::<Vec<_>>());
    }
}

#[test]
fn the_document_holds_what_it_says() {
    let document = must_document(&[]);
    check(&document, 2, 3, "hello from keymoot");
    let schemes: Vec<_> = list(&document["keys"]).iter().map(|key| text(&key["scheme"])).collect();
    assert_eq!(schemes, SCHEMES);
}

#[test]
fn other_thresholds_schemes_and_messages_hold_too() {
    let more = "a \"quoted\" text\nof two lines, 你好";
    check(&must_document(&["--parties", "5", "--threshold", "3", "--message", more]), 3, 5, more);
    check(&must_document(&["--parties", "2", "--message", ""]), 2, 2, "");
    for scheme in SCHEMES {
        let document = must_document(&["--scheme", scheme, "--parties", "4", "--threshold", "4"]);
        check(&document, 4, 4, "hello from keymoot");
        assert_eq!(list(&document["keys"]).len(), 1);
        assert_eq!(document["keys"][0]["scheme"], scheme);
    }
}

#[test]
fn large_committees_hold_too_and_what_is_left_out_is_told() {
    let sizes = ["--parties", "10", "--threshold", "3", "--scheme", "dkls23"];
    check(&must_document(&sizes), 3, 10, "hello from keymoot");
    let document = must_document(&["--parties", "9", "--threshold", "9"]);
    check(&document, 9, 9, "hello from keymoot");
    assert_eq!((list(&document["keys"]).len(), &document["left_out"]), (2, &vec!["dkls23"].into()));
}

#[test]
fn no_two_runs_make_the_same_key() {
    let keys = |document: &Value| -> Vec<String> {
        list(&document["keys"]).iter().map(|key| text(&key["output_key"]).to_owned()).collect()
    };
    let (one, other) = (keys(&must_document(&[])), keys(&must_document(&[])));
    assert!(one.iter().all(|key| !other.contains(key)));
}
