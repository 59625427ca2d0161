//! Whether the time that protocols take depends on their secrets: a test in the manner of dudect (Reparaz, Balasch,
//! Verbauwhede, eprint 2016/1123).
//!
//! Each case runs one call on secrets of two classes, fixed and random, in an order drawn by lot, and compares the two
//! distributions of times. `spec/timing.md` of the protocol crate says what the figures mean and what they do not.

mod cases;
mod controls;
mod gg20;
mod measure;
mod signing;
mod welch;
mod world;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

use measure::{Bench, Class, Expected};

#[derive(Parser)]
#[command(about = "Tests whether the time of secret-dependent work depends on the secrets")]
struct Arguments {
    /// Seconds for each case.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Seed of all that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only one call on a secret of this class, not timed: for a tool that counts instructions of `the_call`.
    #[arg(long)]
    once: Option<Class>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let Arguments { seconds, only, seed, once, json } = Arguments::parse();
    let mut bench = Bench::new(Duration::from_secs(seconds), only, seed, json);
    bench.once = once;
    controls::early_exit(&mut bench)?;
    signing::same_distribution(&mut bench)?;
    signing::small_shares(&mut bench)?;
    cases::delta(&mut bench, "presign/delta-zero", 0)?;
    cases::delta(&mut bench, "presign/delta-one-bit", 1 << 77)?;
    cases::choices(&mut bench)?;
    cases::setup(&mut bench, "setup/base-ot-reply", 1)?;
    cases::setup(&mut bench, "setup/puncture", 3)?;
    gg20::signing(&mut bench)?;
    gg20::offers(&mut bench)?;
    gg20::products(&mut bench)?;
    gg20::decryption(&mut bench)?;
    ensure!(bench.measured > 0, "no case has that in its name");
    ensure!(
        !bench.missed(Expected::Leak),
        "the positive control shows no leak: the method does not work here"
    );
    Ok(())
}
