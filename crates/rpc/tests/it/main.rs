//! The signer from outside, over HTTP: before a chain that is kept in memory, and a cluster whose key is in one piece.

mod accounts;
mod bounds;
mod chain;
mod doors;
mod doubt;
mod fees;
mod messages;
mod nonces;
mod purse;
mod requests;
mod scene;
mod tls;
mod told;
mod transactions;
mod web3signer;
