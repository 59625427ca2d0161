//! Two points have one logarithm to two bases (Chaum and Pedersen 1992).

use k256::{ProjectivePoint, Scalar};
use keymoot_types::Secret;
use rand_core::CryptoRngCore;

use super::{Words, challenge_scalar};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::{Curve, Secp256k1};
use crate::transcript::paillier::Place;

const NAME: &str = "equal-logarithms/v1";

/// x·G and x·H.
pub(in super::super) struct Statement<'a> {
    pub other: &'a ProjectivePoint,
    pub powers: [&'a ProjectivePoint; 2],
}

/// The proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Proof {
    points: [ProjectivePoint; 2],
    z: Scalar,
}

impl Proof {
    pub fn prove(
        place: &Place,
        statement: &Statement<'_>,
        secret: &Scalar,
        rng: &mut impl CryptoRngCore,
    ) -> Self {
        let mask = Secret::new(Secp256k1::random(rng));
        let points = [ProjectivePoint::GENERATOR * mask.expose(), *statement.other * mask.expose()];
        let e = challenge(place, statement, &points);
        Self { points, z: e * secret + mask.expose() }
    }

    pub fn verify(&self, place: &Place, statement: &Statement<'_>) -> bool {
        let e = challenge(place, statement, &self.points);
        let ([a, b], [x, y]) = (&self.points, statement.powers);
        ProjectivePoint::GENERATOR * self.z == *a + *x * e && *statement.other * self.z == *b + *y * e
    }
}

fn challenge(place: &Place, statement: &Statement<'_>, points: &[ProjectivePoint; 2]) -> Scalar {
    let words = Words::new().points([&ProjectivePoint::GENERATOR, statement.other]).points(statement.powers);
    challenge_scalar(NAME, place, &words, &Words::new().points(points))
}

impl Wire for Proof {
    fn write(&self, writer: &mut Writer) {
        self.points.iter().for_each(|point| writer.point::<Secp256k1>(point));
        writer.scalar::<Secp256k1>(&self.z);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let points = [reader.point::<Secp256k1>()?, reader.point::<Secp256k1>()?];
        Ok(Self { points, z: reader.scalar::<Secp256k1>()? })
    }
}
