//! Scripts and addresses of a key.

use bitcoin::key::XOnlyPublicKey;
use bitcoin::secp256k1::PublicKey;
use bitcoin::{Address, CompressedPublicKey, Script, ScriptBuf};
use keymoot_types::Network;
use serde::Serialize;

use crate::inspection::Algorithm;
use crate::key::{Key, verifier};

/// The forms in which a key holds coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Native SegWit, BIP-84.
    P2wpkh,
    /// SegWit inside P2SH, BIP-49.
    P2shP2wpkh,
    /// Taproot, spent with the key alone, BIP-86.
    P2tr,
}

impl Form {
    /// The forms that signatures of this algorithm spend, the usual one first.
    #[must_use]
    pub const fn of(algorithm: Algorithm) -> &'static [Self] {
        match algorithm {
            Algorithm::Ecdsa => &[Self::P2wpkh, Self::P2shP2wpkh],
            Algorithm::TaprootKeyPath => &[Self::P2tr],
            Algorithm::Ed25519 => &[],
        }
    }

    /// What coins in this form are locked with.
    pub(super) fn script(self, point: &PublicKey) -> ScriptBuf {
        let hash = CompressedPublicKey(*point).wpubkey_hash();
        match self {
            Self::P2wpkh => ScriptBuf::new_p2wpkh(&hash),
            Self::P2shP2wpkh => ScriptBuf::new_p2sh(&ScriptBuf::new_p2wpkh(&hash).script_hash()),
            Self::P2tr => ScriptBuf::new_p2tr(&verifier(), XOnlyPublicKey::from(*point), None),
        }
    }
}

/// The address of a key at its path, on its network. `None` if the key does not sign for this form.
#[must_use]
pub fn address(key: &Key, form: Form) -> Option<String> {
    if !Form::of(Algorithm::of(key.scheme())).contains(&form) {
        return None;
    }
    text(&form.script(&key.point()?), key.network())
}

/// The address of a script; `None`: it has none.
pub(super) fn text(script: &Script, network: Network) -> Option<String> {
    let network = match network {
        Network::Mainnet => bitcoin::Network::Bitcoin,
        Network::Testnet => bitcoin::Network::Testnet,
        Network::Signet => bitcoin::Network::Signet,
        Network::Regtest => bitcoin::Network::Regtest,
    };
    Address::from_script(script, network).ok().map(|address| address.to_string())
}
