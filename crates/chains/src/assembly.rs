//! The second question: a payload's bytes with its signatures in place.

use bitcoin::key::XOnlyPublicKey;
use bitcoin::secp256k1::{self, PublicKey};

use crate::chain::reader;
use crate::inspect;
use crate::inspection::{Algorithm, Signing, Unreadable};
use crate::key::{Key, verifier};
use crate::payload::Payload;

/// A signature: r and s of ECDSA, 32 bytes each, big-endian; x(R) and s of BIP-340; R and S of RFC 8032.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

/// Why signatures do not fit a payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The payload is not one that is signed.
    #[error("the payload is not one that is signed")]
    Unreadable(#[from] Unreadable),
    /// Not one signature for each that is needed.
    #[error("the payload needs {needed} signatures, not {got}")]
    Count {
        /// As many as [`crate::Inspection::signings`].
        needed: usize,
        /// As many as there are.
        got: usize,
    },
    /// s is in the upper half of the group: a signature that somebody changed. Bitcoin and Ethereum do not take it.
    #[error("the s of signature {0} is in the upper half")]
    HighS(usize),
    /// It does not verify.
    #[error("signature {0} does not verify under the key at its path")]
    Invalid(usize),
}

/// The signed bytes, as the chain or its wallets take them: what each kind gives is said in its folder.
///
/// The payload is inspected again and every signature is verified, so nothing that is handed out is bad.
///
/// # Errors
/// A payload that is not signed, or signatures that are not its.
pub fn assemble(payload: &Payload, key: &Key, signatures: &[Signature]) -> Result<Vec<u8>, Unfit> {
    let inspection = inspect(payload, key)?;
    let (needed, got) = (inspection.signings.len(), signatures.len());
    if needed != got {
        return Err(Unfit::Count { needed, got });
    }
    for (place, (signing, signature)) in inspection.signings.iter().zip(signatures).enumerate() {
        verify(signing, signature, place)?;
    }
    let reader = reader(payload.kind()).ok_or(Unreadable::NotBuilt(payload.kind().name()))?;
    Ok((reader.assemble)(payload, key, &inspection, signatures)?)
}

fn verify(signing: &Signing, signature: &Signature, place: usize) -> Result<(), Unfit> {
    let verifies = match signing.algorithm {
        Algorithm::Ecdsa => ecdsa(signing, signature).ok_or(Unfit::HighS(place))?,
        Algorithm::TaprootKeyPath => taproot(signing, signature).unwrap_or(false),
        Algorithm::Ed25519 => edwards(signing, signature).unwrap_or(false),
    };
    if verifies { Ok(()) } else { Err(Unfit::Invalid(place)) }
}

/// `None`: a high s.
fn ecdsa(signing: &Signing, signature: &Signature) -> Option<bool> {
    let Ok(parsed) = secp256k1::ecdsa::Signature::from_compact(&signature.0) else { return Some(false) };
    let mut low = parsed;
    low.normalize_s();
    if low != parsed {
        return None;
    }
    let message = secp256k1::Message::from_digest_slice(&signing.message());
    let public = PublicKey::from_slice(&signing.verifies_under);
    Some(match (message, public) {
        (Ok(message), Ok(public)) => verifier().verify_ecdsa(&message, &parsed, &public).is_ok(),
        _ => false,
    })
}

fn taproot(signing: &Signing, signature: &Signature) -> Option<bool> {
    let signature = secp256k1::schnorr::Signature::from_slice(&signature.0).ok()?;
    let message = secp256k1::Message::from_digest_slice(&signing.message()).ok()?;
    let public = XOnlyPublicKey::from_slice(&signing.verifies_under).ok()?;
    Some(verifier().verify_schnorr(&signature, &message, &public).is_ok())
}

fn edwards(signing: &Signing, signature: &Signature) -> Option<bool> {
    let public: [u8; 32] = signing.verifies_under.as_slice().try_into().ok()?;
    let public = ed25519_dalek::VerifyingKey::from_bytes(&public).ok()?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    Some(public.verify_strict(&signing.message(), &signature).is_ok())
}
