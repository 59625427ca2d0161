//! From shares to a signature that verifies, or to the end of the attempt.
//!
//! Holds no secret; anybody may run it. Which share is wrong cannot be told in DKLs23; the presignature is spent all the
//! same, and whoever keeps statistics suspects all of its signers.

use std::collections::BTreeMap;
use std::sync::Arc;

use k256::{AffinePoint, Scalar};
use keymoot_types::{Party, SessionId};

use super::order::{self, Order};
use super::{Approval, ROUNDS, Share};
use crate::abort::{Abort, Benign, Blame, Fault};
use crate::context::Context;
use crate::ecdsa::EcdsaSignature;
use crate::evidence::{Case, Unproven, judge, try_case};
use crate::machine::{First, Machine, Next, Opening, Round, Rounds, Step};

/// Collects approvals, then shares.
pub enum Aggregator {
    /// Round 0.
    Approvals(Order),
    /// Round 1, with R′.
    Shares(Order, AffinePoint),
}

impl Aggregator {
    /// An aggregator of this order in the session of this name.
    #[must_use]
    pub fn start(order: Order, session: SessionId) -> Opening<Self> {
        let context = Arc::new(order.context(session));
        Opening { machine: Self::Approvals(order), context, member: None, first: First::Listen }
    }
}

impl Machine for Aggregator {
    /// The signature; it verifies under the order's key.
    type Output = EcdsaSignature;

    fn rounds(_: &Context) -> Rounds {
        Rounds::Borrowed(&ROUNDS)
    }

    fn concerns(context: &Context) -> bool {
        order::concerns(context)
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::Approvals(order) => {
                let approvals = round.decode::<Approval>()?;
                let (_, nonce) = order.rerandomise(round.ssid, &approvals)?;
                Ok(Step { outbox: Vec::new(), next: Next::Wait(Self::Shares(order, nonce)) })
            }
            Self::Shares(order, nonce) => {
                let shares = round.decode::<Share>()?;
                let signature = combine(&order, nonce, &shares).ok_or(Abort::Benign(Benign::WrongSum))?;
                Ok(Step { outbox: Vec::new(), next: Next::Done(signature) })
            }
        }
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        // Whether an approval opens its commitment depends on the presignature; see [`convict`].
        convicts_format(case, fault)
    }
}

/// s = Σw / Σu′, if that is a signature.
fn combine(order: &Order, nonce: AffinePoint, shares: &BTreeMap<Party, Share>) -> Option<EcdsaSignature> {
    let numerator: Scalar = shares.values().map(|share| share.numerator).sum();
    let denominator: Scalar = shares.values().map(|share| share.denominator).sum();
    let inverse = Option::<Scalar>::from(denominator.invert())?;
    let signature = EcdsaSignature::new(nonce, &(numerator * inverse))?;
    signature.verifies(order.key().public(), order.payload().digest().as_bytes()).then_some(signature)
}

/// Whether a message of the accused is no legal one.
pub(super) fn convicts_format(case: &Case<'_>, fault: Fault) -> bool {
    fault == Fault::Malformed && (case.is_malformed::<Approval>(0) || case.is_malformed::<Share>(1))
}

/// Checks an accusation from a session of this order.
///
/// # Errors
/// The evidence does not prove the fault.
pub fn convict(order: &Order, session: SessionId, blame: &Blame) -> Result<(), Unproven> {
    let context = order.context(session);
    if blame.fault != Fault::WrongOpening {
        return judge::<Aggregator>(&context, blame);
    }
    try_case::<Aggregator>(&context, blame, |case| {
        case.message::<Approval>(0).map(|approval| !order.is_opened_by(case.accused, &approval))
    })
}
