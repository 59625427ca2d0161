//! What the signer needs of a cluster: its accounts, and signatures. The seam between the two is here so that tests can
//! hold a key in one piece, and fail when they want to.

use std::time::Duration;

use alloy_primitives::Address;
use futures_util::future::BoxFuture;
use keymoot_chains::{Key, Payload};
use keymoot_types::KeyId;

use crate::refusal::Refusal;

/// An account: a key of the cluster, at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// The key.
    pub id: KeyId,
    /// For people; may be empty.
    pub name: String,
    /// The key as chains know it, at the path. Certified by the nodes.
    pub key: Key,
}

/// Something that is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// By whom.
    pub account: Account,
    /// What.
    pub payload: Payload,
}

/// A cluster. The same may be asked again, also if it is not known what became of it before: it is signed once.
pub trait Cluster: Send + Sync + 'static {
    /// All accounts that can sign, oldest first.
    ///
    /// # Errors
    /// The cluster says no, or nothing.
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, Refusal>>;

    /// The r and s of a signature. Whoever asks verifies it.
    ///
    /// # Errors
    /// There is none, or none in this time.
    fn sign<'a>(&'a self, asked: &'a Asked, wait: Duration) -> BoxFuture<'a, Result<[u8; 64], Refusal>>;
}
