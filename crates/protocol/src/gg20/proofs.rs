//! The proofs: each with its statement, its bounds and every check of its verifier.
//!
//! All numbers are unsigned. A response is checked against its bound, and every group element for being one, before
//! anything is computed with it. Challenges about integers have 128 bits; those about scalars are scalars.

pub(super) mod affine;
mod claim;
pub(super) mod encryption;
pub(super) mod equal;
pub(super) mod exponent;
pub(super) mod factors;
pub(super) mod modulus;
pub(super) mod setup;

use k256::elliptic_curve::bigint::U512;
use k256::elliptic_curve::ops::Reduce;
use k256::{ProjectivePoint, Scalar};
use zeroize::Zeroizing;

pub(super) use claim::{Claim, hold_together};

use super::number::Natural;
use super::paillier::PublicKey;
use super::pedersen::Pedersen;
use crate::codec::{Wire, Writer};
use crate::curve::{Curve, Secp256k1};
use crate::transcript::Transcript;
use crate::transcript::paillier::{Challenge, Place};

/// What enters a challenge.
pub(super) struct Words(Writer);

impl Words {
    pub(super) fn new() -> Self {
        Self(Writer::new())
    }

    pub(super) fn numbers<'a>(mut self, numbers: impl IntoIterator<Item = &'a Natural>) -> Self {
        numbers.into_iter().for_each(|number| number.write(&mut self.0));
        self
    }

    pub(super) fn points<'a>(mut self, points: impl IntoIterator<Item = &'a ProjectivePoint>) -> Self {
        points.into_iter().for_each(|point| self.0.point::<Secp256k1>(point));
        self
    }

    pub(super) fn key(self, key: &PublicKey) -> Self {
        self.numbers([key.number()])
    }

    pub(super) fn setup(self, setup: &Pedersen) -> Self {
        self.numbers([setup.number(), setup.s(), setup.t()])
    }
}

pub(super) fn challenge_bits(
    proof: &'static str,
    place: &Place,
    statement: &Words,
    commitment: &Words,
) -> u128 {
    Challenge { proof, place, statement: &statement.0, commitment: &commitment.0 }.bits()
}

pub(super) fn challenge_scalar(
    proof: &'static str,
    place: &Place,
    statement: &Words,
    commitment: &Words,
) -> Scalar {
    Challenge { proof, place, statement: &statement.0, commitment: &commitment.0 }.challenge::<Secp256k1>()
}

/// The scalar that a number is, modulo the order.
pub(super) fn scalar_of(number: &Natural) -> Scalar {
    // Horner over halves of 256 bits: each step reduces sum·2^256 + piece.
    let shift = <Scalar as Reduce<U512>>::reduce(U512::ONE.shl_vartime(256));
    number.limbs().chunks(4).rev().fold(Scalar::ZERO, |sum, piece| {
        let mut wide = Zeroizing::new([0; 64]);
        let places = wide.rchunks_exact_mut(8);
        places.zip(piece).for_each(|(place, limb)| place.copy_from_slice(&limb.to_be_bytes()));
        sum * shift + Secp256k1::reduce_wide(&wide)
    })
}

/// A scalar as a number.
pub(super) fn number_of(scalar: &Scalar) -> Zeroizing<Natural> {
    Zeroizing::new(Natural::from_be(Zeroizing::new(Secp256k1::encode_scalar(scalar)).as_ref()))
}

/// `mask + e·secret`: a response.
pub(super) fn response(mask: &Natural, e: u128, secret: &Natural) -> Natural {
    let product = Zeroizing::new(secret.times(&Natural::from_u128(e)));
    mask.plus(&product)
}

/// A challenge as a scalar.
pub(super) fn challenge_as_scalar(e: u128) -> Scalar {
    Scalar::from(e)
}
