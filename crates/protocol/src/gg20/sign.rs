//! Signing with a presignature: one approval and one share from each signer.
//!
//! The first word of a session is every signer's approval: the session's name covers key, path, payload, presignature
//! and signers, so nobody's approval counts for anything else, and no share leaves before all have approved the same.
//! With its approval each signer opens the entropy it had committed to when the presignature was made. All entropies
//! together re-randomise the presignature: nobody could know R′ when payload and path were fixed. A share that is wrong is
//! seen to be so by everybody, and names its author.

mod aggregate;
mod order;
mod signer;

use k256::Scalar;

pub use aggregate::{Aggregator, convict};
pub use order::Order;
pub use signer::{Released, Signer};

pub use crate::dkls23::sign::{Approval, SignRefused, VerifyingKey};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Secp256k1;
use crate::machine::{RoundSpec, Travel};

/// The rounds of every signing.
pub const ROUNDS: [RoundSpec; 2] = [
    RoundSpec { travel: Travel::Broadcast, after: None, body_max: 64 },
    RoundSpec { travel: Travel::Broadcast, after: Some(0), body_max: 64 },
];

/// Round 1: this signer's share of s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureShare(pub Scalar);

impl Wire for SignatureShare {
    fn write(&self, writer: &mut Writer) {
        writer.scalar::<Secp256k1>(&self.0);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.scalar::<Secp256k1>().map(Self)
    }
}
