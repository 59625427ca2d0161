//! Identity keys: who a node is. Everything a member says in a protocol is signed with one.
//!
//! Ed25519 of RFC 8032, verified strictly (no small-order keys, no malleable signatures).

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::curve::{Curve, Ed25519};
use crate::transcript::Hash;

/// A member's signing identity. Secret: no `Clone`, no `Debug`, zeroised on drop.
///
/// ```compile_fail
/// let identity = keymoot_protocol::identity::IdentityKey::from_seed([7; 32]);
/// let copy = identity.clone();
/// ```
pub struct IdentityKey {
    // Boxed so that moves leave no copy; wiped by the library's own drop.
    key: Box<SigningKey>,
    public: IdentityPublic,
}

/// The public half of an identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityPublic([u8; 32]);

/// A signature by an identity, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentitySignature(pub [u8; 64]);

impl IdentityKey {
    /// The identity grown from 32 uniform bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let key = Box::new(SigningKey::from_bytes(&seed));
        Self { public: IdentityPublic(key.verifying_key().to_bytes()), key }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> IdentityPublic {
        self.public
    }

    /// Signs a digest that [`crate::transcript`] made.
    #[must_use]
    pub fn sign(&self, digest: &Hash) -> IdentitySignature {
        IdentitySignature(self.key.sign(digest.as_bytes()).to_bytes())
    }

    /// Signs a text as it is, for formats of others that leave no room for a transcript.
    ///
    /// `None` for 32 bytes or less: no signature of a text may ever be one of a digest.
    #[must_use]
    pub fn sign_text(&self, text: &str) -> Option<IdentitySignature> {
        is_long(text).then(|| IdentitySignature(self.key.sign(text.as_bytes()).to_bytes()))
    }
}

impl IdentityPublic {
    /// The identity with this encoding.
    ///
    /// `None` unless the bytes are the canonical encoding of an element of the prime-order group.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        Ed25519::decode_point(&bytes).map(|_| Self(bytes))
    }

    /// The encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this identity signed `digest`.
    #[must_use]
    pub fn verifies(&self, digest: &Hash, signature: &IdentitySignature) -> bool {
        self.verifies_bytes(digest.as_bytes(), signature)
    }

    /// Whether this identity signed `text`; never true of a text that could be a digest.
    #[must_use]
    pub fn verifies_text(&self, text: &str, signature: &IdentitySignature) -> bool {
        is_long(text) && self.verifies_bytes(text.as_bytes(), signature)
    }

    fn verifies_bytes(&self, message: &[u8], signature: &IdentitySignature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

const fn is_long(text: &str) -> bool {
    text.len() > 32
}

impl std::fmt::Debug for IdentityPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("identity ")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for IdentitySignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("signature")
    }
}

#[cfg(test)]
mod tests {
    use super::IdentityKey;
    use crate::transcript::Hash;

    #[test]
    fn a_text_that_could_be_a_digest_is_neither_signed_nor_verified() {
        let key = IdentityKey::from_seed([7; 32]);
        let (short, long) = ("a".repeat(32), "a".repeat(33));
        assert!(key.sign_text(&short).is_none());
        assert!(key.public().verifies_text(&long, &key.sign_text(&long).unwrap()));
        let of_digest = key.sign(&Hash::from_bytes([b'a'; 32]));
        assert!(!key.public().verifies_text(&short, &of_digest), "a digest passed for a text");
        assert!(!key.public().verifies_text(&long, &of_digest));
    }
}
