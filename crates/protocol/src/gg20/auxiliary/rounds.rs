//! The states of auxiliary-information generation.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_types::Party;
use rand_core::RngCore;
use zeroize::Zeroizing;

use super::super::paillier::SecretKey;
use super::super::proofs::{factors, modulus, setup};
use super::checks::{check_parameters, joint, place, proofs_fault};
use super::messages::{Commit, Parameters, Proofs, Signed};
use super::secrets::{Auxiliary, seal};
use super::table::{Member, Outputs, Table};
use super::{Drawn, Task};
use crate::abort::{Abort, Charges, Fault};
use crate::machine::{Hello, Outgoing, Round};
use crate::transcript::Hash;

const UNPROVEN: Abort = Abort::Bug("a proof of our own does not verify");

/// Awaits everybody's contribution to the session's name.
pub struct AwaitingHellos {
    pub(super) task: Task,
    pub(super) drawn: Drawn,
}

impl AwaitingHellos {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingCommits, Vec<Outgoing>), Abort> {
        round.decode::<Hello>()?;
        let Self { task, drawn: Drawn { key, setup, trapdoor } } = self;
        let mut rng = task.chance.grow(round.ssid, "gg20/auxiliary/parameters");
        let place = place(task.suite, (round.ssid, round.ssid), 2, (task.me, None));
        let proof = setup::Proof::prove(&place, &setup, &trapdoor, &mut rng);
        // What only the proof needed is wiped here.
        drop(trapdoor);
        let proof = proof.filter(|proof| proof.verify(&place, &setup)).ok_or(UNPROVEN)?;
        let (mut blind, mut share) = ([0u8; 32], [0u8; 32]);
        rng.fill_bytes(&mut blind);
        rng.fill_bytes(&mut share);
        let own = Parameters {
            blind,
            share,
            modulus: key.public().number().clone(),
            setup: setup.number().clone(),
            s: setup.s().clone(),
            t: setup.t().clone(),
            proof,
        };
        let commit = Commit::to(round.ssid, task.me, &own);
        Ok((AwaitingCommits { task, key, own }, vec![Outgoing::broadcast(1, &commit)]))
    }
}

/// Awaits everybody's commitments.
pub struct AwaitingCommits {
    task: Task,
    key: SecretKey,
    own: Parameters,
}

impl AwaitingCommits {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingParameters, Vec<Outgoing>), Abort> {
        let commits = round.decode::<Commit>()?;
        let Self { task, key, own } = self;
        Ok((AwaitingParameters { task, key, commits }, vec![Outgoing::broadcast(2, &own)]))
    }
}

/// Awaits everybody's parameters.
pub struct AwaitingParameters {
    task: Task,
    key: SecretKey,
    commits: BTreeMap<Party, Commit>,
}

impl AwaitingParameters {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingProofs, Vec<Outgoing>), Abort> {
        let all = round.decode::<Parameters>()?;
        let Self { task, key, commits } = self;
        let checked = check_parameters(task.suite, round.ssid, &commits, &all, task.previous.as_deref());
        let members = match checked {
            Ok(members) => members,
            Err(charges) => {
                charges.verdict()?;
                return Err(Abort::Bug("parameters were refused without a charge"));
            }
        };
        let names = (round.ssid, joint(round.ssid, &all));
        let parties = all.keys().copied();
        let members: BTreeMap<Party, Member> = parties.zip(members).collect();
        let proofs = prove(&task, &key, names, &members)?;
        Ok((AwaitingProofs { task, key, members, names }, vec![Outgoing::broadcast(3, &proofs)]))
    }
}

fn prove(
    task: &Task,
    key: &SecretKey,
    names: (Hash, Hash),
    members: &BTreeMap<Party, Member>,
) -> Result<Proofs, Abort> {
    let mut rng = task.chance.grow(names.0, "gg20/auxiliary/proofs");
    let n = key.public().number();
    let here = place(task.suite, names, 3, (task.me, None));
    let modulus = modulus::Proof::prove(&here, key, &mut rng);
    let modulus = modulus.filter(|proof| proof.verify(&here, n)).ok_or(UNPROVEN)?;
    let [p, q] = key.factored().sides();
    let mut proofs = Vec::with_capacity(members.len());
    for (to, verifier) in members.iter().filter(|(party, _)| **party != task.me) {
        let place = place(task.suite, names, 3, (task.me, Some(*to)));
        let primes = (p.prime.expose(), q.prime.expose());
        let proof = factors::Proof::prove(&place, task.suite, &verifier.setup, primes, &mut rng);
        if !proof.verify(&place, task.suite, &verifier.setup, n) {
            return Err(UNPROVEN);
        }
        proofs.push((*to, proof));
    }
    Ok(Proofs { modulus, factors: proofs })
}

/// Awaits everybody's proofs.
pub struct AwaitingProofs {
    task: Task,
    key: SecretKey,
    members: BTreeMap<Party, Member>,
    names: (Hash, Hash),
}

impl AwaitingProofs {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingSigned, Vec<Outgoing>), Abort> {
        let all = round.decode::<Proofs>()?;
        let Self { task, key, members, names } = self;
        let participants = task.context.participants();
        let mut charges = Charges::default();
        for (party, proofs) in &all {
            charges.unless(proofs.are_for_all(*party, &participants), *party, Fault::Malformed, &[3]);
        }
        charges.verdict()?;
        let mut charges = Charges::default();
        for (party, proofs) in all.iter().filter(|(party, _)| **party != task.me) {
            if let Some(fault) = proofs_fault(task.suite, names, *party, &|party| members.get(&party), proofs)
            {
                charges.bring(*party, fault, &[3]);
            }
        }
        charges.verdict()?;
        let members: Vec<Member> = members.into_values().collect();
        let outputs = Outputs {
            suite: task.suite,
            committee: Arc::clone(&task.context.committee),
            numbers: members.iter().map(Member::numbers).collect(),
            session: round.ssid,
            view: round.view,
        };
        let table = Table::new(outputs, members);
        let signed = Signed(task.identity.sign(&table.digest()));
        Ok((AwaitingSigned { task, key, table }, vec![Outgoing::broadcast(4, &signed)]))
    }
}

/// Awaits everybody's signature on the table.
pub struct AwaitingSigned {
    task: Task,
    key: SecretKey,
    table: Table,
}

impl AwaitingSigned {
    /// The digest that we have signed, and our primes.
    pub(super) fn seal(&self) -> (Hash, Zeroizing<Vec<u8>>) {
        let digest = self.table.digest();
        (digest, seal(self.task.me, digest, &self.key))
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<Auxiliary, Abort> {
        let all = round.decode::<Signed>()?;
        let Self { task, key, mut table } = self;
        let digest = table.digest();
        let mut charges = Charges::default();
        for (party, Signed(signature)) in &all {
            let identity = task.context.committee.identity(*party);
            let holds = identity.is_some_and(|identity| identity.verifies(&digest, signature));
            charges.unless(holds, *party, Fault::WrongCertificate, &[4]);
        }
        charges.verdict()?;
        table.certify(all.into_values().map(|Signed(signature)| signature).collect());
        Ok(Auxiliary { party: task.me, key, table: Arc::new(table) })
    }
}
