//! What a node did, so that nobody can change it afterwards: an append-only log whose checkpoints others witness.
//!
//! Each node has a [`Log`] and is a [`witness::Witness`] of the others' logs. A log that shows two histories shows one
//! of them to a witness first, and the two signed checkpoints are evidence against it. Entries are bytes here: what
//! they say is for those to know who write and read them.
//!
//! Trees are RFC 6962. Checkpoints, cosignatures and requests are the texts of C2SP (signed-note, tlog-checkpoint,
//! tlog-cosignature, tlog-witness), so that witnesses and verifiers of others can be used as they are.

pub mod checkpoint;
pub mod note;
pub mod tree;
pub mod witness;

use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use note::{KeyName, LogKey, WitnessKey};
pub use tree::Tree;
pub use witness::{Refused as WitnessRefused, Request, Witness, Witnessed};

/// How notes are verified: [`crate::crypto::Crypto::verifies_note`] of whatever cryptography we run on.
pub type Verify = fn(&IdentityPublic, &str, &IdentitySignature) -> bool;

/// A log, as its owner has it.
#[derive(Clone, Debug)]
pub struct Log {
    key: LogKey,
    tree: Tree,
}

impl Log {
    /// A log without entries. The name of the key is its origin.
    #[must_use]
    pub const fn new(key: LogKey) -> Self {
        Self { key, tree: Tree::new() }
    }

    /// The log with these entries. Whether none of them is lost, [`Log::holds`] of the last checkpoint tells.
    pub fn restore<E: AsRef<[u8]>>(key: LogKey, entries: impl IntoIterator<Item = E>) -> Self {
        Self { key, tree: Tree::restore(entries) }
    }

    /// Adds an entry and tells its index. It is to be durable before a checkpoint that covers it leaves.
    pub fn append(&mut self, entry: &[u8]) -> u64 {
        self.tree.append(entry)
    }

    /// The tree, for sizes, roots and proofs of inclusion.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The key whose name is the origin.
    #[must_use]
    pub const fn key(&self) -> &LogKey {
        &self.key
    }

    /// Signs what the log is now.
    pub fn sign(&self, sign: impl FnOnce(&str) -> IdentitySignature) -> SignedCheckpoint {
        SignedCheckpoint::sign(&self.key, &self.tree, sign)
    }

    /// Whether this log is that of the checkpoint or has grown from it. If not, signing would be a fork.
    #[must_use]
    pub fn holds(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.origin() == self.key.name()
            && self.tree.root_at(checkpoint.size()) == Some(checkpoint.root())
    }

    /// What to ask a witness that has seen `old_size` leaves. 0 is a good guess: a witness that knows better says so.
    ///
    /// `None` if the checkpoint is not of this log, or the witness claims to have seen more.
    #[must_use]
    pub fn request(&self, signed: &SignedCheckpoint, old_size: u64) -> Option<Request> {
        if !self.holds(signed.checkpoint()) {
            return None;
        }
        let proof = self.tree.consistency(old_size, signed.checkpoint().size())?;
        Some(Request { old_size, proof, note: signed.to_string() })
    }
}
