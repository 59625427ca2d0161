//! The broadcasts of a session, and the chain of views over them.
//!
//! A view is the digest of all broadcasts up to a round. Every later message vouches for its sender's view, so a
//! third party that is handed the bodies can tell exactly what a sender had seen when it signed.

use keymoot_types::Party;

use crate::transcript::{Body, Hash, Ssid, Transcript, View};

/// The bodies broadcast in one round, in party order; empty for a round of direct messages.
pub type Broadcasts = Vec<(Party, Vec<u8>)>;

/// What one participant saw, or what a third party is told that one saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    context: Hash,
    ssid: Option<Hash>,
    rounds: Vec<Broadcasts>,
    views: Vec<Hash>,
}

impl Record {
    /// Nothing has been said yet.
    #[must_use]
    pub const fn new(context: Hash) -> Self {
        Self { context, ssid: None, rounds: Vec::new(), views: Vec::new() }
    }

    /// Adds the next round. Round 0 gives the session its name.
    pub fn settle(&mut self, bodies: Broadcasts) {
        let hashes: Vec<_> = bodies.iter().map(|(party, body)| (*party, Body(body).digest())).collect();
        if self.rounds.is_empty() {
            self.ssid = Some(Ssid { context: self.context, hellos: &hashes }.digest());
        }
        let before = self.latest_view();
        let round = u8::try_from(self.rounds.len()).unwrap_or(u8::MAX);
        let view = if bodies.is_empty() { before } else { View { before, round, bodies: &hashes }.digest() };
        self.views.push(view);
        self.rounds.push(bodies);
    }

    /// The session's name, from the end of round 0 on.
    #[must_use]
    pub const fn ssid(&self) -> Option<Hash> {
        self.ssid
    }

    /// The context's digest.
    #[must_use]
    pub const fn context(&self) -> Hash {
        self.context
    }

    /// What the headers of this round's messages name as their session: nothing yet in round 0.
    #[must_use]
    pub const fn session_of(&self, round: u8) -> Option<Hash> {
        if round == 0 { Some(Hash::from_bytes([0; 32])) } else { self.ssid }
    }

    /// The view after a round; all zeros before the first.
    #[must_use]
    pub fn view_after(&self, round: Option<u8>) -> Option<Hash> {
        match round {
            None => Some(Hash::from_bytes([0; 32])),
            Some(round) => self.views.get(usize::from(round)).copied(),
        }
    }

    /// The view after everything settled so far.
    #[must_use]
    pub fn latest_view(&self) -> Hash {
        self.views.last().copied().unwrap_or(Hash::from_bytes([0; 32]))
    }

    /// All settled rounds.
    #[must_use]
    pub fn rounds(&self) -> &[Broadcasts] {
        &self.rounds
    }

    /// What a party broadcast in a round.
    #[must_use]
    pub fn body(&self, round: u8, party: Party) -> Option<&[u8]> {
        let bodies = self.rounds.get(usize::from(round))?;
        bodies.iter().find(|(from, _)| *from == party).map(|(_, body)| body.as_slice())
    }
}
