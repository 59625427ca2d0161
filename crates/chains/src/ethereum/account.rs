//! Addresses, and the one bit of a signature that leads back to them.

use alloy_primitives::{Address, B256, keccak256};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, PublicKey};

use crate::inspection::Inspection;
use crate::key::{Key, verifier};
use crate::{Algorithm, Signature};

/// The account of a key at its path, in the mixed case of ERC-55. `None` for keys that do not sign with ECDSA.
#[must_use]
pub fn address(key: &Key) -> Option<String> {
    of_key(key).map(|address| text(&address))
}

pub(super) fn of_key(key: &Key) -> Option<Address> {
    (Algorithm::of(key.scheme()) == Algorithm::Ecdsa).then(|| key.point().map(|point| of_point(&point)))?
}

/// The last 20 bytes of the hash of both coordinates.
fn of_point(point: &PublicKey) -> Address {
    Address::from_raw_public_key(point.serialize_uncompressed().split_at(1).1)
}

pub(super) fn text(address: &Address) -> String {
    address.to_checksum(None)
}

/// The signature with the parity of R, found by trying which one leads to the key.
pub(super) fn recoverable(
    inspection: &Inspection,
    signatures: &[Signature],
) -> Option<alloy_primitives::Signature> {
    let (signing, signature) = (inspection.signings.first()?, signatures.first()?);
    let message = Message::from_digest_slice(&signing.message()).ok()?;
    let public = PublicKey::from_slice(&signing.verifies_under).ok()?;
    let parity =
        [false, true].into_iter().find(|parity| recover(&signature.0, *parity, &message) == Some(public))?;
    Some(alloy_primitives::Signature::from_bytes_and_parity(&signature.0, parity))
}

fn recover(compact: &[u8], parity: bool, message: &Message) -> Option<PublicKey> {
    let id = RecoveryId::from_i32(i32::from(parity)).ok()?;
    let signature = RecoverableSignature::from_compact(compact, id).ok()?;
    verifier().recover_ecdsa(message, &signature).ok()
}

/// The account that made a signature, if it is one that the chain takes: low s, parity 0 or 1.
pub(super) fn signer(digest: &B256, signature: &alloy_primitives::Signature) -> Option<Address> {
    if signature.normalize_s().is_some() {
        return None;
    }
    let compact = [signature.r().to_be_bytes::<32>(), signature.s().to_be_bytes::<32>()].concat();
    let message = Message::from_digest_slice(digest.as_slice()).ok()?;
    recover(&compact, signature.v(), &message).map(|point| of_point(&point))
}

/// Hexadecimal digits with the usual prefix.
pub(super) fn hex(bytes: &[u8]) -> String {
    format!("0x{}", crate::inspection::hex(bytes))
}

/// The hash of bytes, as text.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(keccak256(bytes).as_slice())
}
