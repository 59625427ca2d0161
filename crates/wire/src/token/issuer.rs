//! Which key a token has to verify under.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use sha2::{Digest, Sha256};

use super::TokenError;
use super::header::Unproved;
use crate::cluster::ClusterDocument;
use crate::identity::p256_key;
use crate::tls::Peer;

/// What stands before the uncompressed point in the SubjectPublicKeyInfo of a key on P-256 (RFC 5480).
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The issuer of the tokens that gateways mint for clients.
pub(super) fn local_issuer(cluster: &str) -> String {
    format!("keymoot:{cluster}")
}

/// `kid` of our own tokens: the public key itself, compressed, in hex.
pub(super) fn kid(public: &p256::PublicKey) -> String {
    use p256::elliptic_curve::sec1::ToEncodedPoint as _;
    hex::encode(public.to_encoded_point(true))
}

/// The key of a process for itself: that of the certificate it came with.
pub(super) fn service_key(token: &Unproved, peer: &Peer) -> Result<DecodingKey, TokenError> {
    only_es256(token)?;
    let point = p256_key(&peer.certificate).map_err(|_| TokenError::UnknownKey)?;
    let public = p256::PublicKey::from_sec1_bytes(&point).map_err(|_| TokenError::UnknownKey)?;
    if token.kid.as_ref().is_some_and(|named| *named != kid(&public)) {
        return Err(TokenError::UnknownKey);
    }
    Ok(DecodingKey::from_ec_der(&point))
}

/// The key of a gateway: the one that the token names, if the document pins it for a gateway.
pub(super) fn local_key(token: &Unproved, document: &ClusterDocument) -> Result<DecodingKey, TokenError> {
    use p256::elliptic_curve::sec1::ToEncodedPoint as _;
    only_es256(token)?;
    let named = token.kid.as_ref().ok_or(TokenError::UnknownKey)?;
    let point = hex::decode(named).map_err(|_| TokenError::UnknownKey)?;
    let public = p256::PublicKey::from_sec1_bytes(&point).map_err(|_| TokenError::UnknownKey)?;
    let point = public.to_encoded_point(false);
    let spki: [u8; 32] =
        Sha256::new().chain_update(SPKI_P256).chain_update(point.as_bytes()).finalize().into();
    let is_pinned = document.gateways.iter().any(|gateway| gateway.tls.iter().any(|pin| pin.0 == spki));
    // One spelling for each key.
    if !is_pinned || document.is_revoked(&spki) || *named != kid(&public) {
        return Err(TokenError::UnknownKey);
    }
    Ok(DecodingKey::from_ec_der(point.as_bytes()))
}

/// A key of a foreign issuer: the one with this name, or the only one that fits if none is named.
pub(super) fn foreign_key(token: &Unproved, keys: &JwkSet) -> Result<DecodingKey, TokenError> {
    let mut fitting = keys.keys.iter().filter(|key| fits(key, token.algorithm));
    let key = match &token.kid {
        Some(kid) => fitting.find(|key| key.common.key_id.as_ref() == Some(kid)),
        None => fitting.next().filter(|_| fitting.next().is_none()),
    };
    DecodingKey::from_jwk(key.ok_or(TokenError::UnknownKey)?).map_err(|_| TokenError::UnknownKey)
}

/// A key is for one algorithm. A symmetric key is for none here, whatever it says.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_kind = match &key.algorithm {
        AlgorithmParameters::EllipticCurve(key) => {
            algorithm == Algorithm::ES256 && key.curve == EllipticCurve::P256
        }
        AlgorithmParameters::OctetKeyPair(key) => {
            algorithm == Algorithm::EdDSA && key.curve == EllipticCurve::Ed25519
        }
        AlgorithmParameters::RSA(_) => matches!(algorithm, Algorithm::RS256 | Algorithm::PS256),
        _ => false,
    };
    let says_so = key.common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    let is_for_signatures =
        key.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
    is_kind && says_so && is_for_signatures
}

fn only_es256(token: &Unproved) -> Result<(), TokenError> {
    if token.algorithm == Algorithm::ES256 { Ok(()) } else { Err(TokenError::Algorithm) }
}
