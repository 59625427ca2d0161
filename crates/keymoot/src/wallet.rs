//! Keys as wallets see them: addresses, extended public key, descriptors. Worked out here from the public key and its chain
//! code, so that no answer of a service can put another address in its place.

use keymoot_chains::bitcoin::{Form, descriptor};
use keymoot_chains::{Algorithm, Key, Network, bitcoin, ethereum, solana};
use keymoot_types::{Path, PathError, Scheme};
use keymoot_wire::rest::KeyView;
use serde_json::{Value, json};

use crate::explain::USAGE;
use crate::failure::{Failure, Trouble};

/// An address, and what it is for.
pub struct Address {
    pub chain: &'static str,
    pub form: &'static str,
    pub address: String,
}

impl Address {
    /// For programs.
    pub fn document(&self) -> Value {
        json!({ "chain": self.chain, "form": self.form, "address": self.address })
    }
}

/// The key at a path, as chains know it.
pub fn at(key: &KeyView, path: &str) -> Result<Key, Failure> {
    let bad = |what: String| Failure::from(Trouble::new(USAGE, what).undone("nothing was sent"));
    let scheme: Scheme = key
        .scheme
        .parse()
        .map_err(|_| bad(format!("`{}` is no scheme of ours", key.scheme.escape_debug())))?;
    let bytes = |text: &str| hex::decode(text).map_err(|_| bad("the key's bytes are no hex digits".into()));
    let code: [u8; 32] = bytes(&key.chain_code)?.try_into().unwrap_or_default();
    let root = Key::new(scheme, &bytes(&key.public_key)?, code).map_err(|error| bad(error.to_string()))?;
    let steps: Path = path.parse().map_err(|error: PathError| {
        let help = match error {
            PathError::Hardened(_) => {
                "take a path such as m/0/7, without ' or h; where accounts must be apart, make a key for each"
            }
            _ => "a path is m, or as m/0/7",
        };
        Trouble::new(USAGE, error.to_string()).undone("nothing was sent").help(help)
    })?;
    root.at(steps).map_err(|error| bad(error.to_string()))
}

/// All addresses of a key at a path, those of Bitcoin on its network.
pub fn addresses(key: &KeyView, path: &str, network: Network) -> Result<Vec<Address>, Failure> {
    let key = at(key, path)?.on(network);
    let found = [
        ("ethereum", "account", ethereum::address(&key)),
        ("bitcoin", "p2wpkh", bitcoin::address(&key, Form::P2wpkh)),
        ("bitcoin", "p2tr", bitcoin::address(&key, Form::P2tr)),
        ("solana", "account", solana::address(&key)),
    ];
    let there = found.into_iter().filter_map(|(chain, form, address)| Some((chain, form, address?)));
    Ok(there.map(|(chain, form, address)| Address { chain, form, address }).collect())
}

/// What a wallet that only watches needs.
pub struct Watching {
    pub xpub: String,
    pub fingerprint: String,
    pub descriptors: Vec<String>,
}

/// The extended public key of a key on secp256k1, written for a Bitcoin network.
pub fn watching(key: &KeyView, network: Network) -> Result<Watching, Failure> {
    let root = at(key, "m")?.on(network);
    let Some(xpub) = root.xpub() else {
        let what = format!("a {} key has no extended public key", key.scheme);
        return Err(Trouble::new(USAGE, what)
            .undone("nothing is shown")
            .help("Ed25519 has no public derivation")
            .into());
    };
    let forms = Form::of(Algorithm::of(root.scheme()));
    Ok(Watching {
        xpub: xpub.to_string(),
        fingerprint: xpub.fingerprint().to_string(),
        descriptors: forms.iter().filter_map(|form| descriptor(&root, *form)).collect(),
    })
}
