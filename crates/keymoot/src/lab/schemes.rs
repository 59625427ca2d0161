//! What differs between the schemes, as far as the lab shows it.

use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::derive::extended;
use keymoot_protocol::frost::Suite;
use keymoot_protocol::key::GroupKey;
use keymoot_protocol::transcript::bitcoin::text_message;

use super::scene::{Digested, Extras, Taproot};
use crate::failure::Failure;

/// A suite with a face, and with a judge that shares no code with us.
pub trait Shown: Suite {
    /// The library that verifies.
    const VERIFIER: &'static str;

    /// What is signed in place of a text; the text itself if `None`.
    fn digest(text: &str) -> Option<Digested>;

    /// Whether the library accepts the signature.
    fn verifies(output_key: &[u8; 32], signed: &[u8], signature: &[u8; 64]) -> bool;

    /// What its keys have and others have not.
    fn extras(key: &GroupKey<Self>) -> Result<Extras, Failure>;
}

impl Shown for Secp256k1 {
    const VERIFIER: &'static str = "libsecp256k1";

    fn digest(text: &str) -> Option<Digested> {
        let rule = "BIP-340 tagged hash of the text, tag keymoot/text-message/v1";
        Some(Digested { digest: text_message(text.as_bytes()), rule })
    }

    fn verifies(output_key: &[u8; 32], signed: &[u8], signature: &[u8; 64]) -> bool {
        let signature = secp256k1::schnorr::Signature::from_byte_array(*signature);
        secp256k1::XOnlyPublicKey::from_byte_array(*output_key)
            .is_ok_and(|key| secp256k1::SECP256K1.verify_schnorr(&signature, signed, &key).is_ok())
    }

    fn extras(key: &GroupKey<Self>) -> Result<Extras, Failure> {
        let [_, internal_key @ ..] = Self::encode_point(&key.public);
        let address = bech32::segwit::encode_v1(bech32::hrp::BC, &key.output_key)
            .map_err(|_| Failure::Broken("the output key has no address"))?;
        let xpub = extended(key).map_err(Failure::bug("the key has no extended form"))?.to_xpub();
        Ok(Extras::Taproot(Taproot { internal_key, address, xpub }))
    }
}

impl Shown for Ed25519 {
    const VERIFIER: &'static str = "ed25519-dalek";

    fn digest(_: &str) -> Option<Digested> {
        None
    }

    fn verifies(output_key: &[u8; 32], signed: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        ed25519_dalek::VerifyingKey::from_bytes(output_key)
            .is_ok_and(|key| key.verify_strict(signed, &signature).is_ok())
    }

    fn extras(_: &GroupKey<Self>) -> Result<Extras, Failure> {
        Ok(Extras::Nothing)
    }
}
