//! Feldman's verifiable secret sharing: a secret polynomial, commitments to it, shares that can be checked.
//!
//! A polynomial of degree t−1 has t coefficients; its value at a party's index is that party's share, its value at
//! zero the secret. Indices are public and small, so evaluation of commitments may take time that depends on them.

use keymoot_types::{PARTIES_MAX, Party, Secret};
use rand_core::CryptoRngCore;

use crate::codec::{Malformed, Reader, Writer};
use crate::curve::{Curve, abscissa, ff::Field, group::Group};

/// A secret polynomial.
pub struct Polynomial<C: Curve>(Secret<Vec<C::Scalar>>);

impl<C: Curve> Polynomial<C> {
    /// A uniform polynomial with `threshold` coefficients.
    pub fn random(threshold: u16, rng: &mut impl CryptoRngCore) -> Self {
        // The exact size is collected at once, so that no coefficient is left behind by growth.
        Self::from_coefficients((0..threshold).map(|_| C::random(rng)).collect())
    }

    /// The polynomial with these coefficients, the constant term first.
    #[must_use]
    pub fn from_coefficients(coefficients: Vec<C::Scalar>) -> Self {
        Self(Secret::new(coefficients))
    }

    /// The value at a party's index.
    #[must_use]
    pub fn share_of(&self, party: Party) -> C::Scalar {
        let x = abscissa::<C>(party);
        self.0.expose().iter().rev().fold(C::Scalar::ZERO, |sum, coefficient| sum * x + coefficient)
    }

    /// The constant term.
    #[must_use]
    pub fn constant(&self) -> C::Scalar {
        self.0.expose().first().copied().unwrap_or(C::Scalar::ZERO)
    }

    /// Commitments to all coefficients.
    #[must_use]
    pub fn commit(&self) -> Commitments<C> {
        Commitments(self.0.expose().iter().map(|coefficient| C::Point::generator() * coefficient).collect())
    }
}

/// Commitments to the coefficients of a polynomial, the constant term first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitments<C: Curve>(Vec<C::Point>);

impl<C: Curve> Commitments<C> {
    /// The commitments with these points.
    #[must_use]
    pub const fn new(points: Vec<C::Point>) -> Self {
        Self(points)
    }

    /// How many coefficients are committed to, which must be exactly the threshold.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The commitment to the secret.
    #[must_use]
    pub fn constant(&self) -> C::Point {
        self.0.first().copied().unwrap_or_else(C::Point::identity)
    }

    /// The commitment to a party's share.
    #[must_use]
    pub fn at(&self, party: Party) -> C::Point {
        let index = party.index();
        self.0.iter().rev().fold(C::Point::identity(), |sum, point| C::times_small(&sum, index) + point)
    }

    /// The commitments to the sum of the committed polynomials; all must have the same number.
    #[must_use]
    pub fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut sums: Vec<C::Point> = Vec::new();
        for commitments in all {
            if sums.is_empty() {
                sums.clone_from(&commitments.0);
            } else {
                sums.iter_mut().zip(&commitments.0).for_each(|(sum, point)| *sum += point);
            }
        }
        Self(sums)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.list(self.0.iter(), |writer, point| writer.point::<C>(point));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.list(usize::from(PARTIES_MAX), Reader::point::<C>).map(Self)
    }
}

/// The factor with which `party`'s share enters the interpolation at zero over `parties`.
///
/// `None` if `party` is not among them or somebody is there twice.
#[must_use]
pub fn lagrange<C: Curve>(parties: &[Party], party: Party) -> Option<C::Scalar> {
    let own = abscissa::<C>(party);
    let mut own_seen = 0_usize;
    let mut numerator = C::Scalar::ONE;
    let mut denominator = C::Scalar::ONE;
    for other in parties {
        if *other == party {
            own_seen = own_seen.saturating_add(1);
            continue;
        }
        let x = abscissa::<C>(*other);
        numerator *= x;
        denominator *= x - own;
    }
    let inverse: Option<C::Scalar> = denominator.invert().into();
    let mut sorted = parties.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    (own_seen == 1 && sorted.len() == parties.len()).then_some(numerator * inverse?)
}
