//! As others derive and verify: libsecp256k1 and dalek, with the bytes of the key and nothing of ours but the digest.

use hmac::{Hmac, Mac};
use keymoot_engine::real::Key;
use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkls23::Payload;
use keymoot_types::Path;
use secp256k1::{PublicKey, SECP256K1, Scalar};
use sha2::{Digest, Sha256, Sha512};

/// Whether the signature is good under the key at the path; `None` if any of them is none.
pub(super) fn verifies(key: &Key, path: &Path, payload: &Payload, signature: &[u8]) -> Option<bool> {
    let digest = *payload.digest().as_bytes();
    match key {
        Key::Taproot(group) => {
            let internal = child(Secp256k1::encode_point(&group.public).as_ref(), group.chain_code, path)?;
            let public = taproot_output(internal)?;
            let signature = secp256k1::schnorr::Signature::from_byte_array(signature.try_into().ok()?);
            Some(SECP256K1.verify_schnorr(&signature, &digest, &public).is_ok())
        }
        Key::Ed25519(group) => {
            if !path.steps().is_empty() {
                return None;
            }
            let public = ed25519_dalek::VerifyingKey::from_bytes(&group.output_key).ok()?;
            let signature = ed25519_dalek::Signature::from_bytes(signature.try_into().ok()?);
            Some(public.verify_strict(payload.as_bytes(), &signature).is_ok())
        }
        Key::Ecdsa(group) => {
            let public = child(Secp256k1::encode_point(&group.public).as_ref(), group.chain_code, path)?;
            let signature = secp256k1::ecdsa::Signature::from_compact(signature.get(..64)?).ok()?;
            let message = secp256k1::Message::from_digest(digest);
            Some(SECP256K1.verify_ecdsa(message, &signature, &public).is_ok())
        }
    }
}

/// CKDpub of BIP-32, step by step.
fn child(root: &[u8], mut chain_code: [u8; 32], path: &Path) -> Option<PublicKey> {
    let mut public = PublicKey::from_slice(root).ok()?;
    for step in path.steps() {
        let mut mac = Hmac::<Sha512>::new_from_slice(&chain_code).ok()?;
        mac.update(&public.serialize());
        mac.update(&step.to_be_bytes());
        let sum: [u8; 64] = mac.finalize().into_bytes().into();
        let (tweak, rest) = sum.split_first_chunk::<32>()?;
        public = public.add_exp_tweak(SECP256K1, &Scalar::from_be_bytes(*tweak).ok()?).ok()?;
        chain_code = rest.try_into().ok()?;
    }
    Some(public)
}

/// The output key of BIP-341 for an internal key without scripts.
fn taproot_output(internal: PublicKey) -> Option<secp256k1::XOnlyPublicKey> {
    let (internal, _) = internal.x_only_public_key();
    let tag = Sha256::digest(b"TapTweak");
    let tweak =
        Sha256::new().chain_update(tag).chain_update(tag).chain_update(internal.serialize()).finalize();
    let tweak = Scalar::from_be_bytes(tweak.into()).ok()?;
    internal.add_tweak(SECP256K1, &tweak).ok().map(|(output, _)| output)
}
