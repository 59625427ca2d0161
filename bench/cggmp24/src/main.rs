//! Signatures of two of three by `cggmp24`, with GMP and tables for powers of fixed bases, as quick as it gets: both signers on
//! one thread, the moduli of a dealer, from the same primes as the case `gg20/full/2of3` of the benches.
//!
//! For each line of its input it makes one signature, and prints the CPU time of that in microseconds: the benches ask for one
//! after each of theirs. `cargo xtask bench protocol --peers --only gg20/full` builds it and runs both.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, anyhow};
use cggmp24::backend::Integer;
use cggmp24::security_level::SecurityLevel128;
use cggmp24::supported_curves::Secp256k1;
use cggmp24::{DataToSign, ExecutionId, PregeneratedPrimes};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rustix::time::{ClockId, clock_gettime};

/// Microseconds of this thread.
fn thread_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn primes(member: usize) -> Result<PregeneratedPrimes<SecurityLevel128>> {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../crates/protocol/vectors/gg20_primes.json"))?;
    let one = |at: usize| {
        let text = vectors["full"][4 * member + at].as_str();
        text.and_then(|text| Integer::from_str_radix(text, 16)).context("there are primes enough")
    };
    PregeneratedPrimes::try_from([one(0)?, one(1)?, one(2)?, one(3)?])
        .map_err(|_| anyhow!("primes of another size"))
}

fn main() -> Result<()> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let shares = cggmp24::trusted_dealer::builder::<Secp256k1, SecurityLevel128>(3)
        .set_threshold(Some(2))
        .set_pregenerated_primes(vec![primes(0)?, primes(1)?, primes(2)?])
        .enable_multiexp(true)
        .generate_shares(&mut rng)?;
    let message = DataToSign::<Secp256k1>::digest::<sha2::Sha256>(b"benchmark");
    let mut out = std::io::stdout().lock();
    for (number, line) in (0_u64..).zip(std::io::stdin().lock().lines()) {
        line?;
        let session = number.to_be_bytes();
        let mut chance = [1, 2].map(|signer| ChaCha20Rng::seed_from_u64(signer * 1000 + number));
        let [first, second] = &mut chance;
        let begin = thread_time();
        let mut run = round_based::sim::Simulation::empty();
        for (signer, rng) in [(0, first), (1, second)] {
            let share = &shares[usize::from(signer)];
            run.add_party(
                cggmp24::signing(ExecutionId::new(&session), signer, &[0, 1], share).sign_sync(rng, &message),
            );
        }
        run.run()?.expect_ok();
        writeln!(out, "{}", thread_time() - begin)?;
        out.flush()?;
    }
    Ok(())
}
