//! A signature of a message is verified by a library that is not ours, over a digest that nobody else has told us.

use anyhow::{Context, Result, ensure};
use keymoot_protocol::transcript::payload::PayloadHash;
use keymoot_wire::rest::{KeyView, SignatureView, Status};

/// What a signature of a message is over: the message behind a prefix that no transaction has.
fn digest_of(text: &str) -> [u8; 32] {
    let length = (text.len() as u64).to_be_bytes();
    PayloadHash::Sha256
        .of(&[b"\xffkeymoot signed message v1\n".as_slice(), &length, text.as_bytes()].concat())
}

/// Checks a signature of ECDSA under the key itself.
///
/// # Errors
/// It is none.
pub fn must_verify(key: &KeyView, text: &str, view: &SignatureView) -> Result<()> {
    ensure!(view.status == Status::Complete, "it was not signed: {view:?}");
    let encoded = &view.signature.as_ref().context("complete without a signature")?.encoded;
    let encoded = hex::decode(encoded)?;
    let compact = encoded.get(..64).context("a signature is too short")?;
    let public = secp256k1::PublicKey::from_slice(&hex::decode(&key.public_key)?)?;
    let signature = secp256k1::ecdsa::Signature::from_compact(compact)?;
    let message = secp256k1::Message::from_digest(digest_of(text));
    Ok(secp256k1::SECP256K1.verify_ecdsa(message, &signature, &public)?)
}
