//! The one bounded inbox: at most one envelope for each slot. What was said is kept until the session ends; the bodies
//! of direct rounds only until the machine has taken them.
//!
//! What is kept serves three purposes: complete rounds, telling duplicates from equivocation, and evidence.
//! Mail that overtakes round 0 cannot be matched to the session yet; a few such envelopes of each sender wait.

use std::collections::BTreeMap;

use keymoot_types::{PARTIES_MAX, Party};

use crate::envelope::{Attestation, BODY_SHORT, Envelope, Kind};
use crate::transcript::Hash;

/// Envelopes of one sender that may wait for the session's name.
pub const EARLY_MAX: usize = 8;

/// Bytes of one sender's bodies that may wait for the session's name, where no round's bodies are longer.
pub const EARLY_BYTES: usize = EARLY_MAX * BODY_SHORT;

/// Rounds that any machine may have.
pub const ROUNDS_MAX: usize = 48;

const _: () = assert!(
    EARLY_BYTES * (PARTIES_MAX as usize) < 32 << 20,
    "mail before a session of short messages must stay below 32 MiB, whatever is sent to it"
);

/// Where an envelope belongs.
pub type Slot = (u8, Kind, Party);

/// What was said in a slot, and the whole of it as long as somebody may want to read it.
struct Stored {
    attestation: Attestation,
    envelope: Option<Envelope>,
}

/// The mail of one session.
#[derive(Default)]
pub struct Inbox {
    stored: BTreeMap<Slot, Stored>,
    early: Vec<Envelope>,
}

impl Inbox {
    /// The envelope in a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Envelope> {
        self.stored.get(&slot)?.envelope.as_ref()
    }

    /// What was said in a slot, even if its body is gone.
    #[must_use]
    pub fn said(&self, slot: Slot) -> Option<Attestation> {
        self.stored.get(&slot).map(|stored| stored.attestation)
    }

    /// Lets go of the body in a slot; what was said stays on record.
    pub fn forget_body(&mut self, slot: Slot) {
        if let Some(stored) = self.stored.get_mut(&slot) {
            stored.envelope = None;
        }
    }

    /// Fills a slot that is empty; the first envelope stays.
    pub fn put(&mut self, envelope: Envelope, attestation: Attestation) {
        let slot = Self::slot(&envelope);
        self.stored.entry(slot).or_insert(Stored { attestation, envelope: Some(envelope) });
    }

    /// Takes an envelope out, to be shown as evidence.
    pub fn take(&mut self, slot: Slot) -> Option<Envelope> {
        self.stored.remove(&slot)?.envelope
    }

    /// Whether a sender has no more room for mail before the session has a name, or sent this already.
    #[must_use]
    pub fn refuses_early(&self, envelope: &Envelope, bytes_max: usize) -> bool {
        let waiting = self.early.iter().filter(|one| one.header.from == envelope.header.from);
        let bytes =
            waiting.clone().map(|one| one.body().len()).fold(envelope.body().len(), usize::saturating_add);
        bytes > bytes_max || waiting.clone().any(|one| one == envelope) || waiting.count() >= EARLY_MAX
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
