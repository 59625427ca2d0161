//! The later states of presigning: from products to presignatures, or to the culprits.

use std::collections::BTreeMap;

use k256::{ProjectivePoint, Scalar};
use keymoot_types::{Party, Secret};
use rand_core::CryptoRngCore;

use super::super::number::Natural;
use super::super::presignature::{Presignature, Public, Secrets};
use super::super::proofs::{Claim, equal, exponent, hold_together, number_of, scalar_of};
use super::Task;
use super::blame::{Trial, is_due};
use super::messages::{AffineProofs, Closing, KeyOpening, NonceOpening, Sum, Sums};
use super::rounds::{Run, STRANGER};
use super::scene::{AllShares, Due, Factor, Scene, centred, offer, share};
use crate::abort::{Abort, Benign, Charges, Fault};
use crate::dkls23::points::times_public;
use crate::machine::{Outgoing, Round};
use crate::transcript::Hash;

/// Awaits each peer's proofs of its products.
pub struct AwaitingAffines {
    pub(super) task: Task,
    pub(super) run: Run,
    pub(super) shares: AllShares,
}

/// The plaintexts of a peer's two products.
type Plains = Secret<[Natural; 2]>;

/// What a signer has of one presignature.
struct Shared {
    /// χ.
    key: Secret<Scalar>,
    /// Γ.
    gamma: ProjectivePoint,
    /// For each peer.
    plains: BTreeMap<Party, Plains>,
}

impl AwaitingAffines {
    pub(super) const fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingSums, Vec<Outgoing>), Abort> {
        let all = round.decode_others::<AffineProofs>(Some(self.task.me))?;
        let Self { task, run, shares } = self;
        let mut charges = Charges::default();
        for (party, proofs) in &all {
            charges.unless(proofs.0.len() == task.size, *party, Fault::Malformed, &[4]);
        }
        charges.verdict()?;
        let scene = task.scene(round.ssid);
        let mut rng = task.chance.grow(round.ssid, "gg20/presign/sums");
        let (mut charges, mut is_ours) = (Charges::default(), false);
        let mut plains: Vec<BTreeMap<Party, Plains>> = (0..task.size).map(|_| BTreeMap::new()).collect();
        for (party, proofs) in &all {
            match open_products(&task, &scene, &run, (&shares, *party), proofs, &mut rng) {
                Some(opened) => {
                    plains.iter_mut().zip(opened).for_each(|(all, one)| drop(all.insert(*party, one)));
                }
                // Nobody is accused for an error of ours: whoever judges has the public check alone.
                None => {
                    let (ours, theirs) = (run.offers.get(&task.me), shares.get(party));
                    let (ours, theirs) = (ours.ok_or(STRANGER)?, theirs.ok_or(STRANGER)?);
                    match scene.affines_hold((*party, task.me), ours, theirs, proofs) {
                        true => is_ours = true,
                        false => charges.bring(*party, Fault::WrongProof, &[3, 4]),
                    }
                }
            }
        }
        charges.verdict()?;
        if is_ours {
            return Err(Abort::Bug("a check with our key and its public form disagree"));
        }
        let mut sums = Vec::with_capacity(task.size);
        let mut shared = Vec::with_capacity(task.size);
        for (number, plains) in plains.into_iter().enumerate() {
            let gamma = scene.gamma(&shares, number).ok_or(STRANGER)?;
            if gamma == ProjectivePoint::IDENTITY {
                return Err(Abort::Benign(Benign::Degenerate));
            }
            let (sum, one) = add_up(&task, &scene, &run, number, (gamma, plains), &mut rng)?;
            sums.push(sum);
            shared.push(one);
        }
        let outbox = vec![Outgoing::broadcast(5, &Sums(sums))];
        Ok((AwaitingSums { task, run, shares, shared }, outbox))
    }
}

/// Checks a peer's proofs and decrypts its products; `None` if a proof does not hold.
fn open_products(
    task: &Task,
    scene: &Scene<'_>,
    run: &Run,
    (shares, party): (&AllShares, Party),
    proofs: &AffineProofs,
    rng: &mut impl CryptoRngCore,
) -> Option<Vec<Plains>> {
    let parties = (party, task.me);
    let (mut theirs, mut opened): (Vec<Claim>, Vec<Plains>) = (Vec::new(), Vec::new());
    for (number, proofs) in proofs.0.iter().enumerate() {
        let (own, said) = (offer(&run.offers, task.me, number)?, share(shares, party, number)?);
        let nonce = number_of(run.items.get(number)?.nonce.expose());
        let mut plains = Secret::new([Natural::default(), Natural::default()]);
        let slots = plains.expose_mut().iter_mut();
        for ((factor, proof), slot) in Factor::BOTH.into_iter().zip(proofs).zip(slots) {
            let point = scene.factor_point(party, said, factor)?;
            let statement = scene.affine(parties, own, said, (factor, &point))?;
            let [ours, foreign] = proof.check(&scene.affine_place(parties, number, factor), &statement)?;
            let key = &task.auxiliary.key;
            slot.clone_from(&*key.decrypt(&ours.ciphertext));
            if !ours.holds_for_owner(key, slot, &nonce) {
                return None;
            }
            theirs.push(foreign);
        }
        opened.push(plains);
    }
    hold_together(&scene.member(party)?.key, &theirs, rng).then_some(opened)
}

