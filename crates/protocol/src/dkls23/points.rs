//! The group operations of presigning and signing, and who does them best.
//!
//! Multiples of the generator come from libsecp256k1, whose routine for secret keys takes the same time for all of them
//! and is faster than that of `k256`. Sums of secret multiples of other points take `k256`'s constant-time interleaved
//! multiplication; public ones, Pippenger's buckets.

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::group::prime::PrimeCurveAffine;
use k256::elliptic_curve::ops::{LinearCombinationExt, MulByGenerator, Reduce};
use k256::elliptic_curve::point::AffineCoordinates;
use k256::elliptic_curve::sec1::{FromEncodedPoint, ToEncodedPoint};
use k256::{AffinePoint, EncodedPoint, ProjectivePoint, Scalar};
use zeroize::Zeroizing;

/// `scalar`·G, in time that does not depend on the scalar.
pub(super) fn times_base(scalar: &Scalar) -> AffinePoint {
    let bytes = Zeroizing::new(<[u8; 32]>::from(scalar.to_repr()));
    // Zero is no secret key there; honest scalars are not zero.
    let Ok(mut key) = secp256k1::SecretKey::from_byte_array(*bytes) else { return AffinePoint::IDENTITY };
    let public = secp256k1::PublicKey::from_secret_key_global(&key).serialize_uncompressed();
    key.non_secure_erase();
    let encoded = EncodedPoint::from_bytes(public);
    let point = encoded.ok().and_then(|point| Option::from(AffinePoint::from_encoded_point(&point)));
    point.unwrap_or_else(|| ProjectivePoint::mul_by_generator(scalar).to_affine())
}

/// `scalar`·`point` where everybody knows both: faster than the multiplication for secrets, in time that depends on the
/// scalar.
pub(crate) fn times_public(point: &AffinePoint, scalar: &Scalar) -> AffinePoint {
    let product = || {
        let point = point.to_encoded_point(false);
        let point = secp256k1::PublicKey::from_byte_array_uncompressed(*point.as_bytes().as_array()?).ok()?;
        let scalar = secp256k1::Scalar::from_be_bytes(scalar.to_repr().into()).ok()?;
        let product = point.mul_tweak(secp256k1::SECP256K1, &scalar).ok()?.serialize_uncompressed();
        AffinePoint::from_encoded_point(&EncodedPoint::from_bytes(product).ok()?).into_option()
    };
    // Neither the identity nor zero is known there.
    product().unwrap_or_else(|| (*point * scalar).to_affine())
}

/// The x coordinate modulo the order: r of ECDSA.
pub(crate) fn x_scalar(point: &AffinePoint) -> Scalar {
    <Scalar as Reduce<U256>>::reduce_bytes(&point.x())
}

/// One equation that ties a point a peer opened to what it multiplied: `point`·χ = d·G + Γ.
pub(super) struct Tie<'a> {
    pub(super) point: &'a AffinePoint,
    /// Our share d of the product.
    pub(super) share: &'a Scalar,
    /// Γ.
    pub(super) theirs: &'a AffinePoint,
}

impl Tie<'_> {
    /// Whether it holds for our secret χ.
    pub(super) fn holds(&self, encoded: &Scalar) -> bool {
        *self.point * encoded == times_base(self.share).to_curve() + *self.theirs
    }
}

/// Many ties in one equation, each times a factor of 128 bits that its author could not know. If one of them does not hold,
/// the sum holds with probability 2⁻¹²⁸.
///
/// The factors are drawn here and need not stay secret afterwards; χ and d do.
#[derive(Default)]
pub(super) struct Ties {
    secret: Zeroizing<Vec<(ProjectivePoint, Scalar)>>,
    latest: AffinePoint,
    base: Zeroizing<Scalar>,
    public: Zeroizing<Vec<(AffinePoint, u128)>>,
}

impl Ties {
    pub(super) fn with_capacity(ties: usize) -> Self {
        let secret = Zeroizing::new(Vec::with_capacity(ties));
        let (latest, public) = (AffinePoint::IDENTITY, Zeroizing::new(Vec::with_capacity(ties)));
        Self { secret, latest, base: Zeroizing::default(), public }
    }

    /// Adds a tie for χ, times `factor`.
    pub(super) fn add(&mut self, tie: &Tie<'_>, encoded: &Scalar, factor: u128) {
        let wide = Scalar::from(factor);
        let product = wide * encoded;
        // Ties of one point, which come in a row, need one multiplication.
        match self.secret.last_mut() {
            Some((_, sum)) if self.latest == *tie.point => *sum += product,
            _ => self.secret.push((tie.point.to_curve(), product)),
        }
        self.latest = *tie.point;
        *self.base += wide * tie.share;
        self.public.push((*tie.theirs, factor));
    }

    /// Whether the sum holds.
    pub(super) fn hold(&self) -> bool {
        let ours = sum_of_secret_multiples(&self.secret);
        ours == times_base(&self.base).to_curve() + sum_of_multiples(&self.public)
    }
}

