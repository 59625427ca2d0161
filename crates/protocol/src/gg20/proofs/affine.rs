//! Π^aff-g: D = x⊙K ⊕ Enc_j(y) and F = Enc_i(y), with x within ℓ + ε bits and the one of X = x·G, and y within ℓ′ + ε.

use k256::{ProjectivePoint, Scalar};
use keymoot_types::Secret;
use rand_core::CryptoRngCore;

use super::super::montgomery::Ring;
use super::super::number::Natural;
use super::super::paillier::{PublicKey, SecretKey};
use super::super::pedersen::Pedersen;
use super::super::power::power;
use super::super::suite::Suite;
use super::encryption::scaled_root;
use super::{Claim, Words, challenge_as_scalar, challenge_bits, number_of, response, scalar_of};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::curve::Secp256k1;
use crate::transcript::paillier::Place;

const NAME: &str = "aff-g/v1";

/// What is proven.
pub(in super::super) struct Statement<'a> {
    pub suite: Suite,
    /// The verifier's key N_j and parameters.
    pub verifier: &'a PublicKey,
    pub setup: &'a Pedersen,
    /// The prover's key N_i.
    pub prover: &'a PublicKey,
    /// K.
    pub ciphertext: &'a Natural,
    /// D.
    pub product: &'a Natural,
    /// F.
    pub mask: &'a Natural,
    /// X.
    pub point: &'a ProjectivePoint,
}

/// What the prover knows.
pub(in super::super) struct Witness<'a> {
    pub key: &'a SecretKey,
    /// x.
    pub factor: &'a Scalar,
    /// y.
    pub mask: &'a Natural,
    /// The r of Enc_j(y) in D.
    pub product_root: &'a Natural,
    /// The r of F.
    pub mask_root: &'a Natural,
}

/// The proof.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Proof {
    /// A and B_y.
    pub a: Natural,
    pub by: Natural,
    /// E, S, F, T.
    pub commitments: [Natural; 4],
    /// B_x.
    pub bx: ProjectivePoint,
    pub z: [Natural; 4],
    pub w: Natural,
    pub wy: Natural,
}

/// x⊙K ⊕ Enc(y; r), for a secret x.
pub(in super::super) fn combine(
    key: &PublicKey,
    ciphertext: &Natural,
    factor: &Natural,
    mask: &Natural,
    root: &Natural,
) -> Natural {
    let ring = key.ring();
    let product = power(ring, &ring.enter(ciphertext), factor);
    let masked = ring.times(&key.plain(mask), &key.root_power(root));
    ring.leave(&ring.times(&product, &masked))
}

impl Proof {
    pub fn prove(
        place: &Place,
        statement: &Statement<'_>,
        witness: &Witness<'_>,
        rng: &mut impl CryptoRngCore,
    ) -> Option<Self> {
        let (suite, setup) = (statement.suite, statement.setup);
        let secret = |bits, rng: &mut _| Secret::new(Natural::random(bits, rng));
        let (alpha, beta) = (secret(suite.scalar_range(), rng), secret(suite.mask_range(), rng));
        let (gamma, m) = (secret(suite.blind_range(), rng), secret(suite.blind(), rng));
        let (delta, mu) = (secret(suite.blind_range(), rng), secret(suite.blind(), rng));
        let r = Secret::new(statement.verifier.random_root(rng));
        let ry = witness.key.draw(rng)?;
        let x = number_of(witness.factor);
        let a = combine(statement.verifier, statement.ciphertext, alpha.expose(), beta.expose(), r.expose());
        let by = witness.key.encrypt_with(beta.expose(), &ry);
        let bx = ProjectivePoint::GENERATOR * *Secret::new(scalar_of(alpha.expose())).expose();
        let commitments = [
            setup.commit(alpha.expose(), gamma.expose()),
            setup.commit(&x, m.expose()),
            setup.commit(beta.expose(), delta.expose()),
            setup.commit(witness.mask, mu.expose()),
        ];
        let e = challenge(place, statement, (&a, &by), &commitments, &bx);
        Some(Self {
            z: [
                response(alpha.expose(), e, &x),
                response(beta.expose(), e, witness.mask),
                response(gamma.expose(), e, m.expose()),
                response(delta.expose(), e, mu.expose()),
            ],
            w: scaled_root(statement.verifier, r.expose(), witness.product_root, e),
            wy: scaled_root(statement.prover, &ry.number, witness.mask_root, e),
            a,
            by,
            commitments,
            bx,
        })
    }

