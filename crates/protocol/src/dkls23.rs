//! Threshold ECDSA by oblivious transfer: DKLs23 (Doerner, Kondi, Lee, shelat, eprint 2023/765).
//!
//! Three protocols. [`PairSetup`] is made once by a committee and serves all of its keys. [`Presigner`] makes a
//! batch of presignatures ahead of need. [`Signer`] turns one presignature and one approved payload into a
//! signature share, one message each; [`Aggregator`] adds the shares up. `spec/dkls23.md` has every step and check.

mod bans;
mod base_ot;
mod extension;
pub(crate) mod grown;
mod lazy;
mod matrix;
mod multiply;
mod pair;
mod payload;
pub(crate) mod points;
mod pool;
pub mod presign;
mod presignature;
pub mod setup;
pub mod sign;
mod tree;

pub use bans::{Bans, ban_and_burn};
pub use pair::{Freshness, Ledger, PairSetup, Ticket, USES_MAX, Unusable};
pub use payload::{Digest, Payload, PayloadHash};
pub use pool::{PresignaturePool, Unavailable};
pub use presign::{PresignRefused, Presigned, Presigner};
pub use presignature::{BurntPresignature, Presignature, PresignatureId, Public, Tombstone};
pub use setup::{Setup, SetupError};
pub use sign::{Aggregator, Order, Released, SignRefused, Signer, VerifyingKey};

/// Columns of an OT extension, which is its computational security in bits.
pub const KAPPA: usize = 128;

/// Columns of one tree.
const WIDTH: usize = 4;

/// Leaves of one tree.
const LEAVES: usize = 1 << WIDTH;

/// Trees of one direction.
const TREES: usize = KAPPA / WIDTH;

/// Transfers of one multiplication: 256 bits of the order and twice 96 bits of statistical security.
pub const XI: usize = 448;

/// Universal hashes of a consistency check, each of 128 bits, and as many blocks of random rows to hide behind.
const MASKS: usize = 2;

/// The largest batch of presignatures.
pub const BATCH_MAX: usize = 1024;
