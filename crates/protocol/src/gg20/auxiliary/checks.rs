//! The checks of auxiliary-information generation, for members and judges alike.

use std::collections::BTreeMap;

use keymoot_types::Party;

use super::super::number::Natural;
use super::super::prime::{is_perfect_power_vartime, is_prime, jacobi_vartime, small_factor_vartime};
use super::super::suite::Suite;
use super::Generation;
use super::messages::{Commit, Parameters, Proofs, Signed};
use super::table::{Member, Outputs, Table};
use crate::abort::{Blame, Charges, Fault};
use crate::codec::Wire;
use crate::context::Context;
use crate::evidence::{Case, Unproven, judge, try_case};
use crate::machine::Hello;
use crate::transcript::paillier::{Challenge, Place};
use crate::transcript::{Hash, Joint, Transcript};

/// Whether a modulus has the length, and the oddness, that all computing with it presumes. Before anything else.
fn is_sized(suite: Suite, n: &Natural) -> bool {
    let bits = n.bits_vartime();
    n.is_odd() && bits <= suite.modulus_bits() && bits.saturating_add(1) >= suite.modulus_bits()
}

/// Whether a modulus is what no proof is needed to see: a number with a small factor, a prime or a power.
fn is_evidently_bad(place: &Place, n: &Natural) -> bool {
    let empty = crate::codec::Writer::new();
    let mut bases =
        Challenge { proof: "modulus/bases/v1", place, statement: &empty, commitment: &empty }.stream();
    small_factor_vartime(n).is_some() || is_perfect_power_vartime(n) || is_prime(n, &mut bases)
}

/// Where the proofs of a round stand.
pub(super) fn place(
    suite: Suite,
    (ssid, joint): (Hash, Hash),
    round: u8,
    (prover, verifier): (Party, Option<Party>),
) -> Place {
    Place { suite: suite.name(), ssid, joint, round, prover, verifier, number: 0 }
}

/// What is wrong with a member's parameters by themselves.
pub(super) fn own_fault(
    suite: Suite,
    ssid: Hash,
    from: Party,
    commit: &Commit,
    parameters: &Parameters,
) -> Result<Member, Fault> {
    if Commit::to(ssid, from, parameters) != *commit {
        return Err(Fault::WrongOpening);
    }
    let Parameters { modulus, setup, s, t, proof, .. } = parameters;
    if !is_sized(suite, modulus) || !is_sized(suite, setup) || !modulus.is_coprime(setup) {
        return Err(Fault::WrongModulus);
    }
    let place = place(suite, (ssid, ssid), 2, (from, None));
    if is_evidently_bad(&place, modulus) || is_evidently_bad(&place, setup) {
        return Err(Fault::WrongModulus);
    }
    let member = Member::new(suite, [modulus, setup, s, t]).ok_or(Fault::WrongModulus)?;
    if jacobi_vartime(t, setup) != 1 {
        return Err(Fault::WrongModulus);
    }
    if proof.verify(&place, &member.setup) { Ok(member) } else { Err(Fault::WrongProof) }
}

fn moduli(parameters: &Parameters) -> [&Natural; 2] {
    [&parameters.modulus, &parameters.setup]
}

fn share_a_factor(one: &Parameters, other: &Parameters) -> bool {
    let others = moduli(other);
    moduli(one).into_iter().any(|n| others.iter().any(|other| !n.is_coprime(other)))
}

/// Whether a modulus has a factor in common with one of an earlier table.
fn is_reused(parameters: &Parameters, previous: Option<&Table>) -> bool {
    previous.is_some_and(|table| {
        table.moduli().any(|old| moduli(parameters).into_iter().any(|n| !n.is_coprime(old)))
    })
}

/// Step 2: all parameters. Moduli with a common factor have been chosen together: an honest one's primes were nobody
/// else's to know when all committed, so that both are at fault.
pub(super) fn check_parameters(
    suite: Suite,
    ssid: Hash,
    commits: &BTreeMap<Party, Commit>,
    all: &BTreeMap<Party, Parameters>,
    previous: Option<&Table>,
) -> Result<Vec<Member>, Charges> {
    let mut charges = Charges::default();
    let mut members = Vec::with_capacity(all.len());
    for (party, parameters) in all {
        let commit = commits.get(party).copied().unwrap_or(Commit(Hash::from_bytes([0; 32])));
        match own_fault(suite, ssid, *party, &commit, parameters) {
            Ok(member) => members.push(member),
            Err(fault) => charges.bring(*party, fault, &[2]),
        }
    }
    if members.len() < all.len() {
        return Err(charges);
    }
    let mut found = false;
    for (party, parameters) in all {
        let shares =
            |(other, theirs): (&Party, &Parameters)| other != party && share_a_factor(parameters, theirs);
        if all.iter().any(shares) || is_reused(parameters, previous) {
            charges.bring(*party, Fault::WrongModulus, &[2]);
            found = true;
        }
    }
    if found { Err(charges) } else { Ok(members) }
}

/// The randomness that the proofs of round 3 are bound to.
pub(super) fn joint(ssid: Hash, all: &BTreeMap<Party, Parameters>) -> Hash {
    let parts: Vec<_> = all.iter().map(|(party, parameters)| (*party, parameters.share)).collect();
    Joint { purpose: "gg20/auxiliary", ssid, parts: &parts }.digest()
}

