//! Paillier encryption: Enc(m; r) = (1 + m·N)·r^N modulo N².
//!
//! Whoever knows the primes computes modulo p² and q². r^N modulo p² takes two short powers, because it is the p-th power
//! of r^q, and what that is modulo p² depends on r^q modulo p only.

use std::sync::OnceLock;

use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::factored::{Factored, Side, difference_mod};
use super::montgomery::{Element, Modulus, Ring, Square};
use super::number::{LIMB, Natural};
use super::power::{Comb, inverse, power, power_vartime};

/// A key to encrypt under.
pub(super) struct PublicKey {
    ring: Square,
}

/// A key to decrypt with. Secret: no `Clone`, no `Debug`, wiped on drop.
pub(super) struct SecretKey {
    factored: Factored,
    halves: [Half; 2],
    /// 1/q² modulo p².
    q_inverse: Secret<Natural>,
    public: PublicKey,
}

/// A root under our own key: r, and r^N.
pub(super) struct Root {
    pub(super) number: Natural,
    power: Natural,
}

/// Powers of a generator modulo a prime of ours, and of its p-th power modulo p², which has the same order.
struct Generator {
    plain: Comb,
    lifted: Comb,
}

impl Generator {
    fn new(side: &Side, ring: &Square) -> Option<Self> {
        // The order of a number modulo 2·p′ + 1 that is no square and not −1 is everything.
        let half = side.half();
        let is_square = |number: &Natural| *side.power(number, &half) == Natural::small(1, 1);
        let generator = (2..64).map(|number| Natural::small(number, 1)).find(|number| !is_square(number))?;
        let lifted = power(ring, &ring.enter(&generator), side.prime.expose());
        let bits = side.modulus.width().saturating_mul(LIMB);
        Some(Self {
            plain: Comb::new(&side.modulus, &side.modulus.enter(&generator), bits),
            lifted: Comb::new(ring, &lifted, bits),
        })
    }
}

/// What decryption needs modulo the square of one prime.
struct Half {
    ring: Square,
    /// The other prime, modulo p − 1.
    other: Secret<Natural>,
    /// 1/(−q) modulo p.
    factor: Secret<Natural>,
    /// Computed when it is first needed.
    generator: OnceLock<Option<Generator>>,
}

impl PublicKey {
    /// `None` if the modulus has an impossible shape; whether it is sound is for its proofs to say.
    pub(super) fn new(n: &Natural) -> Option<Self> {
        Square::new(n).map(|ring| Self { ring })
    }

    pub(super) const fn number(&self) -> &Natural {
        self.ring.base().number()
    }

    pub(super) const fn ring(&self) -> &Square {
        &self.ring
    }

    /// Integers modulo N.
    pub(super) const fn base(&self) -> &Modulus {
        self.ring.base()
    }

    /// 1 + m·N, for m reduced modulo N.
    pub(super) fn plain(&self, message: &Natural) -> Element {
        let base = self.base();
        let reduced = Zeroizing::new(base.leave(&base.enter(message)));
        self.ring.enter_pair(&Natural::small(1, 1), &reduced)
    }

    /// r^N. The exponent is public, the base may be secret.
    pub(super) fn root_power(&self, root: &Natural) -> Element {
        power_vartime(&self.ring, &self.ring.enter(root), self.number())
    }

    pub(super) fn encrypt(&self, message: &Natural, root: &Natural) -> Natural {
        self.ring.leave(&self.ring.times(&self.plain(message), &self.root_power(root)))
    }

    /// Uniform, and invertible: nobody draws a factor of N by chance.
    pub(super) fn random_root(&self, rng: &mut impl CryptoRngCore) -> Natural {
        loop {
            let root = Natural::random_below(self.number(), rng);
            if !root.is_zero() {
                return root;
            }
        }
    }

    /// Whether all of these are elements of the group modulo N².
    pub(super) fn are_ciphertexts<'a>(&self, all: impl IntoIterator<Item = &'a Natural>) -> bool {
        let n = self.number();
        let square = n.times(n);
        are_units(self.base(), &square, all)
    }

    /// Whether all of these are elements of the group modulo N.
    pub(super) fn are_roots<'a>(&self, all: impl IntoIterator<Item = &'a Natural>) -> bool {
        are_units(self.base(), self.number(), all)
    }
}

