//! One signer: approvals of all signers in, one share out, done.

use std::sync::Arc;

use k256::Scalar;
use keymoot_types::{Party, Secret, SessionId};

use super::super::presignature::BurntPresignature;
use super::order::{self, Order};
use super::{Approval, ROUNDS, SignRefused, SignatureShare, aggregate};
use crate::abort::{Abort, Benign, Fault};
use crate::codec::Wire;
use crate::context::Context;
use crate::dkls23::Bans;
use crate::evidence::Case;
use crate::identity::{IdentityKey, IdentityPublic};
use crate::machine::{First, Machine, Next, Opening, Outgoing, Round, Rounds, Step};

/// Awaits everybody's approval, holding a presignature that only this session can use.
///
/// Answering consumes it, so a second answer with the same presignature cannot be written down.
pub struct Signer {
    me: Party,
    order: Order,
    presignature: BurntPresignature,
}

/// A signer's share is out. The presignature is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released;

impl Signer {
    /// A signer of an order that this node has approved, in the session of this name.
    ///
    /// # Errors
    /// The presignature was not burnt for this order, the identity is not ours, or a signer is banned.
    pub fn start(
        order: Order,
        session: SessionId,
        identity: Arc<IdentityKey>,
        presignature: BurntPresignature,
        bans: &Bans,
    ) -> Result<Opening<Self>, SignRefused> {
        let me = presignature.party;
        if presignature.request != order.intent() || presignature.public != *order.presignature() {
            return Err(SignRefused::WrongRequest);
        }
        let committee = &order.key().group().committee;
        if committee.identity(me) != Some(&identity.public()) {
            return Err(SignRefused::WrongIdentity(me));
        }
        if let Some(banned) = bans.find(committee, order.quorum().signers()) {
            return Err(SignRefused::Banned(banned));
        }
        let context = Arc::new(order.context(session));
        let first = First::Say(Approval { entropy: *presignature.secrets.entropy.expose() }.encode());
        Ok(Opening {
            machine: Self { me, order, presignature },
            context,
            member: Some((me, identity)),
            first,
        })
    }

    /// Whether this identity signs too, so that the session must be dropped when it is banned.
    #[must_use]
    pub fn involves(&self, identity: &IdentityPublic) -> bool {
        let party = self.order.key().group().committee.party(identity);
        party.is_some_and(|party| self.order.quorum().contains(party))
    }
}

impl Machine for Signer {
    type Output = Released;

    fn rounds(_: &Context) -> Rounds {
        Rounds::Borrowed(&ROUNDS)
    }

    fn concerns(context: &Context) -> bool {
        order::concerns(context)
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        let Self { me, order, presignature } = self;
        let approvals = round.decode::<Approval>()?;
        let ours = approvals.get(&me).map(|approval| approval.entropy);
        if ours != Some(*presignature.secrets.entropy.expose()) {
            return Err(Abort::Bug("the approval listed for us is not ours"));
        }
        let rescaled = order.rescale(round.ssid, &approvals)?;
        let inverse =
            Option::<Scalar>::from(rescaled.factor.invert()).ok_or(Abort::Benign(Benign::Degenerate))?;
        let [nonce, key] = presignature.secrets.scalars.expose();
        // (m·k + r·(χ + ε·k))/d.
        let child = Secret::new(*order.key().tweak() * nonce + key);
        let share = SignatureShare((order.message() * nonce + rescaled.x * child.expose()) * inverse);
        Ok(Step { outbox: vec![Outgoing::broadcast(1, &share)], next: Next::Done(Released) })
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        aggregate::convicts_format(case, fault)
    }
}
