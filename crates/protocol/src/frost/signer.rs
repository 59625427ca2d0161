//! One signer: commitments of all signers in, one share out, done.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use frost_core::round2;
use keymoot_types::{Party, SessionId};

use super::keys::SigningKey;
use super::messages::{Commitments, SignatureShare};
use super::nonces::{BurntNonces, Owner};
use super::order::{self, Order, Refused};
use super::suite::Suite;
use super::{ROUNDS, aggregate};
use crate::abort::{Abort, Fault};
use crate::codec::Wire;
use crate::context::Context;
use crate::evidence::Case;
use crate::identity::IdentityKey;
use crate::machine::{First, Machine, Next, Opening, Outgoing, Round, Rounds, Step};

/// Awaits everybody's commitments, holding nonces that only this session can use.
///
/// Answering consumes it, so a second answer with the same nonces cannot be written down.
pub struct Signer<S: Suite> {
    key: Arc<SigningKey<S>>,
    order: Order<S>,
    nonces: BurntNonces<S>,
}

/// A signer's share is out. The nonces are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released<S>(PhantomData<S>);

impl<S: Suite> Signer<S> {
    /// A signer of an order that this node has approved, in the session of this name.
    ///
    /// # Errors
    /// The order or the nonces are for another key, we are not among its signers, or the identity is not ours.
    pub fn start(
        key: Arc<SigningKey<S>>,
        order: Order<S>,
        session: SessionId,
        identity: Arc<IdentityKey>,
        nonces: BurntNonces<S>,
    ) -> Result<Opening<Self>, Refused> {
        if !Arc::ptr_eq(key.public(), order.key()) || nonces.owner != Owner::of(&key) {
            return Err(Refused::WrongKey);
        }
        let me = key.party();
        if !order.quorum().contains(me) {
            return Err(Refused::NotASigner(me));
        }
        if order.key().group().committee.identity(me) != Some(&identity.public()) {
            return Err(Refused::WrongIdentity(me));
        }
        let context = Arc::new(order.context(session));
        let first = First::Say(nonces.public.encode());
        Ok(Opening { machine: Self { key, order, nonces }, context, member: Some((me, identity)), first })
    }

    /// As [`Signer::start`] with commitments published earlier: also checks that ours is listed.
    ///
    /// # Errors
    /// As [`Signer::start`]; a list that is not exactly the signers'; another commitment of ours; a nonce listed twice.
    pub fn prepared(
        key: Arc<SigningKey<S>>,
        order: Order<S>,
        session: SessionId,
        identity: Arc<IdentityKey>,
        nonces: BurntNonces<S>,
        commitments: &[(Party, Commitments<S>)],
    ) -> Result<Opening<Self>, Refused> {
        let first = First::Known(order.known(commitments)?);
        let ours = commitments.iter().find(|(party, _)| *party == key.party());
        if !ours.is_some_and(|(_, listed)| *listed == nonces.public) {
            return Err(Refused::NotOurCommitment);
        }
        order.package(&commitments.iter().copied().collect())?;
        Self::start(key, order, session, identity, nonces).map(|opening| Opening { first, ..opening })
    }

    fn answer(self, commitments: &BTreeMap<Party, Commitments<S>>) -> Result<SignatureShare<S>, Refused> {
        let package = self.order.package(commitments)?;
        let share = round2::sign(&package, &self.nonces.secret, &self.key.package);
        share.map(SignatureShare::<S>).map_err(|_| Refused::Library)
    }
}

impl<S: Suite> Machine for Signer<S> {
    type Output = Released<S>;

    fn rounds(_: &Context) -> Rounds {
        Rounds::Borrowed(ROUNDS)
    }

    fn concerns(context: &Context) -> bool {
        order::concerns::<S>(context)
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        let me = self.key.party();
        let ours = self.nonces.public;
        if round.bodies.get(&me) != Some(&ours.encode().as_slice()) {
            return Err(Abort::Bug("the commitment listed for us is not ours"));
        }
        let mut commitments = round.decode_others::<Commitments<S>>(Some(me))?;
        commitments.insert(me, ours);
        let share = self.answer(&commitments).map_err(Refused::in_session)?;
        Ok(Step { outbox: vec![Outgoing::broadcast(1, &share)], next: Next::Done(Released(PhantomData)) })
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        aggregate::convicts_format::<S>(case, fault)
    }
}
