//! The answer to the first question: what is to be signed, and what that would do.

use bitcoin::hashes::{Hash, sha256, sha256d};
use keymoot_types::{Path, Scheme};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::chain::Fault;
use crate::facts::Facts;
use crate::payload::Kind;

/// What a payload is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// What the payload was read as.
    pub kind: Kind,
    /// What has to be signed, in the order in which [`crate::assemble`] wants the signatures. Never empty.
    pub signings: Vec<Signing>,
    /// What it would do.
    pub facts: Facts,
}

/// Which kind of signature is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// ECDSA over secp256k1, low s.
    Ecdsa,
    /// BIP-340 under the output key of BIP-341 that has no scripts (BIP-86).
    TaprootKeyPath,
    /// RFC 8032.
    Ed25519,
}

impl Algorithm {
    /// What keys of this scheme sign with.
    #[must_use]
    pub const fn of(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Dkls23 | Scheme::Gg20 => Self::Ecdsa,
            Scheme::FrostTaproot => Self::TaprootKeyPath,
            Scheme::FrostEd25519 => Self::Ed25519,
        }
    }
}

/// The hash between the bytes that are signed and the signature scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Prehash {
    /// The scheme takes the bytes as they are.
    None,
    /// SHA-256; also BIP-340's tagged hash, whose tag is then part of the bytes.
    Sha256,
    /// SHA-256 twice.
    Sha256d,
    /// Keccak-256.
    #[cfg(feature = "ethereum")]
    Keccak256,
}

impl Prehash {
    pub(crate) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Sha256 => sha256::Hash::hash(bytes).to_byte_array().to_vec(),
            Self::Sha256d => sha256d::Hash::hash(bytes).to_byte_array().to_vec(),
            #[cfg(feature = "ethereum")]
            Self::Keccak256 => alloy_primitives::keccak256(bytes).to_vec(),
        }
    }
}

/// One signature that is needed.
///
/// The bytes before the hash are here, because threshold ECDSA with presignatures has no door for a digest that somebody
/// else computed. In JSON there are their hash and length instead of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Where below the key.
    pub path: Path,
    /// With what.
    pub algorithm: Algorithm,
    /// Added to the key at `path`: the tweak of BIP-341, 32 bytes big-endian. `None`: nothing is.
    pub tweak: Option<[u8; 32]>,
    /// The key under which the signature verifies: 33 bytes compressed for ECDSA, else 32.
    pub verifies_under: Vec<u8>,
    /// How the bytes become what the scheme signs.
    pub prehash: Prehash,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Signing {
    /// What the scheme is given: 32 bytes, but for Ed25519, which takes a message of any length.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        self.prehash.of(&self.bytes)
    }
}

impl Serialize for Signing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digest = match self.prehash {
            Prehash::None => Prehash::Sha256.of(&self.bytes),
            hash => hash.of(&self.bytes),
        };
        let mut fields = serializer.serialize_struct("Signing", 7)?;
        fields.serialize_field("path", &self.path.to_string())?;
        fields.serialize_field("algorithm", &self.algorithm)?;
        fields.serialize_field("tweak", &self.tweak.map(|tweak| hex(&tweak)))?;
        fields.serialize_field("verifies_under", &hex(&self.verifies_under))?;
        fields.serialize_field("prehash", &self.prehash)?;
        fields.serialize_field("digest", &hex(&digest))?;
        fields.serialize_field("length", &self.bytes.len())?;
        fields.end()
    }
}

/// Lower-case hexadecimal digits, without prefix.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use bitcoin::hex::DisplayHex;
    bytes.to_lower_hex_string()
}

/// Why a payload is not inspected, and so never signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// More bytes than its kind can have.
    #[error("a payload of the kind {kind} has at most {max} bytes, this one has {len}")]
    TooLong {
        /// The kind's name.
        kind: &'static str,
        /// The limit.
        max: usize,
        /// What there is.
        len: usize,
    },
    /// The chain was left out of this build.
    #[error("this build cannot read payloads of the kind {0}")]
    NotBuilt(&'static str),
    /// The payload needs another kind of signature than the key makes.
    #[error("a key of the scheme {scheme} does not sign payloads of the kind {kind}")]
    WrongScheme {
        /// The key's scheme.
        scheme: Scheme,
        /// The payload's kind.
        kind: &'static str,
    },
    /// Nobody can see what a bare digest does.
    #[error("a bare digest is not signed: nobody can see what it does")]
    Blind,
    /// A digest has 32 bytes.
    #[error("a digest has 32 bytes, not {0}")]
    NotADigest(usize),
    /// What its chain says.
    #[error(transparent)]
    Chain(#[from] Fault),
}
