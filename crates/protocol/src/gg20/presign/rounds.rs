//! The first states of presigning: from nothing to everybody's products.

use std::collections::BTreeMap;

use k256::{ProjectivePoint, Scalar};
use keymoot_types::{Party, Secret};
use rand_core::CryptoRngCore;

use super::super::number::Natural;
use super::super::paillier::Root;
use super::super::proofs::{Claim, affine, encryption, exponent, hold_together, number_of};
use super::Task;
use super::checks::shares_fit;
use super::messages::{AffineProofs, EncryptionProofs, Offer, Offers, Products, Share, Shares};
use super::scene::{AllOffers, Factor, Scene, offer};
use super::states::AwaitingAffines;
use crate::abort::{Abort, Charges, Fault};
use crate::curve::{Curve, Secp256k1};
use crate::machine::{Hello, Outgoing, Round};
use crate::transcript::Transcript;
use crate::transcript::paillier::Entropy;
use crate::vss::lagrange;

pub(super) const STRANGER: Abort = Abort::Bug("a complete round is not that of the signers");

const NO_ROOT: Abort = Abort::Bug("a prime of ours has no small generator");

/// What a signer draws for one presignature.
pub(super) struct Item {
    pub(super) nonce: Secret<Scalar>,
    pub(super) mask: Secret<Scalar>,
    pub(super) nonce_root: Root,
    mask_root: Root,
    /// What opens the commitment to the nonce, and that to the mask.
    pub(super) nonce_opening: Secret<Scalar>,
    mask_opening: Secret<Scalar>,
    pub(super) entropy: Secret<[u8; 32]>,
}

impl Item {
    fn draw(task: &Task, rng: &mut impl CryptoRngCore) -> Result<Self, Abort> {
        let key = &task.auxiliary.key;
        let scalar = |rng: &mut _| Secret::new(Secp256k1::random(rng));
        let root = |rng: &mut _| key.draw(rng).ok_or(NO_ROOT);
        let mut entropy = Secret::new([0u8; 32]);
        rng.fill_bytes(entropy.expose_mut());
        Ok(Self {
            nonce: scalar(rng),
            mask: scalar(rng),
            nonce_root: root(rng)?,
            mask_root: root(rng)?,
            nonce_opening: scalar(rng),
            mask_opening: scalar(rng),
            entropy,
        })
    }

    fn offer(&self, task: &Task, entropy: [u8; 32], rng: &mut impl CryptoRngCore) -> Offer {
        let key = &task.auxiliary.key;
        // Nobody needs to know the logarithm of Y, and nobody does once this is gone.
        let base = ProjectivePoint::GENERATOR * Secp256k1::random(rng);
        Offer {
            nonce: key.encrypt_with(&number_of(self.nonce.expose()), &self.nonce_root),
            mask: key.encrypt_with(&number_of(self.mask.expose()), &self.mask_root),
            nonce_commitment: encryption::commit(&base, self.nonce.expose(), self.nonce_opening.expose()),
            mask_commitment: encryption::commit(&base, self.mask.expose(), self.mask_opening.expose()),
            base,
            entropy,
        }
    }
}

/// What a signer draws for one presignature and one peer: y and the roots of D and F; and y of the product with the key.
pub(super) struct Pair {
    pub(super) mask: Secret<Natural>,
    pub(super) roots: Secret<[Natural; 2]>,
    pub(super) key_mask: Secret<Natural>,
}

/// Awaits everybody's contribution to the session's name.
pub struct AwaitingHellos {
    pub(in super::super) task: Task,
}

impl AwaitingHellos {
    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingOffers, Vec<Outgoing>), Abort> {
        round.decode::<Hello>()?;
        let task = self.task;
        let mut rng = task.chance.grow(round.ssid, "gg20/presign/offers");
        let items = (0..task.size).map(|_| Item::draw(&task, &mut rng));
        let items: Vec<Item> = items.collect::<Result<_, _>>()?;
        let offers = items.iter().zip(0u64..).map(|(item, number)| {
            let entropy =
                Entropy { ssid: round.ssid, party: task.me, number, entropy: item.entropy.expose() };
            item.offer(&task, *entropy.digest().as_bytes(), &mut rng)
        });
        let own = Offers(offers.collect());
        let mut outbox = vec![Outgoing::broadcast(1, &own)];
        let scene = task.scene(round.ssid);
        for peer in task.peers() {
            let mut proofs = Vec::with_capacity(task.size);
            for (number, (item, offer)) in items.iter().zip(&own.0).enumerate() {
                let pair = (task.me, peer);
                let prove = |is_mask: bool, rng: &mut _| {
                    let (plain, root, opening) = match is_mask {
                        false => (&item.nonce, &item.nonce_root, &item.nonce_opening),
                        true => (&item.mask, &item.mask_root, &item.mask_opening),
                    };
                    let witness = encryption::Witness {
                        key: &task.auxiliary.key,
                        plain: plain.expose(),
                        root: &root.number,
                        opening: opening.expose(),
                    };
                    let statement = scene.encryption(pair, offer, is_mask).ok_or(STRANGER)?;
                    let place = scene.pair_place(2, pair, number, u64::from(is_mask));
                    encryption::Proof::prove(&place, &statement, &witness, rng).ok_or(NO_ROOT)
                };
                proofs.push([prove(false, &mut rng)?, prove(true, &mut rng)?]);
            }
            outbox.push(Outgoing::direct(2, peer, &EncryptionProofs(proofs)));
        }
        Ok((AwaitingOffers { task, items }, outbox))
    }
}

