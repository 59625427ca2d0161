//! What liars say of logs: of their own, that it has another history; of others', what they have not seen.

use keymoot_engine::audit::{Checkpoint, LogKey, Request, SignedCheckpoint, Tree};
use keymoot_engine::message::{Address, Message, Words};
use keymoot_engine::node::log_name;
use keymoot_types::Party;

use super::World;
use crate::backend::Backend;
use crate::coverage::Kind;

impl<B: Backend> World<B> {
    /// A liar says something else to a witness, or as one.
    pub(super) fn lie_to_witness(&mut self, place: usize, carrier: Address, to: Party, words: Words) {
        match words {
            Words::Checkpoint(text) => {
                if let Some(other) = self.other_history(place, &text) {
                    self.saw(Kind::LogForked);
                    // To one witness both histories, or to each another one.
                    if self.chance.happens(600) {
                        self.tell_witness(place, carrier, to, Words::Checkpoint(text));
                    }
                    self.tell_witness(place, carrier, to, Words::Checkpoint(other));
                }
            }
            Words::Cosigned(line) => {
                self.saw(Kind::CosignedWrongly);
                let misled = self.chance.happens(300);
                let to = if misled { self.any_party() } else { to };
                let mut characters: Vec<char> = line.chars().collect();
                let at = self.chance.below(characters.len() as u64) as usize;
                if let (Some(one), false) = (characters.get_mut(at), misled) {
                    *one = if *one == 'A' { 'B' } else { 'A' };
                }
                self.tell_witness(place, carrier, to, Words::Cosigned(characters.into_iter().collect()));
            }
            Words::Recall => self.tell_witness(place, carrier, to, Words::Recall),
            Words::Behind(_) => self.invent_behind(place, carrier),
        }
    }

    /// A liar shows somebody, unasked, a checkpoint of its log: of another length, signed by itself; or none.
    pub(super) fn invent_behind(&mut self, place: usize, carrier: Address) {
        self.saw(Kind::BehindFalsely);
        let to = self.any_party();
        let size = self.chance.below(400);
        let person = &self.nodes[place].person;
        let identity = if self.chance.happens(500) {
            Some(person.identity())
        } else {
            self.committee.identity(to).copied()
        };
        let name = log_name(&self.committee, to);
        let note = name.zip(identity).filter(|_| size > 40).map(|(name, identity)| {
            let tree = Tree::restore((0..size).map(u64::to_be_bytes));
            let key = LogKey::new(name, identity);
            SignedCheckpoint::sign(&key, &tree, |text| person.sign_note(text)).to_string()
        });
        self.tell_witness(place, carrier, to, Words::Behind(note));
    }

    fn tell_witness(&mut self, place: usize, carrier: Address, to: Party, words: Words) {
        let from = self.nodes[place].me;
        self.send(Address::Node(from), carrier, Message::Witness { from, to, words });
    }

    /// A request of the same size on a log of other entries, signed as the first is.
    fn other_history(&mut self, place: usize, request: &str) -> Option<String> {
        let request = Request::parse(request).ok()?;
        let text = request.note.split("\n\n").next()?;
        let checkpoint = Checkpoint::parse(&format!("{text}\n")).ok()?;
        let person = &self.nodes[place].person;
        let key = LogKey::new(checkpoint.origin().clone(), person.identity());
        let tree = Tree::restore((0..checkpoint.size()).map(u64::to_be_bytes));
        let note = SignedCheckpoint::sign(&key, &tree, |text| person.sign_note(text)).to_string();
        Some(Request { note, ..request }.to_string())
    }
}
