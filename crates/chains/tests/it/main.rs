//! The chains against public vectors, second implementations, hostile bytes, and independent verifiers.

/// So many cases, or as many as `PROPTEST_CASES` says: `cargo xtask differential` sets it.
fn cases(usual: u32) -> proptest::prelude::ProptestConfig {
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    let config = proptest::prelude::ProptestConfig::default();
    if is_set { config } else { proptest::prelude::ProptestConfig { cases: usual, ..config } }
}

#[cfg(feature = "bitcoin")]
mod bitcoin;
#[cfg(feature = "ethereum")]
mod ethereum;
#[cfg(all(feature = "bitcoin", feature = "ethereum", feature = "solana"))]
mod golden;
mod local;
mod plain;
#[cfg(feature = "solana")]
mod solana;
