//! The in-memory twins of the ports: deterministic, complete, and bounded. For tests, the simulator and the demo.
//!
//! Where time or storage matters, the rules live in a core without clock, lock or future, whose methods are told the
//! time: [`sessions::Table`], [`registry::Roll`], [`queue::Backlog`]. The twins wrap these. A twin is a handle: its
//! clones share one storage, like several processes with one database.

pub mod audit;
pub mod bus;
pub mod clock;
pub mod directory;
pub mod journal;
pub mod queue;
pub mod registry;
pub mod sessions;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// No twin leaves its storage half changed, so a panic elsewhere spoils nothing.
fn lock<T>(storage: &Mutex<T>) -> MutexGuard<'_, T> {
    storage.lock().unwrap_or_else(PoisonError::into_inner)
}
