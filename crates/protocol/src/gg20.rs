//! Threshold ECDSA from Paillier encryption: GG20 with the proofs and the order of messages of CGGMP24.

#[cfg(test)]
mod arithmetic_tests;
mod factored;
mod montgomery;
mod number;
mod paillier;
mod pedersen;
mod power;
mod prime;
mod proofs;
#[cfg(test)]
mod proof_tests;
mod suite;

pub use number::Natural;
pub use prime::{Hunt, Pool, PoolError, SafePrime};
pub use suite::Suite;
