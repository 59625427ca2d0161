//! Each scenario for some seconds; `cargo xtask e2e` runs them for as long as one likes.

mod bad_places;
mod evil;
mod full_disk;
mod guide;
mod kills;
mod many;
mod paused;
mod secrets;
mod trace;
mod transcript;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One cluster at a time: what is tested here is not how many fit on a machine.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
