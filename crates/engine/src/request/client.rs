//! Who asks: a client's name, and the key that its signatures verify under.

use keymoot_protocol::dkls23::PayloadHash;
use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};
use keymoot_types::signed::Algorithm;
use p256::ecdsa::signature::Verifier;

use crate::crypto::Crypto;

/// The name of a client: the bytes of its Ed25519 key, or the SHA-256 of its compressed P-256 key. As claimed: whether
/// such a client is enrolled, each node knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(pub [u8; 32]);

impl ClientId {
    /// The name of an identity.
    #[must_use]
    pub const fn of(identity: &IdentityPublic) -> Self {
        Self(*identity.as_bytes())
    }
}

/// A client's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientKey {
    /// Ed25519, verified strictly.
    Ed25519(IdentityPublic),
    /// ECDSA over P-256 with SHA-256: what browsers and security tokens have.
    P256(Box<p256::ecdsa::VerifyingKey>),
}

impl ClientKey {
    /// An Ed25519 key; `None` for anything but a canonical element of the prime-order group.
    #[must_use]
    pub fn ed25519(bytes: [u8; 32]) -> Option<Self> {
        IdentityPublic::from_bytes(bytes).map(Self::Ed25519)
    }

    /// A P-256 key in the encoding of SEC 1, compressed or not; `None` for anything else.
    #[must_use]
    pub fn p256(sec1: &[u8]) -> Option<Self> {
        p256::ecdsa::VerifyingKey::from_sec1_bytes(sec1).ok().map(|key| Self::P256(Box::new(key)))
    }

    /// The client's name.
    #[must_use]
    pub fn id(&self) -> ClientId {
        match self {
            Self::Ed25519(identity) => ClientId::of(identity),
            Self::P256(key) => ClientId(PayloadHash::Sha256.of(key.to_encoded_point(true).as_bytes())),
        }
    }

    /// With what it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::P256(_) => Algorithm::EcdsaP256Sha256,
        }
    }

    /// Whether it signed a signature base of RFC 9421. That is longer than 32 bytes, so never a statement's digest.
    pub(super) fn verifies_base<C: Crypto>(&self, base: &str, signature: &IdentitySignature) -> bool {
        match self {
            Self::Ed25519(identity) => C::verifies_note(identity, base, signature),
            // Either of the two values of s: whoever changes one into the other changes nothing that is asked.
            Self::P256(key) => p256::ecdsa::Signature::from_slice(&signature.0)
                .is_ok_and(|signature| key.verify(base.as_bytes(), &signature).is_ok()),
        }
    }
}

impl From<IdentityPublic> for ClientKey {
    fn from(identity: IdentityPublic) -> Self {
        Self::Ed25519(identity)
    }
}
