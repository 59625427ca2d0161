//! Who is at fault when sums are wrong although every proof holds: what is opened then, and how it is checked.
//!
//! The openings are of a presignature that will never exist: nobody has a share of a signature from it, and nobody will.
//! No key share and no mask of a product with one is ever opened.

use std::collections::BTreeMap;

use k256::{ProjectivePoint, Scalar};
use keymoot_types::Party;

use super::super::number::Natural;
use super::super::proofs::{affine, equal, number_of};
use super::messages::{Closing, KeyOpening, NonceOpening, Sums};
use super::scene::{AllOffers, AllShares, Due, Scene, centred, offer, share};
use crate::abort::Fault;

/// Whether a closing is of the kind that is due, with an opening for each presignature that failed and no other.
pub(super) fn is_due(closing: &Closing, due: &Due, others: usize) -> bool {
    let same = |numbers: &mut dyn Iterator<Item = u64>, items: &[usize]| {
        numbers.eq(items.iter().map(|item| *item as u64))
    };
    match (closing, due) {
        (Closing::Confirm, Due::Confirm) => true,
        (Closing::Nonces(all), Due::Nonces(items)) => {
            same(&mut all.iter().map(|(number, _)| *number), items)
                && all.iter().all(|(_, opening)| opening.pairs.len() == others)
        }
        (Closing::Keys(all), Due::Keys(items)) => {
            same(&mut all.iter().map(|(number, _)| *number), items)
                && all.iter().all(|(_, opening)| opening.pairs.len() == others)
        }
        _ => false,
    }
}

/// What is wrong with one signer, once everybody has closed; `None` if nothing is, as far as these closings go.
pub(super) struct Trial<'a> {
    pub scene: &'a Scene<'a>,
    pub offers: &'a AllOffers,
    pub shares: &'a AllShares,
    pub sums: &'a BTreeMap<Party, Sums>,
    pub closings: &'a BTreeMap<Party, Closing>,
}

