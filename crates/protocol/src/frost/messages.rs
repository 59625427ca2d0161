//! The messages of signing.

use frost_core::round1::{NonceCommitment, SigningCommitments};
use frost_core::round2;

use super::suite::Suite;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Curve;

/// Round 0: the public side of one pair of nonces, which is also the session's fresh contribution.
#[derive(Debug)]
pub struct Commitments<S: Suite>(pub SigningCommitments<S::Zf>);

impl<S: Suite> Clone for Commitments<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Suite> Copy for Commitments<S> {}

impl<S: Suite> PartialEq for Commitments<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<S: Suite> Wire for Commitments<S> {
    fn write(&self, writer: &mut Writer) {
        for commitment in [self.0.hiding(), self.0.binding()] {
            // Serialisation fails for the identity only, which no nonce commits to; empty bytes do not decode.
            writer.point_bytes(&commitment.serialize().unwrap_or_default());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut point = || strict::<S>(reader.point_bytes()?);
        Ok(Self(SigningCommitments::new(point()?, point()?)))
    }
}

/// The library decodes what it will compute with; the form is checked here, because it also reads other ones.
fn strict<S: Suite>(bytes: &[u8]) -> Result<NonceCommitment<S::Zf>, Malformed> {
    if !<S as Curve>::has_form(bytes) {
        return Err(Malformed::Point);
    }
    NonceCommitment::deserialize(bytes).map_err(|_| Malformed::Point)
}

/// Round 1: one signer's share of the signature.
#[derive(Debug)]
pub struct SignatureShare<S: Suite>(pub round2::SignatureShare<S::Zf>);

impl<S: Suite> Wire for SignatureShare<S> {
    fn write(&self, writer: &mut Writer) {
        writer.scalar_bytes(&self.0.serialize());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = reader.scalar_bytes()?;
        round2::SignatureShare::deserialize(bytes).map(Self).map_err(|_| Malformed::Scalar)
    }
}
