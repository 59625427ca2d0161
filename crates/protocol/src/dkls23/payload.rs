//! What is signed: bytes that a node has looked at, and the digest that follows from them.

pub use crate::transcript::payload::PayloadHash;

/// The bytes that a signature is about.
///
/// Whoever may choose the digest itself can forge with a presignature: knowing R, they ask for h = m·r/r* and scale the
/// answer to a signature of m with c·R. So a digest is made here, from the bytes, and there is no other way to one:
///
/// ```compile_fail
/// let digest = keymoot_protocol::dkls23::Digest([7; 32]);
/// ```
/// ```compile_fail
/// let digest: keymoot_protocol::dkls23::Digest = [7; 32].into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
    hash: PayloadHash,
}

/// The digest of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Payload {
    /// A payload and how its format hashes it.
    #[must_use]
    pub const fn new(hash: PayloadHash, bytes: Vec<u8>) -> Self {
        Self { bytes, hash }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How they are hashed.
    #[must_use]
    pub const fn hash(&self) -> PayloadHash {
        self.hash
    }

    /// What ECDSA signs.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.hash.of(&self.bytes))
    }
}

impl Digest {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
