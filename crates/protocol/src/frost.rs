//! FROST signing on the ZcashFoundation crates: RFC 9591 for Ed25519, BIP-340 under BIP-341 output keys.
//!
//! The curve arithmetic of signing is theirs. What is ours: where keys come from ([`crate::dkg`]), that a nonce is a
//! move-only value that signing consumes ([`nonces`]), that a signer checks everything about a request before it
//! answers ([`order`]), who is at fault when an answer is wrong ([`aggregate`]).
//!
//! Two ways to sign, with the same messages:
//! - interactive: the signers' commitments are round 0, their shares round 1;
//! - prepared: commitments were published ahead of need, and one message of each signer finishes the job.
//!
//! A signer is done once its share is out. Whoever wants the signature runs an [`aggregate::Aggregator`], which holds
//! no secret; it verifies what it hands out.

pub mod aggregate;
pub mod keys;
pub mod messages;
pub mod nonces;
pub mod order;
pub mod signer;
pub mod suite;

pub use aggregate::Aggregator;
pub use keys::{SigningKey, VerifyingKey};
pub use messages::{Commitments, SignatureShare};
pub use nonces::{BurntNonces, NonceId, NoncePool, Nonces};
pub use order::{Order, Refused};
pub use signer::Signer;
pub use suite::Suite;

use crate::machine::{RoundSpec, Travel};

/// Commitments, then shares.
pub(crate) const ROUNDS: &[RoundSpec] = &[
    RoundSpec { travel: Travel::Broadcast, after: None, body_max: 128 },
    RoundSpec { travel: Travel::Broadcast, after: Some(0), body_max: 64 },
];
