//! From shares to a signature that verifies, or to those whose shares are wrong.
//!
//! Holds no secret; anybody may run it.

use std::collections::BTreeMap;
use std::sync::Arc;

use k256::Scalar;
use keymoot_types::{Party, SessionId};

use super::order::{self, Order, Rescaled};
use super::{Approval, ROUNDS, SignatureShare};
use crate::abort::{Abort, Blame, Charges, Fault};
use crate::codec::Wire;
use crate::context::Context;
use crate::ecdsa::EcdsaSignature;
use crate::evidence::{Case, Unproven, judge, try_case};
use crate::machine::{First, Machine, Next, Opening, Round, Rounds, Step};

/// Collects approvals, then shares.
pub struct Aggregator(State);

enum State {
    Approvals(Order),
    Shares(Order, Box<Rescaled>),
}

impl Aggregator {
    /// An aggregator of this order in the session of this name.
    #[must_use]
    pub fn start(order: Order, session: SessionId) -> Opening<Self> {
        let context = Arc::new(order.context(session));
        Opening { machine: Self(State::Approvals(order)), context, member: None, first: First::Listen }
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
        match self.0 {
            State::Approvals(order) => {
                let rescaled = order.rescale(round.ssid, &round.decode::<Approval>()?)?;
                let next = Next::Wait(Self(State::Shares(order, Box::new(rescaled))));
                Ok(Step { outbox: Vec::new(), next })
            }
            State::Shares(order, rescaled) => {
                let shares = round.decode::<SignatureShare>()?;
                if let Some(signature) = combine(&order, &rescaled, &shares) {
                    return Ok(Step { outbox: Vec::new(), next: Next::Done(signature) });
                }
                let mut charges = Charges::default();
                for (party, share) in &shares {
                    let right = order.is_share(&rescaled, *party, share);
                    charges.unless(right, *party, Fault::WrongSignatureShare, &[1]);
                }
                charges.verdict()?;
                Err(Abort::Bug("the shares are right, and their sum is no signature"))
            }
        }
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        // Openings and shares are checked against the presignature; see [`convict`].
        convicts_format(case, fault)
    }
}

/// s = Σ sᵢ, if that is a signature.
fn combine(
    order: &Order,
    rescaled: &Rescaled,
    shares: &BTreeMap<Party, SignatureShare>,
) -> Option<EcdsaSignature> {
    let s: Scalar = shares.values().map(|share| share.0).sum();
    let signature = EcdsaSignature::new(rescaled.nonce, &s)?;
    signature.verifies(order.key().public(), order.payload().digest().as_bytes()).then_some(signature)
}

/// Whether a message of the accused is no legal one.
pub(super) fn convicts_format(case: &Case<'_>, fault: Fault) -> bool {
    fault == Fault::Malformed && (case.is_malformed::<Approval>(0) || case.is_malformed::<SignatureShare>(1))
}

/// Checks an accusation from a session of this order, whose presignature the judge has checked to be of these signers.
///
/// # Errors
/// The evidence does not prove the fault.
pub fn convict(order: &Order, session: SessionId, blame: &Blame) -> Result<(), Unproven> {
    let context = order.context(session);
    match blame.fault {
        Fault::WrongOpening => try_case::<Aggregator>(&context, blame, |case| {
            case.message::<Approval>(0).map(|approval| !order.is_opened_by(case.accused, &approval))
        }),
        Fault::WrongSignatureShare => try_case::<Aggregator>(&context, blame, |case| {
            let rescaled = order.rescale(case.ssid, &case.broadcasts::<Approval>(0)?).ok()?;
            let share = SignatureShare::decode(case.messages.get(&1)?.1).ok()?;
            Some(!order.is_share(&rescaled, case.accused, &share))
        }),
        _ => judge::<Aggregator>(&context, blame),
    }
}
