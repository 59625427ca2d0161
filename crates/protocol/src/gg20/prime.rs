//! Primes: deciding whether a number is one, and looking for safe ones.
//!
//! A safe prime is p = 2·p′ + 1 with p′ prime. Decisions about numbers of others are theirs to know and may take any time.
//! The search throws away what does not fit, and the time of that is seen. A prime that is kept is decided on by the same code:
//! its powers and Lucas's steps take a time that does not depend on it; its length, its lowest bits, and what it leaves of small
//! numbers (symbols and trial divisions) are not hidden from whoever measures inside the machine.

mod hunt;

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

pub use hunt::{Hunt, SafePrime};

use super::montgomery::{Modulus, Ring};
use super::number::Natural;
use super::power::{chosen, power};

/// Primes below this divide no modulus of ours.
pub(super) const TRIAL_BOUND: u32 = 1 << 20;

/// Rounds of Miller and Rabin, each of which a composite number passes with probability ¼ at most.
const ROUNDS: usize = 44;

/// All odd primes below `bound`, by the sieve of Eratosthenes.
pub(super) fn small_primes(bound: u32) -> Vec<u32> {
    // Entry i stands for 2·i + 1.
    let mut is_composite = vec![false; bound as usize / 2];
    let mut primes = Vec::new();
    for value in (3..bound).step_by(2) {
        if is_composite.get(value as usize / 2).copied().unwrap_or(true) {
            continue;
        }
        primes.push(value);
        let first = u64::from(value).saturating_mul(u64::from(value)) / 2;
        let Ok(first) = usize::try_from(first) else { continue };
        is_composite.iter_mut().skip(first).step_by(value as usize).for_each(|entry| *entry = true);
    }
    primes
}

/// The smallest odd prime below [`TRIAL_BOUND`] that divides a public number other than that prime.
pub(super) fn small_factor_vartime(number: &Natural) -> Option<u32> {
    // Primes are taken together while their product fits a limb: one division for two or three.
    let primes = small_primes(TRIAL_BOUND);
    let mut rest = primes.as_slice();
    while !rest.is_empty() {
        let mut product = 1u64;
        let fits = |prime: &&u32| {
            let next = product.checked_mul(u64::from(**prime));
            next.map(|next| product = next).is_some()
        };
        let taken = rest.iter().take_while(fits).count().max(1);
        let (group, others) = rest.split_at_checked(taken).unwrap_or_default();
        let remainder = number.rem_small_vartime(product);
        let divides = |prime: &&u32| {
            remainder.is_multiple_of(u64::from(**prime)) && *number != Natural::small(u64::from(**prime), 1)
        };
        if let Some(prime) = group.iter().find(divides) {
            return Some(*prime);
        }
        rest = others;
    }
    None
}

/// The Jacobi symbol of public numbers; zero if they have a common divisor. `below` is odd.
pub(super) fn jacobi_vartime(above: &Natural, below: &Natural) -> i8 {
    let width = below.width();
    let Some((_, mut a)) = above.divided(below) else { return 0 };
    a.resize(width);
    let mut n = below.clone();
    let mut sign = 1;
    while !a.is_zero() {
        while !a.is_odd() {
            a = a.halved();
            if matches!(n.window(0, 3), 3 | 5) {
                sign = -sign;
            }
        }
        if a.is_below(&n) {
            std::mem::swap(&mut a, &mut n);
            if a.window(0, 2) == 3 && n.window(0, 2) == 3 {
                sign = -sign;
            }
        }
        a = a.minus(&n);
    }
    if n == Natural::small(1, 1) { sign } else { 0 }
}

/// Whether a number is prime, as far as anybody can tell: Miller–Rabin with random bases, and the strong test of Lucas
/// with Selfridge's parameters. Composites that pass one are known; none is known that passes both.
pub(super) fn is_prime(number: &Natural, rng: &mut impl CryptoRngCore) -> bool {
    let tiny = number.bits_vartime() <= 20;
    if !number.is_odd() || number.bits_vartime() < 2 {
        return *number == Natural::small(2, 1);
    }
    if small_factor_vartime(number).is_some() {
        return false;
    }
    if tiny {
        return true;
    }
    let Some(modulus) = Modulus::new(number) else { return false };
    let bases = (0..ROUNDS).map(|_| Natural::random_below(number, rng));
    bases.into_iter().all(|base| base.is_zero() || passes(&modulus, &base)) && passes_lucas(&modulus)
}

/// One round of Miller and Rabin.
fn passes(modulus: &Modulus, base: &Natural) -> bool {
    let n = modulus.number();
    let mut odd = Zeroizing::new(n.minus(&Natural::small(1, 1)));
    let minus_one = modulus.enter(&odd);
    let mut twos = 0usize;
    while !odd.is_odd() {
        *odd = odd.halved();
        twos = twos.saturating_add(1);
    }
    let base = modulus.enter(base);
    let mut power = power(modulus, &base, &odd);
    if *power == modulus.one() {
        return true;
    }
    for _ in 0..twos {
        if power == minus_one {
            return true;
        }
        power = modulus.times(&power, &power);
    }
    false
}

