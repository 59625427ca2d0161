//! Requests that clients sign: RFC 9421 in the narrow profile of [`keymoot_types::signed`], with its cryptography and
//! its headers.
//!
//! Clients sign here, gateways read the headers and may refuse early. It is not here that a request is believed: every
//! node verifies it itself, with code of its own. `vectors/signed.json` holds both to the same bytes.

mod headers;
mod key;

use keymoot_types::GroupId;
use keymoot_types::signed::{self as text, Algorithm, Parameters, SignedTextError};
use p256::ecdsa::signature::Verifier as _;
use sha2::{Digest, Sha256};

use crate::cluster::{ClientKey, client_id};
use crate::mpc;

pub use headers::{CONTENT_DIGEST, IDEMPOTENCY_KEY, SIGNATURE, SIGNATURE_INPUT, from_headers};
pub use key::{KeyError, SigningKey};

/// For how long clocks may differ, in seconds.
pub const LEEWAY: u64 = 30;

/// What a client is about to sign.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method, `POST`.
    pub method: &'a str,
    /// The path, without a query.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Now, in seconds of Unix time.
    pub created: u64,
    /// Until when it is good, in seconds of Unix time; at most 15 minutes later.
    pub expires: u64,
    /// 16 random bytes. The same request, sent again, has the same.
    pub nonce: [u8; 16],
    /// The nodes it is meant for.
    pub group: GroupId,
}

/// What signing adds to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedParts {
    /// The value of `Content-Digest`.
    pub content_digest: String,
    /// What follows `keymoot=` in `Signature-Input`.
    pub signature_input: String,
    /// The signature, raw.
    pub signature: [u8; 64],
}

/// Why a signed request was refused, or cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// A header is absent.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// A header is there twice.
    #[error("the header `{0}` is there more than once")]
    Repeated(&'static str),
    /// A header is not of the form that it must have.
    #[error("the header `{0}` is not of its one form")]
    Header(&'static str),
    /// The parameters, or a covered component, break the profile.
    #[error("it is not signed as our profile of RFC 9421 demands")]
    Profile(#[source] SignedTextError),
    /// The digest is of another body.
    #[error("the content digest is not the body's")]
    Digest,
    /// Two different keys for idempotency.
    #[error("the header `idempotency-key` is not the nonce of the signature")]
    IdempotencyKey,
    /// The signature has not 64 bytes.
    #[error("the signature has not 64 bytes")]
    Length,
    /// The key named is not the one it is verified with.
    #[error("it names another key")]
    OtherKey,
    /// The algorithm named is not the key's.
    #[error("it names another algorithm than its key's")]
    OtherAlgorithm,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Forged,
    /// It is meant for another cluster.
    #[error("it is meant for another cluster")]
    OtherGroup,
    /// It is not good yet: a clock is wrong.
    #[error("it was created in the future")]
    NotYet,
    /// It is not good any more.
    #[error("it has expired")]
    Expired,
}

impl SigningKey {
    /// Signs a request. The same request under the same key has the same signature: none of it is left to chance.
    ///
    /// # Errors
    /// A path, a method or times which no node would take.
    pub fn sign(&self, request: &Unsigned<'_>) -> Result<SignedParts, SignedError> {
        let parameters = Parameters {
            created: request.created,
            expires: request.expires,
            nonce: request.nonce,
            keyid: self.client_id(),
            algorithm: self.algorithm(),
            tag: text::tag(request.group),
        };
        let content_digest = text::content_digest(&Sha256::digest(request.body).into());
        let base = text::base(request.method, request.path, &content_digest, &parameters);
        let signature = self.sign_bytes(base.map_err(SignedError::Profile)?.as_bytes());
        Ok(SignedParts { content_digest, signature_input: parameters.to_string(), signature })
    }
}

impl SignedParts {
    /// The request as it travels between our own processes.
    #[must_use]
    pub fn into_request(self, request: &Unsigned<'_>) -> mpc::SignedRequest {
        mpc::SignedRequest {
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            body: request.body.to_vec(),
            signature_input: self.signature_input,
            signature: self.signature.to_vec(),
        }
    }
}

/// What a request says about its signature. Nothing of it is proved yet.
///
/// # Errors
/// Parameters which break the profile.
pub fn parameters(request: &mpc::SignedRequest) -> Result<Parameters, SignedError> {
    Parameters::parse(&request.signature_input).map_err(SignedError::Profile)
}

/// Whether this client signed this request. Returns what it signed about it.
///
/// # Errors
/// It breaks the profile, names another key, or does not verify.
pub fn verify(request: &mpc::SignedRequest, key: &ClientKey) -> Result<Parameters, SignedError> {
    let parameters = parameters(request)?;
    if parameters.keyid != client_id(key) {
        return Err(SignedError::OtherKey);
    }
    let digest = text::content_digest(&Sha256::digest(&request.body).into());
    let base = text::base(&request.method, &request.path, &digest, &parameters);
    let base = base.map_err(SignedError::Profile)?;
    let signature = request.signature.as_slice().try_into().map_err(|_| SignedError::Length)?;
    let is_signed = match (key, parameters.algorithm) {
        (ClientKey::Ed25519 { public }, Algorithm::Ed25519) => {
            is_ed25519(&public.0, base.as_bytes(), signature)
        }
        (ClientKey::P256 { public }, Algorithm::EcdsaP256Sha256) => {
            is_p256(&public.0, base.as_bytes(), signature)
        }
        _ => return Err(SignedError::OtherAlgorithm),
    };
    if is_signed { Ok(parameters) } else { Err(SignedError::Forged) }
}

/// Whether a request with these parameters is meant for us, and now.
///
/// # Errors
/// It is for another cluster, from the future, or too old.
pub fn is_for(parameters: &Parameters, group: GroupId, now: u64) -> Result<(), SignedError> {
    if parameters.group() != Some(group) {
        return Err(SignedError::OtherGroup);
    }
    if parameters.created > now.saturating_add(LEEWAY) {
        return Err(SignedError::NotYet);
    }
    if parameters.expires <= now { Err(SignedError::Expired) } else { Ok(()) }
}

/// Strict: a key or a commitment of small order verifies nothing.
fn is_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    let key = ed25519_dalek::VerifyingKey::from_bytes(public);
    key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Either of the two values of s: browsers and hardware sign with both, and a request's name does not depend on it.
fn is_p256(public: &[u8; 33], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(public);
    let signature = p256::ecdsa::Signature::from_slice(signature);
    matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(message, &signature).is_ok())
}

#[cfg(test)]
mod tests;