/// Awaits everybody's encryptions.
pub struct AwaitingOffers {
    task: Task,
    items: Vec<Item>,
}

impl AwaitingOffers {
    pub(super) const fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingEncryptions, Vec<Outgoing>), Abort> {
        let offers = round.decode::<Offers>()?;
        let Self { task, items } = self;
        let mut charges = Charges::default();
        for (party, offers) in &offers {
            charges.unless(offers.0.len() == task.size, *party, Fault::Malformed, &[1]);
        }
        charges.verdict()?;
        Ok((AwaitingEncryptions { task, items, offers }, Vec::new()))
    }
}

/// Awaits each peer's proofs of its encryptions.
pub struct AwaitingEncryptions {
    task: Task,
    items: Vec<Item>,
    offers: AllOffers,
}

/// What a signer has when the products are out.
pub(super) struct Run {
    pub(super) items: Vec<Item>,
    pub(super) offers: AllOffers,
    /// For each presignature and peer.
    pub(super) pairs: Vec<BTreeMap<Party, Pair>>,
    /// λ·x.
    pub(super) weighted: Secret<Scalar>,
}

impl AwaitingEncryptions {
    pub(super) const fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingShares, Vec<Outgoing>), Abort> {
        let all = round.decode_others::<EncryptionProofs>(Some(self.task.me))?;
        let Self { task, items, offers } = self;
        let scene = task.scene(round.ssid);
        let mut rng = task.chance.grow(round.ssid, "gg20/presign/products");
        let mut charges = Charges::default();
        for (party, proofs) in &all {
            charges.unless(proofs.0.len() == task.size, *party, Fault::Malformed, &[2]);
        }
        charges.verdict()?;
        let (mut charges, mut is_ours) = (Charges::default(), false);
        for (party, proofs) in &all {
            let offers = offers.get(party).ok_or(STRANGER)?;
            if !encryptions_hold(&scene, (*party, task.me), offers, proofs, &mut rng) {
                match scene.encryptions_hold((*party, task.me), offers, proofs) {
                    true => is_ours = true,
                    false => charges.bring(*party, Fault::WrongProof, &[1, 2]),
                }
            }
        }
        charges.verdict()?;
        if is_ours {
            return Err(Abort::Bug("a combined check and its parts disagree"));
        }
        let factor = lagrange::<Secp256k1>(&task.signers, task.me).ok_or(STRANGER)?;
        let run =
            Run { items, offers, pairs: Vec::new(), weighted: Secret::new(factor * task.share.expose()) };
        let (run, outbox) = multiply(&task, &scene, run, &mut rng)?;
        Ok((AwaitingShares { task, run }, outbox))
    }
}

/// All checks of a peer's proofs, with one full power for all of its equations between ciphertexts.
fn encryptions_hold(
    scene: &Scene<'_>,
    parties: (Party, Party),
    offers: &Offers,
    proofs: &EncryptionProofs,
    rng: &mut impl CryptoRngCore,
) -> bool {
    let mut claims: Vec<Claim> = Vec::with_capacity(proofs.0.len().saturating_mul(2));
    for (item, (offer, proofs)) in offers.0.iter().zip(&proofs.0).enumerate() {
        for (is_mask, proof) in [false, true].into_iter().zip(proofs) {
            let place = scene.pair_place(2, parties, item, u64::from(is_mask));
            let statement = scene.encryption(parties, offer, is_mask);
            match statement.and_then(|statement| proof.check(&place, &statement)) {
                Some(claim) if offer.nonce != offer.mask => claims.push(claim),
                _ => return false,
            }
        }
    }
    scene.member(parties.0).is_some_and(|member| hold_together(&member.key, &claims, rng))
}

