//! The node's word on its own log, and on those of the others: checkpoints, and what a witness says to them.
//!
//! A checkpoint leaves when everything it covers is durable; a cosignature when the node will not forget it. So no
//! crash makes a node contradict itself, and a node that shows two histories is found out by any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::context::Committee;
use keymoot_types::{Millis, Party};

use super::Node;
use crate::audit::{
    KeyName, Log, LogKey, Request, SignedCheckpoint, Witness, WitnessKey, WitnessRefused, Witnessed,
};
use crate::crypto::Crypto;
use crate::message::{Address, Message, Words};
use crate::plan::{Effect, Lane, Silence};
use crate::policy::Policy;
use crate::record::Entry;

/// What the node knows of the witnesses of its own log.
#[derive(Default)]
pub(super) struct Vouching {
    /// The last checkpoint, with the cosignatures that have come.
    pub(super) latest: Option<Witnessed>,
    /// How much of our log each of them has cosigned, as far as we know.
    sizes: BTreeMap<Party, u64>,
    /// Whether there is something in the log that no checkpoint covers, and that is more than vouching for others.
    pub(super) is_due: bool,
    /// When we have last cosigned something new of whom.
    cosigned: BTreeMap<Party, Millis>,
    /// Whose latest checkpoint waits until it is time again.
    waiting: BTreeMap<Party, Waiting>,
    /// Whose log is known to have two histories.
    pub(super) forked: BTreeSet<Party>,
    /// The coordinator that carries the next one.
    turn: u16,
}

/// The longest request for a cosignature, in bytes.
const REQUEST_MAX: usize = 1 << 14;

/// A request for a cosignature, for later.
struct Waiting {
    carrier: Address,
    text: String,
    size: u64,
}