/// δᵢ, χᵢ and their points.
fn add_up(
    task: &Task,
    scene: &Scene<'_>,
    run: &Run,
    number: usize,
    (gamma, plains): (ProjectivePoint, BTreeMap<Party, Plains>),
    rng: &mut impl CryptoRngCore,
) -> Result<(Sum, Shared), Abort> {
    let n = task.auxiliary.key.public().number();
    let (item, pairs) = (run.items.get(number).ok_or(STRANGER)?, run.pairs.get(number).ok_or(STRANGER)?);
    let (nonce, mask) = (item.nonce.expose(), item.mask.expose());
    let mut delta = Secret::new(*nonce * mask);
    let mut key = Secret::new(*nonce * run.weighted.expose());
    for (peer, plains) in &plains {
        let ([with_mask, with_key], pair) = (plains.expose(), pairs.get(peer).ok_or(STRANGER)?);
        *delta.expose_mut() += centred(with_mask, n) - scalar_of(pair.mask.expose());
        *key.expose_mut() += centred(with_key, n) - scalar_of(pair.key_mask.expose());
    }
    let own = offer(&run.offers, task.me, number).ok_or(STRANGER)?;
    let point = gamma * nonce;
    let statement = exponent::Statement {
        commitment: &own.nonce_commitment,
        base: &own.base,
        other: &gamma,
        power: &point,
    };
    let place = scene.place(5, task.me, None, number as u64);
    let proof = exponent::Proof::prove(&place, &statement, (nonce, item.nonce_opening.expose()), rng);
    let sum = Sum { delta: *delta.expose(), nonce: point, key: gamma * key.expose(), proof };
    Ok((sum, Shared { key, gamma, plains }))
}

/// Awaits everybody's shares of δ and the points.
pub struct AwaitingSums {
    task: Task,
    run: Run,
    shares: AllShares,
    shared: Vec<Shared>,
}

impl AwaitingSums {
    pub(super) const fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingClosings, Vec<Outgoing>), Abort> {
        let sums = round.decode::<Sums>()?;
        let Self { task, run, shares, shared } = self;
        let mut charges = Charges::default();
        for (party, sums) in &sums {
            charges.unless(sums.0.len() == task.size, *party, Fault::Malformed, &[5]);
        }
        charges.verdict()?;
        let scene = task.scene(round.ssid);
        let mut charges = Charges::default();
        for (party, sums) in sums.iter().filter(|(party, _)| **party != task.me) {
            let holds = |(item, (sum, shared)): (usize, (&Sum, &Shared))| {
                let offer = offer(&run.offers, *party, item);
                offer.is_some_and(|offer| scene.sum_holds(*party, item, offer, &shared.gamma, sum))
            };
            let all = sums.0.iter().zip(&shared).enumerate().all(holds);
            charges.unless(all, *party, Fault::WrongProof, &[5]);
        }
        charges.verdict()?;
        let due = scene.failures(&shares, &sums).ok_or(STRANGER)?;
        let closing = close(&task, &scene, &run, &shares, &shared, &due)?;
        let state = AwaitingClosings { task, run, shares, shared, sums, due };
        Ok((state, vec![Outgoing::broadcast(6, &closing)]))
    }
}

