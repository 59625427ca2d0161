//! Signing with a presignature: one approval and one share from each signer.
//!
//! The first word of a session is every signer's approval: the session's name covers key, path, payload, presignature
//! and signers, so nobody's approval counts for anything else, and no share leaves before all have approved the same.
//! With its approval each signer opens the entropy it had committed to when the presignature was made. All entropies
//! together re-randomise the presignature: nobody could know R′ when payload and path were fixed.

mod aggregate;
mod order;
mod signer;

use k256::Scalar;

pub use aggregate::{Aggregator, convict};
pub use order::{Order, SignRefused, VerifyingKey};
pub use signer::{Released, Signer};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Secp256k1;
use crate::machine::{RoundSpec, Travel};

/// The rounds of every signing.
pub const ROUNDS: [RoundSpec; 2] = [
    RoundSpec { travel: Travel::Broadcast, after: None, body_max: 64 },
    RoundSpec { travel: Travel::Broadcast, after: Some(0), body_max: 128 },
];

/// Round 0: this signer approves what the session is about, and opens its entropy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// 32 uniform bytes, committed to when the presignature was made.
    pub entropy: [u8; 32],
}

impl Wire for Approval {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.entropy);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { entropy: reader.fixed()? })
    }
}

/// Round 1: this signer's share of numerator and denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// w = m·φ + r·v′.
    pub numerator: Scalar,
    /// u′ = u + δ·φ.
    pub denominator: Scalar,
}

impl Wire for Share {
    fn write(&self, writer: &mut Writer) {
        writer.scalar::<Secp256k1>(&self.numerator);
        writer.scalar::<Secp256k1>(&self.denominator);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { numerator: reader.scalar::<Secp256k1>()?, denominator: reader.scalar::<Secp256k1>()? })
    }
}
