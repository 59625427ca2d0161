//! Cases of which it is known what must come out.

use anyhow::Result;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;

use crate::measure::{Bench, Class, Expected};

/// Bytes that the control compares.
const LENGTH: usize = 512;

/// Compares as one must not: until the first difference. A bare loop, so that no library makes it faster.
#[inline(never)]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    for (one, other) in one.iter().zip(other) {
        if one != other {
            return false;
        }
    }
    true
}

/// The secret is what the guess is, or is random.
fn guess(class: Class, rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut random = vec![0; LENGTH];
    rng.fill_bytes(&mut random);
    class.of(vec![0x5a; LENGTH], random)
}

/// The positive control: has to leak, or the method is worth nothing.
pub fn early_exit(bench: &mut Bench) -> Result<()> {
    const CASE: &str = "control/early-exit";
    if bench.wants(CASE) {
        let known = vec![0x5a; LENGTH];
        let prepare = |class, rng: &mut _| Ok(guess(class, rng));
        bench.case(CASE, Expected::Leak, prepare, |secret| Ok(is_same(&secret, &known)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{guess, is_same};
    use crate::measure::{Bench, Class, Expected};

    /// By their ratio, because both grow with what else the machine does: between equal distributions a busy machine
    /// was seen to reach |t| = 8, where the leak showed 2,200. What exact numbers give, `welch` tests.
    #[test]
    fn the_early_exit_stands_out_from_equal_distributions() {
        let known = vec![0x5a; super::LENGTH];
        let work = |secret: Vec<u8>| Ok(is_same(&secret, &known));
        let mut bench = Bench::bounded(4_000);
        let leak = bench.case("leak", Expected::Leak, |class, rng| Ok(guess(class, rng)), work).unwrap();
        let same =
            bench.case("same", Expected::NoLeak, |_, rng| Ok(guess(Class::Random, rng)), work).unwrap();
        assert!(leak.leaks() && leak.worst.abs() > 10.0 * same.worst.abs(), "{leak:?} {same:?}");
    }
}
