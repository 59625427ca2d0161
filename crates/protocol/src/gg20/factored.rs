//! A modulus whose primes we know: half the width, half the exponent.

use keymoot_types::Secret;
use zeroize::Zeroizing;

use super::montgomery::{Modulus, Ring};
use super::number::Natural;
use super::power::{inverse, power};
use super::prime::SafePrime;

/// Upper bits of two primes of which some differ, so that nobody finds them near the root of their product.
const APART: usize = 128;

/// p·q. Secret: no `Clone`, no `Debug`, wiped on drop.
pub(super) struct Factored {
    n: Natural,
    sides: [Side; 2],
    /// 1/q modulo p.
    q_inverse: Secret<Natural>,
}

/// One prime of the two.
pub(super) struct Side {
    pub(super) prime: Secret<Natural>,
    pub(super) modulus: Modulus,
}

impl Side {
    fn new(prime: &Natural) -> Option<Self> {
        Some(Self { prime: Secret::new(prime.clone()), modulus: Modulus::new(prime)? })
    }

    /// p − 1.
    pub(super) fn order(&self) -> Zeroizing<Natural> {
        Zeroizing::new(self.prime.expose().minus(&Natural::small(1, 1)))
    }

    /// p′ of p = 2·p′ + 1.
    pub(super) fn half(&self) -> Zeroizing<Natural> {
        Zeroizing::new(self.prime.expose().halved())
    }

    /// `base^exponent` modulo the prime, for an exponent below its order.
    pub(super) fn power(&self, base: &Natural, exponent: &Natural) -> Zeroizing<Natural> {
        Zeroizing::new(self.modulus.leave(&power(&self.modulus, &self.modulus.enter(base), exponent)))
    }
}

impl Factored {
    /// `None` if the primes are too near to each other.
    pub(super) fn new(p: &SafePrime, q: &SafePrime) -> Option<Self> {
        Self::from_numbers(p.expose(), q.expose())
    }

    pub(super) fn from_numbers(p: &Natural, q: &Natural) -> Option<Self> {
        let bits = p.bits_vartime().saturating_sub(APART);
        let (larger, smaller) = if p.is_below(q) { (q, p) } else { (p, q) };
        if Zeroizing::new(larger.minus(smaller)).bits_vartime() <= bits {
            return None;
        }
        let sides = [Side::new(p)?, Side::new(q)?];
        let [of_p, _] = &sides;
        let q_inverse = Secret::new(Natural::clone(&*inverse(&of_p.modulus, q)?));
        Some(Self { n: p.times(q), sides, q_inverse })
    }

    pub(super) const fn number(&self) -> &Natural {
        &self.n
    }

    pub(super) const fn sides(&self) -> &[Side; 2] {
        &self.sides
    }

    /// 1/q modulo p.
    pub(super) fn q_inverse(&self) -> &Natural {
        self.q_inverse.expose()
    }

    /// φ(n).
    pub(super) fn totient(&self) -> Zeroizing<Natural> {
        let [p, q] = &self.sides;
        Zeroizing::new(p.order().times(&q.order()))
    }

    /// What is `a` modulo p and `b` modulo q.
    pub(super) fn combine(&self, a: &Natural, b: &Natural) -> Zeroizing<Natural> {
        let [p, q] = &self.sides;
        let difference = difference_mod(&p.modulus, a, b);
        let factor = p.modulus.times(&difference, &p.modulus.enter(self.q_inverse.expose()));
        let times = Zeroizing::new(p.modulus.leave(&factor));
        let product = Zeroizing::new(times.times(q.prime.expose()));
        Zeroizing::new(product.plus(b).resized(self.n.width()))
    }

    /// `base^exponent` modulo n.
    pub(super) fn power(&self, base: &Natural, exponent: &Natural) -> Option<Zeroizing<Natural>> {
        let mut powers = Vec::with_capacity(2);
        for side in &self.sides {
            let (_, reduced) = exponent.divided(&side.order())?;
            powers.push(side.power(base, &Zeroizing::new(reduced)));
        }
        let [a, b] = powers.as_slice() else { return None };
        Some(self.combine(a, b))
    }
}

/// `a − b` in the ring's form.
pub(super) fn difference_mod<R: Ring>(ring: &R, a: &Natural, b: &Natural) -> super::montgomery::Element {
    // The largest multiple of the modulus that is not below what b becomes is the modulus itself.
    let reduced = Zeroizing::new(ring.leave(&ring.enter(b)));
    let zero = Zeroizing::new(ring.negated(&reduced));
    ring.enter(&Zeroizing::new(a.plus(&zero)))
}