/// Whether all of these public numbers are between 0 and `below`, and invertible modulo the modulus.
pub(super) fn are_units<'a>(
    modulus: &Modulus,
    below: &Natural,
    all: impl IntoIterator<Item = &'a Natural>,
) -> bool {
    // Their product is invertible if and only if all are.
    let mut product = Zeroizing::new(modulus.one().to_vec());
    for one in all {
        if one.is_zero() || one.bits_vartime() > below.bits_vartime() || !one.is_below(below) {
            return false;
        }
        product = modulus.times(&product, &modulus.enter(one));
    }
    modulus.leave(&product).is_coprime(modulus.number())
}

/// 1/q² modulo p², from 1/q modulo p: Newton's iteration doubles the correct digits.
fn square_inverse(ring: &Square, q: &Side, inverse: &Natural) -> Option<Natural> {
    let square = |number: &Natural| {
        let entered = ring.enter(number);
        ring.times(&entered, &entered)
    };
    let (whole, near) = (square(q.prime.expose()), square(inverse));
    let product = Zeroizing::new(ring.leave(&ring.times(&whole, &near)));
    let exact = ring.times(&near, &difference_mod(ring, &Natural::small(2, ring.width()), &product));
    (*ring.times(&whole, &exact) == ring.one()).then(|| ring.leave(&exact))
}

impl SecretKey {
    /// The key with these primes.
    pub(super) fn from_factored(factored: Factored) -> Option<Self> {
        let public = PublicKey::new(factored.number())?;
        let [p, q] = factored.sides();
        let half = |one: &Side, other: &Side| {
            let ring = Square::new(one.prime.expose())?;
            let (_, exponent) = other.prime.expose().divided(&one.order())?;
            let reduced = Zeroizing::new(one.modulus.leave(&one.modulus.enter(other.prime.expose())));
            let negated = Zeroizing::new(one.modulus.negated(&reduced));
            let factor = inverse(&one.modulus, &negated)?;
            Some(Half {
                ring,
                other: Secret::new(exponent),
                factor: Secret::new(Natural::clone(&*factor)),
                generator: OnceLock::new(),
            })
        };
        let halves = [half(p, q)?, half(q, p)?];
        let [of_p, _] = &halves;
        let q_inverse = Secret::new(square_inverse(&of_p.ring, q, factored.q_inverse())?);
        Some(Self { halves, q_inverse, public, factored })
    }

