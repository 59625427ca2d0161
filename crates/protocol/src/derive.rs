//! Public derivation below a key: BIP-32 non-hardened children, and the key under which signatures verify.
//!
//! Every node computes tweaks itself from the certified chain code. Hardened steps are refused where a path is
//! made ([`keymoot_types::Path`]): they hash the private key, which no place holds.

use keymoot_types::key::HARDENED;
use keymoot_types::{CurveName, Path, Scheme};

use crate::curve::{Curve, Secp256k1, ff::Field, group::Group};
use crate::key::GroupKey;
use crate::transcript::bitcoin;

/// Version bytes of a main-network extended public key.
const XPUB: [u8; 4] = [0x04, 0x88, 0xb2, 0x1e];

/// A point with its chain code: BIP-32's extended public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedPublic {
    depth: u8,
    parent: [u8; 4],
    index: u32,
    chain_code: [u8; 32],
    point: k256::ProjectivePoint,
}

/// Why there is no such child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// BIP-32 is defined for secp256k1.
    #[error(
        "derivation paths exist for secp256k1 keys only; for Ed25519 every derivation is hardened, so create a separate key"
    )]
    WrongCurve,
    /// Hardened derivation hashes the private key itself.
    #[error("hardened derivation needs the private key itself, which no place holds")]
    Hardened,
    /// BIP-32 calls such an index invalid; it is as likely as guessing a key.
    #[error("this index has no child key; use the next one")]
    NoChild,
    /// BIP-32 counts the depth in one byte.
    #[error("the path is deeper than 255 steps")]
    TooDeep,
}

impl ExtendedPublic {
    /// The top of a key's own tree.
    #[must_use]
    pub const fn root(point: k256::ProjectivePoint, chain_code: [u8; 32]) -> Self {
        Self { depth: 0, parent: [0; 4], index: 0, chain_code, point }
    }

    /// The public key.
    #[must_use]
    pub const fn point(&self) -> &k256::ProjectivePoint {
        &self.point
    }

    /// The non-hardened child, and the tweak that leads to it.
    ///
    /// # Errors
    /// A hardened index, a tweak that is not below the group order, a child that would be the identity, or the depth is used up.
    pub fn child(&self, index: u32) -> Result<(Self, k256::Scalar), DeriveError> {
        if index >= HARDENED {
            return Err(DeriveError::Hardened);
        }
        let parent = Secp256k1::encode_point(&self.point);
        let (tweak, chain_code) = bitcoin::bip32_child(&self.chain_code, &parent, index);
        self.tweaked(index, &tweak, chain_code)
    }

    /// The child that this output of the derivation hash leads to.
    fn tweaked(
        &self,
        index: u32,
        tweak: &[u8; 32],
        chain_code: [u8; 32],
    ) -> Result<(Self, k256::Scalar), DeriveError> {
        let tweak = Secp256k1::decode_scalar(tweak).ok_or(DeriveError::NoChild)?;
        let point = self.point + k256::ProjectivePoint::GENERATOR * tweak;
        if bool::from(point.is_identity()) {
            return Err(DeriveError::NoChild);
        }
        let depth = self.depth.checked_add(1).ok_or(DeriveError::TooDeep)?;
        let parent = bitcoin::fingerprint(&Secp256k1::encode_point(&self.point));
        Ok((Self { depth, parent, index, chain_code, point }, tweak))
    }

    /// The descendant at `path`, and the sum of the tweaks that lead to it.
    ///
    /// # Errors
    /// As [`ExtendedPublic::child`].
    pub fn descend(self, path: &Path) -> Result<(Self, k256::Scalar), DeriveError> {
        path.steps().iter().try_fold((self, k256::Scalar::ZERO), |(parent, sum), index| {
            let (child, tweak) = parent.child(*index)?;
            Ok((child, sum + tweak))
        })
    }

    /// The usual text form, `xpub…`.
    #[must_use]
    pub fn to_xpub(&self) -> String {
        let mut bytes = Vec::with_capacity(78);
        bytes.extend_from_slice(&XPUB);
        bytes.push(self.depth);
        bytes.extend_from_slice(&self.parent);
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.chain_code);
        bytes.extend_from_slice(&Secp256k1::encode_point(&self.point));
        bs58::encode(bytes).with_check().into_string()
    }

    /// Reads the usual text form.
    ///
    /// `None` unless it is the canonical form of a main-network extended public key.
    #[must_use]
    pub fn from_xpub(text: &str) -> Option<Self> {
        let bytes = bs58::decode(text).with_check(None).into_vec().ok()?;
        let bytes: &[u8; 78] = bytes.as_slice().try_into().ok()?;
        let (version, rest) = bytes.split_first_chunk::<4>()?;
        let (depth, rest) = rest.split_first()?;
        let (parent, rest) = rest.split_first_chunk::<4>()?;
        let (index, rest) = rest.split_first_chunk::<4>()?;
        let (chain_code, point) = rest.split_first_chunk::<32>()?;
        let index = u32::from_be_bytes(*index);
        let point = Secp256k1::decode_point(point)?;
        let sound = *depth != 0 || (*parent == [0; 4] && index == 0);
        (*version == XPUB && sound).then_some(Self {
            depth: *depth,
            parent: *parent,
            index,
            chain_code: *chain_code,
            point,
        })
    }
}