/// The strong Lucas test: U_d = 0 or V_{d·2^r} = 0 for n + 1 = d·2^s, with P = 1, Q = (1 − D)/4 and the first D of 5, −7,
/// 9, … whose symbol is −1.
fn passes_lucas(modulus: &Modulus) -> bool {
    let n = modulus.number();
    let Some((negative, size)) = selfridge(n) else { return false };
    let small = |value: u64| modulus.enter(&Natural::small(value, 1));
    let add = |a: &[u64], b: &[u64]| sum(modulus, a, b);
    let negate = |a: &[u64]| modulus.enter(&n.minus(&modulus.leave(a)));
    let d = if negative { negate(&small(size)) } else { small(size) };
    let q = {
        let quarter = if negative { size.saturating_add(1) / 4 } else { size.saturating_sub(1) / 4 };
        if negative { small(quarter) } else { negate(&small(quarter)) }
    };
    // 1/2 = (n + 1)/2.
    let half = modulus.enter(&n.halved().plus(&Natural::small(1, 1)));
    let plus_one = n.plus(&Natural::small(1, 1));
    let twos = (0..).take_while(|at| plus_one.bit(*at) == 0).count();
    let (mut u, mut v, mut qk) = (small(1), small(1), q.clone());
    let double = |u: &mut super::montgomery::Element,
                  v: &mut super::montgomery::Element,
                  qk: &mut super::montgomery::Element| {
        *u = modulus.times(u, v);
        let twice = negate(&add(qk, qk));
        *v = add(&modulus.times(v, v), &twice);
        *qk = modulus.times(qk, qk);
    };
    for at in (twos..plus_one.bits_vartime().saturating_sub(1)).rev() {
        double(&mut u, &mut v, &mut qk);
        // Both are computed, since the number may be a secret prime.
        let next_u = modulus.times(&add(&u, &v), &half);
        let next_v = modulus.times(&add(&modulus.times(&d, &u), &v), &half);
        let next_qk = modulus.times(&qk, &q);
        for (element, next) in [(&mut u, next_u), (&mut v, next_v), (&mut qk, next_qk)] {
            *element = chosen([std::mem::take(element), next], plus_one.bit(at));
        }
    }
    let is_zero = |element: &[u64]| modulus.leave(element).is_zero();
    if is_zero(&u) || is_zero(&v) {
        return true;
    }
    (1..twos).any(|_| {
        double(&mut u, &mut v, &mut qk);
        is_zero(&v)
    })
}

fn sum(modulus: &Modulus, a: &[u64], b: &[u64]) -> super::montgomery::Element {
    let sum = Natural::from_limbs(a.to_vec()).plus(&Natural::from_limbs(b.to_vec()));
    // Both are in the ring's form, so that the sum is too once it is reduced.
    let reduced = sum.divided(modulus.number()).map(|(_, rest)| rest).unwrap_or_default();
    Zeroizing::new(reduced.resized(modulus.width()).limbs().to_vec())
}

/// Selfridge's D, as sign and size; `None` if the number is a square or has a factor in common with some D.
fn selfridge(n: &Natural) -> Option<(bool, u64)> {
    // Of factorial primes all small numbers are squares, so that the search may be long; a square is found out early.
    for step in 0..4096u64 {
        let size = step.saturating_mul(2).saturating_add(5);
        let negative = step % 2 == 1;
        let symbol = jacobi_vartime(&Natural::small(size, 1), n);
        // (−1/n) is −1 exactly if n is 3 modulo 4.
        let symbol = if negative && n.window(0, 2) == 3 { symbol.saturating_neg() } else { symbol };
        match symbol {
            -1 => return Some((negative, size)),
            0 if *n != Natural::small(size, 1) => return None,
            _ => {}
        }
        if step == 8 && root_vartime(n, 2).is_some() {
            return None;
        }
    }
    None
}

/// The k-th root of a public number, if it has one.
fn root_vartime(n: &Natural, k: usize) -> Option<Natural> {
    let bits = n.bits_vartime();
    let mut root = Natural::zero(n.width());
    for at in (0..bits.div_ceil(k)).rev() {
        let mut next = root.limbs().to_vec();
        if let Some(limb) = next.get_mut(at / 64) {
            *limb |= 1 << (at % 64);
        }
        let next = Natural::from_limbs(next);
        if !n.is_below(&raised(&next, k)) {
            root = next;
        }
    }
    (raised(&root, k) == *n).then_some(root)
}

fn raised(base: &Natural, k: usize) -> Natural {
    let trim = |number: Natural| number.resized(super::number::limbs_for(number.bits_vartime()).max(1));
    (1..k).fold(base.clone(), |product, _| trim(product.times(base)))
}

/// Whether a public number is a power of another. It has no factor below [`TRIAL_BOUND`], so that exponents are few.
pub(super) fn is_perfect_power_vartime(n: &Natural) -> bool {
    let most = n.bits_vartime() / 20;
    let exponents = std::iter::once(2).chain(small_primes(512).into_iter().map(|prime| prime as usize));
    exponents.take_while(|k| *k <= most).any(|k| root_vartime(n, k).is_some())
}
