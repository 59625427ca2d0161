//! Sessions end, and end alike.

use keymoot_engine::message::{Address, Complete};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Party, SessionId};

use super::{Violation, Watch, broken};
use crate::backend::Backend;
use crate::frame::Time;

impl<B: Backend> Watch<B> {
    /// I5: no session outlives its deadline.
    ///
    /// # Errors
    /// One does.
    pub fn invariant_i05_sessions_end(
        who: Address,
        sessions: impl Iterator<Item = (SessionId, keymoot_types::Millis)>,
        now: Time,
    ) -> Result<(), Violation> {
        for (session, deadline) in sessions {
            if now > deadline.0 + 5_000 {
                return broken("I5", format!("{session} still lives at {who:?}"));
            }
        }
        Ok(())
    }

    /// I11: whoever is honest and completes a session has made the same of it as all the others.
    pub(super) fn invariant_i11_all_complete_alike(
        &mut self,
        party: Party,
        session: SessionId,
        complete: &Complete,
    ) -> Result<(), Violation> {
        let made = match complete {
            Complete::Key(package) => match B::decode_key(package, &self.committee) {
                Some(key) => B::describe(&key).digest,
                None => return broken("I11", format!("{party} completes {session} with a key that is none")),
            },
            // A thief calls two sessions by one name, and whoever has begun again takes a late copy of an invitation for another.
            // Then two setups are right, and two tables begun.
            Complete::Setup(_) | Complete::Moduli(_) if self.names_repeat => return Ok(()),
            Complete::Setup(name) | Complete::Moduli(name) => *name,
            // What is in stock comes from many sessions; what one has made is in the record of it.
            // A retirement is no session.
            Complete::Presigned(_) | Complete::Retired { .. } => return Ok(()),
        };
        match self.completed.insert(session, made) {
            Some(earlier) if earlier != made => {
                broken("I11", format!("{party} has made something else of {session} than others"))
            }
            _ => Ok(()),
        }
    }

    /// I11, for presignatures: whoever has one of a batch has all of that batch, in the same order.
    pub(super) fn invariant_i11_batches_are_alike(
        &mut self,
        party: Party,
        batch: &[Hash],
    ) -> Result<(), Violation> {
        for one in batch {
            let first = self.batches.entry(*one).or_insert_with(|| batch.to_vec());
            if first != batch {
                return broken("I11", format!("{party} has another batch than others of its session"));
            }
        }
        Ok(())
    }
}
