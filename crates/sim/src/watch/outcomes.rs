//! What coordinators tell clients.

use std::collections::BTreeSet;

use keymoot_engine::message::{Address, Answer};
use keymoot_engine::outcome::{Outcome, retirements_needed};
use keymoot_engine::request::{Ask, RequestId};
use keymoot_types::Party;

use super::{Violation, Watch, broken};
use crate::backend::Backend;

impl<B: Backend> Watch<B> {
    /// I6, and the outside of I2 and I3: what an honest coordinator tells a client is the last word, and a good one.
    ///
    /// # Errors
    /// A promise is broken.
    pub fn answered(&mut self, from: Address, id: RequestId, answer: &Answer) -> Result<(), Violation> {
        let Answer::Final(outcome) = answer else { return Ok(()) };
        self.invariant_i06_one_outcome(from, id, outcome)
    }

    fn invariant_i06_one_outcome(
        &mut self,
        from: Address,
        id: RequestId,
        outcome: &Outcome,
    ) -> Result<(), Violation> {
        match self.told.get(&id) {
            Some(earlier) if earlier == outcome => return Ok(()),
            Some(_) => return broken("I6", format!("{from:?} tells another outcome of {id:?}")),
            None => drop(self.told.insert(id, outcome.clone())),
        }
        let Some(asked) = self.requests.get(&id) else {
            return broken("I6", format!("{id:?} has an outcome, and nobody asked"));
        };
        match (outcome, &asked.ask) {
            (Outcome::Signed { signature, .. }, Ask::Sign { key, what }) => {
                let Some((_, key)) = self.keys.get(key) else {
                    return broken("I3", format!("a signature of {id:?} under a key that is not certified"));
                };
                let read = B::person(0).read(key, what);
                if !read.is_ok_and(|one| B::is_good_elsewhere(key, &one.path, &one.payload, signature)) {
                    return broken("I3", format!("the signature of {id:?} does not verify"));
                }
                self.verified += 1;
                self.invariant_i16_no_signature_comes_after(id)
            }
            (Outcome::Key(package), Ask::Key(_)) => match B::decode_key(package, &self.committee) {
                Some(key) => {
                    let name = B::describe(&key).id;
                    self.invariant_i04_one_key_everybody_holds(name, key)
                }
                None => broken("I4", format!("the key of {id:?} is not certified")),
            },
            (Outcome::Retired { words }, Ask::Retire { .. }) => {
                self.invariant_i02_retired_by_all_of(id, words)
            }
            (Outcome::Denied(denials), ask) => {
                self.invariant_i02_denied_by_so_many(id, ask, denials.iter().map(|(party, ..)| *party))?;
                let honest = denials.iter().filter(|(party, ..)| self.is_honest(*party));
                let shelf = |party| self.shelves.get(crate::backend::place(party));
                for (party, ..) in honest {
                    if !shelf(*party).is_some_and(|shelf| shelf.denied.contains(&id)) {
                        return broken("I2", format!("{party} denies {id:?} without a record of it"));
                    }
                }
                Ok(())
            }
            (Outcome::Signed { .. } | Outcome::Key(_) | Outcome::Retired { .. }, _) => {
                broken("I6", format!("{id:?} has the outcome of something else"))
            }
            (Outcome::Expired | Outcome::Failed(_) | Outcome::NoModuli(_), _) => Ok(()),
        }
    }

    /// I2: a request is denied when so many deny it that the others are too few.
    fn invariant_i02_denied_by_so_many(
        &self,
        id: RequestId,
        ask: &Ask,
        parties: impl Iterator<Item = Party>,
    ) -> Result<(), Violation> {
        let threshold = self.committee.threshold();
        let deny = parties.collect::<BTreeSet<Party>>().len();
        let left = usize::from(threshold.total()).saturating_sub(deny);
        let needed = match ask {
            Ask::Key(_) => threshold.total(),
            Ask::Sign { .. } => threshold.needed(),
            Ask::Retire { .. } => retirements_needed(threshold),
        };
        if left >= usize::from(needed) {
            return broken("I2", format!("{id:?} is denied, and {left} others would do"));
        }
        Ok(())
    }
}
