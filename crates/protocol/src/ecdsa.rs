//! ECDSA signatures over secp256k1, of which nobody can make a second one that verifies.
//!
//! Of (r, s) and (r, q−s), which ECDSA cannot tell apart, only the one with the low s exists here (BIP-62, BIP-146,
//! EIP-2), and encodings are strict. libsecp256k1 verifies and recovers, because it is what chains run.
//!
//! A digest is the 32 bytes that somebody has hashed already; as an integer it counts modulo q (SEC 1, §4.1.3). Over a
//! digest that is zero modulo q anybody can sign for any key, so what is signed must come out of a hash. Nothing here
//! is secret, and nothing here runs in constant time.

use k256::elliptic_curve::bigint::{CheckedAdd, Encoding, U256};
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::scalar::IsHigh;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use secp256k1::{Message, PublicKey};

use crate::curve::group::prime::PrimeCurveAffine;
use crate::curve::{Curve, Secp256k1};

/// q, the order of the group.
const ORDER: U256 = <k256::Secp256k1 as k256::elliptic_curve::Curve>::ORDER;
/// The bit of a recovery id that is set if y(R) is odd.
const ODD: u8 = 1;
/// The bit of a recovery id that is set if x(R) ≥ q, so that r is not x(R) but x(R) − q.
const REDUCED: u8 = 2;

/// r, the low s, and which of the points with this r the nonce point is.
///
/// Each is what [`EcdsaSignature::new`] makes of some nonce point and some s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdsaSignature {
    r: [u8; 32],
    s: [u8; 32],
    recovery: u8,
}

impl EcdsaSignature {
    /// The signature with this nonce point R and this s, or with −R and q−s if s is high.
    ///
    /// `None` if R is the identity, x(R) is zero modulo q, or s is zero.
    #[must_use]
    pub fn new(nonce: impl Into<k256::AffinePoint>, s: &k256::Scalar) -> Option<Self> {
        let nonce = nonce.into();
        let encoded = Secp256k1::encode_affine(&nonce);
        let (lead, x) = encoded.split_first()?;
        let x: [u8; 32] = x.try_into().ok()?;
        let r = <k256::Scalar as Reduce<U256>>::reduce_bytes(&x.into());
        if bool::from(nonce.is_identity()) || r == k256::Scalar::ZERO || *s == k256::Scalar::ZERO {
            return None;
        }
        let r = Secp256k1::encode_scalar(&r);
        let reduced = if r == x { 0 } else { REDUCED };
        let (s, flipped) = if bool::from(s.is_high()) { (-s, ODD) } else { (*s, 0) };
        let recovery = reduced | (lead & ODD) ^ flipped;
        Some(Self { r, s: Secp256k1::encode_scalar(&s), recovery })
    }

    /// x(R) modulo q, 32 bytes, big endian.
    #[must_use]
    pub const fn r(&self) -> &[u8; 32] {
        &self.r
    }

    /// s, at most (q−1)/2, 32 bytes, big endian.
    #[must_use]
    pub const fn s(&self) -> &[u8; 32] {
        &self.s
    }

    /// Which point R is, 0 to 3: bit 0 is set if y(R) is odd, bit 1 if x(R) ≥ q. R is the one that belongs to the low s.
    #[must_use]
    pub const fn recovery_id(&self) -> u8 {
        self.recovery
    }

    /// r ‖ s.
    #[must_use]
    pub fn to_compact(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (r, s) = bytes.split_at_mut(32);
        r.copy_from_slice(&self.r);
        s.copy_from_slice(&self.s);
        bytes
    }

    /// r ‖ s ‖ recovery id, the id as it is and without any chain's offset.
    #[must_use]
    pub fn to_recoverable(&self) -> [u8; 65] {
        let mut bytes = [self.recovery; 65];
        let (compact, _) = bytes.split_at_mut(64);
        compact.copy_from_slice(&self.to_compact());
        bytes
    }

