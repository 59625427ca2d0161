//! Threshold ECDSA from Paillier encryption: GG20 with the proofs and the order of messages of CGGMP24.

mod montgomery;
mod number;
mod power;
#[cfg(test)]
mod arithmetic_tests;

pub use number::Natural;
