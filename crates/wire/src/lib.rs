//! What leaves a process: the contract mpc.v1, sealed mail, tokens, TLS, the cluster document.

pub mod authority;
pub mod cluster;
pub mod door;
pub mod held;
pub mod identity;
pub mod metered;
pub mod mpc;
pub mod outbox;
mod p256_key;
pub mod places;
pub mod problem;
mod providers;
pub mod rest;
pub mod seal;
pub mod signed;
pub mod stop;
pub mod tls;
pub mod token;
pub mod trace;

pub use providers::install_providers;
