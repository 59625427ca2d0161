//! Keys: pending until all members have certified them, usable from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::transcript::Hash;
use keymoot_types::KeyId;
use zeroize::Zeroizing;

use super::Node;
use crate::crypto::Crypto;
use crate::policy::Policy;
use crate::record::Entry;
use crate::refusal::Refusal;

/// The keys of one node.
pub(super) struct Keys<C: Crypto> {
    pending: BTreeMap<KeyId, Pending>,
    certified: BTreeMap<KeyId, Arc<C::Share>>,
    names: BTreeMap<Hash, KeyId>,
    retired: BTreeSet<KeyId>,
}

/// A share that waits for its key's certificate.
pub(super) struct Pending {
    /// The digest that we have signed.
    pub(super) package: Hash,
    /// Our share.
    pub(super) share: Zeroizing<Vec<u8>>,
}

impl<C: Crypto> Default for Keys<C> {
    fn default() -> Self {
        Self {
            pending: BTreeMap::new(),
            certified: BTreeMap::new(),
            names: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }
}

impl<C: Crypto> Keys<C> {
    /// Whether we have put our name to this key, or hold it.
    pub(super) fn is_taken(&self, key: KeyId) -> bool {
        self.pending.contains_key(&key) || self.certified.contains_key(&key)
    }

    pub(super) fn share(&self, key: KeyId) -> Option<&Arc<C::Share>> {
        self.certified.get(&key)
    }

    /// The share of a key that still signs.
    pub(super) fn active(&self, key: KeyId) -> Result<&Arc<C::Share>, Refusal> {
        let share = self.share(key).ok_or(Refusal::Key)?;
        if self.retired.contains(&key) { Err(Refusal::Retired) } else { Ok(share) }
    }

    /// The same, by the digest of its package.
    pub(super) fn active_of(&self, package: Hash) -> Result<&Arc<C::Share>, Refusal> {
        self.active(*self.names.get(&package).ok_or(Refusal::Key)?)
    }

    /// Whether the key of this package does not sign any more.
    pub(super) fn is_retired(&self, package: Hash) -> bool {
        self.names.get(&package).is_some_and(|key| self.retired.contains(key))
    }

    /// Has a certified key never sign again. Whether that is new.
    pub(super) fn retire(&mut self, key: KeyId) -> bool {
        self.certified.contains_key(&key) && self.retired.insert(key)
    }

    pub(super) fn retired(&self) -> Vec<KeyId> {
        self.retired.iter().copied().collect()
    }

    pub(super) fn package(&self, key: KeyId) -> Option<Vec<u8>> {
        self.share(key).map(|share| C::encode_key(&C::key_of(share)))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = C::Key> {
        self.certified.values().map(|share| C::key_of(share))
    }

    /// The names of those that wait for their certificate, and of the certified.
    pub(super) fn names(&self) -> (Vec<KeyId>, Vec<KeyId>) {
        (self.pending.keys().copied().collect(), self.certified.keys().copied().collect())
    }

    pub(super) fn hold(&mut self, key: KeyId, pending: Pending) {
        self.pending.insert(key, pending);
    }

    /// A certified key, and whether it is new here: only one that we have signed ourselves becomes ours.
    pub(super) fn certify(&mut self, key: &C::Key) -> Option<KeyId> {
        let described = C::describe(key);
        let pending = self.pending.get(&described.id)?;
        if pending.package != described.digest {
            return None;
        }
        let share = C::promote(&pending.share, key)?;
        self.pending.remove(&described.id);
        self.names.insert(described.digest, described.id);
        self.certified.insert(described.id, Arc::new(share));
        Some(described.id)
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// A key package from anywhere. All members' signatures make it what it is.
    pub(super) fn learn_key(&mut self, package: &[u8]) {
        let key = C::decode_key(package, &self.config.committee);
        if let Some(key) = key.and_then(|key| self.keys.certify(&key)) {
            self.persist(Entry::Certified { key, package: package.to_vec() });
        }
    }
}
