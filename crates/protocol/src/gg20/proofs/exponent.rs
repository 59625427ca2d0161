//! Π^elog: the number that is committed to as (a·G, a·Y + k·G) is the logarithm of a point H′ to a base H.

use k256::{ProjectivePoint, Scalar};
use keymoot_types::Secret;
use rand_core::CryptoRngCore;

use super::{Words, challenge_scalar};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::{Curve, Secp256k1};
use crate::transcript::paillier::Place;

const NAME: &str = "elog/v1";

/// What is proven.
pub(in super::super) struct Statement<'a> {
    /// a·G and a·Y + k·G.
    pub commitment: &'a [ProjectivePoint; 2],
    /// Y.
    pub base: &'a ProjectivePoint,
    /// H, and H′ = k·H.
    pub other: &'a ProjectivePoint,
    pub power: &'a ProjectivePoint,
}

/// The proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Proof {
    /// α·G, m·G + α·Y, m·H.
    pub points: [ProjectivePoint; 3],
    /// α + e·a.
    pub z: Scalar,
    /// m + e·k.
    pub u: Scalar,
}

impl Proof {
    /// `secret` is k, `opening` a.
    pub fn prove(
        place: &Place,
        statement: &Statement<'_>,
        (secret, opening): (&Scalar, &Scalar),
        rng: &mut impl CryptoRngCore,
    ) -> Self {
        let (alpha, m) = (Secret::new(Secp256k1::random(rng)), Secret::new(Secp256k1::random(rng)));
        let generator = ProjectivePoint::GENERATOR;
        let points = [
            generator * alpha.expose(),
            generator * m.expose() + *statement.base * alpha.expose(),
            *statement.other * m.expose(),
        ];
        let e = challenge(place, statement, &points);
        Self { points, z: e * opening + alpha.expose(), u: e * secret + m.expose() }
    }

    pub fn verify(&self, place: &Place, statement: &Statement<'_>) -> bool {
        let e = challenge(place, statement, &self.points);
        let ([first, second], [a, n, b]) = (statement.commitment, &self.points);
        let generator = ProjectivePoint::GENERATOR;
        generator * self.z == *a + *first * e
            && generator * self.u + *statement.base * self.z == *n + *second * e
            && *statement.other * self.u == *b + *statement.power * e
    }
}

fn challenge(place: &Place, statement: &Statement<'_>, points: &[ProjectivePoint; 3]) -> Scalar {
    let words = Words::new().points([&ProjectivePoint::GENERATOR]).points(statement.commitment);
    let words = words.points([statement.base, statement.other, statement.power]);
    challenge_scalar(NAME, place, &words, &Words::new().points(points))
}

impl Wire for Proof {
    fn write(&self, writer: &mut Writer) {
        self.points.iter().for_each(|point| writer.point::<Secp256k1>(point));
        writer.scalar::<Secp256k1>(&self.z);
        writer.scalar::<Secp256k1>(&self.u);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut point = || reader.point::<Secp256k1>();
        let points = [point()?, point()?, point()?];
        Ok(Self { points, z: reader.scalar::<Secp256k1>()?, u: reader.scalar::<Secp256k1>()? })
    }
}
