//! What everybody knows of a batch, and the checks that follow from it, for signers and judges alike.

use std::collections::BTreeMap;

use k256::{ProjectivePoint, Scalar};
use keymoot_types::Party;
use subtle::ConditionallySelectable;

use super::super::auxiliary::{Member, Table};
use super::super::number::Natural;
use super::super::proofs::{affine, encryption, exponent};
use super::super::suite::Suite;
use super::messages::{AffineProofs, EncryptionProofs, Offer, Offers, Share, Shares, Sum, Sums};
use crate::curve::Secp256k1;
use crate::key::GroupKey;
use crate::transcript::Hash;
use crate::transcript::paillier::Place;
use crate::vss::lagrange;

/// Which of the two products.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Factor {
    /// With γ.
    Mask,
    /// With the key share.
    Key,
}

impl Factor {
    pub(super) const BOTH: [Self; 2] = [Self::Mask, Self::Key];

    const fn number(self) -> u64 {
        match self {
            Self::Mask => 0,
            Self::Key => 1,
        }
    }
}

/// A batch as its broadcasts show it.
pub(super) struct Scene<'a> {
    pub table: &'a Table,
    pub group: &'a GroupKey<Secp256k1>,
    pub ssid: Hash,
    pub signers: &'a [Party],
}

/// What each signer said in round 1, and in round 3.
pub(super) type AllOffers = BTreeMap<Party, Offers>;
pub(super) type AllShares = BTreeMap<Party, Shares>;

pub(super) fn offer(offers: &AllOffers, party: Party, item: usize) -> Option<&Offer> {
    offers.get(&party)?.0.get(item)
}

pub(super) fn share(shares: &AllShares, party: Party, item: usize) -> Option<&Share> {
    shares.get(&party)?.0.get(item)
}

