//! Moduli: one table, whose parts everybody has on disk before it is signed, and primes that serve once.

use keymoot_engine::message::What;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, SessionId};

use super::{Violation, Watch, broken};
use crate::backend::{Backend, place};

impl<B: Backend> Watch<B> {
    /// A node has a table on record that all have signed.
    pub(super) fn shelve_table(&mut self, party: Party, name: Hash, table: &[u8]) -> Result<(), Violation> {
        let read = B::person(0).decode_table(table, &self.committee);
        if read.is_none_or(|read| B::table_name(&read) != name) {
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

    /// I4: no signature on a table leaves before the primes in it are on disk.
    pub(super) fn invariant_i04_primes_are_kept_first(
        &self,
        party: Party,
        table: Hash,
    ) -> Result<(), Violation> {
        if self.shelves.get(place(party)).is_some_and(|shelf| shelf.signed_tables.contains(&table)) {
            return Ok(());
        }
        broken("I4", format!("{party} signs moduli before its primes are on disk"))
    }

    /// I4: presignatures are made with a table that is on disk, with everybody's signatures.
    pub(super) fn invariant_i04_presigns_with_what_it_holds(
        &self,
        party: Party,
        session: SessionId,
    ) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get(place(party)) else { return Ok(()) };
        let has_moduli = |key: &Hash| {
            self.keys.values().any(|(digest, of)| digest == key && B::describe(of).scheme.has_moduli())
        };
        let lacks = |what: &What| match what {
            What::Presign { key, setup, .. } => has_moduli(key) && !shelf.tables.contains(setup),
            What::Keygen { .. }
            | What::Setup { .. }
            | What::Moduli
            | What::Sign { .. }
            | What::Retire { .. } => false,
        };
        let invited = self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default();
        if !invited.is_empty() && invited.iter().all(lacks) {
            return broken(
                "I4",
                format!("{party} presigns in {session} with moduli that it has no record of"),
            );
        }
        Ok(())
    }

    /// I1, for moduli: primes are in one session, and in no other.
    pub(super) fn invariant_i01_primes_serve_once(
        &mut self,
        party: Party,
        session: SessionId,
        primes: u64,
    ) -> Result<(), Violation> {
        match self.primes.insert(primes, session) {
            Some(earlier) if earlier != session => {
                broken("I1", format!("{party} brings the primes of {earlier} to {session} as well"))
            }
            _ => Ok(()),
        }
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
