//! Frozen requests, which every verifier of ours has to judge alike. `KEYMOOT_BLESS=1` rewrites them, and fails on
//! purpose.

use serde::{Deserialize, Serialize};

use super::*;
use crate::cluster::Hex;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/signed.json");

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    /// Whether it verifies.
    verifies: bool,
    key: ClientKey,
    /// What the key is made from: a seed for Ed25519, a number for P-256.
    secret: Hex<32>,
    client_id: Hex<32>,
    group: String,
    method: String,
    path: String,
    body: String,
    created: u64,
    expires: u64,
    nonce: Hex<16>,
    content_digest: String,
    signature_input: String,
    /// What was signed.
    signature_base: String,
    signature: Hex<64>,
}

fn vector(name: &str, key: &SigningKey, request: &Unsigned<'_>) -> Vector {
    let parts = key.sign(request).unwrap();
    let parameters = Parameters::parse(&parts.signature_input).unwrap();
    Vector {
        name: format!("{}: {name}", key.algorithm().name()),
        verifies: true,
        key: key.public(),
        secret: Hex(*key.to_secret()),
        client_id: Hex(key.client_id()),
        group: request.group.to_string(),
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        body: String::from_utf8(request.body.to_vec()).unwrap(),
        created: request.created,
        expires: request.expires,
        nonce: Hex(request.nonce),
        signature_base: text::base(request.method, request.path, &parts.content_digest, &parameters).unwrap(),
        content_digest: parts.content_digest,
        signature_input: parts.signature_input,
        signature: Hex(parts.signature),
    }
}

fn altered(mut vector: Vector, how: &str, alter: impl FnOnce(&mut Vector)) -> Vector {
    alter(&mut vector);
    Vector { name: format!("{}, {how}", vector.name), verifies: false, ..vector }
}

fn vectors() -> Vec<Vector> {
    let mut all = Vec::new();
    for key in keys() {
        let create =
            Unsigned { path: "/v1/keys", body: br#"{"scheme":"dkls23","name":"hot"}"#, ..unsigned() };
        let retire = Unsigned {
            path: "/v1/keys/key_000102030405060708090a0b0c0d0e0f/retire",
            body: b"{}",
            nonce: *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
            expires: 1_700_000_900,
            ..unsigned()
        };
        let sign = || vector("a signature", &key, &unsigned());
        all.extend([vector("a key", &key, &create), sign(), vector("a retirement", &key, &retire)]);
        all.push(altered(sign(), "another body", |vector| vector.body.push(' ')));
        all.push(altered(sign(), "another path", |vector| vector.path = "/v1/keys".to_owned()));
        all.push(altered(sign(), "another nonce", |vector| {
            vector.signature_input = vector.signature_input.replace("nonce=\"ab", "nonce=\"ac");
        }));
        all.push(altered(sign(), "another tag", |vector| {
            vector.signature_input = vector.signature_input.replace("grp_05", "grp_06");
        }));
        all.push(altered(sign(), "parameters in another order", |vector| {
            let (created, expires) = (";created=1700000000", ";expires=1700000300");
            let swapped = [expires, created].concat();
            vector.signature_input = vector.signature_input.replace(&[created, expires].concat(), &swapped);
        }));
        all.push(altered(sign(), "a signature of zeroes", |vector| vector.signature = Hex([0; 64])));
    }
    all.push(other_s(vector("a signature", &keys()[1], &unsigned())));
    all
}

/// Of each ECDSA signature (r, s) there is a second form, (r, n − s). Both verify: some devices give one, some the other.
fn other_s(mut vector: Vector) -> Vector {
    let signature = p256::ecdsa::Signature::from_slice(&vector.signature.0).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    vector.signature = Hex(other.to_bytes().into());
    vector.name.push_str(", the other s");
    vector
}

#[test]
fn the_vectors_are_what_we_sign_and_verify() {
    let fresh = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    let frozen = std::fs::read_to_string(FILE).unwrap_or_default();
    if std::env::var_os("KEYMOOT_BLESS").is_some() {
        std::fs::write(FILE, &fresh).unwrap();
        panic!("the vectors were rewritten: read what changed, then run this without KEYMOOT_BLESS");
    }
    assert!(fresh == frozen, "signed requests changed, which is a new version of the format");
    for vector in serde_json::from_str::<Vec<Vector>>(&frozen).unwrap() {
        let request = mpc::SignedRequest {
            method: vector.method,
            path: vector.path,
            body: vector.body.into_bytes(),
            signature_input: vector.signature_input,
            signature: vector.signature.0.to_vec(),
        };
        assert_eq!(verify(&request, &vector.key).is_ok(), vector.verifies, "{}", vector.name);
    }
}
