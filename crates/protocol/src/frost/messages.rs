//! The messages of signing.

use frost_core::round1::{NonceCommitment, SigningCommitments};
use frost_core::round2;

use super::suite::Suite;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Curve;

/// Round 0: the public side of one pair of nonces, which is also the session's fresh contribution.
#[derive(Debug)]
pub struct Commitments<S: Suite>(pub SigningCommitments<S::Zf>, [Encoded; 2]);

/// An encoded point, padded with zeros: encoding costs an inversion, so it is done once.
type Encoded = [u8; 33];

impl<S: Suite> Commitments<S> {
    /// The message for these commitments of the library.
    #[must_use]
    pub fn new(commitments: SigningCommitments<S::Zf>) -> Self {
        // Serialisation fails for the identity only, which no nonce commits to; zeros do not decode.
        let encode = |commitment: &NonceCommitment<S::Zf>| pad(&commitment.serialize().unwrap_or_default());
        let encoded = [encode(commitments.hiding()), encode(commitments.binding())];
        Self(commitments, encoded)
    }

    /// Both points as they are on the wire, padded.
    pub(super) const fn encoded(&self) -> &[Encoded; 2] {
        &self.1
    }
}

fn pad(bytes: &[u8]) -> Encoded {
    let mut encoded = [0; 33];
    encoded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    encoded
}

impl<S: Suite> Clone for Commitments<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Suite> Copy for Commitments<S> {}

impl<S: Suite> PartialEq for Commitments<S> {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1
    }
}

impl<S: Suite> Wire for Commitments<S> {
    fn write(&self, writer: &mut Writer) {
        for encoded in &self.1 {
            writer.point_bytes(encoded.get(..<S as Curve>::POINT_LEN).unwrap_or_default());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut point = || {
            let bytes = reader.point_bytes()?;
            Ok((strict::<S>(bytes)?, pad(bytes)))
        };
        let ((hiding, hiding_bytes), (binding, binding_bytes)) = (point()?, point()?);
        Ok(Self(SigningCommitments::new(hiding, binding), [hiding_bytes, binding_bytes]))
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
