//! Ring-Pedersen commitments s^x·t^μ modulo N̂, and the verifier's parameters for them.
//!
//! Whoever made the parameters could open a commitment to anything, so each verifier has proofs made under its own. Its
//! modulus is another one than that of its encryption.

use std::sync::OnceLock;

use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::factored::Factored;
use super::montgomery::{Element, Modulus, Ring};
use super::number::Natural;
use super::paillier::are_units;
use super::power::{Comb, power, product_vartime};
use super::suite::Suite;

/// One member's parameters.
pub(super) struct Pedersen {
    modulus: Modulus,
    s: Natural,
    t: Natural,
    suite: Suite,
    /// Powers of s and t, computed when they are first needed.
    combs: OnceLock<[Comb; 2]>,
}

/// What its maker knows until it has proved that s is a power of t.
pub(super) struct Trapdoor {
    pub(super) factored: Factored,
    /// s = t^λ.
    pub(super) lambda: Secret<Natural>,
}

impl Pedersen {
    /// `None` if the modulus has an impossible shape, or s and t are not what nobody can go without: units, different, and
    /// neither 0, 1 nor −1.
    pub(super) fn new(suite: Suite, n: &Natural, s: &Natural, t: &Natural) -> Option<Self> {
        let modulus = Modulus::new(n)?;
        let one = Natural::small(1, 1);
        let minus_one = n.minus(&one);
        let is_trivial = |x: &Natural| *x == one || *x == minus_one;
        if s == t || is_trivial(s) || is_trivial(t) || !are_units(&modulus, n, [s, t]) {
            return None;
        }
        Some(Self { modulus, s: s.clone(), t: t.clone(), suite, combs: OnceLock::new() })
    }

    /// Draws t = r² and s = t^λ.
    pub(super) fn draw(
        suite: Suite,
        factored: Factored,
        rng: &mut impl CryptoRngCore,
    ) -> Option<(Self, Trapdoor)> {
        let n = factored.number();
        let modulus = Modulus::new(n)?;
        let root = modulus.enter(&Natural::random_below(n, rng));
        let t = modulus.leave(&modulus.times(&root, &root));
        let quarter = Zeroizing::new(factored.totient().halved().halved());
        let lambda = Secret::new(Natural::random_below(&quarter, rng));
        let s = factored.power(&t, lambda.expose())?;
        let pedersen = Self::new(suite, n, &s, &t)?;
        Some((pedersen, Trapdoor { factored, lambda }))
    }

    pub(super) const fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    pub(super) const fn number(&self) -> &Natural {
        self.modulus.number()
    }

    pub(super) const fn s(&self) -> &Natural {
        &self.s
    }

    pub(super) const fn t(&self) -> &Natural {
        &self.t
    }

    pub(super) fn enter(&self, number: &Natural) -> Element {
        self.modulus.enter(number)
    }

    fn combs(&self) -> &[Comb; 2] {
        self.combs.get_or_init(|| {
            let comb = |base: &Natural, bits| Comb::new(&self.modulus, &self.modulus.enter(base), bits);
            [comb(&self.s, self.suite.mask_range()), comb(&self.t, self.suite.blind_range())]
        })
    }

    /// s^x·t^μ, in constant time.
    pub(super) fn power(&self, x: &Natural, blind: &Natural) -> Element {
        let [s, t] = self.combs();
        let side = |comb: &Comb, base: &Natural, exponent: &Natural| {
            let combed = comb.power(&self.modulus, exponent);
            combed.unwrap_or_else(|| power(&self.modulus, &self.modulus.enter(base), exponent))
        };
        self.modulus.times(&side(s, &self.s, x), &side(t, &self.t, blind))
    }

    pub(super) fn commit(&self, x: &Natural, blind: &Natural) -> Natural {
        self.modulus.leave(&self.power(x, blind))
    }

    /// Whether all of these are elements of the group.
    pub(super) fn are_elements<'a>(&self, all: impl IntoIterator<Item = &'a Natural>) -> bool {
        are_units(&self.modulus, self.number(), all)
    }

    /// Whether s^x·t^μ = T·S^e, for public values within their bounds.
    pub(super) fn holds(
        &self,
        (x, blind): (&Natural, &Natural),
        t: &Natural,
        (s, e): (&Natural, u128),
    ) -> bool {
        let left = self.power(&trimmed(x), &trimmed(blind));
        let right = product_vartime(&self.modulus, &[(self.enter(s), Natural::from_u128(e))]);
        left == self.modulus.times(&right, &self.enter(t))
    }
}

/// A public number without leading zero limbs.
pub(super) fn trimmed(number: &Natural) -> Natural {
    number.resized(super::number::limbs_for(number.bits_vartime()).max(1))
}
