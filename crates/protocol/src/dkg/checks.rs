//! Every check of key generation, once, for the members and for the judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_types::Party;

use super::messages::{Certify, Commit, Opening, Proofs, Share};
use crate::abort::Fault;
use crate::codec::Wire as _;
use crate::context::Context;
use crate::curve::{Curve, group::Group};
use crate::derive::output_key;
use crate::evidence::Case;
use crate::key::GroupKey;
use crate::machine::Hello;
use crate::proof::Claim;
use crate::transcript::{Hash, Joint, Transcript};
use crate::vss::Commitments;

/// Step 2: the opening is the one committed to, and commits to exactly t coefficients.
pub(super) fn opening_fault<C: Curve>(
    context: &Context,
    ssid: Hash,
    dealer: Party,
    commit: &Commit,
    opening: &Opening<C>,
) -> Option<Fault> {
    if Commit::to(ssid, dealer, opening) != *commit {
        return Some(Fault::WrongOpening);
    }
    let needed = usize::from(context.committee.threshold().needed());
    (opening.polynomial.count() != needed).then_some(Fault::WrongThreshold)
}

/// Step 3: the share is the value of the dealer's polynomial at the recipient's index.
pub(super) fn share_fits<C: Curve>(opening: &Opening<C>, recipient: Party, share: &Share<C>) -> bool {
    C::Point::generator() * share.0.expose() == opening.polynomial.at(recipient)
}

/// What all members can compute once all openings are known.
pub(super) struct Outcome<C: Curve> {
    /// Commitments to the key's polynomial.
    pub(super) polynomial: Commitments<C>,
    /// Randomness that was fixed after the proofs' commitments.
    pub(super) joint: Hash,
    chain_code: [u8; 32],
}

impl<C: Curve> Outcome<C> {
    pub(super) fn of(ssid: Hash, openings: &BTreeMap<Party, Opening<C>>) -> Self {
        let randomness: Vec<_> =
            openings.iter().map(|(party, opening)| (*party, opening.randomness)).collect();
        let chain_code: Vec<_> =
            openings.iter().map(|(party, opening)| (*party, opening.chain_code)).collect();
        Self {
            polynomial: Commitments::sum(openings.values().map(|opening| &opening.polynomial)),
            joint: Joint { purpose: "dkg/challenges", ssid, parts: &randomness }.digest(),
            chain_code: *Joint { purpose: "dkg/chain-code", ssid, parts: &chain_code }.digest().as_bytes(),
        }
    }

    /// The public key package, still without its certificate; `None` if anything in it is the identity.
    pub(super) fn group_key(&self, context: &Context, ssid: Hash, view: Hash) -> Option<GroupKey<C>> {
        let shares: Vec<_> =
            context.committee.threshold().parties().map(|party| self.polynomial.at(party)).collect();
        let public = self.polynomial.constant();
        let degenerate = shares.iter().chain([&public]).any(|point| bool::from(point.is_identity()));
        let key = GroupKey {
            scheme: context.scheme,
            committee: Arc::clone(&context.committee),
            key: context.key?,
            epoch: context.epoch,
            public,
            shares,
            chain_code: self.chain_code,
            merkle_root: context.merkle_root,
            output_key: output_key::<C>(context.scheme, &public, context.merkle_root.as_ref())?,
            session: ssid,
            view,
            certificate: Vec::new(),
        };
        (!degenerate).then_some(key)
    }
}

/// Step 4: the claim that `prover` knows its share of the key.
pub(super) fn share_claim<C: Curve>(
    ssid: Hash,
    prover: Party,
    joint: Hash,
    public: &C::Point,
) -> Claim<'_, C> {
    Claim { statement: "dkg/share", ssid, round: 4, prover, joint, public }
}

/// Step 4: the claim that `prover` knows its constant term.
pub(super) fn constant_claim<C: Curve>(
    ssid: Hash,
    prover: Party,
    joint: Hash,
    public: &C::Point,
) -> Claim<'_, C> {
    Claim { statement: "dkg/constant", ssid, round: 4, prover, joint, public }
}

/// Step 4: both proofs of a member.
pub(super) fn proofs_hold<C: Curve>(
    ssid: Hash,
    prover: Party,
    outcome: &Outcome<C>,
    opening: &Opening<C>,
    proofs: &Proofs<C>,
) -> bool {
    let share = outcome.polynomial.at(prover);
    let constant = opening.polynomial.constant();
    let share = share_claim::<C>(ssid, prover, outcome.joint, &share)
        .is_proven_by(&opening.share_proof, &proofs.share);
    let constant = constant_claim::<C>(ssid, prover, outcome.joint, &constant)
        .is_proven_by(&opening.constant_proof, &proofs.constant);
    share && constant
}

/// Step 5: a member's signature on the certificate.
pub(super) fn certifies<C: Curve>(key: &GroupKey<C>, member: Party, certify: &Certify) -> bool {
    key.committee.identity(member).is_some_and(|identity| identity.verifies(&key.digest(), &certify.0))
}

/// Whether the messages of the accused prove the fault.
pub(super) fn convicts<C: Curve>(case: &Case<'_>, fault: Fault) -> bool {
    match fault {
        Fault::Malformed => {
            case.is_malformed::<Hello>(0)
                || case.is_malformed::<Commit>(1)
                || case.is_malformed::<Opening<C>>(2)
                || case.is_malformed::<Share<C>>(3)
                || case.is_malformed::<Proofs<C>>(4)
                || case.is_malformed::<Certify>(5)
        }
        Fault::WrongOpening | Fault::WrongThreshold => convicts_opening::<C>(case, fault).unwrap_or(false),
        Fault::WrongShare => convicts_share::<C>(case).unwrap_or(false),
        Fault::WrongProof => convicts_proof::<C>(case).unwrap_or(false),
        Fault::WrongCertificate => convicts_certificate::<C>(case).unwrap_or(false),
        _ => false,
    }
}

fn convicts_opening<C: Curve>(case: &Case<'_>, fault: Fault) -> Option<bool> {
    let commit = Commit::decode(case.record.body(1, case.accused)?).ok()?;
    let opening = case.message::<Opening<C>>(2)?;
    Some(opening_fault(case.context, case.ssid, case.accused, &commit, &opening) == Some(fault))
}

fn convicts_share<C: Curve>(case: &Case<'_>) -> Option<bool> {
    let recipient = case.messages.get(&3)?.0?;
    Some(!share_fits(&case.message::<Opening<C>>(2)?, recipient, &case.message::<Share<C>>(3)?))
}

fn convicts_proof<C: Curve>(case: &Case<'_>) -> Option<bool> {
    let openings = case.broadcasts::<Opening<C>>(2)?;
    let outcome = Outcome::of(case.ssid, &openings);
    let proofs = case.message::<Proofs<C>>(4)?;
    Some(!proofs_hold(case.ssid, case.accused, &outcome, openings.get(&case.accused)?, &proofs))
}

fn convicts_certificate<C: Curve>(case: &Case<'_>) -> Option<bool> {
    let outcome = Outcome::of(case.ssid, &case.broadcasts::<Opening<C>>(2)?);
    let key = outcome.group_key(case.context, case.ssid, case.record.view_after(Some(4))?)?;
    Some(!certifies(&key, case.accused, &case.message::<Certify>(5)?))
}