    pub(super) const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) const fn factored(&self) -> &Factored {
        &self.factored
    }

    fn sides(&self) -> impl Iterator<Item = (&Side, &Half)> {
        self.factored.sides().iter().zip(&self.halves)
    }

    /// A uniform root, as a power of generators modulo both primes: fixed bases make both r and r^N cheap.
    pub(super) fn draw(&self, rng: &mut impl CryptoRngCore) -> Option<Root> {
        let (mut plain, mut lifted) = (Vec::with_capacity(2), Vec::with_capacity(2));
        for (side, half) in self.sides() {
            let generator = half.generator.get_or_init(|| Generator::new(side, &half.ring)).as_ref()?;
            let order = side.order();
            let exponent = Zeroizing::new(Natural::random_below(&order, rng));
            // (g^a)^N = (g^p)^(a·q) modulo p².
            let (_, times_q) = Zeroizing::new(exponent.times(half.other.expose())).divided(&order)?;
            let times_q = Zeroizing::new(times_q);
            let root = generator.plain.power(&side.modulus, &exponent)?;
            plain.push(Zeroizing::new(side.modulus.leave(&root)));
            let power = generator.lifted.power(&half.ring, &times_q)?;
            lifted.push(Zeroizing::new(half.ring.leave(&power)));
        }
        let ([p, q], [p_lifted, q_lifted]) = (plain.as_slice(), lifted.as_slice()) else { return None };
        let number = Natural::clone(&self.factored.combine(p, q));
        Some(Root { number, power: Natural::clone(&self.combine_squares(p_lifted, q_lifted)) })
    }

    /// Enc(m; r) for a root that has been drawn.
    pub(super) fn encrypt_with(&self, message: &Natural, root: &Root) -> Natural {
        let ring = self.public.ring();
        ring.leave(&ring.times(&self.public.plain(message), &ring.enter(&root.power)))
    }

    /// r^N modulo N².
    pub(super) fn root_power(&self, root: &Natural) -> Zeroizing<Natural> {
        let powers: Vec<_> = self
            .sides()
            .map(|(side, half)| {
                let reduced = side.power(root, half.other.expose());
                let lifted = power(&half.ring, &half.ring.enter(&reduced), side.prime.expose());
                Zeroizing::new(half.ring.leave(&lifted))
            })
            .collect();
        let [a, b] = powers.as_slice() else { return Zeroizing::default() };
        self.combine_squares(a, b)
    }

    /// What is `a` modulo p² and `b` modulo q².
    fn combine_squares(&self, a: &Natural, b: &Natural) -> Zeroizing<Natural> {
        let ([half, _], [_, q]) = (&self.halves, self.factored.sides());
        let difference = difference_mod(&half.ring, a, b);
        let factor = half.ring.times(&difference, &half.ring.enter(self.q_inverse.expose()));
        let times = Zeroizing::new(half.ring.leave(&factor));
        let q_squared = Zeroizing::new(q.prime.expose().times(q.prime.expose()));
        let product = Zeroizing::new(times.times(&q_squared));
        Zeroizing::new(product.plus(b).resized(self.public.ring.width()))
    }

    pub(super) fn encrypt(&self, message: &Natural, root: &Natural) -> Natural {
        let ring = self.public.ring();
        ring.leave(&ring.times(&self.public.plain(message), &ring.enter(&self.root_power(root))))
    }

    /// The plaintext, below N, of an element of the group.
    pub(super) fn decrypt(&self, ciphertext: &Natural) -> Zeroizing<Natural> {
        let plains: Vec<_> = self
            .sides()
            .map(|(side, half)| {
                let powered = power(&half.ring, &half.ring.enter(ciphertext), &side.order());
                // 1 + x·p: the upper half is x.
                let upper = Zeroizing::new(half.ring.leave_upper(&powered));
                let factor = side.modulus.enter(half.factor.expose());
                let message = side.modulus.times(&side.modulus.enter(&upper), &factor);
                Zeroizing::new(side.modulus.leave(&message))
            })
            .collect();
        let [a, b] = plains.as_slice() else { return Zeroizing::default() };
        self.factored.combine(a, b)
    }

    /// Whether encryption and decryption undo each other: a defect of ours, or of the memory, shows before others rely on
    /// the key.
    pub(super) fn works(&self, rng: &mut impl CryptoRngCore) -> bool {
        let message = Zeroizing::new(Natural::random_below(self.public.number(), rng));
        let root = Zeroizing::new(self.public.random_root(rng));
        let ciphertext = self.encrypt(&message, &root);
        let Some(drawn) = self.draw(rng) else { return false };
        *self.decrypt(&ciphertext) == *message
            && ciphertext == self.public.encrypt(&message, &root)
            && self.encrypt_with(&message, &drawn) == self.public.encrypt(&message, &drawn.number)
    }

    /// The r of a ciphertext.
    pub(super) fn root_of(&self, ciphertext: &Natural) -> Option<Zeroizing<Natural>> {
        let base = self.public.base();
        // Modulo N the factor 1 + m·N is 1, whatever m.
        let reduced = base.leave(&base.enter(ciphertext));
        self.nth_root(&reduced)
    }

    /// The N-th root modulo N of a public number.
    pub(super) fn nth_root(&self, number: &Natural) -> Option<Zeroizing<Natural>> {
        let n = self.factored.number();
        let mut roots = Vec::with_capacity(2);
        for side in self.factored.sides() {
            // 1/N modulo p − 1 = 2·p′: what is 1/N modulo p′ and odd.
            let half = side.half();
            let inverse = inverse(&Modulus::new(&half)?, n)?;
            let even = 1 ^ inverse.bit(0);
            let addend = Zeroizing::new(half.times(&Natural::small(even, 1)));
            let exponent = Zeroizing::new(inverse.plus(&addend).resized(half.width()));
            roots.push(side.power(number, &exponent));
        }
        let [a, b] = roots.as_slice() else { return None };
        Some(self.factored.combine(a, b))
    }
}
