//! Vendors behind the ports: the embedded ones, which need no service.
//!
//! | adapter | of | in |
//! |---|---|---|
//! | [`FileJournal`] | `Journal` | an append-only file of one process |
//! | [`FileAudit`] | `AuditSink` | an append-only file of one process |
//! | [`EmbeddedStore`] | `Sessions`, `Directory`, `Registry`, `Queue` | one database file that all processes of a machine share |
//!
//! All of them are durable before they answer, and sit the exams of the ports. Only the binary names them.

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

mod audit;
mod directory;
mod journal;
mod opening;
mod queue;
mod registry;
mod sessions;
mod store;
mod tape;

pub use audit::FileAudit;
pub use journal::FileJournal;
pub use opening::OpenError;
pub use store::EmbeddedStore;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whatever is behind a lock here is whole between two calls, so a panic elsewhere spoils nothing.
fn lock<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