/// The extended public key of a secp256k1 key.
///
/// # Errors
/// The key is on another curve.
pub fn extended<C: Curve>(key: &GroupKey<C>) -> Result<ExtendedPublic, DeriveError> {
    if C::NAME != CurveName::Secp256k1 {
        return Err(DeriveError::WrongCurve);
    }
    let point = Secp256k1::decode_point(C::encode_point(&key.public).as_ref()).ok_or(DeriveError::NoChild)?;
    Ok(ExtendedPublic::root(point, key.chain_code))
}

/// The tweak from a key to its descendant at `path`; zero for the key itself.
///
/// # Errors
/// A path below a key that has no children, or as [`ExtendedPublic::child`].
pub fn path_tweak<C: Curve>(key: &GroupKey<C>, path: &Path) -> Result<C::Scalar, DeriveError> {
    if path.steps().is_empty() {
        return Ok(C::Scalar::ZERO);
    }
    let (_, tweak) = extended(key)?.descend(path)?;
    C::decode_scalar(&Secp256k1::encode_scalar(&tweak)).ok_or(DeriveError::NoChild)
}

/// The key under which signatures verify, 32 bytes.
///
/// For Taproot it is BIP-341's output key: x-only, and without a script tree it commits to the unspendable empty
/// one, so that no member can have hidden a script. ECDSA verifies under the public key itself, of which this is the x
/// coordinate. `None` for the identity, and where BIP-341 has no such key.
#[must_use]
pub fn output_key<C: Curve>(
    scheme: Scheme,
    public: &C::Point,
    merkle_root: Option<&[u8; 32]>,
) -> Option<[u8; 32]> {
    let encoded = C::encode_point(public);
    match scheme {
        Scheme::FrostEd25519 => encoded.as_ref().try_into().ok(),
        Scheme::FrostTaproot => taproot_output(encoded.as_ref(), merkle_root),
        // ECDSA verifies under the whole point; this is its x coordinate.
        Scheme::Dkls23 | Scheme::Gg20 => encoded.as_ref().split_first()?.1.try_into().ok(),
    }
}

fn taproot_output(internal: &[u8], merkle_root: Option<&[u8; 32]>) -> Option<[u8; 32]> {
    let (_, x) = internal.split_first()?;
    let mut even = [2u8; 33];
    even.get_mut(1..)?.copy_from_slice(x);
    let root = merkle_root.map(<[u8; 32]>::as_slice).unwrap_or_default();
    let tweak = Secp256k1::decode_scalar(&bitcoin::tagged("TapTweak", &[x, root]))?;
    let output = Secp256k1::decode_point(&even)? + k256::ProjectivePoint::GENERATOR * tweak;
    let output = Secp256k1::encode_point(&output);
    Secp256k1::decode_point(&output)?;
    output.split_first()?.1.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{DeriveError, ExtendedPublic};
    use crate::curve::{Curve, Secp256k1};

    // The hash behind a child cannot be steered, so its edge cases enter behind it.
    #[test]
    fn p07_a_tweak_at_or_above_the_order_has_no_child() {
        let root = ExtendedPublic::root(k256::ProjectivePoint::GENERATOR, [7; 32]);
        let mut order = Secp256k1::encode_scalar(&(-k256::Scalar::ONE));
        assert!(root.tweaked(0, &order, [0; 32]).is_err(), "q−1 leads from G to the identity");
        order[31] += 1;
        assert_eq!(root.tweaked(0, &order, [0; 32]).unwrap_err(), DeriveError::NoChild);
        assert_eq!(root.tweaked(0, &[0xff; 32], [0; 32]).unwrap_err(), DeriveError::NoChild);
        assert!(root.tweaked(0, &[1; 32], [0; 32]).is_ok());
    }

    #[test]
    fn p07_depth_ends_at_255() {
        let mut deep = ExtendedPublic::root(k256::ProjectivePoint::GENERATOR, [7; 32]);
        deep.depth = 254;
        let (last, _) = deep.child(0).unwrap();
        assert_eq!(last.child(0).unwrap_err(), DeriveError::TooDeep);
    }
}
