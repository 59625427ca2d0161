//! Threshold ECDSA from Paillier encryption: GG20 with the proofs and the order of messages of CGGMP24.
//!
//! GG20 as published lacks proofs without which one malicious member takes the key. This is what is left when they are
//! put in: the moduli, proofs and presigning of Canetti, Gennaro, Goldfeder, Makriyannis and Peled (eprint 2021/060, as
//! revised in 2024), behind the name that people ask for. [`Generation`] makes a committee's moduli once, for all of its
//! keys. `spec/gg20.md` has every step and check.

#[cfg(test)]
mod arithmetic_tests;
pub mod auxiliary;
mod chance;
mod factored;
#[cfg(test)]
mod modulus_tests;
mod montgomery;
mod number;
mod paillier;
mod pedersen;
mod power;
pub mod presign;
mod presignature;
mod prime;
#[cfg(test)]
mod proof_tests;
mod proofs;
pub mod sign;
mod suite;

pub use auxiliary::{Auxiliary, Generation, GenerationRefused, Table, TableError, Written};
pub use number::Natural;
pub use presign::{PresignRefused, Presigner};
pub use presignature::{BurntPresignature, Presignature, Public};
pub use prime::{Hunt, SafePrime};
pub use sign::{Aggregator, Order, Released, Signer};
pub use suite::Suite;

/// The scheme whose keys these protocols serve.
pub(crate) const SCHEME: keymoot_types::Scheme = keymoot_types::Scheme::Gg20;
