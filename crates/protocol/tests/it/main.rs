//! The protocols from outside: honest runs, public vectors, golden bytes, and every listed attack.
#![allow(clippy::arithmetic_side_effects, reason = "test arithmetic is on small known numbers")]

mod dkls;
mod dkls_honest;
mod gg20;
mod gg20_honest;
mod gg20_model;
mod gg20_suite;
mod net;
mod parties;
mod tokens;

mod any;
mod attacks_dkg;
mod attacks_dkls_presign;
mod attacks_dkls_setup;
mod attacks_dkls_smart;
mod attacks_frost;
mod attacks_gg20_judge;
mod attacks_gg20_keys;
mod attacks_gg20_moduli;
mod attacks_gg20_presign;
mod attacks_gg20_sizes;
mod attacks_key;
mod attacks_presignatures;
mod attacks_transport;
mod derivation;
mod ecdsa;
mod encoding;
mod golden;
mod guide;
mod honest;
mod judge;
mod model;
mod mutations;
mod mutations_dkls;
mod mutations_gg20;
mod proofs;
mod sealed;
mod vectors;
