//! What Keymoot needs from the world, and nothing about who provides it.
//!
//! | port | what it allows |
//! |---|---|
//! | [`Registry`] | to say where one is, and to find others |
//! | [`Bus`] | to send bytes to a process, and to receive one's own |
//! | [`Sessions`] | coordinators to share requests, leases and outcomes |
//! | [`Recall`](sessions::Recall) | anybody to look at those, without a part in them |
//! | [`Directory`] | people to look up documents about keys and requests |
//! | [`Journal`] | a process to remember what it must not forget |
//! | [`AuditSink`] | to copy a log to a place that keeps it |
//! | [`Queue`] | to hand work to whoever is free |
//! | [`Clock`] | to ask for the time |
//!
//! Each port is a trait of a few verbs. Beside it stand a twin in [`memory`], which is deterministic, and an exam in
//! [`conformance`], which says as code what callers may rely on. An adapter writes no tests of its own: it sits the
//! exam. Whatever an exam does not ask is not promised.
//!
//! Every verb may be repeated after [`Fault::Unavailable`]; its page says what a repetition does. Payloads are bytes:
//! no port knows what it carries, and none is trusted with a secret in the clear.
//!
//! No vendor, no engine, no executor. The traits are object safe and their futures come from `std`.

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

pub mod audit;
pub mod bus;
pub mod clock;
pub mod conformance;
pub mod directory;
pub mod fault;
pub mod frames;
pub mod journal;
pub mod memory;
pub mod queue;
pub mod registry;
pub mod sessions;
pub mod text;
pub mod ttl;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use audit::AuditSink;
pub use bus::Bus;
pub use clock::Clock;
pub use directory::Directory;
pub use fault::Fault;
pub use journal::Journal;
pub use queue::Queue;
pub use registry::Registry;
pub use sessions::Sessions;
pub use text::{Address, Name, Role};
pub use ttl::Ttl;

/// What a verb of a port returns: a future which anybody can drive. Nothing happens before it is polled.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// Bytes that are handed around without being copied.
pub type Bytes = Arc<[u8]>;
