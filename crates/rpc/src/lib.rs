//! The signer for Ethereum applications: JSON-RPC in, signatures of the cluster out.
//!
//! It runs beside an application and looks to it like a node of the chain that has accounts. What needs a key is signed by
//! the cluster, through a client with its own enrolled key; what an application reads is asked of the real node behind,
//! the *downstream*. It holds no share and believes neither side: payloads are built and read here, and every signature
//! is verified before it is used.
//!
//! One configuration is for one chain and one downstream. Whoever may talk to it may have things signed, so it listens on
//! loopback unless callers have to show a token or a certificate, elsewhere with TLS, and answers no web page that is not named.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable
    )
)]

mod accounts;
mod app;
mod broadcast;
mod budget;
mod cluster;
pub mod codes;
mod config;
mod connections;
mod downstream;
mod envelope;
mod errand;
mod fees;
mod fields;
mod gate;
mod hall;
mod held;
mod kept;
mod left;
mod line;
mod methods;
mod nonces;
mod offered;
mod refusal;
mod remote;
mod send;
mod serve;
mod tls;
mod told;
mod transaction;
mod tray;
mod wallet;
mod web3signer;

pub use cluster::{Account, Asked, Cluster};
pub use config::{Config, Limits, Shape, StartError};
pub use downstream::{Downstream, Unanswered};
pub use refusal::Refusal;
pub use remote::Remote;
pub use serve::Signer;
pub use tls::{Tls, TlsFault};
