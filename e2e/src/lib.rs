//! Real processes of the product on real sockets and disks: killed, stopped, starved, lied to, and checked from outside.
//!
//! Tests in `tests/it` run each scenario for some seconds. The same scenarios run for as long as one likes by
//! `cargo xtask e2e`.

pub mod cluster;
pub mod double;
pub mod files;
pub mod forward;
pub mod hosts;
pub mod ledger;
pub mod load;
pub mod process;
pub mod scenario;
