//! The node's word on its own log, and on those of the others: checkpoints, and what a witness says to them.
//!
//! A checkpoint leaves when everything it covers is durable; a cosignature when the node will not forget it. So no
//! crash makes a node contradict itself, and a node that shows two histories is found out by any other.

use keymoot_types::Party;

use super::Node;
use crate::audit::{KeyName, Log, LogKey, Request, Witness, WitnessKey, WitnessRefused, Witnessed};
use crate::crypto::Crypto;
use crate::message::{Address, Message, Words};
use crate::plan::Lane;
use crate::policy::Policy;
use crate::record::Entry;

/// What the node knows of the witnesses of its own log.
#[derive(Default)]
pub(super) struct Vouching {
    /// The last checkpoint, with the cosignatures that have come.
    pub(super) latest: Option<Witnessed>,
    /// How much of our log each of them has cosigned, as far as we know.
    sizes: std::collections::BTreeMap<Party, u64>,
    /// Whose log is known to have two histories.
    pub(super) forked: std::collections::BTreeSet<Party>,
    /// The coordinator that carries the next one.
    turn: u16,
}

/// The name of a member's log.
pub(super) fn origin(party: Party) -> Option<KeyName> {
    KeyName::new(&format!("keymoot/node-{}", party.index())).ok()
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// Signs what the log is now, and asks all others to cosign.
    pub(super) fn publish_checkpoint(&mut self) {
        let size = self.log.tree().size();
        if size <= self.timers.covered {
            return;
        }
        self.timers.covered = size;
        self.draft.lane = Lane::Whole;
        let signed = self.log.sign(|text| self.crypto.sign_note(text));
        self.vouching.turn = self.vouching.turn.wrapping_add(1);
        let carrier = self.vouching.turn.checked_rem(self.config.coordinators).unwrap_or(0);
        let from = self.config.me;
        for to in super::everybody(&self.config.committee).into_iter().filter(|to| *to != from) {
            let old = self.vouching.sizes.get(&to).copied().unwrap_or(0);
            if let Some(request) = self.log.request(&signed, old) {
                let words = Words::Checkpoint(request.to_string());
                self.send(Address::Coordinator(carrier), Message::Witness { from, to, words });
            }
        }
        self.vouching.latest = Some(Witnessed::new(signed));
    }

    pub(super) fn witnessed(&mut self, carrier: Address, from: Party, words: Words) {
        match words {
            Words::Checkpoint(request) => self.cosign(carrier, from, &request),
            Words::Cosigned(lines) => self.take_cosignature(from, &lines),
            Words::Behind(size) => {
                if size <= self.timers.covered {
                    self.vouching.sizes.insert(from, size);
                }
            }
        }
    }

    fn cosign(&mut self, carrier: Address, from: Party, request: &str) {
        let Ok(request) = Request::parse(request) else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        let time = self.now.wall.0 / 1000;
        let sign = |text: &str| self.crypto.sign_note(text);
        let me = self.config.me;
        match self.witness.cosign(&request, time, C::verifies_note, sign) {
            Ok(cosigned) => {
                self.draft.lane = Lane::Whole;
                // The proof began where we were. What has not grown is on record already.
                if request.old_size < cosigned.seen.checkpoint().size() {
                    self.persist(Entry::Witnessed { note: cosigned.seen.to_string() });
                }
                let words = Words::Cosigned(cosigned.cosignature.to_string());
                self.send(carrier, Message::Witness { from: me, to: from, words });
            }
            Err(WitnessRefused::Stale { seen } | WitnessRefused::WentBack { seen }) => {
                let words = Words::Behind(seen);
                self.send(carrier, Message::Witness { from: me, to: from, words });
            }
            Err(WitnessRefused::Fork(fork)) => {
                // Whoever carries it: the accused is the one that signed both. Once is enough.
                let [one, other] = fork.checkpoints();
                let signed = |party: &Party| origin(*party).as_ref() == Some(one.key().name());
                let culprit = super::everybody(&self.config.committee).into_iter().find(signed);
                let notes = [one.to_string(), other.to_string()];
                if let Some(party) = culprit.filter(|party| self.vouching.forked.insert(*party)) {
                    self.persist(Entry::Forked { party, notes });
                }
            }
            Err(
                WitnessRefused::Note(_)
                | WitnessRefused::UnknownOrigin
                | WitnessRefused::Proof
                | WitnessRefused::Time,
            ) => self.refused = self.refused.saturating_add(1),
        }
    }

    fn take_cosignature(&mut self, from: Party, lines: &str) {
        let Some(key) = witness_key(&self.config, from) else { return };
        let Some(latest) = &mut self.vouching.latest else { return };
        let before = latest.count();
        if latest.add(lines, &[key], C::verifies_note).is_ok() && latest.count() > before {
            let size = latest.signed().checkpoint().size();
            self.vouching.sizes.insert(from, size);
        }
    }

    /// The last checkpoint of this node's log, with the cosignatures that have come.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<&Witnessed> {
        self.vouching.latest.as_ref()
    }
}

/// The key under which a member witnesses.
fn witness_key(config: &super::Config, party: Party) -> Option<WitnessKey> {
    Some(WitnessKey::new(origin(party)?, *config.committee.identity(party)?))
}

/// The key of a member's log.
fn log_key(config: &super::Config, party: Party) -> Option<LogKey> {
    Some(LogKey::new(origin(party)?, *config.committee.identity(party)?))
}

/// An empty log of this member, and a witness of all others.
pub(super) fn begin(config: &super::Config) -> Option<(Log, Witness)> {
    let mut witness = Witness::new(witness_key(config, config.me)?);
    for party in super::everybody(&config.committee).into_iter().filter(|party| *party != config.me) {
        witness.watch(log_key(config, party)?);
    }
    Some((Log::new(log_key(config, config.me)?), witness))
}
