//! Retired keys: known, shown, and never signed with again. No protocol is run for it: each node ends its own part, and
//! when n − t + 1 have done so, no quorum is left.

use keymoot_protocol::transcript::Hash;
use keymoot_types::SessionId;

use super::invite::{Asked, SOMETHING_ELSE};
use super::{Kind, Node};
use crate::crypto::Crypto;
use crate::message::{Address, Complete, Message};
use crate::outcome::retirement;
use crate::plan::Lane;
use crate::policy::{Decision, Policy};
use crate::record::Entry;
use crate::refusal::Refusal;
use crate::request::Ask;

impl<C: Crypto, P: Policy> Node<C, P> {
    /// Ends this node's part in a key, and says so. Whoever asks again hears it again.
    pub(super) fn retire(&mut self, from: Address, session: SessionId, asked: &Asked) -> Result<(), Refusal> {
        let Ask::Retire { key } = asked.signed.request.ask else {
            return Err(Refusal::Unfit(SOMETHING_ELSE.into()));
        };
        let described = C::describe(&C::key_of(self.keys.share(key).ok_or(Refusal::Key)?));
        if let Decision::Deny(why) = self.policy.decide(&asked.signed.request, Some(&described)) {
            return Err(Refusal::Policy(why.into()));
        }
        // Every word of sessions that is said before is said of a key that still signs.
        self.draft.lane = Lane::Whole;
        if self.keys.retire(key) {
            self.persist(Entry::Retired { key, request: asked.id });
            let presignatures = self.bury_of(described.digest);
            self.record_buried(&presignatures);
            self.drop_sessions_of(described.digest);
        }
        let word = self.crypto.sign(&retirement::<C>(asked.id, key));
        self.send(from, Message::Complete(session, Complete::Retired { request: asked.id, word }));
        Ok(())
    }

    /// Ends all sessions that sign with this key or prepare it, and holds their last words back.
    fn drop_sessions_of(&mut self, package: Hash) {
        let ended = self.ended.iter().filter(|ended| ended.key == Some(package));
        let ended: Vec<SessionId> = ended.map(|ended| ended.session).collect();
        self.draft.hush(&ended);
        let is_its = |kind: &Kind| matches!(kind, Kind::Sign(_) | Kind::Presign);
        let its = self.sessions.iter().filter(|(_, live)| live.key == Some(package) && is_its(&live.kind));
        let its: Vec<(SessionId, Address)> =
            its.map(|(session, live)| (*session, live.coordinator)).collect();
        for (session, coordinator) in its {
            self.draft.hush(&[session]);
            if self.give_up(session).is_some() {
                self.send(coordinator, Message::Refused(session, Refusal::Retired, None));
            }
        }
    }
}
