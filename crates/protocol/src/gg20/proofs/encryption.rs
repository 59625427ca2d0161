//! Π^enc-elg: a ciphertext K encrypts a number within ℓ + ε bits, the one that is committed to as (a·G, a·Y + k·G).

use k256::{ProjectivePoint, Scalar};
use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::super::number::Natural;
use super::super::paillier::{PublicKey, SecretKey};
use super::super::pedersen::Pedersen;
use super::super::suite::{SCALAR, Suite};
use super::{Claim, Words, challenge_as_scalar, challenge_bits, number_of, response, scalar_of};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::{Curve, Secp256k1};
use crate::transcript::paillier::Place;

const NAME: &str = "enc-elg/v1";

/// What is proven.
pub(in super::super) struct Statement<'a> {
    pub suite: Suite,
    /// The prover's key.
    pub key: &'a PublicKey,
    /// The verifier's parameters.
    pub setup: &'a Pedersen,
    pub ciphertext: &'a Natural,
    /// Y.
    pub base: &'a ProjectivePoint,
    /// a·G and a·Y + k·G.
    pub commitment: &'a [ProjectivePoint; 2],
}

/// What the prover knows.
pub(in super::super) struct Witness<'a> {
    pub key: &'a SecretKey,
    /// k.
    pub plain: &'a Scalar,
    pub root: &'a Natural,
    /// a.
    pub opening: &'a Scalar,
}

/// The proof.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Proof {
    /// S, D and T.
    pub s: Natural,
    pub d: Natural,
    pub t: Natural,
    /// β·Y + α·G and β·G.
    pub points: [ProjectivePoint; 2],
    pub z1: Natural,
    pub w: Scalar,
    pub z2: Natural,
    pub z3: Natural,
}

impl Proof {
    pub fn prove(
        place: &Place,
        statement: &Statement<'_>,
        witness: &Witness<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Option<Self> {
        let (suite, setup, key) = (statement.suite, statement.setup, witness.key);
        let secret = |bits, rng: &mut _| Secret::new(Natural::random(bits, rng));
        let (alpha, mu) = (secret(suite.scalar_range(), rng), secret(suite.blind(), rng));
        let gamma = secret(suite.blind_range(), rng);
        let r = key.draw(rng)?;
        let beta = Secret::new(Secp256k1::random(rng));
        let k = number_of(witness.plain);
        let s = setup.commit(&k, mu.expose());
        let t = setup.commit(alpha.expose(), gamma.expose());
        let d = key.encrypt_with(alpha.expose(), &r);
        let alpha_scalar = Secret::new(scalar_of(alpha.expose()));
        let generator = ProjectivePoint::GENERATOR;
        let points =
            [*statement.base * beta.expose() + generator * alpha_scalar.expose(), generator * beta.expose()];
        let e = challenge(place, statement, (&s, &d, &t), &points);
        Some(Self {
            z1: response(alpha.expose(), e, &k),
            w: challenge_as_scalar(e) * witness.opening + beta.expose(),
            z2: scaled_root(statement.key, &r.number, witness.root, e),
            z3: response(gamma.expose(), e, mu.expose()),
            s,
            d,
            t,
            points,
        })
    }

    /// Every check but the equation between ciphertexts, which is left as a claim under the prover's key.
    pub fn check(&self, place: &Place, statement: &Statement<'_>) -> Option<Claim> {
        let (suite, setup) = (statement.suite, statement.setup);
        let in_range = self.z1.fits(suite.scalar_range()) && self.z3.fits(suite.blind_range());
        if !in_range || !setup.are_elements([&self.s, &self.t]) || !statement.key.are_roots([&self.z2]) {
            return None;
        }
        if !statement.key.are_ciphertexts([statement.ciphertext, &self.d]) {
            return None;
        }
        let e = challenge(place, statement, (&self.s, &self.d, &self.t), &self.points);
        let (scalar, z1, generator) =
            (challenge_as_scalar(e), scalar_of(&self.z1), ProjectivePoint::GENERATOR);
        let [first, second] = statement.commitment;
        let [upper, lower] = &self.points;
        let on_curve = *statement.base * self.w + generator * z1 == *upper + *second * scalar
            && generator * self.w == *lower + *first * scalar;
        if !on_curve || !setup.holds((&self.z1, &self.z3), &self.t, (&self.s, e)) {
            return None;
        }
        Some(Claim {
            commitment: self.d.clone(),
            ciphertext: statement.ciphertext.clone(),
            challenge: e,
            message: self.z1.clone(),
            root: self.z2.clone(),
            factor: None,
        })
    }

    /// All checks.
    pub fn verify(&self, place: &Place, statement: &Statement<'_>) -> bool {
        self.check(place, statement).is_some_and(|claim| claim.holds(statement.key))
    }

    /// Bytes of an encoded proof, at most.
    pub const fn encoded_max(suite: Suite) -> usize {
        // S, T, z2, and D of twice their length; z1; z3.
        let bits = suite.modulus_bits() * 5 + suite.scalar_range() + suite.blind_range();
        bits / 8 + 9 * 9 + 2 * 33 + 32 + 64 + SCALAR / 8
    }
}

/// r·ρ^e modulo N.
pub(in super::super) fn scaled_root(key: &PublicKey, r: &Natural, root: &Natural, e: u128) -> Natural {
    use super::super::montgomery::Ring as _;
    let base = key.base();
    let power = super::super::power::power_vartime(base, &base.enter(root), &Natural::from_u128(e));
    base.leave(&base.times(&base.enter(r), &power))
}

pub(in super::super) fn challenge(
    place: &Place,
    statement: &Statement<'_>,
    (s, d, t): (&Natural, &Natural, &Natural),
    points: &[ProjectivePoint; 2],
) -> u128 {
    let words = Words::new().key(statement.key).setup(statement.setup).numbers([statement.ciphertext]);
    let words = words.points([statement.base]).points(statement.commitment);
    challenge_bits(NAME, place, &words, &Words::new().numbers([s, d, t]).points(points))
}

impl Wire for Proof {
    fn write(&self, writer: &mut Writer) {
        [&self.s, &self.d, &self.t].into_iter().for_each(|number| number.write(writer));
        self.points.iter().for_each(|point| writer.point::<Secp256k1>(point));
        self.z1.write(writer);
        writer.scalar::<Secp256k1>(&self.w);
        self.z2.write(writer);
        self.z3.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            s: Natural::read(reader)?,
            d: Natural::read(reader)?,
            t: Natural::read(reader)?,
            points: [reader.point::<Secp256k1>()?, reader.point::<Secp256k1>()?],
            z1: Natural::read(reader)?,
            w: reader.scalar::<Secp256k1>()?,
            z2: Natural::read(reader)?,
            z3: Natural::read(reader)?,
        })
    }
}

/// Draws Y, a and (a·G, a·Y + k·G).
pub(in super::super) fn commit(
    base: &ProjectivePoint,
    plain: &Scalar,
    opening: &Scalar,
) -> [ProjectivePoint; 2] {
    let hidden = Zeroizing::new(*plain);
    [ProjectivePoint::GENERATOR * opening, *base * opening + ProjectivePoint::GENERATOR * *hidden]
}
