//! Threshold key generation and signing as pure, deterministic state machines.
//!
//! A protocol is a value and one verb: a [`machine::Machine`] consumes one complete round and answers with what to
//! send and what to await next. A [`session::Session`] feeds it from the untrusted wire: it checks signatures,
//! sessions, rounds and duplicates, runs the echo broadcast, and turns whatever goes wrong into an [`abort::Abort`]
//! that says whose fault it was, with evidence that a third party can check.
//!
//! Time and randomness are arguments. Nothing here waits, logs, or touches a file, a socket or a clock, and no
//! remote input makes it panic.

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

pub mod abort;
pub mod any;
pub mod codec;
pub mod context;
pub mod curve;
pub mod derive;
pub mod dkg;
pub mod dkls23;
pub mod ecdsa;
pub mod echo;
pub mod envelope;
pub mod evidence;
pub mod frost;
pub mod gg20;
pub mod identity;
pub mod inbox;
pub mod key;
pub mod machine;
pub mod proof;
pub mod record;
pub mod session;
pub mod transcript;
pub mod vss;

pub use rand_core;
