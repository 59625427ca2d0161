//! Schnorr proofs of knowledge, with the commitment fixed long before the challenge can be known.
//!
//! The prover commits to K = k·G; later the challenge e binds session, round, prover and joint randomness
//! ([`crate::transcript::SchnorrChallenge`]); the answer is z = k + e·x, which holds if z·G = K + e·X.

use keymoot_types::{Party, Secret};
use rand_core::CryptoRngCore;

use crate::curve::{Curve, group::Group};
use crate::transcript::{Hash, SchnorrChallenge, Transcript};

/// The secret behind one commitment. Answering consumes it: two answers would give the secret away.
///
/// ```compile_fail
/// # use keymoot_protocol::{curve::Secp256k1, proof::{Claim, Prover}};
/// fn twice(prover: Prover<Secp256k1>, claim: &Claim<'_, Secp256k1>, x: &k256::Scalar) {
///     prover.answer(claim, x);
///     prover.answer(claim, x);
/// }
/// ```
pub struct Prover<C: Curve> {
    nonce: Secret<C::Scalar>,
    commitment: C::Point,
}

/// What is being proven: knowledge of the discrete logarithm of `public`.
pub struct Claim<'a, C: Curve> {
    /// Which secret is meant.
    pub statement: &'static str,
    /// The session.
    pub ssid: Hash,
    /// The round of the proof.
    pub round: u8,
    /// Who proves.
    pub prover: Party,
    /// Randomness fixed after the commitment.
    pub joint: Hash,
    /// The public point.
    pub public: &'a C::Point,
}

impl<C: Curve> Claim<'_, C> {
    fn challenge(&self, commitment: &C::Point) -> C::Scalar {
        let Self { statement, ssid, round, prover, joint, public } = *self;
        SchnorrChallenge::<C> { statement, ssid, round, prover, joint, public, commitment }.challenge::<C>()
    }

    /// Whether `answer` proves the claim for this commitment.
    #[must_use]
    pub fn is_proven_by(&self, commitment: &C::Point, answer: &C::Scalar) -> bool {
        C::Point::generator() * answer == *commitment + *self.public * self.challenge(commitment)
    }
}

impl<C: Curve> Prover<C> {
    /// Draws the nonce.
    pub fn new(rng: &mut impl CryptoRngCore) -> Self {
        let nonce = Secret::new(C::random(rng));
        let commitment = C::Point::generator() * nonce.expose();
        Self { nonce, commitment }
    }

    /// The commitment, to be published before the challenge can be known.
    #[must_use]
    pub const fn commitment(&self) -> &C::Point {
        &self.commitment
    }

    /// The answer to the claim's challenge.
    #[must_use]
    pub fn answer(self, claim: &Claim<'_, C>, secret: &C::Scalar) -> C::Scalar {
        claim.challenge(&self.commitment) * secret + self.nonce.expose()
    }
}
