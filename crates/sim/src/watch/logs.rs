//! Logs: that they grow and nothing else, that witnesses remember, and what becomes of a node whose disk is put back.

use std::collections::BTreeMap;

use keymoot_engine::audit::{Checkpoint, Tree};
use keymoot_engine::node::log_name;
use keymoot_engine::record::Entry;
use keymoot_protocol::codec::Wire;
use keymoot_types::Party;

use super::{Shelf, Violation, Watch, broken};
use crate::backend::{Backend, place};
use crate::frame::Time;

/// How long after the world has healed a node may take to hear of its own later history, in milliseconds.
const HEARSAY: Time = 15_000;

impl<B: Backend> Watch<B> {
    /// I7: a checkpoint covers what is on disk, and nothing that was ever covered is gone.
    pub(super) fn invariant_i07_the_log_only_grows(
        &mut self,
        party: Party,
        request: &str,
    ) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get_mut(place(party)) else { return Ok(()) };
        let Ok(request) = keymoot_engine::audit::Request::parse(request) else {
            return broken("I7", format!("{party} shows a checkpoint that is none"));
        };
        let Some(checkpoint) = checkpoint(&request.note) else {
            return broken("I7", format!("{party} shows a checkpoint that is none"));
        };
        if shelf.tree.root_at(checkpoint.size()) != Some(checkpoint.root()) {
            return broken(
                "I7",
                format!("{party} shows a log of {} entries that is not on disk", checkpoint.size()),
            );
        }
        if checkpoint.size() < shelf.checkpoint {
            return broken("I7", format!("the log of {party} has become shorter"));
        }
        shelf.checkpoint = checkpoint.size();
        Ok(())
    }

    /// I7: what was decided while the node lived is in a checkpoint ten seconds later.
    ///
    /// # Errors
    /// It is not.
    pub fn invariant_i07_everything_is_covered(&self) -> Result<(), Violation> {
        let honest =
            |(place, _): &(usize, &Shelf)| !self.skips_logs && self.honest.get(*place) == Some(&true);
        for (place, shelf) in self.shelves.iter().enumerate().filter(honest) {
            let due = shelf.due.iter().filter(|(at, _)| at + 10_000 < self.now).map(|(_, size)| *size).max();
            let lives = shelf.last > self.now.saturating_sub(2_000);
            if lives && due.is_some_and(|due| shelf.checkpoint < due) {
                let what = "has decisions that no checkpoint covers after ten seconds";
                return broken("I7", format!("node {} {what}", place + 1));
            }
        }
        Ok(())
    }

    /// I7, for witnesses: what is cosigned is on record first, and no record goes back or aside.
    pub(super) fn invariant_i07_a_witness_remembers(&self, party: Party, of: Party) -> Result<(), Violation> {
        let shelf = self.shelves.get(place(party));
        if shelf.is_some_and(|shelf| shelf.witnessed.contains_key(&self.log_of(of))) {
            return Ok(());
        }
        broken("I7", format!("{party} cosigns the log of {of}, and has no record of it"))
    }

    /// A witness has this note on record.
    pub(super) fn witnessed(&mut self, party: Party, note: &str) -> Result<(), Violation> {
        let Some(seen) = checkpoint(note) else {
            return broken("I7", format!("{party} has cosigned a checkpoint that is none"));
        };
        let Some(shelf) = self.shelves.get_mut(place(party)) else { return Ok(()) };
        let before = shelf.witnessed.get(seen.origin().as_str());
        let is_aside = before.is_some_and(|before| {
            before.0 > seen.size() || (before.0 == seen.size() && before.1 != seen.root())
        });
        shelf.witnessed.insert(seen.origin().as_str().to_owned(), (seen.size(), seen.root()));
        if is_aside {
            broken("I7", format!("{party} has cosigned two histories of {}", seen.origin()))
        } else {
            Ok(())
        }
    }

    fn log_of(&self, party: Party) -> String {
        log_name(&self.committee, party).map(|name| name.as_str().to_owned()).unwrap_or_default()
    }

    /// Somebody has put an old copy of a node's journal back: so many records are left. What the node has burnt, signed and
    /// shown is not forgotten here.
    pub fn rolled_back(&mut self, party: Party, records: usize) {
        let name = self.log_of(party);
        let seen = |shelf: &Shelf| shelf.witnessed.get(&name).copied();
        let honest = |(place, _): &(usize, &Shelf)| self.honest.get(*place) == Some(&true);
        let witnesses = self.shelves.iter().enumerate().filter(honest);
        let witnesses = witnesses.filter_map(|(place, shelf)| Some((place, seen(shelf)?)));
        let witnesses: Vec<_> = witnesses.filter(|(_, (size, _))| *size > records as u64).collect();
        let Some(shelf) = self.shelves.get_mut(place(party)) else { return };
        shelf.entries.truncate(records);
        shelf.tree = Tree::restore(shelf.entries.iter().map(Wire::encode));
        shelf.due.clear();
        shelf.checkpoint = 0;
        shelf.witnessed = BTreeMap::new();
        shelf.banned.clear();
        // Its part comes back with the old copy, so that the others may be a quorum again.
        shelf.tables.clear();
        let forgotten = std::mem::take(&mut shelf.retired);
        self.closed.retain(|key, _| !forgotten.contains(key));
        for entry in shelf.entries.clone() {
            match &entry {
                Entry::Banned { identity } => shelf.banned.extend(self.identities.get(identity).copied()),
                Entry::Retired { key, .. } => drop(shelf.retired.insert(*key)),
                Entry::Moduli { name, .. } => drop(shelf.tables.insert(*name)),
                Entry::Witnessed { note } => {
                    if let Some(seen) = checkpoint(note) {
                        let state = (seen.size(), seen.root());
                        shelf.witnessed.insert(seen.origin().as_str().to_owned(), state);
                    }
                }
                _ => {}
            }
        }
        self.rolled_back.insert(party, witnesses);
    }

    /// Whether an old copy of its journal was put back.
    pub(super) fn is_rolled_back(&self, party: Party) -> bool {
        self.rolled_back.contains_key(&party)
    }

    /// I7: a node that has lost history which others have seen says nothing any more.
    ///
    /// # Errors
    /// It still talks.
    pub fn invariant_i07_the_rolled_back_are_silent(&self, healed_at: Time) -> Result<(), Violation> {
        let lives =
            |place: usize| self.shelves.get(place).is_some_and(|witness| witness.last > healed_at + HEARSAY);
        for (party, witnesses) in &self.rolled_back {
            let Some(shelf) = self.shelves.get(place(*party)) else { continue };
            // What was written again in the same words is not lost.
            let is_lost = |(size, root): (u64, keymoot_protocol::transcript::Hash)| {
                shelf.tree.root_at(size) != Some(root)
            };
            if !witnesses.iter().any(|(witness, seen)| lives(*witness) && is_lost(*seen)) {
                continue;
            }
            if shelf.last > healed_at + HEARSAY {
                let what =
                    format!("{party} works with an old copy of its journal, though others have seen more");
                return broken("I7", what);
            }
        }
        Ok(())
    }
}

/// The checkpoint of a note.
fn checkpoint(note: &str) -> Option<Checkpoint> {
    let text = note.split("\n\n").next()?;
    Checkpoint::parse(&format!("{text}\n")).ok()
}