/// Step 3: one member's proofs.
pub(super) fn proofs_fault<'m>(
    suite: Suite,
    names: (Hash, Hash),
    from: Party,
    member: &dyn Fn(Party) -> Option<&'m Member>,
    proofs: &Proofs,
) -> Option<Fault> {
    let n = member(from)?.key.number();
    if !proofs.modulus.verify(&place(suite, names, 3, (from, None)), n) {
        return Some(Fault::WrongProof);
    }
    let holds = |(to, proof): &(Party, super::super::proofs::factors::Proof)| {
        let place = place(suite, names, 3, (from, Some(*to)));
        member(*to).is_some_and(|verifier| proof.verify(&place, suite, &verifier.setup, n))
    };
    (!proofs.factors.iter().all(holds)).then_some(Fault::WrongProof)
}

/// Whether the messages of the accused prove the fault.
pub(super) fn convicts(case: &Case<'_>, fault: Fault, previous: Option<&Table>) -> bool {
    let Some(suite) = case.context.intent.as_ref().and_then(Suite::of) else { return false };
    let proven = match fault {
        Fault::Malformed => Some(is_malformed(case)),
        Fault::WrongOpening => parameters_fault(case, suite).map(|found| found == Some(Fault::WrongOpening)),
        Fault::WrongModulus => has_bad_modulus(case, suite, previous),
        Fault::WrongProof => proves_nothing(case, suite),
        Fault::WrongCertificate => signs_another_table(case, suite),
        _ => None,
    };
    proven == Some(true)
}

/// Checks an accusation from a generation that replaces `previous`.
///
/// # Errors
/// The evidence does not prove the fault.
pub fn convict(context: &Context, previous: Option<&Table>, blame: &Blame) -> Result<(), Unproven> {
    if blame.fault != Fault::WrongModulus || previous.is_none() {
        return judge::<Generation>(context, blame);
    }
    if previous.map(Table::digest) != context.group_key {
        return Err(Unproven);
    }
    try_case::<Generation>(context, blame, |case| Some(convicts(case, blame.fault, previous)))
}

fn is_malformed(case: &Case<'_>) -> bool {
    let participants = case.context.participants();
    let incomplete = |proofs: Proofs| !proofs.are_for_all(case.accused, &participants);
    case.is_malformed::<Hello>(0)
        || case.is_malformed::<Commit>(1)
        || case.is_malformed::<Parameters>(2)
        || case.is_malformed::<Proofs>(3)
        || case.message::<Proofs>(3).is_some_and(incomplete)
        || case.is_malformed::<Signed>(4)
}

fn commit_of(case: &Case<'_>, party: Party) -> Option<Commit> {
    Commit::decode(case.record.body(1, party)?).ok()
}

fn parameters_fault(case: &Case<'_>, suite: Suite) -> Option<Option<Fault>> {
    let parameters = case.message::<Parameters>(2)?;
    Some(own_fault(suite, case.ssid, case.accused, &commit_of(case, case.accused)?, &parameters).err())
}

/// What others are said to have opened counts only if it opens what the accused had seen them commit to.
fn has_bad_modulus(case: &Case<'_>, suite: Suite, previous: Option<&Table>) -> Option<bool> {
    if let Some(fault) = parameters_fault(case, suite)? {
        return Some(fault == Fault::WrongModulus);
    }
    let own = case.message::<Parameters>(2)?;
    if is_reused(&own, previous) {
        return Some(true);
    }
    let others = case.broadcasts::<Parameters>(2)?;
    let shares = |(party, theirs): (&Party, &Parameters)| {
        *party != case.accused
            && commit_of(case, *party) == Some(Commit::to(case.ssid, *party, theirs))
            && share_a_factor(&own, theirs)
    };
    Some(others.iter().any(shares))
}

fn proves_nothing(case: &Case<'_>, suite: Suite) -> Option<bool> {
    let Some(proofs) = case.message::<Proofs>(3) else {
        return parameters_fault(case, suite).map(|found| found == Some(Fault::WrongProof));
    };
    let all = case.broadcasts::<Parameters>(2)?;
    let names = (case.ssid, joint(case.ssid, &all));
    let entry = |(party, parameters): (&Party, &Parameters)| {
        let Parameters { modulus, setup, s, t, .. } = parameters;
        Some((*party, Member::new(suite, [modulus, setup, s, t])?))
    };
    let members: BTreeMap<_, _> = all.iter().map(entry).collect::<Option<_>>()?;
    let fault = proofs_fault(suite, names, case.accused, &|party| members.get(&party), &proofs);
    Some(fault == Some(Fault::WrongProof))
}

/// What is to be signed, as it follows from a record.
fn outputs_of(case: &Case<'_>, suite: Suite) -> Option<Outputs> {
    let all = case.broadcasts::<Parameters>(2)?;
    let numbers = |parameters: Parameters| {
        let Parameters { modulus, setup, s, t, .. } = parameters;
        [modulus, setup, s, t]
    };
    Some(Outputs {
        suite,
        committee: std::sync::Arc::clone(&case.context.committee),
        numbers: all.into_values().map(numbers).collect(),
        session: case.ssid,
        view: case.record.view_after(Some(3))?,
    })
}

fn signs_another_table(case: &Case<'_>, suite: Suite) -> Option<bool> {
    let (Signed(signature), outputs) = (case.message::<Signed>(4)?, outputs_of(case, suite)?);
    let identity = case.context.committee.identity(case.accused)?;
    Some(!identity.verifies(&outputs.digest(), &signature))
}
