//! A node whose line has broken: it is not counted on until it is heard again, and what goes on with it is tried with others
//! at once.

use keymoot_types::{Party, SessionId};
use rand_core::CryptoRngCore;

use super::{Aim, Coordinator};
use crate::crypto::Crypto;

impl<C: Crypto> Coordinator<C> {
    /// Whoever breaks its own line again and again spoils sessions with it: it is doubted as one who gives up.
    pub(super) fn gone(&mut self, party: Party, rng: &mut impl CryptoRngCore) {
        self.members.gone(party);
        self.moduli.gone(party);
        let is_with = |run: &super::Run<C>| {
            // A retirement asks each node for itself.
            run.members.contains(&party) && !matches!(run.aim, Aim::Retire(..))
        };
        let with = self.runs.iter().filter(|(_, run)| is_with(run));
        let with: Vec<(SessionId, u32)> = with.map(|(session, run)| (*session, run.aim.cost())).collect();
        // Nobody else is in the way: the next preparation need not wait for the lot.
        let not_before = self.supply.not_before;
        for (session, cost) in with {
            self.members.suspect(party, cost);
            self.fail(session, "the line to a node broke");
        }
        self.supply.not_before = not_before;
        self.advance_all(rng);
    }
}
