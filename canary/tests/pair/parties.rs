//! Two parties of two, the same in every test.

use std::sync::Arc;

use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::dkg;
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::{GroupId, KeyId, Party, Scheme, SessionId, Threshold};

/// The name of every session.
pub const NAME: SessionId = SessionId::new([1; 16]);

/// Whose signatures are a party's.
pub fn identity(party: Party) -> Arc<IdentityKey> {
    Arc::new(IdentityKey::from_seed([party.index() as u8; 32]))
}

/// Both.
pub fn parties() -> Vec<Party> {
    Threshold::new(2, 2).unwrap().parties().collect()
}

/// Both, as a committee.
pub fn committee() -> Arc<Committee> {
    let members = parties().into_iter().map(|party| (party, identity(party).public())).collect();
    Arc::new(Committee::new(GroupId::new([2; 16]), Threshold::new(2, 2).unwrap(), members).unwrap())
}

/// What their key generation is about.
pub fn generation(scheme: Scheme) -> Arc<Context> {
    Arc::new(dkg::context(committee(), scheme, KeyId::new([3; 16]), NAME))
}
