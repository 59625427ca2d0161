//! The search for a safe prime, in steps that whoever runs it can spread over idle time.

use keymoot_types::Secret;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

use super::super::montgomery::{Modulus, Ring};
use super::super::number::{Natural, limbs_for};
use super::super::power::power;
use super::super::suite::Suite;
use super::{is_prime, small_primes};
use crate::codec::{Malformed, Reader, Wire, Writer};

/// How far the sieve of one stretch reaches above its start: numbers p = start + 4·i.
const STRETCH: usize = 1 << 14;

/// Small primes that the sieve uses.
const SIEVE_BOUND: u32 = 1 << 18;

/// A safe prime that has been looked for and is 3 modulo 4. Secret: no `Clone`, no `Debug`, wiped on drop.
///
/// ```compile_fail
/// fn copy(one: &keymoot_protocol::gg20::SafePrime) -> keymoot_protocol::gg20::SafePrime {
///     one.clone()
/// }
/// ```
pub struct SafePrime(Secret<Natural>);

impl SafePrime {
    /// Checks a number that is said to be a safe prime of the suite: its length, that its two upper bits are set so that
    /// products have full length, and both primes.
    pub(in super::super) fn check(
        number: Natural,
        suite: Suite,
        rng: &mut impl CryptoRngCore,
    ) -> Option<Self> {
        let number = Secret::new(number);
        let n = number.expose();
        let shape =
            n.bits_vartime() == suite.prime_bits() && n.bit(suite.prime_bits().saturating_sub(2)) == 1;
        let half = Zeroizing::new(n.halved());
        let sound = shape && n.window(0, 2) == 3 && is_prime(n, rng) && is_prime(&half, rng);
        sound.then_some(Self(number))
    }

    pub(in super::super) fn expose(&self) -> &Natural {
        self.0.expose()
    }

    /// The encoding for a sealed store.
    #[must_use]
    pub fn seal(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(512);
        self.0.expose().write(&mut writer);
        writer.finish()
    }

    /// Reads what [`SafePrime::seal`] wrote, and checks it again: a number that is no safe prime gives the key away.
    ///
    /// # Errors
    /// Anything else.
    pub fn unseal(bytes: &[u8], suite: Suite, rng: &mut impl CryptoRngCore) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let number = Zeroizing::new(Natural::read(&mut reader)?);
        reader.end()?;
        Self::check(number.resized(limbs_for(suite.prime_bits())), suite, rng).ok_or(Malformed::Integer)
    }
}

/// A search under way. Each step tries a stretch of numbers above a fresh random start.
pub struct Hunt {
    suite: Suite,
    primes: Vec<u32>,
}

impl Hunt {
    /// Prepares a search for primes of the suite.
    #[must_use]
    pub fn new(suite: Suite) -> Self {
        Self { suite, primes: small_primes(SIEVE_BOUND) }
    }

    /// Tries one stretch: some tenths of a second of work for the full suite. `None` if nothing was there.
    ///
    /// Starts are uniform; of a stretch the first safe prime is taken, which prefers those after long gaps a little, by
    /// less than a bit of all their entropy.
    pub fn step(&self, rng: &mut impl CryptoRngCore) -> Option<SafePrime> {
        let start = self.start(rng);
        let sieved = self.sieve(&start);
        for (offset, is_out) in (0u64..).step_by(4).zip(sieved.iter()) {
            if *is_out {
                continue;
            }
            let candidate = Zeroizing::new(start.plus(&Natural::small(offset, 1)).resized(start.width()));
            let half = Zeroizing::new(candidate.halved());
            if !passes_fermat(&half) || !passes_fermat(&candidate) {
                continue;
            }
            let found = SafePrime::check(Natural::clone(&candidate), self.suite, rng);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// A random number of the suite's length, 3 modulo 4, its two upper bits set.
    fn start(&self, rng: &mut impl CryptoRngCore) -> Zeroizing<Natural> {
        let bits = self.suite.prime_bits();
        let mut number = Zeroizing::new(Natural::random(bits, rng));
        let mut limbs = number.limbs().to_vec();
        for at in [0, 1, bits.saturating_sub(2), bits.saturating_sub(1)] {
            if let Some(limb) = limbs.get_mut(at / 64) {
                *limb |= 1 << (at % 64);
            }
        }
        number.zeroize();
        Zeroizing::new(Natural::from_limbs(limbs))
    }

    /// Strikes out every start + 4·i that a small prime divides, or whose half it divides.
    fn sieve(&self, start: &Natural) -> Zeroizing<Vec<bool>> {
        let mut out = Zeroizing::new(vec![false; STRETCH]);
        for prime in &self.primes {
            let p = u64::from(*prime);
            let rest = start.rem_small_vartime(p);
            // p divides start + 4·i where i = −start/4; it divides the half where start + 4·i is 1 modulo p.
            let quarter = inverse_of_four(p);
            for target in [p.saturating_sub(rest), p.saturating_add(1).saturating_sub(rest)] {
                let first = (target % p).wrapping_mul(quarter) % p;
                let first = usize::try_from(first).unwrap_or(usize::MAX);
                out.iter_mut().skip(first).step_by(*prime as usize).for_each(|entry| *entry = true);
            }
        }
        out
    }
}

/// 1/4 modulo an odd number above 3, or 1 modulo 3.
const fn inverse_of_four(p: u64) -> u64 {
    // p·k + 1 is a multiple of 4 for k = p·3 mod 4 … that is, for k = −1/p modulo 4.
    let k = match p % 4 {
        1 => 3,
        _ => 1,
    };
    (p * k + 1) / 4 % p
}

/// Whether 2^(n−1) is 1: what nearly no composite number does. The real decision comes after it.
fn passes_fermat(n: &Natural) -> bool {
    let Some(modulus) = Modulus::new(n) else { return false };
    let exponent = Zeroizing::new(n.minus(&Natural::small(1, 1)));
    let two = modulus.enter(&Natural::small(2, 1));
    *power(&modulus, &two, &exponent) == modulus.one()
}
