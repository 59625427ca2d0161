//! The shell around a node: the one process that holds shares.
//!
//! [`NodeShell`] runs the engine's node on a real machine: it writes what a plan says before it does what the plan says,
//! seals shares before the journal sees them and mail before a coordinator does, computes what takes long on threads of
//! its own, and keeps a link to each coordinator. It decides nothing: all decisions are in the engine.

mod clock;
mod config;
mod decisions;
mod dial;
mod fault;
mod follow;
mod health;
mod link;
mod mail;
mod parcel;
mod pass;
mod perform;
mod roster;
mod rules;
mod scribe;
pub mod seeds;
mod seeker;
mod shares;
mod shell;
mod status;
mod task;
mod turns;
mod worker;

pub use config::{Health, Limits, Metrics, NodeConfig};
pub use fault::NodeFault;
pub use shares::ShareFault;
pub use shell::{NodeHandle, NodeShell};
pub use status::{JournalState, LinkStatus, Status};
