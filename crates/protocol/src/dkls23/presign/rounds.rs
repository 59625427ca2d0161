//! The first states of presigning: from nothing to everybody's commitments.

use std::collections::BTreeMap;

use k256::Scalar;
use keymoot_types::{Party, Secret};
use rand_core::CryptoRngCore;

use super::super::base_ot::Link;
use super::super::extension::{Matrix, blocks_for, choose};
use super::super::pair::Seen;
use super::super::{XI, points};
use super::Task;
use super::checks::commit_fits;
use super::messages::{Commit, Hello, Open};
use super::opening::AwaitingExtensions;
use crate::abort::{Abort, Benign, Charges, Fault};
use crate::curve::{Curve, Secp256k1};
use crate::machine::{Outgoing, Round};
use crate::transcript::oblivious::Domain;
use crate::transcript::presignature::EntropyCommitment;
use crate::transcript::{Hash, Transcript};
use crate::vss::lagrange;

pub(super) const STRANGER: Abort = Abort::Bug("a complete round is not that of the signers");

/// Everything one signer draws for a batch before anything is said.
pub(in super::super) struct Draws {
    /// r, for each presignature.
    pub(super) nonces: Secret<Vec<Scalar>>,
    /// φ, for each presignature.
    pub(super) masks: Secret<Vec<Scalar>>,
    /// The entropy of each presignature.
    pub(super) entropy: Secret<Vec<[u8; 32]>>,
    blind: [u8; 32],
    /// For each peer what the multiplications with it need.
    pub(super) peers: BTreeMap<Party, PeerDraws>,
}

/// What one signer draws for one peer.
pub(in super::super) struct PeerDraws {
    /// β, and the random rows of the check.
    pub(super) choices: Secret<Vec<u128>>,
    /// â, for each presignature.
    pub(super) checks: Secret<Vec<Scalar>>,
    /// What grows into the factors that combine the checks of this peer's points.
    pub(super) combiner: Secret<[u8; 32]>,
}

impl Draws {
    pub(super) fn draw(task: &Task, rng: &mut impl CryptoRngCore) -> Self {
        let scalars = |rng: &mut _| Secret::new((0..task.size).map(|_| Secp256k1::random(rng)).collect());
        let (nonces, masks): (Secret<Vec<_>>, Secret<Vec<_>>) = (scalars(rng), scalars(rng));
        let mut entropy = Secret::new(vec![[0u8; 32]; task.size]);
        entropy.expose_mut().iter_mut().for_each(|entropy| rng.fill_bytes(entropy));
        let mut blind = [0u8; 32];
        rng.fill_bytes(&mut blind);
        let blocks = blocks_for(task.size.saturating_mul(XI));
        let mut peers = BTreeMap::new();
        for peer in task.peers() {
            let mut choices = Secret::new(vec![0u128; blocks]);
            for word in choices.expose_mut() {
                *word = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
            }
            let (checks, mut combiner) = (scalars(rng), Secret::new([0u8; 32]));
            rng.fill_bytes(combiner.expose_mut());
            peers.insert(peer, PeerDraws { choices, checks, combiner });
        }
        Self { nonces, masks, entropy, blind, peers }
    }
}

/// Awaits everybody's contribution to the session's name.
pub struct AwaitingHellos {
    pub(in super::super) task: Task,
    pub(super) draws: Draws,
    pub(super) seen: BTreeMap<Party, Seen>,
}

/// What a signer has once the session has a name.
pub(super) struct Run {
    pub(super) draws: Draws,
    /// The key share that enters the multiplications: λ·x + ζ.
    pub(super) key: Secret<Scalar>,
    /// The peers' counts of uses.
    pub(super) counts: BTreeMap<Party, u64>,
    pub(super) open: Open,
    /// As the extension's receiver, for each peer: T.
    pub(super) chosen: BTreeMap<Party, Matrix>,
}

impl AwaitingHellos {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingCommits, Vec<Outgoing>), Abort> {
        let hellos = round.decode::<Hello>()?;
        let Self { task, draws, seen } = self;
        let counts: BTreeMap<_, _> = hellos
            .iter()
            .filter(|(party, _)| **party != task.me)
            .map(|(party, hello)| (*party, hello.uses))
            .collect();
        for (party, count) in &counts {
            if seen.get(party).is_some_and(|seen| !seen.admits(*count)) {
                return Err(Abort::Benign(Benign::StalePair { from: *party }));
            }
        }
        let key = blinded_key(&task, round.ssid)?;
        let nonces = draws.nonces.expose().iter().map(points::times_base).collect();
        let open = Open { blind: draws.blind, key: points::times_base(key.expose()), nonces };
        let entropy = draws.entropy.expose().iter().zip(0u64..);
        let entropy =
            entropy.map(|(entropy, number)| entropy_commitment(round.ssid, task.me, number, entropy));
        let entropy = entropy.map(|commitment| *commitment.as_bytes()).collect();
        let commit = Commit { opening: Commit::to(round.ssid, task.me, &open), entropy };
        let mut outbox = vec![Outgoing::broadcast(1, &commit)];
        let mut chosen = BTreeMap::new();
        for (peer, own) in &draws.peers {
            let shared = task.shared(*peer)?;
            let link = Link { ssid: round.ssid, sender: *peer, receiver: task.me };
            let (message, matrix) = choose(link, &shared.leaves, own.choices.expose());
            outbox.push(Outgoing::direct(2, *peer, &message));
            chosen.insert(*peer, matrix);
        }
        let run = Run { draws, key, counts, open, chosen };
        Ok((AwaitingCommits { task, run }, outbox))
    }
}

/// The commitment to a signer's entropy for one presignature.
pub(in super::super) fn entropy_commitment(
    ssid: Hash,
    party: Party,
    number: u64,
    entropy: &[u8; 32],
) -> Hash {
    EntropyCommitment { ssid, party, number, entropy }.digest()
}

/// λ·x + ζ: our share of the key among these signers, plus our part of a sum of zero.
fn blinded_key(task: &Task, ssid: Hash) -> Result<Secret<Scalar>, Abort> {
    let factor = lagrange::<Secp256k1>(&task.signers, task.me).ok_or(STRANGER)?;
    let mut key = Secret::new(factor * task.share.expose());
    let zero = Domain { purpose: "presign/zero", ssid, sender: None, receiver: None }.seeded();
    for peer in task.peers() {
        let part = Secret::new(zero.keyed_scalar(task.shared(peer)?.zero.expose()));
        // The lower of two adds what the higher takes away.
        if task.me < peer {
            *key.expose_mut() += part.expose();
        } else {
            *key.expose_mut() -= part.expose();
        }
    }
    Ok(key)
}

/// Awaits everybody's commitments.
pub struct AwaitingCommits {
    pub(in super::super) task: Task,
    run: Run,
}

impl AwaitingCommits {
    pub(super) const fn counts(&self) -> &BTreeMap<Party, u64> {
        &self.run.counts
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingExtensions, Vec<Outgoing>), Abort> {
        let commits = round.decode::<Commit>()?;
        let Self { task, run } = self;
        let mut charges = Charges::default();
        for (party, commit) in &commits {
            charges.unless(commit_fits(task.size, commit), *party, Fault::Malformed, &[1]);
        }
        charges.verdict()?;
        Ok((AwaitingExtensions { task, run, commits }, Vec::new()))
    }
}
