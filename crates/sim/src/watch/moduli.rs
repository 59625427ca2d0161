//! Moduli: one table, whose parts everybody has on disk before it is signed, and primes that serve once.

use std::collections::BTreeSet;

use keymoot_engine::message::{SessionMail, What};
use keymoot_engine::request::{Ask, SignedRequest};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, SessionId};

use super::{Violation, Watch, broken};
use crate::backend::{Backend, place};

impl<B: Backend> Watch<B> {
    /// A node has a table on record that all have signed.
    pub(super) fn shelve_table(&mut self, party: Party, name: Hash, table: &[u8]) -> Result<(), Violation> {
        let read = B::person(0).decode_table(table, &self.committee, |read| read == name);
        if read.is_none() {
            return broken("I4", format!("{party} holds moduli that nobody has certified"));
        }
        self.invariant_i04_everybody_holds_its_primes(name)?;
        if let Some(shelf) = self.shelves.get_mut(place(party)) {
            shelf.tables.insert(name);
        }
        Ok(())
    }

    /// I4: of a table that all have signed, everybody who is honest has its primes on disk.
    fn invariant_i04_everybody_holds_its_primes(&self, name: Hash) -> Result<(), Violation> {
        for (at, shelf) in self.shelves.iter().enumerate() {
            if self.honest.get(at) == Some(&true) && !shelf.signed_tables.contains(&name) {
                return broken(
                    "I4",
                    format!("moduli are certified, and node {} has no primes of it", at + 1),
                );
            }
        }
        Ok(())
    }

    /// Whether a node was invited to this session, and to nothing under its name but what is like this.
    fn is_all(&self, party: Party, session: SessionId, is_like: impl Fn(&What) -> bool) -> bool {
        let invited = self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default();
        !invited.is_empty() && invited.iter().all(is_like)
    }

    fn needs_moduli(&self, key: &Hash) -> bool {
        self.keys.values().any(|(digest, of)| digest == key && B::describe(of).scheme.has_moduli())
    }

    fn asks_for_moduli(&self, ask: &Ask) -> bool {
        match ask {
            Ask::Key(scheme) => scheme.has_moduli(),
            Ask::Sign { key, .. } => {
                self.keys.get(key).is_some_and(|(_, key)| B::describe(key).scheme.has_moduli())
            }
            Ask::Retire { .. } => false,
        }
    }

    /// I2: whoever does not serve the scheme has no part in its moduli, nor in what is made with them.
    pub(super) fn invariant_i02_serves_what_it_allows(
        &self,
        party: Party,
        session: SessionId,
    ) -> Result<(), Violation> {
        let needs = |what: &What| match what {
            What::Moduli => true,
            What::Presign { key, .. } => self.needs_moduli(key),
            What::Keygen { request, .. } | What::Sign { request, .. } => {
                SignedRequest::decode(request).is_ok_and(|signed| self.asks_for_moduli(&signed.request.ask))
            }
            What::Setup { .. } | What::Retire { .. } => false,
        };
        let serves = self.has_use_for_moduli.get(place(party)) == Some(&true);
        if !serves && self.is_all(party, session, needs) {
            return broken("I2", format!("{party} does not serve what {session} is for, and takes part"));
        }
        Ok(())
    }

    /// I4: no signature on a table leaves before the primes in it are on disk.
    pub(super) fn invariant_i04_primes_are_kept_first(
        &self,
        party: Party,
        mail: &SessionMail,
    ) -> Result<(), Violation> {
        let (Some(shelf), Some(identity)) = (self.shelves.get(place(party)), self.committee.identity(party))
        else {
            return Ok(());
        };
        let is_kept = || B::signs_one_of(&mail.bytes, identity, &shelf.signed_tables);
        if self.is_all(party, mail.session, |what| *what == What::Moduli) && is_kept() == Some(false) {
            return broken("I4", format!("{party} signs moduli before its primes are on disk"));
        }
        Ok(())
    }

    /// I4: presignatures are made with a table that is on disk, with everybody's signatures.
    pub(super) fn invariant_i04_presigns_with_what_it_holds(
        &self,
        party: Party,
        session: SessionId,
    ) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get(place(party)) else { return Ok(()) };
        let lacks = |what: &What| match what {
            What::Presign { key, setup, .. } => self.needs_moduli(key) && !shelf.tables.contains(setup),
            What::Keygen { .. }
            | What::Setup { .. }
            | What::Moduli
            | What::Sign { .. }
            | What::Retire { .. } => false,
        };
        if self.is_all(party, session, lacks) {
            return broken(
                "I4",
                format!("{party} presigns in {session} with moduli that it has no record of"),
            );
        }
        Ok(())
    }

    /// I1, for moduli: each prime is in one session, of one party, once, and nowhere else.
    pub(super) fn invariant_i01_primes_serve_once(
        &mut self,
        party: Party,
        session: SessionId,
        primes: &[u64],
    ) -> Result<(), Violation> {
        let mut here = BTreeSet::new();
        for prime in primes {
            let (whose, earlier) = *self.primes.entry(*prime).or_insert((party, session));
            if !here.insert(*prime) || (whose, earlier) != (party, session) {
                let what = format!("{party} brings a prime to {session} that {whose} has in {earlier}");
                return broken("I1", what);
            }
        }
        Ok(())
    }

    /// I4: whoever has a table begins no other.
    pub(super) fn invariant_i04_one_table_is_enough(&self, party: Party) -> Result<(), Violation> {
        let has_one = self.shelves.get(place(party)).is_some_and(|shelf| !shelf.tables.is_empty());
        if has_one { broken("I4", format!("{party} has moduli, and begins to make others")) } else { Ok(()) }
    }

    /// Whether all of these have one table on record.
    #[must_use]
    pub fn share_a_table(&self, parties: &[Party]) -> usize {
        let tables = self.shelves.iter().flat_map(|shelf| &shelf.tables);
        let holds = |party: &&Party, table: &Hash| {
            self.shelves.get(place(**party)).is_some_and(|shelf| shelf.tables.contains(table))
        };
        tables.map(|table| parties.iter().filter(|party| holds(party, table)).count()).max().unwrap_or(0)
    }
}
