//! The engine from outside.
#![allow(clippy::arithmetic_side_effects, reason = "test arithmetic is on small known numbers")]

mod audit;
mod cluster;
mod encoding;
mod real;
mod room;
mod stories;
mod vectors;
