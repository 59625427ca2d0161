//! 1,000 paths for each form of address, below keys that never change, with the addresses that Keymoot shows for them.

use anyhow::{Context, Result};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use keymoot_chains::bitcoin::Form;
use keymoot_chains::{Key, ethereum};
use keymoot_types::{Path, Scheme};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

const PATHS: usize = 1_000;
/// The first paths are the ends of what a path can be.
const ENDS: [&str; 5] =
    ["m", "m/0", "m/2147483647", "m/0/0/0/0/0/0/0/0", "m/2147483647/2147483647/2147483647"];
/// The most steps of a random path.
const STEPS_MAX: usize = 8;
/// The last index without hardening.
const INDEX_MAX: u32 = (1 << 31) - 1;

type Show = fn(&Key) -> Option<String>;

const FORMS: [(&str, Scheme, Show); 4] = [
    ("evm", Scheme::Dkls23, ethereum::address),
    ("p2wpkh", Scheme::Dkls23, |key| keymoot_chains::bitcoin::address(key, Form::P2wpkh)),
    ("p2sh", Scheme::Dkls23, |key| keymoot_chains::bitcoin::address(key, Form::P2shP2wpkh)),
    ("p2tr", Scheme::FrostTaproot, |key| keymoot_chains::bitcoin::address(key, Form::P2tr)),
];

/// Rows of form, extended public key, path and address.
pub fn rows() -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for (form, scheme, show) in FORMS {
        // The same paths for all, so that a library derives each key once.
        let mut rng = StdRng::seed_from_u64(1_000);
        for number in 0..PATHS {
            let key = key(scheme, number)?;
            let path = path(&mut rng, number);
            let xpub = key.xpub().context("a key on secp256k1")?.to_string();
            let address = show(&key.at(path.parse::<Path>()?)?).context("a key has an address")?;
            rows.push(json!({ "form": form, "xpub": xpub, "path": path, "address": address }));
        }
    }
    Ok(rows)
}

/// One of four keys, of both parities.
fn key(scheme: Scheme, number: usize) -> Result<Key> {
    let seed = u8::try_from(number % 4)? + 1;
    let secret = SecretKey::from_slice(&[seed; 32])?;
    let public = secret.public_key(&Secp256k1::signing_only()).serialize();
    Ok(Key::new(scheme, &public, [0x40 | seed; 32])?)
}

fn path(rng: &mut StdRng, number: usize) -> String {
    if let Some(end) = ENDS.get(number) {
        return (*end).to_owned();
    }
    // Most have what wallets use: long ones cost a derivation for each step.
    let steps = if rng.gen_bool(0.1) { rng.gen_range(4..=STEPS_MAX) } else { rng.gen_range(1..=3) };
    let mut text = "m".to_owned();
    for _ in 0..steps {
        // Small numbers are what wallets use, and large ones are where encodings differ.
        let index = if rng.gen_bool(0.5) { rng.gen_range(0..1_000) } else { rng.gen_range(0..=INDEX_MAX) };
        text.push_str(&format!("/{index}"));
    }
    text
}
