//! Who may not take part any more: identities, whatever index they come back with.

use std::collections::BTreeSet;

use keymoot_types::Party;

use super::pair::{Ledger, PairSetup};
use super::pool::PresignaturePool;
use super::presignature::Tombstone;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::context::Committee;
use crate::identity::IdentityPublic;

/// The identities that broke a check whose outcome depends on our secrets. Durable before anything else happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bans(BTreeSet<IdentityPublic>);

/// Identities that a node can have banned.
const BANS_MAX: usize = 1 << 16;

impl Bans {
    /// Bans an identity.
    pub fn add(&mut self, identity: IdentityPublic) {
        self.0.insert(identity);
    }

    /// Lifts a ban, which takes a person's decision.
    pub fn lift(&mut self, identity: &IdentityPublic) -> bool {
        self.0.remove(identity)
    }

    /// Whether an identity is banned.
    #[must_use]
    pub fn contains(&self, identity: &IdentityPublic) -> bool {
        self.0.contains(identity)
    }

    /// The first of these members that is banned.
    #[must_use]
    pub fn find(&self, committee: &Committee, members: &[Party]) -> Option<Party> {
        let banned = |party: &&Party| committee.identity(**party).is_some_and(|one| self.contains(one));
        members.iter().find(banned).copied()
    }
}

/// What follows from [`crate::abort::Abort::BanAndBurn`], for one culprit: the ban of its identity, its burnt pair in every
/// setup that it is a member of, and the tombstones of all presignatures it is a signer of, of whatever committee and key.
/// `setups` are all that the node has. All of it is made durable before anything else happens; then every session that
/// involves the identity is dropped.
pub fn ban_and_burn<'a>(
    culprit: &IdentityPublic,
    setups: impl IntoIterator<Item = (&'a PairSetup, &'a mut Ledger)>,
    bans: &mut Bans,
    pool: &mut PresignaturePool,
) -> Vec<Tombstone> {
    bans.add(*culprit);
    for (setup, ledger) in setups {
        if let Some(party) = setup.committee().party(culprit) {
            ledger.burn(party);
            setup.burn(party);
        }
    }
    pool.drop_signer(culprit)
}

impl Wire for Bans {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, identity| writer.bytes(identity.as_bytes()));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let identities = reader
            .list(BANS_MAX, |reader| IdentityPublic::from_bytes(reader.fixed()?).ok_or(Malformed::Point))?;
        let ordered = identities.iter().zip(identities.iter().skip(1)).all(|(one, next)| one < next);
        if ordered { Ok(Self(identities.into_iter().collect())) } else { Err(Malformed::Party) }
    }
}
