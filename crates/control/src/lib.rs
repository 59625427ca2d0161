//! The shell around a coordinator, and the registry: orders, holds nothing.
//!
//! [`ControlShell`] runs the engine's coordinator on a real machine and serves mpc.v1: one task owns the engine, the store
//! is asked beside it, nodes are connected by the streams that they open, and callers wait in a room of their own. What
//! may be called by whom is one table. It decides nothing: all decisions are in the engine, and no node
//! believes them.

mod access;
mod answers;
mod asking;
mod book;
mod clock;
mod config;
mod desk;
mod entrance;
mod fault;
mod inlet;
mod latest;
mod lookup;
mod mend;
mod moduli;
mod names;
mod nodes;
mod pulse;
mod record;
mod room;
mod roster;
mod serve;
mod shell;
mod tally;
mod task;
mod tokens;
mod traces;
mod waiting;
mod watch;

pub use config::{ControlConfig, Limits, Listen};
pub use fault::ControlFault;
pub use shell::{ControlHandle, ControlShell, ControlStatus};
