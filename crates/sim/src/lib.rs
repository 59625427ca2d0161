//! A whole cluster in one deterministic world: nodes, coordinators, clients, disks, network and time, from a seed.
//!
//! The engine's own code makes all decisions; the world gives it everything that can go wrong. After every event the
//! functions named `invariant_*` in [`watch`] check what was promised. A failing seed is its own reproduction: the same
//! seed gives the same history, event by event.

pub mod backend;
pub mod chance;
pub mod coverage;
pub mod disk;
pub mod frame;
pub mod model;
pub mod planted;
pub mod replay;
pub mod run;
pub mod watch;
pub mod world;

pub use coverage::{Coverage, Kind};
pub use frame::Shape;
pub use planted::Bug;
pub use world::{Report, World};