impl Scene<'_> {
    pub const fn suite(&self) -> Suite {
        self.table.suite()
    }

    pub fn member(&self, party: Party) -> Option<&Member> {
        self.table.member(party)
    }

    /// W = λ·X: the point of a signer's part of the key.
    pub fn weighted(&self, party: Party) -> Option<ProjectivePoint> {
        Some(*self.group.share_of(party)? * lagrange::<Secp256k1>(self.signers, party)?)
    }

    /// The place of a signer in the lists that another one made for the others.
    pub fn position(&self, maker: Party, other: Party) -> Option<usize> {
        self.signers.iter().filter(|party| **party != maker).position(|party| *party == other)
    }

    pub fn place(&self, round: u8, prover: Party, verifier: Option<Party>, number: u64) -> Place {
        let (suite, ssid) = (self.suite().name(), self.ssid);
        Place { suite, ssid, joint: ssid, round, prover, verifier, number }
    }

    pub fn pair_place(&self, round: u8, parties: (Party, Party), item: usize, factor: u64) -> Place {
        let number = (item as u64).saturating_mul(2).saturating_add(factor);
        self.place(round, parties.0, Some(parties.1), number)
    }

    pub fn encryption<'a>(
        &'a self,
        (from, to): (Party, Party),
        offer: &'a Offer,
        mask: bool,
    ) -> Option<encryption::Statement<'a>> {
        let (ciphertext, commitment) = if mask {
            (&offer.mask, &offer.mask_commitment)
        } else {
            (&offer.nonce, &offer.nonce_commitment)
        };
        Some(encryption::Statement {
            suite: self.suite(),
            key: &self.member(from)?.key,
            setup: &self.member(to)?.setup,
            ciphertext,
            base: &offer.base,
            commitment,
        })
    }

    /// Whether the proofs of round 2 hold, by themselves.
    pub fn encryptions_hold(
        &self,
        parties: (Party, Party),
        offers: &Offers,
        proofs: &EncryptionProofs,
    ) -> bool {
        let all = offers.0.iter().zip(&proofs.0).enumerate();
        offers.0.len() == proofs.0.len()
            && all.into_iter().all(|(item, (offer, [nonce, mask]))| {
                let holds = |proof: &encryption::Proof, is_mask: bool| {
                    let place = self.pair_place(2, parties, item, u64::from(is_mask));
                    let statement = self.encryption(parties, offer, is_mask);
                    statement.is_some_and(|statement| proof.verify(&place, &statement))
                };
                offer.nonce != offer.mask && holds(nonce, false) && holds(mask, true)
            })
    }

    /// Whether a share of round 3 is sound as far as everybody can see.
    pub fn share_holds(&self, from: Party, item: usize, offer: &Offer, share: &Share) -> bool {
        let statement = exponent::Statement {
            commitment: &offer.mask_commitment,
            base: &offer.base,
            other: &ProjectivePoint::GENERATOR,
            power: &share.point,
        };
        let others = self.signers.iter().filter(|party| **party != from);
        let in_groups = others.zip(&share.products).all(|(to, products)| {
            let ([d, f], [d_key, f_key]) = (&products.mask, &products.key);
            let keys = self.member(*to).zip(self.member(from));
            d != d_key
                && keys.is_some_and(|(theirs, own)| {
                    theirs.key.are_ciphertexts([d, d_key]) && own.key.are_ciphertexts([f, f_key])
                })
        });
        in_groups && share.proof.verify(&self.place(3, from, None, item as u64), &statement)
    }

    pub fn affine<'a>(
        &'a self,
        (from, to): (Party, Party),
        offer: &'a Offer,
        share: &'a Share,
        (factor, point): (Factor, &'a ProjectivePoint),
    ) -> Option<affine::Statement<'a>> {
        let products = share.products.get(self.position(from, to)?)?;
        let [product, mask] = match factor {
            Factor::Mask => &products.mask,
            Factor::Key => &products.key,
        };
        Some(affine::Statement {
            suite: self.suite(),
            verifier: &self.member(to)?.key,
            setup: &self.member(to)?.setup,
            prover: &self.member(from)?.key,
            ciphertext: &offer.nonce,
            product,
            mask,
            point,
        })
    }

    /// The point of the factor that a signer multiplies with.
    pub fn factor_point(&self, from: Party, share: &Share, factor: Factor) -> Option<ProjectivePoint> {
        match factor {
            Factor::Mask => Some(share.point),
            Factor::Key => self.weighted(from),
        }
    }

    pub fn affine_place(&self, parties: (Party, Party), item: usize, factor: Factor) -> Place {
        self.pair_place(4, parties, item, factor.number())
    }

    /// Whether the proofs of round 4 hold, by themselves. `offers` are those of the verifier.
    pub fn affines_hold(
        &self,
        parties: (Party, Party),
        offers: &Offers,
        shares: &Shares,
        proofs: &AffineProofs,
    ) -> bool {
        let all = offers.0.iter().zip(&shares.0).zip(&proofs.0).enumerate();
        shares.0.len() == proofs.0.len()
            && offers.0.len() == proofs.0.len()
            && all.into_iter().all(|(item, ((offer, share), proofs))| {
                Factor::BOTH.into_iter().zip(proofs).all(|(factor, proof)| {
                    let Some(point) = self.factor_point(parties.0, share, factor) else { return false };
                    let statement = self.affine(parties, offer, share, (factor, &point));
                    let place = self.affine_place(parties, item, factor);
                    statement.is_some_and(|statement| proof.verify(&place, &statement))
                })
            })
    }

    /// Γ of one presignature.
    pub fn gamma(&self, shares: &AllShares, item: usize) -> Option<ProjectivePoint> {
        self.signers
            .iter()
            .try_fold(ProjectivePoint::IDENTITY, |sum, party| Some(sum + share(shares, *party, item)?.point))
    }

    /// Whether the proof of round 5 holds.
    pub fn sum_holds(
        &self,
        from: Party,
        item: usize,
        offer: &Offer,
        gamma: &ProjectivePoint,
        sum: &Sum,
    ) -> bool {
        let statement = exponent::Statement {
            commitment: &offer.nonce_commitment,
            base: &offer.base,
            other: gamma,
            power: &sum.nonce,
        };
        sum.proof.verify(&self.place(5, from, None, item as u64), &statement)
    }

    /// The presignatures that do not add up, and in what.
    pub fn failures(&self, shares: &AllShares, sums: &BTreeMap<Party, Sums>) -> Option<Due> {
        let size = sums.values().next()?.0.len();
        let (mut nonces, mut keys) = (Vec::new(), Vec::new());
        for item in 0..size {
            let all: Vec<&Sum> = sums.values().map(|sums| sums.0.get(item)).collect::<Option<_>>()?;
            let delta: Scalar = all.iter().map(|sum| sum.delta).sum();
            let nonce: ProjectivePoint = all.iter().map(|sum| sum.nonce).sum();
            let key: ProjectivePoint = all.iter().map(|sum| sum.key).sum();
            self.gamma(shares, item)?;
            if ProjectivePoint::GENERATOR * delta != nonce {
                nonces.push(item);
            } else if self.group.public * delta != key {
                keys.push(item);
            }
        }
        Some(match (nonces.is_empty(), keys.is_empty()) {
            (false, _) => Due::Nonces(nonces),
            (true, false) => Due::Keys(keys),
            (true, true) => Due::Confirm,
        })
    }
}

/// What round 6 must be.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Due {
    Confirm,
    Nonces(Vec<usize>),
    Keys(Vec<usize>),
}

/// A centred plaintext as a scalar: what is above half of N stands for a negative number.
pub(super) fn centred(plain: &Natural, n: &Natural) -> Scalar {
    use super::super::proofs::scalar_of;
    let is_negative = n.halved().is_below(plain);
    let shift = Scalar::conditional_select(&Scalar::ZERO, &scalar_of(n), u8::from(is_negative).into());
    scalar_of(plain) - shift
}
