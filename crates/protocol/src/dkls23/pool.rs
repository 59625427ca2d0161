//! Presignatures made ahead of need, and the record of those that are gone.

use std::collections::{BTreeMap, BTreeSet};

use keymoot_types::{Millis, Party};

use super::presignature::{BurntPresignature, Presignature, PresignatureId, Public, Tombstone};
use crate::identity::IdentityPublic;
use crate::transcript::Hash;

/// Why a presignature cannot be had. Nothing changed, unless it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is a tombstone: it was used or thrown away before.
    #[error("this presignature was burnt before")]
    Spent,
    /// It is not in the pool.
    #[error("there is no such presignature here")]
    Unknown,
    /// Its time is up, so it was thrown away now: the tombstone is made durable as any other. A clock that is set back does
    /// not bring it back.
    #[error("this presignature has expired")]
    Expired(Tombstone),
}

/// One node's presignatures. The tombstones outlive them: whatever is restored from an old copy stays burnt.
#[derive(Default)]
pub struct PresignaturePool {
    ready: BTreeMap<PresignatureId, (Presignature, Millis)>,
    gone: BTreeSet<PresignatureId>,
}

impl PresignaturePool {
    /// A pool that knows what was burnt before.
    #[must_use]
    pub fn restore(tombstones: impl IntoIterator<Item = Tombstone>) -> Self {
        let gone = tombstones.into_iter().map(|tombstone| tombstone.presignature).collect();
        Self { ready: BTreeMap::new(), gone }
    }

    /// Adds a presignature, usable before `expires`.
    ///
    /// # Errors
    /// It was burnt before, or is here already.
    pub fn add(&mut self, presignature: Presignature, expires: Millis) -> Result<(), Unavailable> {
        let id = presignature.id();
        if self.gone.contains(&id) || self.ready.contains_key(&id) {
            return Err(Unavailable::Spent);
        }
        self.ready.insert(id, (presignature, expires));
        Ok(())
    }

    /// How many are left for exactly these signers of this key package.
    #[must_use]
    pub fn left(&self, group_key: Hash, signers: &[Party]) -> usize {
        self.public().filter(|one| one.group_key == group_key && one.signers == signers).count()
    }

    /// What is known of all that are left.
    pub fn public(&self) -> impl Iterator<Item = &Public> {
        self.ready.values().map(|(presignature, _)| presignature.public())
    }

    /// Takes a presignature for one request, once and for ever. The tombstone is made durable before anything derived
    /// from the other part leaves.
    ///
    /// # Errors
    /// Burnt before, unknown or expired; an expired one is gone, as with [`PresignaturePool::expire`].
    pub fn burn(
        &mut self,
        id: PresignatureId,
        request: Hash,
        now: Millis,
    ) -> Result<(Tombstone, BurntPresignature), Unavailable> {
        if self.gone.contains(&id) {
            return Err(Unavailable::Spent);
        }
        let (presignature, expires) = self.ready.remove(&id).ok_or(Unavailable::Unknown)?;
        self.gone.insert(id);
        if now >= expires {
            return Err(Unavailable::Expired(Tombstone { presignature: id, request: None }));
        }
        Ok(presignature.burn(request))
    }

    /// Throws away what has expired.
    pub fn expire(&mut self, now: Millis) -> Vec<Tombstone> {
        self.discard(|_, expires| now >= expires)
    }

    /// Throws away everything of one key package, because its epoch is over or the key is frozen.
    pub fn drop_key(&mut self, group_key: Hash) -> Vec<Tombstone> {
        self.discard(|one, _| one.public().group_key == group_key)
    }

    /// Throws away everything that `identity` is a signer of, in whatever committee and at whatever index, because it is
    /// banned or gone.
    pub fn drop_signer(&mut self, identity: &IdentityPublic) -> Vec<Tombstone> {
        self.discard(|one, _| one.identities().contains(identity))
    }

    fn discard(&mut self, doomed: impl Fn(&Presignature, Millis) -> bool) -> Vec<Tombstone> {
        let ids: Vec<_> = self
            .ready
            .iter()
            .filter(|(_, (presignature, expires))| doomed(presignature, *expires))
            .map(|(id, _)| *id)
            .collect();
        let bury = |id| {
            self.ready.remove(&id);
            self.gone.insert(id);
            Tombstone { presignature: id, request: None }
        };
        ids.into_iter().map(bury).collect()
    }
}