/// Multiplies with every peer, and proves it.
fn multiply(
    task: &Task,
    scene: &Scene<'_>,
    mut run: Run,
    rng: &mut impl CryptoRngCore,
) -> Result<(Run, Vec<Outgoing>), Abort> {
    let mut shares = Vec::with_capacity(task.size);
    let mut proofs: BTreeMap<Party, Vec<[affine::Proof; 2]>> =
        task.peers().map(|peer| (peer, Vec::new())).collect();
    let weighted_point = scene.weighted(task.me).ok_or(STRANGER)?;
    for number in 0..task.size {
        let item = run.items.get(number).ok_or(STRANGER)?;
        let own = offer(&run.offers, task.me, number).ok_or(STRANGER)?;
        let point = ProjectivePoint::GENERATOR * item.mask.expose();
        let statement = exponent::Statement {
            commitment: &own.mask_commitment,
            base: &own.base,
            other: &ProjectivePoint::GENERATOR,
            power: &point,
        };
        let place = scene.place(3, task.me, None, number as u64);
        let witness = (item.mask.expose(), item.mask_opening.expose());
        let proof = exponent::Proof::prove(&place, &statement, witness, rng);
        let mut share = Share { point, proof, products: Vec::with_capacity(task.signers.len()) };
        let mut pairs = BTreeMap::new();
        for peer in task.peers() {
            let theirs = offer(&run.offers, peer, number).ok_or(STRANGER)?;
            let factors = [(Factor::Mask, &item.mask, &point), (Factor::Key, &run.weighted, &weighted_point)];
            let mut made = Vec::with_capacity(2);
            for (factor, secret, point) in factors {
                made.push(product(scene, task, (peer, number), theirs, (factor, secret, point), rng)?);
            }
            let [first, second]: [Made; 2] = made.try_into().map_err(|_| STRANGER)?;
            share.products.push(Products { mask: first.ciphertexts, key: second.ciphertexts });
            proofs.entry(peer).or_default().push([first.proof, second.proof]);
            pairs.insert(peer, Pair { mask: first.mask, roots: first.roots, key_mask: second.mask });
        }
        run.pairs.push(pairs);
        shares.push(share);
    }
    let mut outbox = vec![Outgoing::broadcast(3, &Shares(shares))];
    outbox.extend(proofs.into_iter().map(|(peer, proofs)| Outgoing::direct(4, peer, &AffineProofs(proofs))));
    Ok((run, outbox))
}

/// One product, and what made it.
struct Made {
    ciphertexts: [Natural; 2],
    mask: Secret<Natural>,
    roots: Secret<[Natural; 2]>,
    proof: affine::Proof,
}

fn product(
    scene: &Scene<'_>,
    task: &Task,
    (peer, number): (Party, usize),
    theirs: &Offer,
    (factor, secret, point): (Factor, &Secret<Scalar>, &ProjectivePoint),
    rng: &mut impl CryptoRngCore,
) -> Result<Made, Abort> {
    let (key, verifier) = (&task.auxiliary.key, scene.member(peer).ok_or(STRANGER)?);
    let mask = Secret::new(Natural::random(scene.suite().lengths().mask, rng));
    let own = key.draw(rng).ok_or(NO_ROOT)?;
    let roots = Secret::new([verifier.key.random_root(rng), own.number.clone()]);
    let [product_root, mask_root] = roots.expose();
    let product = affine::combine(
        &verifier.key,
        &theirs.nonce,
        &number_of(secret.expose()),
        mask.expose(),
        product_root,
    );
    let masked = key.encrypt_with(mask.expose(), &own);
    let statement = affine::Statement {
        suite: scene.suite(),
        verifier: &verifier.key,
        setup: &verifier.setup,
        prover: key.public(),
        ciphertext: &theirs.nonce,
        product: &product,
        mask: &masked,
        point,
    };
    let witness =
        affine::Witness { key, factor: secret.expose(), mask: mask.expose(), product_root, mask_root };
    let place = scene.affine_place((task.me, peer), number, factor);
    let proof = affine::Proof::prove(&place, &statement, &witness, rng).ok_or(NO_ROOT)?;
    Ok(Made { ciphertexts: [product, masked], mask, roots, proof })
}

/// Awaits everybody's products.
pub struct AwaitingShares {
    task: Task,
    run: Run,
}

impl AwaitingShares {
    pub(super) const fn task(&self) -> &Task {
        &self.task
    }

    pub(super) fn receive(self, round: &Round<'_>) -> Result<(AwaitingAffines, Vec<Outgoing>), Abort> {
        let shares = round.decode::<Shares>()?;
        let Self { task, run } = self;
        let others = task.signers.len().saturating_sub(1);
        let mut charges = Charges::default();
        for (party, shares) in &shares {
            charges.unless(shares_fit(task.size, others, &shares.0), *party, Fault::Malformed, &[3]);
        }
        charges.verdict()?;
        let scene = task.scene(round.ssid);
        let mut charges = Charges::default();
        for (party, shares) in shares.iter().filter(|(party, _)| **party != task.me) {
            let holds = |(item, share): (usize, &Share)| {
                let offer = offer(&run.offers, *party, item);
                offer.is_some_and(|offer| scene.share_holds(*party, item, offer, share))
            };
            charges.unless(shares.0.iter().enumerate().all(holds), *party, Fault::WrongProof, &[3]);
        }
        charges.verdict()?;
        Ok((AwaitingAffines { task, run, shares }, Vec::new()))
    }
}
