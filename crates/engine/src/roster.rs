//! Who belongs to a cluster, as its document says: the members with their identities, and the clients that may ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::context::{Committee, CommitteeError};
use keymoot_protocol::identity::IdentityPublic;
use keymoot_types::{GroupId, Party, Threshold};

use crate::request::{ClientId, ClientKey};

/// A client's public key, as the document has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RosterClient {
    /// Ed25519: 32 bytes.
    Ed25519([u8; 32]),
    /// P-256 in the encoding of SEC 1: 33 bytes, or 65.
    P256(Vec<u8>),
}

/// Members and clients. A value that exists can be worked with.
#[derive(Clone, Debug)]
pub struct Roster {
    committee: Arc<Committee>,
    clients: BTreeMap<ClientId, ClientKey>,
}

/// Why nobody can work with such a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Another number of identities than the threshold counts.
    #[error("{found} nodes are listed where {wanted} are counted")]
    Count {
        /// Identities there are.
        found: usize,
        /// Identities there should be.
        wanted: u16,
    },
    /// Bytes that are no Ed25519 public key.
    #[error("the identity of {0} is no Ed25519 public key")]
    Identity(Party),
    /// The members do not make a committee.
    #[error("the nodes make no committee")]
    Committee(#[source] CommitteeError),
    /// Bytes that are no public key.
    #[error("the key of client {0}, counted from 0, is no public key of its type")]
    Client(usize),
    /// Two clients with one key, of which nobody could say who asks.
    #[error("client {0}, counted from 0, has the key of an earlier one")]
    SameClient(usize),
}

impl Roster {
    /// The cluster of these nodes, in the order of their indices, and these clients.
    ///
    /// # Errors
    /// What the document says cannot be.
    pub fn new(
        group: GroupId,
        threshold: Threshold,
        identities: &[[u8; 32]],
        clients: &[RosterClient],
    ) -> Result<Self, RosterError> {
        let count = RosterError::Count { found: identities.len(), wanted: threshold.total() };
        if identities.len() != usize::from(threshold.total()) {
            return Err(count);
        }
        let member = |(party, bytes): (Party, &[u8; 32])| {
            let identity = IdentityPublic::from_bytes(*bytes).ok_or(RosterError::Identity(party))?;
            Ok((party, identity))
        };
        let members: Result<_, RosterError> = threshold.parties().zip(identities).map(member).collect();
        let committee = Committee::new(group, threshold, members?).map_err(RosterError::Committee)?;
        Ok(Self { committee: Arc::new(committee), clients: enrol(clients)? })
    }

    /// The members.
    #[must_use]
    pub fn committee(&self) -> Arc<Committee> {
        Arc::clone(&self.committee)
    }

    /// The clients by their names.
    #[must_use]
    pub const fn clients(&self) -> &BTreeMap<ClientId, ClientKey> {
        &self.clients
    }
}

fn enrol(clients: &[RosterClient]) -> Result<BTreeMap<ClientId, ClientKey>, RosterError> {
    let mut enrolled = BTreeMap::new();
    for (place, client) in clients.iter().enumerate() {
        let key = match client {
            RosterClient::Ed25519(bytes) => ClientKey::ed25519(*bytes),
            RosterClient::P256(bytes) => ClientKey::p256(bytes),
        };
        let key = key.ok_or(RosterError::Client(place))?;
        if enrolled.insert(key.id(), key).is_some() {
            return Err(RosterError::SameClient(place));
        }
    }
    Ok(enrolled)
}

#[cfg(test)]
mod tests {
    use super::{Roster, RosterClient, RosterError};
    use crate::request::ClientId;
    use keymoot_protocol::identity::IdentityKey;
    use keymoot_types::{GroupId, Party, Threshold};

    fn identity(seed: u8) -> [u8; 32] {
        *IdentityKey::from_seed([seed; 32]).public().as_bytes()
    }

    fn roster(identities: &[[u8; 32]], clients: &[RosterClient]) -> Result<Roster, RosterError> {
        Roster::new(GroupId::new([7; 16]), Threshold::new(2, 3).unwrap(), identities, clients)
    }

    #[test]
    fn a_roster_names_members_by_their_order_and_clients_by_their_keys() {
        let p256 = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
        let (short, long) =
            (p256.verifying_key().to_encoded_point(true), p256.verifying_key().to_encoded_point(false));
        let members = [identity(1), identity(2), identity(3)];
        let clients = [RosterClient::Ed25519(identity(4)), RosterClient::P256(short.as_bytes().to_vec())];
        let both = roster(&members, &clients).unwrap();
        let second = both.committee().identity(Party::new(2).unwrap()).copied();
        assert_eq!(second.map(|identity| *identity.as_bytes()), Some(identity(2)));
        assert!(both.clients().len() == 2 && both.clients().contains_key(&ClientId(identity(4))));
        let other = roster(&members, &[RosterClient::P256(long.as_bytes().to_vec())]).unwrap();
        assert!(other.clients().keys().all(|id| both.clients().contains_key(id)), "one key has one name");
    }

    #[test]
    fn a_roster_that_nobody_could_work_with_is_refused() {
        let [one, two, three] = [1, 2, 3].map(identity);
        let why =
            |identities: &[[u8; 32]], clients: &[RosterClient]| roster(identities, clients).unwrap_err();
        assert_eq!(why(&[one, two], &[]), RosterError::Count { found: 2, wanted: 3 });
        assert_eq!(why(&[one, [2; 32], three], &[]), RosterError::Identity(Party::new(2).unwrap()));
        assert!(matches!(why(&[one, two, one], &[]), RosterError::Committee(_)));
        let all = [one, two, three];
        let client = RosterClient::Ed25519(identity(4));
        assert_eq!(why(&all, &[client.clone(), RosterClient::P256(vec![4; 33])]), RosterError::Client(1));
        assert_eq!(why(&all, &[client.clone(), client]), RosterError::SameClient(1));
    }
}
