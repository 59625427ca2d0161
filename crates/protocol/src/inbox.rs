//! The one bounded inbox: at most one envelope for each slot, kept until the session ends.
//!
//! What is kept serves three purposes: complete rounds, telling duplicates from equivocation, and evidence.
//! Mail that overtakes round 0 cannot be matched to the session yet; a few such envelopes of each sender wait.

use std::collections::BTreeMap;

use keymoot_types::{PARTIES_MAX, Party};

use crate::envelope::{ENVELOPE_MAX, Envelope, Kind};
use crate::transcript::Hash;

/// Envelopes of one sender that may wait for the session's name.
pub const EARLY_MAX: usize = 8;

/// Rounds that any machine may have.
pub const ROUNDS_MAX: usize = 16;

const _: () = assert!(
    (ROUNDS_MAX * 2 + EARLY_MAX) * PARTIES_MAX as usize * ENVELOPE_MAX < 128 << 20,
    "one session's mail must stay below 128 MiB, whatever is sent to it"
);

/// Where an envelope belongs.
pub type Slot = (u8, Kind, Party);

/// The mail of one session.
#[derive(Default)]
pub struct Inbox {
    stored: BTreeMap<Slot, Envelope>,
    early: Vec<Envelope>,
}

impl Inbox {
    /// The envelope in a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Envelope> {
        self.stored.get(&slot)
    }

    /// Fills a slot that is empty; the first envelope stays.
    pub fn put(&mut self, envelope: Envelope) {
        self.stored.entry(Self::slot(&envelope)).or_insert(envelope);
    }

    /// Takes an envelope out, to be shown as evidence.
    pub fn take(&mut self, slot: Slot) -> Option<Envelope> {
        self.stored.remove(&slot)
    }

    /// Whether a sender has no more room for mail before the session has a name, or sent this already.
    #[must_use]
    pub fn refuses_early(&self, envelope: &Envelope) -> bool {
        let waiting = self.early.iter().filter(|one| one.header.from == envelope.header.from);
        waiting.clone().any(|one| one == envelope) || waiting.count() >= EARLY_MAX
    }

    /// Keeps mail until the session has a name.
    pub fn put_early(&mut self, envelope: Envelope) {
        self.early.push(envelope);
    }

    /// Hands out the early mail that belongs to the session and drops the rest.
    pub fn take_early(&mut self, ssid: Hash) -> Vec<Envelope> {
        let mut early = std::mem::take(&mut self.early);
        early.retain(|envelope| envelope.header.session == ssid);
        early
    }

    /// The slot of an envelope.
    #[must_use]
    pub const fn slot(envelope: &Envelope) -> Slot {
        (envelope.header.round, envelope.header.kind, envelope.header.from)
    }
}