/// Σ scalar·point for secret scalars. The library's own sum over a slice leaves digits of the scalars in freed memory, that
/// over an array on the stack only.
fn sum_of_secret_multiples(terms: &[(ProjectivePoint, Scalar)]) -> ProjectivePoint {
    let (many, few) = terms.as_chunks::<16>();
    let (pairs, single) = few.as_chunks::<2>();
    let many = many.iter().map(LinearCombinationExt::lincomb_ext);
    let pairs = pairs.iter().map(LinearCombinationExt::lincomb_ext);
    let single = single.iter().map(|(point, scalar)| *point * scalar);
    many.chain(pairs).chain(single).sum::<ProjectivePoint>()
}

/// Σ factor·point for public factors, by buckets (Pippenger).
fn sum_of_multiples(terms: &[(AffinePoint, u128)]) -> ProjectivePoint {
    let width = match terms.len() {
        0..32 => 4,
        32..128 => 5,
        128..512 => 7,
        _ => 8,
    };
    let mut buckets = vec![ProjectivePoint::IDENTITY; (1 << width) - 1];
    let windows = 128_u32.div_ceil(width);
    (0..windows).rev().fold(ProjectivePoint::IDENTITY, |total, window| {
        buckets.fill(ProjectivePoint::IDENTITY);
        for (point, factor) in terms {
            let digit = (factor >> (window * width)) as usize & ((1 << width) - 1);
            if let Some(bucket) = digit.checked_sub(1).and_then(|place| buckets.get_mut(place)) {
                *bucket += point;
            }
        }
        let doubled = (0..width).fold(total, |total, _| total.double());
        let (_, sum) = buckets.iter().rev().fold(
            (ProjectivePoint::IDENTITY, ProjectivePoint::IDENTITY),
            |(running, sum), bucket| {
                let running = running + bucket;
                (running, sum + running)
            },
        );
        doubled + sum
    })
}

#[cfg(test)]
mod tests {
    use super::{Tie, Ties, sum_of_multiples, sum_of_secret_multiples, times_base, times_public, x_scalar};
    use k256::elliptic_curve::Field;
    use k256::elliptic_curve::group::prime::PrimeCurveAffine;
    use k256::{AffinePoint, ProjectivePoint, Scalar};
    use rand_core::{RngCore, SeedableRng};

    fn rng() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(3)
    }

    #[test]
    fn both_libraries_multiply_alike() {
        let mut rng = rng();
        let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(2u64)];
        let points = [AffinePoint::IDENTITY, times_base(&Scalar::random(&mut rng))];
        for scalar in edges.into_iter().chain((0..200).map(|_| Scalar::random(&mut rng))) {
            assert_eq!(times_base(&scalar), (ProjectivePoint::GENERATOR * scalar).to_affine());
            for point in points {
                assert_eq!(times_public(&point, &scalar), (point * scalar).to_affine());
            }
        }
        assert_eq!(x_scalar(&AffinePoint::GENERATOR), x_scalar(&-AffinePoint::GENERATOR));
    }

    #[test]
    fn secret_multiples_add_up() {
        let mut rng = rng();
        for count in [0, 1, 2, 3, 15, 16, 17, 35] {
            let terms: Vec<_> = (0..count)
                .map(|_| (ProjectivePoint::GENERATOR * Scalar::random(&mut rng), Scalar::random(&mut rng)))
                .collect();
            let expected: ProjectivePoint = terms.iter().map(|(point, scalar)| *point * scalar).sum();
            assert_eq!(sum_of_secret_multiples(&terms), expected);
        }
    }

    #[test]
    fn buckets_add_up() {
        let mut rng = rng();
        for count in [0, 1, 2, 31, 64, 200, 520] {
            let terms: Vec<_> = (0..count)
                .map(|_| {
                    let factor = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
                    (times_base(&Scalar::random(&mut rng)), factor)
                })
                .chain([(AffinePoint::GENERATOR, 0), (AffinePoint::GENERATOR, u128::MAX)])
                .collect();
            let expected: ProjectivePoint =
                terms.iter().map(|(point, factor)| point.to_curve() * Scalar::from(*factor)).sum();
            assert_eq!(sum_of_multiples(&terms), expected);
        }
    }

    #[test]
    fn d14_one_wrong_tie_among_many_is_seen_and_named() {
        let mut rng = rng();
        let key = times_base(&Scalar::random(&mut rng));
        for wrong in [None, Some(0), Some(17), Some(39)] {
            let mut ties = Ties::with_capacity(40);
            for at in 0..40 {
                let (encoded, share) = (Scalar::random(&mut rng), Scalar::random(&mut rng));
                let point = if at < 20 { times_base(&Scalar::random(&mut rng)) } else { key };
                let shift = if wrong == Some(at) { Scalar::ONE } else { Scalar::ZERO };
                let theirs = (point * encoded + times_base(&(shift - share))).to_affine();
                let tie = Tie { point: &point, share: &share, theirs: &theirs };
                assert_eq!(tie.holds(&encoded), wrong != Some(at));
                ties.add(&tie, &encoded, u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64()));
            }
            assert_eq!(ties.hold(), wrong.is_none());
        }
    }
}
