//! A gateway over real TLS, in front of coordinators that say what they are told to.

mod access;
mod answers;
mod failover;
mod fake;
mod hostile;
mod issuer;
mod raw;
mod requests;
mod scene;
mod spec;
mod stream;
