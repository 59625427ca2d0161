//! The two groups Keymoot computes in, behind the few verbs that the protocols need.
//!
//! Decoding is strict: an element that exists is canonical, in the prime-order group and not the identity.
//! Arithmetic on secrets is the constant-time arithmetic of `k256` and `curve25519-dalek`.

use curve25519_dalek::edwards::CompressedEdwardsY;
use k256::elliptic_curve::group::Group;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::{FromEncodedPoint, ToEncodedPoint};
use k256::elliptic_curve::{bigint::U512, ff::PrimeField};
use keymoot_types::CurveName;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, Zeroizing};

pub use k256::elliptic_curve::{ff, group};

/// A prime-order group with its scalar field.
pub trait Curve: Copy + std::fmt::Debug + Eq + 'static {
    /// Which curve this is.
    const NAME: CurveName;
    /// Its name in transcripts.
    const LABEL: &'static str;
    /// Bytes of an encoded element.
    const POINT_LEN: usize;
    /// Integers modulo the group order.
    type Scalar: PrimeField + Zeroize;
    /// Group elements.
    type Point: Group<Scalar = Self::Scalar>;
    /// An encoded element.
    type PointBytes: AsRef<[u8]>;

    /// The canonical encoding. The identity encodes to something that [`Curve::decode_point`] refuses.
    fn encode_point(point: &Self::Point) -> Self::PointBytes;
    /// Whether the bytes have the length and the lead of an encoded element. Cheap; says nothing about the rest.
    fn has_form(bytes: &[u8]) -> bool;
    /// The element with this canonical encoding, unless it is the identity or outside the prime-order group.
    fn decode_point(bytes: &[u8]) -> Option<Self::Point>;
    /// The canonical encoding, 32 bytes in the curve's usual byte order.
    fn encode_scalar(scalar: &Self::Scalar) -> [u8; 32];
    /// The scalar with this canonical encoding.
    fn decode_scalar(bytes: &[u8]) -> Option<Self::Scalar>;
    /// A uniform scalar from 64 uniform bytes; the bias is below 2⁻²⁵⁵.
    fn reduce_wide(bytes: &[u8; 64]) -> Self::Scalar;

    /// A uniform scalar.
    fn random(rng: &mut impl CryptoRngCore) -> Self::Scalar {
        let mut wide = Zeroizing::new([0u8; 64]);
        rng.fill_bytes(wide.as_mut());
        Self::reduce_wide(&wide)
    }

    /// `factor·point` for a small public factor, in time that depends on the factor.
    fn times_small(point: &Self::Point, factor: u16) -> Self::Point {
        (0..u16::BITS).rev().fold(Self::Point::identity(), |sum, bit| {
            let doubled = sum.double();
            if factor >> bit & 1 == 1 { doubled + point } else { doubled }
        })
    }
}

/// secp256k1 of SEC 2; elements are 33 bytes, SEC 1 compressed; scalars are big endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secp256k1;

impl Curve for Secp256k1 {
    const NAME: CurveName = CurveName::Secp256k1;
    const LABEL: &'static str = "secp256k1";
    const POINT_LEN: usize = 33;
    type Scalar = k256::Scalar;
    type Point = k256::ProjectivePoint;
    type PointBytes = [u8; 33];

    fn encode_point(point: &Self::Point) -> [u8; 33] {
        Self::encode_affine(&point.to_affine())
    }

    /// SEC 1 has further forms (uncompressed, hybrid, compact), which decoders of others accept.
    fn has_form(bytes: &[u8]) -> bool {
        bytes.len() == 33 && matches!(bytes.first(), Some(2 | 3))
    }

    fn decode_point(bytes: &[u8]) -> Option<Self::Point> {
        Self::decode_affine(bytes).map(Self::Point::from)
    }

    fn encode_scalar(scalar: &Self::Scalar) -> [u8; 32] {
        scalar.to_bytes().into()
    }

    fn decode_scalar(bytes: &[u8]) -> Option<Self::Scalar> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        Option::from(k256::Scalar::from_repr(bytes.into()))
    }

    fn reduce_wide(bytes: &[u8; 64]) -> Self::Scalar {
        <k256::Scalar as Reduce<U512>>::reduce(U512::from_be_slice(bytes))
    }
}

impl Secp256k1 {
    /// As [`Curve::encode_point`], for a point that is in affine form.
    #[must_use]
    pub fn encode_affine(point: &k256::AffinePoint) -> [u8; 33] {
        // The identity is one zero byte in SEC 1; 33 zero bytes are no point.
        point.to_encoded_point(true).as_bytes().try_into().unwrap_or([0; 33])
    }

    /// As [`Curve::decode_point`], into affine form.
    #[must_use]
    pub fn decode_affine(bytes: &[u8]) -> Option<k256::AffinePoint> {
        if !Self::has_form(bytes) {
            return None;
        }
        let encoded = k256::EncodedPoint::from_bytes(bytes).ok()?;
        Option::from(k256::AffinePoint::from_encoded_point(&encoded))
    }
}

/// The prime-order subgroup of edwards25519; elements and scalars are 32 bytes, little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519;

impl Curve for Ed25519 {
    const NAME: CurveName = CurveName::Ed25519;
    const LABEL: &'static str = "ed25519";
    const POINT_LEN: usize = 32;
    type Scalar = curve25519_dalek::Scalar;
    type Point = curve25519_dalek::EdwardsPoint;
    type PointBytes = [u8; 32];

    fn encode_point(point: &Self::Point) -> [u8; 32] {
        point.compress().to_bytes()
    }

    fn has_form(bytes: &[u8]) -> bool {
        bytes.len() == 32
    }

    fn decode_point(bytes: &[u8]) -> Option<Self::Point> {
        let point = CompressedEdwardsY::from_slice(bytes).ok()?.decompress()?;
        // Every encoding with y ≥ p that is on the curve has small or mixed order (eprint 2020/1244, §5), so that
        // the torsion test refuses it too; the vectors in ed25519_small_order.json show it for all of them.
        (point.is_torsion_free() && !bool::from(Group::is_identity(&point))).then_some(point)
    }

    fn encode_scalar(scalar: &Self::Scalar) -> [u8; 32] {
        scalar.to_bytes()
    }

    fn decode_scalar(bytes: &[u8]) -> Option<Self::Scalar> {
        Option::from(curve25519_dalek::Scalar::from_canonical_bytes(bytes.try_into().ok()?))
    }

    fn reduce_wide(bytes: &[u8; 64]) -> Self::Scalar {
        curve25519_dalek::Scalar::from_bytes_mod_order_wide(bytes)
    }
}

/// The point at which `party`'s share is evaluated.
#[must_use]
pub fn abscissa<C: Curve>(party: keymoot_types::Party) -> C::Scalar {
    C::Scalar::from(u64::from(party.index()))
}
