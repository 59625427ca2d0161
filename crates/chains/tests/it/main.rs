//! The chains against public vectors, second implementations, hostile bytes, and independent verifiers.

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
