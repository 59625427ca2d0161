//! What a word of an honest node depends on: a decision, a burnt presignature, a count, the bytes that the client signed.

use std::collections::BTreeMap;

use keymoot_engine::message::What;
use keymoot_engine::request::Ask;
use keymoot_types::{Party, SessionId};

use super::{Used, Violation, Watch, broken};
use crate::backend::{Backend, Released};

impl<B: Backend> Watch<B> {
    /// I1: whatever a nonce or presignature signs, it signs once.
    pub(super) fn invariant_i01_single_use(
        &mut self,
        party: Party,
        released: Released,
    ) -> Result<(), Violation> {
        let Released { used, digest, ssid } = released;
        let known = self.used.entry(used).or_insert_with(|| Used { digest, sessions: BTreeMap::new() });
        if known.digest != digest {
            return broken("I1", format!("{party} signs a second digest with nonce {used:016x}"));
        }
        match known.sessions.insert(party, ssid) {
            Some(earlier) if earlier != ssid => {
                broken("I1", format!("{party} uses nonce {used:016x} in a second session"))
            }
            _ => Ok(()),
        }
    }

    /// I2, and the other half of I1: the decision and the burning are on disk before the first word.
    pub(super) fn invariant_i02_allowed_first(
        &self,
        party: Party,
        session: SessionId,
    ) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get(crate::backend::place(party)) else { return Ok(()) };
        let invited = self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default();
        let signing =
            invited.iter().filter(|what| matches!(what, What::Sign { .. } | What::Keygen { .. })).count();
        if signing == 0 {
            return if invited.is_empty() {
                broken("I2", format!("{party} talks in a session that nobody called"))
            } else {
                Ok(())
            };
        }
        let Some((_, intent)) = shelf.allowed.get(&session) else {
            let only = signing == invited.len();
            return if only {
                broken("I2", format!("{party} talks without a decision on disk"))
            } else {
                Ok(())
            };
        };
        let burns = invited.iter().any(|what| matches!(what, What::Sign { presignature: Some(_), .. }));
        if burns && signing == invited.len() && !shelf.intents.contains(intent) {
            return broken("I1", format!("{party} talks before its presignature is burnt on disk"));
        }
        Ok(())
    }

    /// I1, for what presignatures are made of: no use of a pair setup comes twice.
    pub(super) fn invariant_i01_counts_never_repeat(
        &mut self,
        party: Party,
        session: SessionId,
        count: u64,
    ) -> Result<(), Violation> {
        for what in self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default() {
            let What::Presign { setup, .. } = what else { continue };
            let earlier = self.counts.insert((party, *setup, count), session);
            // With an old copy a node counts again from there. Its peers know, and drop the session.
            if earlier.is_some_and(|earlier| earlier != session) && !self.is_rolled_back(party) {
                return broken("I1", format!("{party} counts use {count} of a pair setup twice"));
            }
        }
        Ok(())
    }

    /// I2: nothing is signed that the policy forbids, or whose time is over.
    pub(super) fn invariant_i02_nothing_forbidden(
        &self,
        party: Party,
        session: SessionId,
    ) -> Result<(), Violation> {
        let shelf = self.shelves.get(crate::backend::place(party));
        let Some((request, _)) = shelf.and_then(|shelf| shelf.allowed.get(&session)) else { return Ok(()) };
        let Some(asked) = self.requests.get(request) else { return Ok(()) };
        // The longest that a session begun in time may take, and its last words on the way to the disk.
        let late = crate::world::EPOCH + self.now > asked.expires.0 + 10_000;
        if late && !self.clocks_jump {
            return broken("I2", format!("{party} serves {request:?} long after it has expired"));
        }
        match &asked.ask {
            Ask::Sign { what, .. } if what.payload.bytes().first() == Some(&crate::world::FORBIDDEN) => {
                broken("I2", format!("{party} signs what its policy forbids"))
            }
            Ask::Sign { .. } | Ask::Key(_) | Ask::Retire { .. } => Ok(()),
        }
    }

    /// I3: the digest that is signed is that of the bytes the client signed for.
    pub(super) fn invariant_i03_the_digest_that_was_asked(
        &self,
        party: Party,
        session: SessionId,
        released: Released,
    ) -> Result<(), Violation> {
        let shelf = self.shelves.get(crate::backend::place(party));
        let Some((request, _)) = shelf.and_then(|shelf| shelf.allowed.get(&session)) else { return Ok(()) };
        let Some(asked) = self.requests.get(request) else {
            return broken("I3", format!("{party} signs for {request:?}, which no client has asked"));
        };
        let Ask::Sign { key, what } = &asked.ask else {
            return broken("I3", format!("{party} signs for a request that asks for no signature"));
        };
        let Some((_, key)) = self.keys.get(key) else {
            return broken("I3", format!("{party} signs under a key that is not certified"));
        };
        let read = B::person(0).read(key, what);
        let right = read.map(|read| B::digest_word(&B::digest_of(key, &read.payload)));
        if right != Ok(released.digest) {
            return broken("I3", format!("{party} signs other bytes than the client asked for"));
        }
        Ok(())
    }
}
