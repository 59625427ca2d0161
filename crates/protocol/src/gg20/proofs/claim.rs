//! Equations between ciphertexts, A·C^e = (1 + z·N)·w^N, checked one by one or many together.

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::super::montgomery::{Element, Ring};
use super::super::number::Natural;
use super::super::paillier::{PublicKey, SecretKey};
use super::super::power::product_vartime;

/// A·C^e = (1 + z·N)·w^N modulo N², or with K^x on the right too.
pub(in super::super) struct Claim {
    pub commitment: Natural,
    pub ciphertext: Natural,
    pub challenge: u128,
    pub message: Natural,
    pub root: Natural,
    /// K and x.
    pub factor: Option<(Natural, Natural)>,
}

impl Claim {
    /// Whether the equation holds.
    pub fn holds(&self, key: &PublicKey) -> bool {
        let ring = key.ring();
        let power =
            |base: &Natural, exponent: Natural| product_vartime(ring, &[(ring.enter(base), exponent)]);
        let left = ring.times(
            &ring.enter(&self.commitment),
            &power(&self.ciphertext, Natural::from_u128(self.challenge)),
        );
        let mut right = ring.times(&key.plain(&self.message), &key.root_power(&self.root));
        if let Some((base, exponent)) = &self.factor {
            right = ring.times(&right, &power(base, exponent.clone()));
        }
        left == right
    }

    /// Whether both sides have one plaintext, which is all that is ever used of them, for the owner of the key, who knows
    /// what C and K are encryptions of. Where this fails, [`Claim::holds`] does too.
    pub fn holds_for_owner(&self, key: &SecretKey, message: &Natural, plain: &Natural) -> bool {
        let base = key.public().base();
        let enter = |number: &Natural| base.enter(number);
        let scaled = base.times(&enter(message), &enter(&Natural::from_u128(self.challenge)));
        let left = Zeroizing::new(base.leave(&scaled).plus(&key.decrypt(&self.commitment)));
        let factor = self.factor.as_ref().map(|(_, exponent)| base.times(&enter(exponent), &enter(plain)));
        let product = factor.map(|factor| Zeroizing::new(base.leave(&factor))).unwrap_or_default();
        let right = Zeroizing::new(product.plus(&self.message));
        enter(&left) == enter(&right)
    }
}

/// Whether all of these equations hold, up to factors that encrypt 0: a random combination of all of them takes one full
/// power. Whoever gets a false plaintext past it guesses a random number of 128 bits.
pub(in super::super) fn hold_together(
    key: &PublicKey,
    claims: &[Claim],
    rng: &mut impl CryptoRngCore,
) -> bool {
    let (ring, base) = (key.ring(), key.base());
    let mut factors: Vec<(Element, Natural)> = Vec::with_capacity(claims.len().saturating_mul(2));
    let mut roots = Vec::with_capacity(claims.len());
    let mut message = Natural::zero(1);
    for claim in claims {
        if claim.factor.is_some() {
            return false;
        }
        let weight = Natural::random(128, rng);
        factors.push((ring.enter(&claim.commitment), weight.clone()));
        let exponent = weight.times(&Natural::from_u128(claim.challenge));
        factors.push((ring.enter(&claim.ciphertext), exponent));
        message = message.plus(&weight.times(&claim.message));
        roots.push((base.enter(&claim.root), weight));
    }
    let root = base.leave(&product_vartime(base, &roots));
    product_vartime(ring, &factors) == ring.times(&key.plain(&message), &key.root_power(&root))
}
