//! Π^fac: N is a product of two numbers of about the length of its root. Together with Π^mod these are primes.

use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::super::montgomery::Ring;
use super::super::number::Natural;
use super::super::pedersen::{Pedersen, trimmed};
use super::super::power::{power, product_vartime};
use super::super::suite::Suite;
use super::{Words, challenge_bits, response};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::transcript::paillier::Place;

const NAME: &str = "fac/v1";

/// The proof, under the verifier's parameters.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Proof {
    /// P, Q, A, B, T.
    pub commitments: [Natural; 5],
    /// z₁, z₂ and w₁, w₂.
    pub z: [Natural; 2],
    pub w: [Natural; 2],
    /// r − e·ν·p.
    pub v: Natural,
}

impl Suite {
    /// The bound on what the proof shows of a prime.
    const fn prime_range(self) -> usize {
        self.scalar_range() + self.prime_bits()
    }

    /// The exponent that hides a prime times a blind.
    const fn cross_range(self) -> usize {
        self.blind_range() + self.prime_bits()
    }
}

impl Proof {
    /// For N = p·q; both are secret.
    pub fn prove(
        place: &Place,
        suite: Suite,
        setup: &Pedersen,
        (p, q): (&Natural, &Natural),
        rng: &mut impl CryptoRngCore,
    ) -> Self {
        let modulus = setup.modulus();
        let secret = |bits, rng: &mut _| Secret::new(Natural::random(bits, rng));
        let (alpha, beta) = (secret(suite.prime_range(), rng), secret(suite.prime_range(), rng));
        let (mu, nu) = (secret(suite.blind(), rng), secret(suite.blind(), rng));
        let (x, y) = (secret(suite.blind_range(), rng), secret(suite.blind_range(), rng));
        let r = secret(suite.cross_range(), rng);
        let second = setup.power(q, nu.expose());
        let cross = power(modulus, &second, alpha.expose());
        let cross = modulus.times(&cross, &setup.power(&Natural::zero(1), r.expose()));
        let commitments = [
            setup.commit(p, mu.expose()),
            modulus.leave(&second),
            setup.commit(alpha.expose(), x.expose()),
            setup.commit(beta.expose(), y.expose()),
            modulus.leave(&cross),
        ];
        let n = p.times(q);
        let e = challenge(place, setup, &n, &commitments);
        let hidden = Zeroizing::new(nu.expose().times(p));
        let product = Zeroizing::new(hidden.times(&Natural::from_u128(e)));
        Self {
            commitments,
            z: [response(alpha.expose(), e, p), response(beta.expose(), e, q)],
            w: [response(x.expose(), e, mu.expose()), response(y.expose(), e, nu.expose())],
            // Negative only where a random number is below its 2^384-th part.
            v: r.expose().minus(&product),
        }
    }

    pub fn verify(&self, place: &Place, suite: Suite, setup: &Pedersen, n: &Natural) -> bool {
        let bounds = [(&self.z, suite.prime_range()), (&self.w, suite.blind_range())];
        let in_range = bounds.into_iter().all(|(numbers, bits)| numbers.iter().all(|z| z.fits(bits)));
        let sized = n.bits_vartime() <= suite.modulus_bits()
            && n.bits_vartime().saturating_add(1) >= suite.modulus_bits();
        if !in_range || !self.v.fits(suite.cross_range()) || !sized || !setup.are_elements(&self.commitments)
        {
            return false;
        }
        let e = challenge(place, setup, n, &self.commitments);
        let [first, second, a, b, t] = &self.commitments;
        let ([z1, z2], [w1, w2]) = (&self.z, &self.w);
        if !setup.holds((z1, w1), a, (first, e)) || !setup.holds((z2, w2), b, (second, e)) {
            return false;
        }
        let modulus = setup.modulus();
        let left = product_vartime(
            modulus,
            &[(setup.enter(second), trimmed(z1)), (setup.enter(setup.t()), trimmed(&self.v))],
        );
        // R = s^N, so that R^e = s^(e·N).
        let exponent = n.times(&Natural::from_u128(e));
        let right = product_vartime(modulus, &[(setup.enter(setup.s()), exponent)]);
        left == modulus.times(&right, &setup.enter(t))
    }

    pub const fn encoded_max(suite: Suite) -> usize {
        let bits = 5 * suite.modulus_bits()
            + 2 * suite.prime_range()
            + 2 * suite.blind_range()
            + suite.cross_range();
        bits / 8 + 10 * 9 + 80
    }
}

fn challenge(place: &Place, setup: &Pedersen, n: &Natural, commitments: &[Natural; 5]) -> u128 {
    let statement = Words::new().numbers([n]).setup(setup);
    challenge_bits(NAME, place, &statement, &Words::new().numbers(commitments))
}

impl Wire for Proof {
    fn write(&self, writer: &mut Writer) {
        let numbers = self.commitments.iter().chain(&self.z).chain(&self.w).chain([&self.v]);
        numbers.for_each(|number| number.write(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut next = || Natural::read(reader);
        Ok(Self {
            commitments: [next()?, next()?, next()?, next()?, next()?],
            z: [next()?, next()?],
            w: [next()?, next()?],
            v: next()?,
        })
    }
}
