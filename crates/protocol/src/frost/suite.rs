//! The two FROST suites, as far as they differ.

use frost_core::Ciphersuite;
use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_secp256k1_tr::keys::Tweak;
use keymoot_types::Scheme;

use crate::curve::{Curve, Ed25519, Secp256k1};

/// A curve with a FROST ciphersuite on it.
pub trait Suite: Curve {
    /// The scheme that keys of this suite serve.
    const SCHEME: Scheme;
    /// The ciphersuite of the ZcashFoundation crates.
    type Zf: Ciphersuite;

    /// Whether these bytes may be signed as they are.
    fn accepts(message: &[u8]) -> bool;

    /// Whether this is a signature of the message under the output key, as those who rely on it check.
    fn is_signature(output_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;

    /// The share that signs under the output key, from the share of the key itself.
    fn to_output_share(package: KeyPackage<Self::Zf>, merkle_root: Option<&[u8; 32]>)
    -> KeyPackage<Self::Zf>;

    /// The output key and its public shares, from those of the key itself.
    fn to_output_key(
        package: PublicKeyPackage<Self::Zf>,
        merkle_root: Option<&[u8; 32]>,
    ) -> PublicKeyPackage<Self::Zf>;
}

impl Suite for Ed25519 {
    const SCHEME: Scheme = Scheme::FrostEd25519;
    type Zf = frost_ed25519::Ed25519Sha512;

    fn accepts(_: &[u8]) -> bool {
        true
    }

    /// RFC 8032, strictly: no key of small order, no malleable signature.
    fn is_signature(output_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        ed25519_dalek::VerifyingKey::from_bytes(output_key)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    fn to_output_share(package: KeyPackage<Self::Zf>, _: Option<&[u8; 32]>) -> KeyPackage<Self::Zf> {
        package
    }

    fn to_output_key(
        package: PublicKeyPackage<Self::Zf>,
        _: Option<&[u8; 32]>,
    ) -> PublicKeyPackage<Self::Zf> {
        package
    }
}

impl Suite for Secp256k1 {
    const SCHEME: Scheme = Scheme::FrostTaproot;
    type Zf = frost_secp256k1_tr::Secp256K1Sha256TR;

    /// BIP-341 signs 32-byte digests and nothing else.
    fn accepts(message: &[u8]) -> bool {
        message.len() == 32
    }

    /// BIP-340, by the code that verifies on the chain.
    fn is_signature(output_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = secp256k1::schnorr::Signature::from_byte_array(*signature);
        secp256k1::XOnlyPublicKey::from_byte_array(*output_key).is_ok_and(|key| {
            Self::accepts(message) && secp256k1::SECP256K1.verify_schnorr(&signature, message, &key).is_ok()
        })
    }

    fn to_output_share(
        package: KeyPackage<Self::Zf>,
        merkle_root: Option<&[u8; 32]>,
    ) -> KeyPackage<Self::Zf> {
        package.tweak(merkle_root)
    }

    fn to_output_key(
        package: PublicKeyPackage<Self::Zf>,
        merkle_root: Option<&[u8; 32]>,
    ) -> PublicKeyPackage<Self::Zf> {
        package.tweak(merkle_root)
    }
}