impl Trial<'_> {
    /// Whether the closing opens what its author committed to in rounds 1 and 3.
    pub fn opens(&self, party: Party) -> bool {
        match self.closings.get(&party) {
            Some(Closing::Nonces(all)) => {
                all.iter().all(|(number, opening)| self.nonce_opens(party, *number, opening) == Some(true))
            }
            Some(Closing::Keys(all)) => {
                all.iter().all(|(number, opening)| self.key_opens(party, *number, opening) == Some(true))
            }
            _ => false,
        }
    }

    fn encrypts(&self, party: Party, item: usize, (k, root): &(Scalar, Natural)) -> Option<bool> {
        let (key, offer) = (&self.scene.member(party)?.key, offer(self.offers, party, item)?);
        Some(key.are_roots([root]) && key.encrypt(&number_of(k), root) == offer.nonce)
    }

    fn nonce_opens(&self, party: Party, number: u64, opening: &NonceOpening) -> Option<bool> {
        let item = usize::try_from(number).ok()?;
        let own = share(self.shares, party, item)?;
        if !self.encrypts(party, item, &opening.nonce)?
            || ProjectivePoint::GENERATOR * opening.mask != own.point
        {
            return Some(false);
        }
        let others = self.scene.signers.iter().filter(|other| **other != party);
        for ((other, [y, s, r]), products) in others.zip(&opening.pairs).zip(&own.products) {
            let (theirs, ours) = (&self.scene.member(*other)?.key, &self.scene.member(party)?.key);
            if !y.fits(self.scene.suite().mask_range()) || !theirs.are_roots([s]) || !ours.are_roots([r]) {
                return Some(false);
            }
            let nonce = &offer(self.offers, *other, item)?.nonce;
            let product = affine::combine(theirs, nonce, &number_of(&opening.mask), y, s);
            if [product, ours.encrypt(y, r)] != products.mask {
                return Some(false);
            }
        }
        Some(true)
    }

    fn key_opens(&self, party: Party, number: u64, opening: &KeyOpening) -> Option<bool> {
        let item = usize::try_from(number).ok()?;
        if !self.encrypts(party, item, &opening.nonce)? {
            return Some(false);
        }
        let key = &self.scene.member(party)?.key;
        let others = self.scene.signers.iter().filter(|other| **other != party);
        for (other, [plain, root]) in others.zip(&opening.pairs) {
            let position = self.scene.position(*other, party)?;
            let product = share(self.shares, *other, item)?.products.get(position)?.key.first()?;
            let is_plain = plain.is_below(key.number()) && key.are_roots([root]);
            if !is_plain || key.encrypt(plain, root) != *product {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether all closings do. Openings that open nothing say nothing of anybody else.
    pub fn all_open(&self) -> bool {
        self.scene.signers.iter().all(|signer| self.opens(*signer))
    }

    /// What follows from everybody's openings and does not fit what the party said in round 5, or has proven since. The caller
    /// knows that they open what was committed to: that takes by far the longest, and is the same for all parties.
    pub fn contradicted(&self, party: Party) -> Option<Fault> {
        let Closing::Nonces(all) = self.closings.get(&party)? else { return self.key_fault(party) };
        let wrong = all
            .iter()
            .any(|(number, opening)| self.delta(party, *number, opening) != self.said(party, *number));
        wrong.then_some(Fault::WrongInverseShare)
    }

    fn said(&self, party: Party, number: u64) -> Option<Scalar> {
        Some(self.sums.get(&party)?.0.get(usize::try_from(number).ok()?)?.delta)
    }

    /// δᵢ = kᵢ·γᵢ + Σ (kᵢ·γⱼ + yⱼᵢ) − Σ yᵢⱼ.
    fn delta(&self, party: Party, number: u64, opening: &NonceOpening) -> Option<Scalar> {
        use super::super::proofs::scalar_of;
        let k = opening.nonce.0;
        let own: Scalar = opening.pairs.iter().map(|[y, ..]| scalar_of(y)).sum();
        let mut sum = k * opening.mask - own;
        for other in self.scene.signers.iter().filter(|other| **other != party) {
            let Closing::Nonces(theirs) = self.closings.get(other)? else { return None };
            let (_, theirs) = theirs.iter().find(|(one, _)| *one == number)?;
            let [y, ..] = theirs.pairs.get(self.scene.position(*other, party)?)?;
            sum += k * theirs.mask + scalar_of(y);
        }
        Some(sum)
    }

    fn key_fault(&self, party: Party) -> Option<Fault> {
        let Closing::Keys(all) = self.closings.get(&party)? else { return None };
        let proves = |number: u64, opening: &KeyOpening| {
            let item = usize::try_from(number).ok()?;
            let point = self.key_point(party, number, opening)?;
            let gamma = self.scene.gamma(self.shares, item)?;
            let said = &self.sums.get(&party)?.0.get(item)?.key;
            let statement = equal::Statement { other: &gamma, powers: [&point, said] };
            Some(opening.proof.verify(&self.scene.place(6, party, None, number), &statement))
        };
        let all = all.iter().all(|(number, opening)| proves(*number, opening) == Some(true));
        (!all).then_some(Fault::WrongProof)
    }

    /// χᵢ·G = kᵢ·Wᵢ + Σ μᵢⱼ·G − Σ (μⱼᵢ·G − kⱼ·Wᵢ).
    fn key_point(&self, party: Party, number: u64, opening: &KeyOpening) -> Option<ProjectivePoint> {
        let own = self.scene.weighted(party)?;
        let n = self.scene.member(party)?.key.number();
        let plains: Scalar = opening.pairs.iter().map(|[plain, _]| centred(plain, n)).sum();
        let mut point = own * opening.nonce.0 + ProjectivePoint::GENERATOR * plains;
        for other in self.scene.signers.iter().filter(|other| **other != party) {
            let Closing::Keys(theirs) = self.closings.get(other)? else { return None };
            let (_, theirs) = theirs.iter().find(|(one, _)| *one == number)?;
            let [plain, _] = theirs.pairs.get(self.scene.position(*other, party)?)?;
            let mask = ProjectivePoint::GENERATOR * centred(plain, self.scene.member(*other)?.key.number());
            point -= mask - own * theirs.nonce.0;
        }
        Some(point)
    }
}
