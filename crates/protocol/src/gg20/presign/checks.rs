//! The checks of presigning that third parties can repeat.

use std::collections::BTreeMap;

use keymoot_types::Party;

use super::super::auxiliary::Table;
use super::blame::{Trial, is_due};
use super::messages::{AffineProofs, Closing, EncryptionProofs, Offers, Share, Shares, Sums};
use super::scene::{AllOffers, AllShares, Scene};
use super::{Presigner, size_of};
use crate::abort::{Blame, Fault};
use crate::codec::Wire;
use crate::context::Context;
use crate::curve::Secp256k1;
use crate::evidence::{Case, Unproven, judge, try_case};
use crate::key::GroupKey;
use crate::machine::Hello;

/// Step 3: there is a product for each other signer.
pub(super) fn shares_fit(size: usize, others: usize, shares: &[Share]) -> bool {
    shares.len() == size && shares.iter().all(|share| share.products.len() == others)
}

/// Whether the accused's message is none of its round, or has another number of entries than the batch.
pub(super) fn is_malformed(case: &Case<'_>) -> bool {
    let (size, others) = (size_of(case.context), case.context.participants().len().saturating_sub(1));
    case.messages.iter().any(|(round, (_, body))| match round {
        0 => Hello::decode(body).is_err(),
        1 => !Offers::decode(body).is_ok_and(|all| all.0.len() == size),
        2 => !EncryptionProofs::decode(body).is_ok_and(|all| all.0.len() == size),
        3 => !Shares::decode(body).is_ok_and(|all| shares_fit(size, others, &all.0)),
        4 => !AffineProofs::decode(body).is_ok_and(|all| all.0.len() == size),
        5 => !Sums::decode(body).is_ok_and(|all| all.0.len() == size),
        _ => Closing::decode(body).is_err(),
    })
}

/// Checks an accusation from a batch made with these moduli for this key, both of which the judge has checked.
///
/// # Errors
/// The evidence does not prove the fault.
pub fn convict(
    context: &Context,
    table: &Table,
    group: &GroupKey<Secp256k1>,
    blame: &Blame,
) -> Result<(), Unproven> {
    let known = context.batch.is_some_and(|batch| batch.setup == table.digest())
        && context.group_key == Some(group.digest());
    match blame.fault {
        // A message that nobody could read is shown as such to everybody.
        Fault::Malformed if judge::<Presigner>(context, blame).is_ok() => Ok(()),
        Fault::Malformed | Fault::WrongProof | Fault::WrongOpening | Fault::WrongInverseShare if known => {
            try_case::<Presigner>(context, blame, |case| {
                let signers = case.context.participants();
                let scene = Scene { table, group, ssid: case.ssid, signers: &signers };
                is_proven(case, &scene, blame.fault)
            })
        }
        _ => judge::<Presigner>(context, blame),
    }
}

fn is_proven(case: &Case<'_>, scene: &Scene<'_>, fault: Fault) -> Option<bool> {
    let last = *case.messages.keys().last()?;
    match (fault, last) {
        (Fault::WrongProof, 2) => {
            let recipient = case.messages.get(&2)?.0?;
            let (offers, proofs) = (case.message::<Offers>(1)?, case.message::<EncryptionProofs>(2)?);
            Some(!scene.encryptions_hold((case.accused, recipient), &offers, &proofs))
        }
        (Fault::WrongProof, 3) => share_is_wrong(case, scene),
        (Fault::WrongProof, 4) => {
            let recipient = case.messages.get(&4)?.0?;
            let offers = Offers::decode(case.record.body(1, recipient)?).ok()?;
            let (shares, proofs) = (case.message::<Shares>(3)?, case.message::<AffineProofs>(4)?);
            Some(!scene.affines_hold((case.accused, recipient), &offers, &shares, &proofs))
        }
        (Fault::WrongProof, 5) => sum_is_wrong(case, scene),
        (Fault::Malformed | Fault::WrongProof | Fault::WrongOpening, 6) => closing_fault(case, scene, fault),
        (Fault::WrongInverseShare, 5) => closing_fault(case, scene, fault),
        _ => Some(false),
    }
}

fn share_is_wrong(case: &Case<'_>, scene: &Scene<'_>) -> Option<bool> {
    let offers = Offers::decode(case.record.body(1, case.accused)?).ok()?;
    let shares = case.message::<Shares>(3)?;
    let all = offers.0.iter().zip(&shares.0).enumerate();
    Some(!all.into_iter().all(|(item, (offer, share))| scene.share_holds(case.accused, item, offer, share)))
}

fn sum_is_wrong(case: &Case<'_>, scene: &Scene<'_>) -> Option<bool> {
    let offers = Offers::decode(case.record.body(1, case.accused)?).ok()?;
    let (shares, sums): (AllShares, _) = (case.broadcasts::<Shares>(3)?, case.message::<Sums>(5)?);
    let holds = |(item, (offer, sum)): (usize, (&super::Offer, &super::Sum))| {
        scene
            .gamma(&shares, item)
            .is_some_and(|gamma| scene.sum_holds(case.accused, item, offer, &gamma, sum))
    };
    Some(!offers.0.iter().zip(&sums.0).enumerate().all(holds))
}

/// The faults that everybody's openings show. What others are said to have opened counts only if it opens what the accused
/// had seen them say in rounds 1 and 3, which leaves them no choice.
fn closing_fault(case: &Case<'_>, scene: &Scene<'_>, fault: Fault) -> Option<bool> {
    let offers: AllOffers = case.broadcasts::<Offers>(1)?;
    let shares: AllShares = case.broadcasts::<Shares>(3)?;
    let sums: BTreeMap<Party, Sums> = case.broadcasts::<Sums>(5)?;
    let closings = case.broadcasts::<Closing>(6)?;
    let due = scene.failures(&shares, &sums)?;
    let others = scene.signers.len().saturating_sub(1);
    let own = closings.get(&case.accused)?;
    if fault == Fault::Malformed {
        return Some(!is_due(own, &due, others));
    }
    if !closings.values().all(|closing| is_due(closing, &due, others)) {
        // Another's closing of the wrong kind does not excuse an opening that is none.
        return Some(
            fault == Fault::WrongOpening && is_due(own, &due, others) && {
                let trial =
                    Trial { scene, offers: &offers, shares: &shares, sums: &sums, closings: &closings };
                !trial.opens(case.accused)
            },
        );
    }
    let trial = Trial { scene, offers: &offers, shares: &shares, sums: &sums, closings: &closings };
    Some(match fault {
        Fault::WrongOpening => !trial.opens(case.accused),
        _ => trial.all_open() && trial.contradicted(case.accused) == Some(fault),
    })
}
