//! Keys that were retired: nothing is signed with them any more.

use keymoot_engine::message::{Complete, What};
use keymoot_engine::outcome::retirements_needed;
use keymoot_engine::request::{Ask, RequestId, SignedRequest};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::identity::IdentitySignature;
use keymoot_types::{KeyId, Party, SessionId};

use super::{Violation, Watch, broken};
use crate::backend::{Backend, place};

impl<B: Backend> Watch<B> {
    /// A node has it on record that a key does not sign there any more.
    pub(super) fn shelve_retirement(
        &mut self,
        party: Party,
        key: KeyId,
        request: RequestId,
    ) -> Result<(), Violation> {
        let is_asked = self.requests.get(&request).is_some_and(|asked| asked.ask == Ask::Retire { key });
        if !is_asked {
            return broken("I2", format!("{party} retires {key}, which no client has asked"));
        }
        if let Some(shelf) = self.shelves.get_mut(place(party)) {
            shelf.retired.insert(key);
        }
        let needed = usize::from(retirements_needed(self.committee.threshold()));
        let honest = self.shelves.iter().enumerate().filter(|(at, _)| self.honest.get(*at) == Some(&true));
        if honest.filter(|(_, shelf)| shelf.retired.contains(&key)).count() >= needed {
            self.closed.entry(key).or_insert(self.now);
        }
        Ok(())
    }

    /// I16: a node that has retired a key says nothing more in a session that signs with it or prepares it.
    pub(super) fn invariant_i16_the_retired_sign_nothing(
        &self,
        party: Party,
        session: SessionId,
    ) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get(place(party)).filter(|shelf| !shelf.retired.is_empty()) else {
            return Ok(());
        };
        let is_over = |key: Option<KeyId>| key.is_some_and(|key| shelf.retired.contains(&key));
        let concerns = |what: &What| match what {
            What::Sign { request, .. } => is_over(key_of(request)),
            What::Presign { key, .. } => {
                let named = self.keys.iter().find(|(_, (digest, _))| digest == key);
                is_over(named.map(|(id, _)| *id))
            }
            What::Keygen { .. } | What::Setup { .. } | What::Moduli | What::Retire { .. } => false,
        };
        let invited = self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default();
        if !invited.is_empty() && invited.iter().all(concerns) {
            return broken("I16", format!("{party} talks in {session} about a key that it has retired"));
        }
        Ok(())
    }

    /// I16: when so many have retired a key that no quorum is left, nothing that is asked later is signed with it.
    pub(super) fn invariant_i16_no_signature_comes_after(&self, id: RequestId) -> Result<(), Violation> {
        let Some(asked) = self.requests.get(&id) else { return Ok(()) };
        let Ask::Sign { key, .. } = &asked.ask else { return Ok(()) };
        let closed = self.closed.get(key).is_some_and(|at| asked.created.0 > crate::world::EPOCH + at);
        if closed {
            broken("I16", format!("{id:?} was signed with {key}, which was retired"))
        } else {
            Ok(())
        }
    }

    /// I2: whoever says that it has retired a key has a record of it.
    pub(super) fn invariant_i02_retired_on_record(
        &self,
        party: Party,
        complete: &Complete,
    ) -> Result<(), Violation> {
        let Complete::Retired { request, .. } = complete else { return Ok(()) };
        self.has_retired(party, *request)
    }

    /// I2, from outside: the honest among those whose words are shown to a client.
    pub(super) fn invariant_i02_retired_by_all_of(
        &self,
        id: RequestId,
        words: &[(Party, IdentitySignature)],
    ) -> Result<(), Violation> {
        if words.len() < usize::from(retirements_needed(self.committee.threshold())) {
            return broken("I2", format!("{id:?} has retired a key by the words of too few"));
        }
        let mut honest = words.iter().filter(|(party, _)| self.is_honest(*party));
        honest.try_for_each(|(party, _)| self.has_retired(*party, id))
    }

    fn has_retired(&self, party: Party, request: RequestId) -> Result<(), Violation> {
        let asked = self.requests.get(&request).map(|asked| &asked.ask);
        let shelf = self.shelves.get(place(party));
        match asked {
            // What it has said before its journal was put back it has said.
            _ if self.is_rolled_back(party) => Ok(()),
            Some(Ask::Retire { key }) if shelf.is_some_and(|shelf| shelf.retired.contains(key)) => Ok(()),
            _ => broken("I2", format!("{party} says that it has retired a key, and has no record of it")),
        }
    }
}

fn key_of(request: &[u8]) -> Option<KeyId> {
    match SignedRequest::decode(request).ok()?.request.ask {
        Ask::Sign { key, .. } => Some(key),
        Ask::Key(_) | Ask::Retire { .. } => None,
    }
}