/// What is due from us.
fn close(
    task: &Task,
    scene: &Scene<'_>,
    run: &Run,
    shares: &AllShares,
    shared: &[Shared],
    due: &Due,
) -> Result<Closing, Abort> {
    let mut rng = task.chance.grow(scene.ssid, "gg20/presign/closing");
    let nonce = |number: usize| {
        let item = run.items.get(number).ok_or(STRANGER)?;
        Ok((item, (*item.nonce.expose(), item.nonce_root.number.clone())))
    };
    match due {
        Due::Confirm => Ok(Closing::Confirm),
        Due::Nonces(items) => {
            let mut all = Vec::with_capacity(items.len());
            for number in items {
                let (item, nonce) = nonce(*number)?;
                let pairs = run.pairs.get(*number).ok_or(STRANGER)?.values().map(|pair| {
                    let [product, mask] = pair.roots.expose();
                    [pair.mask.expose().clone(), product.clone(), mask.clone()]
                });
                let opening = NonceOpening { nonce, mask: *item.mask.expose(), pairs: pairs.collect() };
                all.push((*number as u64, opening));
            }
            Ok(Closing::Nonces(all))
        }
        Due::Keys(items) => {
            let mut all = Vec::with_capacity(items.len());
            for number in items {
                let (_, nonce) = nonce(*number)?;
                let one = shared.get(*number).ok_or(STRANGER)?;
                let mut pairs = Vec::with_capacity(one.plains.len());
                for (peer, plains) in &one.plains {
                    let position = scene.position(*peer, task.me).ok_or(STRANGER)?;
                    let said = share(shares, *peer, *number).ok_or(STRANGER)?;
                    let [product, _] = &said.products.get(position).ok_or(STRANGER)?.key;
                    let root = task.auxiliary.key.root_of(product).ok_or(STRANGER)?;
                    let [_, plain] = plains.expose();
                    pairs.push([plain.clone(), Natural::clone(&root)]);
                }
                let powers = [ProjectivePoint::GENERATOR * one.key.expose(), one.gamma * one.key.expose()];
                let [first, second] = &powers;
                let statement = equal::Statement { other: &one.gamma, powers: [first, second] };
                let place = scene.place(6, task.me, None, *number as u64);
                let proof = equal::Proof::prove(&place, &statement, one.key.expose(), &mut rng);
                all.push((*number as u64, KeyOpening { nonce, pairs, proof }));
            }
            Ok(Closing::Keys(all))
        }
    }
}

/// Awaits everybody's word that all is well, or everybody's openings.
pub struct AwaitingClosings {
    task: Task,
    run: Run,
    shares: AllShares,
    shared: Vec<Shared>,
    sums: BTreeMap<Party, Sums>,
    due: Due,
}

impl AwaitingClosings {
    pub(super) const fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<Vec<Presignature>, Abort> {
        let closings = round.decode::<Closing>()?;
        let others = self.task.signers.len().saturating_sub(1);
        let mut charges = Charges::default();
        for (party, closing) in &closings {
            charges.unless(is_due(closing, &self.due, others), *party, Fault::Malformed, &[6]);
        }
        charges.verdict()?;
        if self.due == Due::Confirm {
            return self.finish(round);
        }
        let scene = self.task.scene(round.ssid);
        let trial = Trial {
            scene: &scene,
            offers: &self.run.offers,
            shares: &self.shares,
            sums: &self.sums,
            closings: &closings,
        };
        let mut charges = Charges::default();
        for party in &self.task.signers {
            charges.unless(trial.opens(*party), *party, Fault::WrongOpening, &[6]);
        }
        charges.verdict()?;
        let mut charges = Charges::default();
        for party in &self.task.signers {
            match trial.contradicted(*party) {
                Some(Fault::WrongInverseShare) => charges.bring(*party, Fault::WrongInverseShare, &[5]),
                Some(fault) => charges.bring(*party, fault, &[6]),
                None => {}
            }
        }
        charges.verdict()?;
        Err(Abort::Bug("sums are wrong, and everything that makes them is right"))
    }

    fn finish(self, round: &Round<'_>) -> Result<Vec<Presignature>, Abort> {
        let Self { task, run, shared, sums, .. } = self;
        let group = task.share.group();
        let identity = |party: &Party| group.committee.identity(*party).copied();
        let identities: Vec<_> = task.signers.iter().map(identity).collect::<Option<_>>().ok_or(STRANGER)?;
        let mut all = Vec::with_capacity(task.size);
        for (number, (item, one)) in run.items.into_iter().zip(shared).enumerate() {
            let said: Vec<&Sum> =
                sums.values().map(|sums| sums.0.get(number)).collect::<Option<_>>().ok_or(STRANGER)?;
            let delta: Scalar = said.iter().map(|sum| sum.delta).sum();
            let inverse = Option::<Scalar>::from(delta.invert()).ok_or(Abort::Benign(Benign::Degenerate))?;
            let entropy = task
                .signers
                .iter()
                .map(|party| offer(&run.offers, *party, number).map(|offer| Hash::from_bytes(offer.entropy)));
            // It follows from what everybody has said.
            let times = |point: &ProjectivePoint| times_public(&point.to_affine(), &inverse);
            let public = Public {
                ssid: round.ssid,
                view: round.view,
                number: number as u64,
                group_key: group.digest(),
                epoch: group.epoch,
                signers: task.signers.clone(),
                nonce: times(&one.gamma),
                entropy: entropy.collect::<Option<_>>().ok_or(STRANGER)?,
                nonces: said.iter().map(|sum| times(&sum.nonce)).collect(),
                keys: said.iter().map(|sum| times(&sum.key)).collect(),
            };
            let secrets = Secrets::new([*item.nonce.expose(), *one.key.expose()], *item.entropy.expose());
            all.push(Presignature::new(task.me, public, identities.clone(), secrets));
        }
        Ok(all)
    }
}