/// The name of a member's log. It has the group's name in it, because an identity may serve in more than one.
#[must_use]
pub fn log_name(committee: &Committee, party: Party) -> Option<KeyName> {
    KeyName::new(&format!("keymoot/{}/node-{}", committee.group(), party.index())).ok()
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// Signs what the log is now, if there is anything new, and asks all who have not cosigned it.
    pub(super) fn vouch(&mut self) {
        self.draft.lane = Lane::Whole;
        if std::mem::take(&mut self.vouching.is_due) {
            let signed = self.log.sign(|text| self.crypto.sign_note(text));
            self.vouching.latest = Some(Witnessed::new(signed));
        }
        self.vouching.turn = self.vouching.turn.wrapping_add(1);
        let Some(latest) = &self.vouching.latest else { return };
        let has_cosigned: BTreeSet<_> = latest.cosignatures().map(|one| *one.key().public()).collect();
        let committee = Arc::clone(&self.config.committee);
        let me = self.config.me;
        for to in super::everybody(&committee).into_iter().filter(|to| *to != me) {
            if committee.identity(to).is_some_and(|identity| !has_cosigned.contains(identity)) {
                self.ask_witness(to);
            }
        }
    }

    fn ask_witness(&mut self, to: Party) {
        let old = self.vouching.sizes.get(&to).copied().unwrap_or(0);
        let latest = self.vouching.latest.as_ref();
        let Some(request) = latest.and_then(|latest| self.log.request(latest.signed(), old)) else { return };
        let carrier = self.vouching.turn.checked_rem(self.config.coordinators).unwrap_or(0);
        let words = Words::Checkpoint(request.to_string());
        let from = self.config.me;
        self.send(Address::Coordinator(carrier), Message::Witness { from, to, words });
    }

    pub(super) fn witnessed(&mut self, carrier: Address, from: Party, words: Words) {
        match words {
            Words::Checkpoint(request) => self.cosign(carrier, from, &request),
            Words::Cosigned(lines) => self.take_cosignature(from, &lines),
            Words::Recall => self.show(carrier, from),
            Words::Behind(note) => self.shown(from, note.as_deref()),
        }
    }

    /// Asks what was seen of our log, whoever has not said so yet. If it is more than we have, we had better learn it before we
    /// sign anything of it again: two histories would be held against us.
    pub(super) fn ask_what_was_seen(&mut self) {
        let from = self.config.me;
        let told = |to: &Party| *to == from || self.vouching.sizes.contains_key(to);
        let mut silent = super::everybody(&self.config.committee);
        silent.retain(|to| !told(to));
        for to in silent {
            for carrier in (0..self.config.coordinators).map(Address::Coordinator) {
                self.send(carrier, Message::Witness { from, to, words: Words::Recall });
            }
        }
    }

    /// Shows a member what we have seen of its log last.
    fn show(&mut self, carrier: Address, to: Party) {
        let seen =
            log_name(&self.config.committee, to).and_then(|origin| self.witness.seen(&origin).cloned());
        let (from, words) = (self.config.me, Words::Behind(seen.map(|seen| seen.to_string())));
        self.send(carrier, Message::Witness { from, to, words });
    }

    /// A witness shows what it has seen of our log last. What it says of it needs no belief: we have signed it ourselves.
    fn shown(&mut self, from: Party, note: Option<&str>) {
        let Some(note) = note else {
            self.vouching.sizes.insert(from, 0);
            return;
        };
        let Ok(seen) = SignedCheckpoint::open(note, self.log.key(), C::verifies_note) else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        if !self.log.holds(seen.checkpoint()) {
            return self.halt(seen.to_string());
        }
        let size = seen.checkpoint().size();
        let known = self.vouching.sizes.insert(from, size);
        // At once when it is news, and only then, so that nobody has us ask without end.
        if known.is_none_or(|known| known < size) {
            self.ask_witness(from);
        }
    }

    /// A log that we have signed and do not have: our journal is an old copy of itself, and what it has forgotten may be a
    /// ban or our name under a key. Nothing more is said, now or after a restart.
    fn halt(&mut self, note: String) {
        self.draft.lane = Lane::Whole;
        self.draft.silence = Silence::Everybody;
        self.persist(Entry::RolledBack { note });
        self.is_stopped = true;
        self.draft.then.push(Effect::Halt("the journal is an old copy of itself"));
    }

    fn cosign(&mut self, carrier: Address, from: Party, request: &str) {
        // Whoever brings it: it has to be of the log of whom it names.
        let parsed = Request::parse(request).ok().filter(|_| request.len() <= REQUEST_MAX);
        let opened = parsed.and_then(|request| {
            let key = log_key(&self.config, from)?;
            let signed = SignedCheckpoint::open(&request.note, &key, C::verifies_note).ok()?;
            Some((request, signed.checkpoint().size()))
        });
        let Some((request, size)) = opened else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        // Each cosignature is a record of ours: nobody is to have us write more of them than it has to. The latest waits.
        let (now, apart) = (self.now.mono, self.config.limits.checkpoint / 2);
        if let Some(at) = self.vouching.cosigned.get(&from).filter(|at| now < at.plus(apart)) {
            let due = at.plus(apart);
            let waiting = self.vouching.waiting.get(&from);
            if waiting.is_none_or(|waiting| waiting.size <= size) {
                let text = request.to_string();
                self.vouching.waiting.insert(from, Waiting { carrier, text, size });
                self.wake_at(due);
            }
            return;
        }
        let time = self.now.wall.0 / 1000;
        let sign = |text: &str| self.crypto.sign_note(text);
        let me = self.config.me;
        match self.witness.cosign(&request, time, C::verifies_note, sign) {
            Ok(cosigned) => {
                self.draft.lane = Lane::Whole;
                // The proof began where we were. What has not grown is on record already.
                if request.old_size < cosigned.seen.checkpoint().size() {
                    self.vouching.cosigned.insert(from, now);
                    self.persist(Entry::Witnessed { note: cosigned.seen.to_string() });
                }
                let words = Words::Cosigned(cosigned.cosignature.to_string());
                self.send(carrier, Message::Witness { from: me, to: from, words });
            }
            Err(WitnessRefused::Stale { .. } | WitnessRefused::WentBack { .. }) => {
                self.show(carrier, from);
            }
            Err(WitnessRefused::Fork(fork)) => {
                // Whoever carries it: the accused is the one that signed both. Once is enough.
                let [one, other] = fork.checkpoints();
                let config = &self.config;
                let signed =
                    |party: &Party| log_name(&config.committee, *party).as_ref() == Some(one.key().name());
                let culprit = super::everybody(&self.config.committee).into_iter().find(signed);
                let notes = [one.to_string(), other.to_string()];
                if let Some(party) = culprit.filter(|party| self.vouching.forked.insert(*party)) {
                    self.persist(Entry::Forked { party, notes });
                }
                // It may have lost one of them in good faith, and has to know.
                self.show(carrier, from);
            }
            Err(
                WitnessRefused::Note(_)
                | WitnessRefused::UnknownOrigin
                | WitnessRefused::Proof
                | WitnessRefused::Time,
            ) => self.refused = self.refused.saturating_add(1),
        }
    }

    /// Answers those that had to wait.
    pub(super) fn cosign_waiting(&mut self) {
        let (now, apart) = (self.now.mono, self.config.limits.checkpoint / 2);
        let cosigned = &self.vouching.cosigned;
        let is_due = |party: &Party| cosigned.get(party).is_none_or(|at| now >= at.plus(apart));
        let due: Vec<Party> = self.vouching.waiting.keys().filter(|party| is_due(party)).copied().collect();
        for party in due {
            if let Some(Waiting { carrier, text, .. }) = self.vouching.waiting.remove(&party) {
                self.cosign(carrier, party, &text);
            }
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
    Some(WitnessKey::new(log_name(&config.committee, party)?, *config.committee.identity(party)?))
}

/// The key of a member's log.
fn log_key(config: &super::Config, party: Party) -> Option<LogKey> {
    Some(LogKey::new(log_name(&config.committee, party)?, *config.committee.identity(party)?))
}

/// An empty log of this member, and a witness of all others.
pub(super) fn begin(config: &super::Config) -> Option<(Log, Witness)> {
    let mut witness = Witness::new(witness_key(config, config.me)?);
    for party in super::everybody(&config.committee).into_iter().filter(|party| *party != config.me) {
        witness.watch(log_key(config, party)?);
    }
    Some((Log::new(log_key(config, config.me)?), witness))
}
