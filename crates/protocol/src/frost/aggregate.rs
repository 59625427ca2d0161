//! From shares to a signature, or to the names of all who sent a wrong one.
//!
//! Holds no secret; anybody may run it. A share is checked against the commitments that its signer vouched for by
//! signing under the session's name, so nobody who showed different commitments to different signers can make an
//! honest share look bad: such a share belongs to another session and is not looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use frost_core::{CheaterDetection, SigningPackage, aggregate_custom, verify_signature_share};
use keymoot_types::{Party, SessionId};

use super::ROUNDS;
use super::keys::{VerifyingKey, identifier};
use super::messages::{Commitments, SignatureShare};
use super::order::{self, Order, Refused};
use super::suite::Suite;
use crate::abort::{Abort, Blame, Charges, Fault};
use crate::context::Context;
use crate::evidence::{Case, Unproven, judge};
use crate::machine::{First, Machine, Next, Opening, Round, Rounds, Step};

/// Collects commitments, then shares.
pub enum Aggregator<S: Suite> {
    /// Round 0.
    Commitments(Order<S>),
    /// Round 1.
    Shares(Order<S>, SigningPackage<S::Zf>),
}

impl<S: Suite> Aggregator<S> {
    /// An aggregator of this order in the session of this name.
    #[must_use]
    pub fn start(order: Order<S>, session: SessionId) -> Opening<Self> {
        let context = Arc::new(order.context(session));
        Opening { machine: Self::Commitments(order), context, member: None, first: First::Listen }
    }

    /// As [`Aggregator::start`] with commitments published earlier.
    ///
    /// # Errors
    /// A list that is not exactly the signers'; a nonce listed twice.
    pub fn prepared(
        order: Order<S>,
        session: SessionId,
        commitments: &[(Party, Commitments<S>)],
    ) -> Result<Opening<Self>, Refused> {
        let first = First::Known(order.known(commitments)?);
        order.package(&commitments.iter().copied().collect())?;
        Ok(Opening { first, ..Self::start(order, session) })
    }
}

const INCOMPLETE: Abort = Abort::Bug("a complete round is not that of the signers");

impl<S: Suite> Machine for Aggregator<S> {
    /// The signature, 64 bytes: RFC 8032 for Ed25519, BIP-340 for Taproot. It verifies under the output key.
    type Output = [u8; 64];

    fn rounds(_: &Context) -> Rounds {
        Rounds::Borrowed(ROUNDS)
    }

    fn concerns(context: &Context) -> bool {
        order::concerns::<S>(context)
    }

    fn receive(self, round: Round<'_>) -> Result<Step<Self>, Abort> {
        match self {
            Self::Commitments(order) => {
                let commitments = round.decode::<Commitments<S>>()?;
                let package = order.package(&commitments).map_err(Refused::in_session)?;
                Ok(Step { outbox: Vec::new(), next: Next::Wait(Self::Shares(order, package)) })
            }
            Self::Shares(order, package) => {
                let shares = round.decode::<SignatureShare<S>>()?;
                let signature = combine(order.key(), &package, &shares)?;
                Ok(Step { outbox: Vec::new(), next: Next::Done(signature) })
            }
        }
    }

    fn convicts(case: &Case<'_>, fault: Fault) -> bool {
        // A wrong share is wrong under a key, and this function is handed none; see [`convict`].
        convicts_format::<S>(case, fault)
    }
}

/// Adds the shares up and verifies the sum; if it is wrong, finds everybody whose share is.
fn combine<S: Suite>(
    key: &VerifyingKey<S>,
    package: &SigningPackage<S::Zf>,
    shares: &BTreeMap<Party, SignatureShare<S>>,
) -> Result<[u8; 64], Abort> {
    let named = shares.iter().map(|(party, share)| Some((identifier::<S>(*party)?, share.0)));
    let named = named.collect::<Option<BTreeMap<_, _>>>().ok_or(INCOMPLETE)?;
    match aggregate_custom(package, &named, &key.package, CheaterDetection::AllCheaters) {
        Ok(signature) => {
            let bytes = signature.serialize().ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or(Abort::Bug("a verified signature does not have 64 bytes"))
        }
        Err(frost_core::Error::InvalidSignatureShare { culprits }) => {
            let mut charges = Charges::default();
            for party in shares.keys() {
                let guilty = identifier::<S>(*party).is_some_and(|name| culprits.contains(&name));
                charges.unless(!guilty, *party, Fault::WrongSignatureShare, &[1]);
            }
            charges.verdict().and(Err(Abort::Bug("wrong shares of nobody who signs")))
        }
        Err(_) => Err(Abort::Bug("the library could not attribute a wrong signature")),
    }
}

/// Whether a message of the accused is no legal one.
pub(super) fn convicts_format<S: Suite>(case: &Case<'_>, fault: Fault) -> bool {
    fault == Fault::Malformed
        && (case.is_malformed::<Commitments<S>>(0) || case.is_malformed::<SignatureShare<S>>(1))
}

/// Checks an accusation from the signing session of `order` with this name.
///
/// # Errors
/// The evidence does not prove the fault.
pub fn convict<S: Suite>(order: &Order<S>, session: SessionId, blame: &Blame) -> Result<(), Unproven> {
    let context: Context = order.context(session);
    if blame.fault != Fault::WrongSignatureShare {
        return judge::<Aggregator<S>>(&context, blame);
    }
    crate::evidence::try_case::<Aggregator<S>>(&context, blame, |case| is_wrong_share(order, case))
}

fn is_wrong_share<S: Suite>(order: &Order<S>, case: &Case<'_>) -> Option<bool> {
    let commitments = case.broadcasts::<Commitments<S>>(0)?;
    let package = order.package(&commitments).ok()?;
    let share = case.message::<SignatureShare<S>>(1)?;
    let name = identifier::<S>(case.accused)?;
    let public = &order.key().package;
    let verifying_share = public.verifying_shares().get(&name)?;
    Some(verify_signature_share(name, verifying_share, &share.0, &package, public.verifying_key()).is_err())
}
