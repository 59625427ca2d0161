//! The parties: each with an identity of its own, and a copy of its own of what all have to know.

use std::sync::Arc;

use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::{Committee, Context};
use keymoot_protocol::dkg;
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::{GroupId, KeyId, Party, Scheme, SessionId, Threshold};
use rand::RngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// One party, as it would sit on a machine of its own.
pub struct Member {
    pub party: Party,
    pub identity: Arc<IdentityKey>,
}

/// All parties, and what an operator hands to each of them.
pub struct Assembly {
    pub threshold: Threshold,
    pub members: Vec<Member>,
    committee: Zeroizing<Vec<u8>>,
}

impl Assembly {
    /// Lets every party draw an identity, and writes down who is who.
    pub fn gather(threshold: Threshold) -> Result<Self, Failure> {
        // Where the system has no randomness its generator panics; it does so from the first byte on or never.
        OsRng.try_fill_bytes(&mut [0; 32]).map_err(Failure::Randomness)?;
        let members: Vec<Member> =
            threshold.parties().map(|party| Member { party, identity: identity() }).collect();
        let list = members.iter().map(|member| (member.party, member.identity.public())).collect();
        let committee = Committee::new(GroupId::new(draw()), threshold, list);
        let committee = committee.map_err(Failure::bug("the parties do not form a committee"))?.encode();
        Ok(Self { threshold, members, committee })
    }

    /// The committee, read from what everybody was handed.
    pub fn committee(&self) -> Result<Committee, Failure> {
        Committee::decode(&self.committee).map_err(Failure::bug("the committee does not decode"))
    }

    /// What one party makes of the invitation to generate a key. It reads the committee by itself.
    pub fn invite(&self, session: SessionId, scheme: Scheme, key: KeyId) -> Result<Arc<Context>, Failure> {
        let committee = self.committee()?;
        Ok(Arc::new(dkg::context(Arc::new(committee), scheme, key, session)))
    }
}

/// A name for a new key.
pub fn new_key_id() -> KeyId {
    KeyId::new(draw())
}

/// A name for a new session.
pub fn new_session_id() -> SessionId {
    SessionId::new(draw())
}

fn draw() -> [u8; 16] {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

fn identity() -> Arc<IdentityKey> {
    let mut seed = Zeroizing::new([0; 32]);
    OsRng.fill_bytes(seed.as_mut());
    Arc::new(IdentityKey::from_seed(*seed))
}
