//! The hashes that chains and message formats put between a payload and ECDSA.

use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

/// How a payload is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadHash {
    /// SHA-256.
    Sha256,
    /// SHA-256 twice: Bitcoin's signature hashes.
    Sha256d,
    /// Keccak-256: Ethereum's transactions and messages.
    Keccak256,
}

impl PayloadHash {
    /// Its name in transcripts.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha256d => "sha256d",
            Self::Keccak256 => "keccak256",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha256d, Self::Keccak256].into_iter().find(|hash| hash.label() == label)
    }

    /// The digest of a payload.
    #[must_use]
    pub fn of(self, payload: &[u8]) -> [u8; 32] {
        match self {
            Self::Sha256 => Sha256::digest(payload).into(),
            Self::Sha256d => Sha256::digest(Sha256::digest(payload)).into(),
            Self::Keccak256 => Keccak256::digest(payload).into(),
        }
    }
}
