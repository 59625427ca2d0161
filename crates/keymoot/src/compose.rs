//! The composition root: the one place that names adapters and puts processes together from their parts.

mod anchor;
mod coordinator;
mod gateway;
mod node;
mod probe;
mod process;
pub mod watch;

pub use anchor::drop_anchor;
pub use process::run;
