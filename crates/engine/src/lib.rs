//! The decisions of nodes and coordinators, as pure functions from events to plans.
//!
//! [`node::Node`] and [`coordinator::Coordinator`] take one event and say what is to be made durable and done. They never
//! wait, read no clock, draw no randomness of their own and touch nothing outside: whoever runs them brings time, chance
//! and the results of long work along, and runs their plans in order ([`plan::Pipeline`]). So every run replays, and a
//! simulator can put them through any world.

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

pub mod addresses;
pub mod audit;
pub mod coordinator;
pub mod crypto;
pub mod event;
pub mod message;
pub mod node;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod real;
pub mod record;
pub mod refusal;
pub mod request;
pub mod roster;
pub mod words;