    /// The strict DER encoding, as BIP-66 wants it; 8 to 71 bytes.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        // r and s are below q, and libsecp256k1 takes every such pair; nobody takes the empty encoding.
        Signature::from_compact(&self.to_compact())
            .map_or_else(|_| Vec::new(), |signature| signature.serialize_der().to_vec())
    }

    /// The signature with exactly this [`EcdsaSignature::to_recoverable`] form.
    ///
    /// `None` for another length, r or s zero or not below q, a high s, an id above 3, and where no point R has this r
    /// and this id.
    #[must_use]
    pub fn from_recoverable(bytes: &[u8]) -> Option<Self> {
        let (r, rest) = bytes.split_first_chunk::<32>()?;
        let (s, rest) = rest.split_first_chunk::<32>()?;
        let &[recovery] = rest else {
            return None;
        };
        let signature = Self::new(nonce_point(r, recovery)?, &Secp256k1::decode_scalar(s)?)?;
        // By now a high s is low, an r that was not below q is, and an id above 3 has lost its upper bits.
        (signature.to_recoverable() == bytes).then_some(signature)
    }

    /// Whether this is a signature over `digest` under `public`.
    ///
    /// As in ECDSA itself, r and s decide, not the recovery id. Who hands the id on asks whether
    /// [`EcdsaSignature::recover`] gives `public`; that implies this.
    #[must_use]
    pub fn verifies(&self, public: &k256::ProjectivePoint, digest: &[u8; 32]) -> bool {
        verify_compact(public, digest, &self.to_compact())
    }

    /// The one key under which this verifies over `digest` with this very R.
    ///
    /// `None` if it would be the identity.
    #[must_use]
    pub fn recover(&self, digest: &[u8; 32]) -> Option<k256::ProjectivePoint> {
        let id = RecoveryId::try_from(i32::from(self.recovery)).ok()?;
        let signature = RecoverableSignature::from_compact(&self.to_compact(), id).ok()?;
        let public = signature.recover(Message::from_digest(*digest)).ok()?;
        Secp256k1::decode_point(&public.serialize())
    }
}

/// Whether a DER-encoded signature by anybody verifies. Only strict DER and only a low s do.
#[must_use]
pub fn verify_der(public: &k256::ProjectivePoint, digest: &[u8; 32], der: &[u8]) -> bool {
    Signature::from_der(der).is_ok_and(|signature| verify(public, digest, &signature))
}

/// Whether a signature r ‖ s by anybody verifies. Only r and s below q and only a low s do.
#[must_use]
pub fn verify_compact(public: &k256::ProjectivePoint, digest: &[u8; 32], compact: &[u8; 64]) -> bool {
    Signature::from_compact(compact).is_ok_and(|signature| verify(public, digest, &signature))
}

/// libsecp256k1 itself refuses a high s, and the identity is no key to it.
fn verify(public: &k256::ProjectivePoint, digest: &[u8; 32], signature: &Signature) -> bool {
    let encoded = public.to_affine().to_encoded_point(false);
    let public = encoded.as_bytes().as_array().map(|bytes| PublicKey::from_byte_array_uncompressed(*bytes));
    matches!(public, Some(Ok(public)) if signature.verify(Message::from_digest(*digest), &public).is_ok())
}

/// The point R that r and the two bits of a recovery id speak of.
fn nonce_point(r: &[u8; 32], recovery: u8) -> Option<k256::AffinePoint> {
    let r = U256::from_be_slice(r);
    let offset = if recovery & REDUCED == 0 { U256::ZERO } else { ORDER };
    // x ≥ p, and what does not fit 256 bits, is nobody's x.
    let x: U256 = Option::from(r.checked_add(&offset))?;
    let mut encoded = [2 | recovery & ODD; 33];
    let (_, field) = encoded.split_at_mut(1);
    field.copy_from_slice(&x.to_be_bytes());
    Secp256k1::decode_affine(&encoded)
}
