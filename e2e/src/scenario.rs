//! What is done to a cluster, for as long as one likes, and what is demanded of it.

pub mod failover;
pub mod gg20;
pub mod kill;
