//! The protocols from outside: honest runs, public vectors, golden bytes, and every listed attack.
#![allow(clippy::arithmetic_side_effects, reason = "test arithmetic is on small known numbers")]

mod net;
mod parties;
mod tokens;

mod attacks_dkg;
mod attacks_frost;
mod attacks_key;
mod attacks_transport;
mod derivation;
mod encoding;
mod golden;
mod guide;
mod honest;
mod judge;
mod mutations;
mod proofs;
mod vectors;
