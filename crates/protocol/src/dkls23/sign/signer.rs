//! One signer: approvals of all signers in, one share out, done.

use std::sync::Arc;

use k256::Scalar;
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::Reduce;
use keymoot_types::{Party, SessionId};
use zeroize::Zeroizing;

use super::super::bans::Bans;
use super::super::points;
use super::super::presignature::BurntPresignature;
use super::order::{self, Order, SignRefused};
use super::{Approval, ROUNDS, Share, aggregate};
use crate::abort::{Abort, Fault};
use crate::codec::Wire;
use crate::context::Context;
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
        if order.key().group().committee.identity(me) != Some(&identity.public()) {
            return Err(SignRefused::WrongIdentity(me));
        }
        if let Some(banned) = bans.find(&order.key().group().committee, order.quorum().signers()) {
            return Err(SignRefused::Banned(banned));
        }
        let context = Arc::new(order.context(session));
        let approval = Approval { entropy: *presignature.secrets.entropy.expose() };
        let first = First::Say(approval.encode());
        Ok(Opening {
            machine: Self { me, order, presignature },
            context,
            member: Some((me, identity)),
            first,
        })
    }
}

impl Signer {
    /// Whether this identity signs too, so that the session must be dropped when it is banned.
    #[must_use]
    pub fn involves(&self, identity: &IdentityPublic) -> bool {
        let party = self.order.key().group().committee.party(identity);
        party.is_some_and(|party| self.order.quorum().contains(party))
    }
}

/// The digest as ECDSA takes it: an integer modulo the order.
pub(super) fn digest_scalar(order: &Order) -> Scalar {
    <Scalar as Reduce<U256>>::reduce(U256::from_be_slice(order.payload().digest().as_bytes()))
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
        let (shift, nonce) = order.rerandomise(round.ssid, &approvals)?;
        let x = points::x_scalar(&nonce);
        let [mask, nonce_share, key_share] = presignature.secrets.scalars.expose();
        let key_share = Zeroizing::new(*order.key().tweak() * mask + key_share);
        let share = Share {
            numerator: digest_scalar(&order) * mask + x * *key_share,
            denominator: shift * mask + nonce_share,
        };
        Ok(Step { outbox: vec![Outgoing::broadcast(1, &share)], next: Next::Done(Released) })
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        aggregate::convicts_format(case, fault)
    }
}
