//! Each scenario for some seconds; `cargo xtask e2e` runs them for as long as one likes.

mod bad_places;
mod evil;
mod full_disk;
mod guide;
mod kills;
mod many;
mod paused;
mod secrets;
mod transcript;