    /// Every check but the equations between ciphertexts, which are left as claims: under the verifier's key, and under
    /// the prover's.
    pub fn check(&self, place: &Place, statement: &Statement<'_>) -> Option<[Claim; 2]> {
        let (suite, setup) = (statement.suite, statement.setup);
        let [z1, z2, z3, z4] = &self.z;
        let in_range = z1.fits(suite.scalar_range())
            && z2.fits(suite.mask_range())
            && z3.fits(suite.blind_range())
            && z4.fits(suite.blind_range());
        if !in_range || !setup.are_elements(&self.commitments) {
            return None;
        }
        let (theirs, ours) = (statement.verifier, statement.prover);
        let in_groups = theirs.are_ciphertexts([statement.ciphertext, statement.product, &self.a])
            && ours.are_ciphertexts([statement.mask, &self.by])
            && theirs.are_roots([&self.w])
            && ours.are_roots([&self.wy]);
        if !in_groups {
            return None;
        }
        let e = challenge(place, statement, (&self.a, &self.by), &self.commitments, &self.bx);
        let on_curve =
            ProjectivePoint::GENERATOR * scalar_of(z1) == self.bx + *statement.point * challenge_as_scalar(e);
        let [commit_alpha, commit_x, commit_beta, commit_y] = &self.commitments;
        if !on_curve
            || !setup.holds((z1, z3), commit_alpha, (commit_x, e))
            || !setup.holds((z2, z4), commit_beta, (commit_y, e))
        {
            return None;
        }
        let claim = |commitment: &Natural, ciphertext: &Natural, root: &Natural, factor| Claim {
            commitment: commitment.clone(),
            ciphertext: ciphertext.clone(),
            challenge: e,
            message: z2.clone(),
            root: root.clone(),
            factor,
        };
        let factor = Some((statement.ciphertext.clone(), z1.clone()));
        Some([
            claim(&self.a, statement.product, &self.w, factor),
            claim(&self.by, statement.mask, &self.wy, None),
        ])
    }

    /// All checks.
    pub fn verify(&self, place: &Place, statement: &Statement<'_>) -> bool {
        self.check(place, statement)
            .is_some_and(|[theirs, ours]| theirs.holds(statement.verifier) && ours.holds(statement.prover))
    }

    /// Bytes of an encoded proof, at most.
    pub const fn encoded_max(suite: Suite) -> usize {
        // A and B_y of twice, the commitments, w and w_y of once the modulus; the responses.
        let numbers =
            suite.modulus_bits() * 10 + suite.scalar_range() + suite.mask_range() + 2 * suite.blind_range();
        numbers / 8 + 14 * 9 + 33 + 64
    }
}

fn challenge(
    place: &Place,
    statement: &Statement<'_>,
    (a, by): (&Natural, &Natural),
    commitments: &[Natural; 4],
    bx: &ProjectivePoint,
) -> u128 {
    let words = Words::new().key(statement.verifier).key(statement.prover).setup(statement.setup);
    let words =
        words.numbers([statement.ciphertext, statement.product, statement.mask]).points([statement.point]);
    let first = Words::new().numbers([a, by]).numbers(commitments).points([bx]);
    challenge_bits(NAME, place, &words, &first)
}

impl Wire for Proof {
    fn write(&self, writer: &mut Writer) {
        self.a.write(writer);
        self.by.write(writer);
        self.commitments.iter().for_each(|number| number.write(writer));
        writer.point::<Secp256k1>(&self.bx);
        self.z.iter().for_each(|number| number.write(writer));
        self.w.write(writer);
        self.wy.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (a, by) = (Natural::read(reader)?, Natural::read(reader)?);
        let four = |reader: &mut Reader<'_>| -> Result<[Natural; 4], Malformed> {
            Ok([
                Natural::read(reader)?,
                Natural::read(reader)?,
                Natural::read(reader)?,
                Natural::read(reader)?,
            ])
        };
        let commitments = four(reader)?;
        let bx = reader.point::<Secp256k1>()?;
        let z = four(reader)?;
        Ok(Self { a, by, commitments, bx, z, w: Natural::read(reader)?, wy: Natural::read(reader)? })
    }
}
