//! Having a key retired: every node that is there is asked, and each word counts for itself, whatever becomes of the
//! session in which it was asked for. When so many have given theirs that no quorum is left, the key is retired.

use keymoot_protocol::identity::IdentitySignature;
use keymoot_types::{Party, SessionId};
use rand_core::CryptoRngCore;

use super::drive::PATIENCE;
use super::{Aim, Coordinator};
use crate::crypto::Crypto;
use crate::message::What;
use crate::outcome::{Outcome, retirement, retirements_needed};
use crate::request::{Ask, RequestId};

impl<C: Crypto> Coordinator<C> {
    /// Asks all that are there and have not given their word.
    pub(super) fn retire(&mut self, id: RequestId, rng: &mut impl CryptoRngCore) {
        let Some(drive) = self.drives.get(&id) else { return };
        let Ask::Retire { key } = drive.request.ask else { return };
        let threshold = self.config.committee.threshold();
        let needed = usize::from(retirements_needed(threshold));
        if drive.words.len() >= needed {
            let words = drive.words.iter().map(|(party, word)| (*party, *word)).collect();
            return self.conclude(id, Outcome::Retired { words });
        }
        // Whoever has given its word does not take it back by a denial.
        let lost = drive.denials.keys().filter(|party| !drive.words.contains_key(party)).count();
        if usize::from(threshold.total()).saturating_sub(lost) < needed {
            let denials = drive.denied();
            return self.conclude(id, Outcome::Denied(denials));
        }
        let (given, denied) = (drive.words.clone(), drive.denials.clone());
        let request = drive.body.clone();
        // A client that names any key must not have the nodes doubted that do not know it.
        let Some(package) = self.keys.get(&key).map(|key| C::describe(key).digest) else {
            self.query_key(key);
            return self.later(id, PATIENCE, "no node shows the key");
        };
        let (now, silence) = (self.now.mono, self.config.limits.silence);
        let is_asked = |party: &Party| {
            let has_answered = given.contains_key(party) || denied.contains_key(party);
            !has_answered && self.members.is_live(*party, now, silence)
        };
        let asked: Vec<Party> = self.members.all().into_iter().filter(is_asked).collect();
        if asked.is_empty() {
            return self.later(id, PATIENCE, "too few nodes are there");
        }
        self.call(Aim::Retire(id, package), asked, &What::Retire { request }, None, rng);
    }

    /// A node says that it has ended its part in the key of this request.
    pub(super) fn has_retired(
        &mut self,
        from: Party,
        (session, request): (SessionId, RequestId),
        word: IdentitySignature,
        rng: &mut impl CryptoRngCore,
    ) {
        let Some(drive) = self.drives.get_mut(&request) else { return };
        let Ask::Retire { key } = drive.request.ask else { return };
        let statement = retirement::<C>(request, key);
        let identity = self.config.committee.identity(from);
        if !identity.is_some_and(|identity| C::verifies(identity, &statement, &word)) {
            self.members.suspect(from, 1);
            return;
        }
        drive.words.insert(from, word);
        let needed = usize::from(retirements_needed(self.config.committee.threshold()));
        if drive.outcome.is_none() && drive.words.len() >= needed {
            self.runs.retain(|_, run| run.aim.request() != Some(request));
            drive.session = None;
            return self.retire(request, rng);
        }
        self.has_answered(from, session);
    }

    /// One of those that were asked has answered. When all have, there is nothing left to wait for.
    pub(super) fn has_answered(&mut self, from: Party, session: SessionId) {
        let Some(run) = self.runs.get_mut(&session) else { return };
        run.complete.insert(from);
        if run.members.iter().all(|member| run.complete.contains(member)) {
            self.fail(session, "too few nodes end their part in the key");
        }
    }
}
