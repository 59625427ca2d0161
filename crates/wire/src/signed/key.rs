//! A client's private key for signing requests.

use keymoot_types::signed::Algorithm;
use p256::ecdsa::signature::Signer as _;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::cluster::{ClientKey, Hex, client_id};
use crate::p256_key;

/// A client's private key. On the heap, so that moving it leaves no copy behind; wiped when dropped. Like every secret
/// it has no `Clone` and no `Debug`.
pub struct SigningKey(Box<Kind>);

enum Kind {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// The bytes are no private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Zero, or not below the order of the group.
    #[error("the number is not a private key on P-256")]
    Scalar,
    /// Not PKCS #8 in PEM, encrypted, or of another curve.
    #[error("the text is not an unencrypted PKCS #8 key on P-256 in PEM")]
    Pem,
}

impl SigningKey {
    /// The Ed25519 key of this seed.
    #[must_use]
    pub fn ed25519(seed: &[u8; 32]) -> Self {
        Self(Box::new(Kind::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed))))
    }

    /// The P-256 key that is this number, big-endian.
    ///
    /// # Errors
    /// The number is zero or too large.
    pub fn p256(scalar: &[u8; 32]) -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar).map_err(|_| KeyError::Scalar)?;
        Ok(Self(Box::new(Kind::P256(key))))
    }

    /// The P-256 key in this text: unencrypted PKCS #8 in PEM.
    ///
    /// # Errors
    /// It is something else.
    pub fn p256_pem(pem: &str) -> Result<Self, KeyError> {
        let der = p256_key::der_of_pem(pem).ok_or(KeyError::Pem)?;
        let key = p256_key::of_der(&der).ok_or(KeyError::Pem)?;
        Ok(Self(Box::new(Kind::P256(key.into()))))
    }

    /// A new key.
    #[must_use]
    pub fn generate(algorithm: Algorithm, rng: &mut impl CryptoRngCore) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        loop {
            rng.fill_bytes(seed.as_mut());
            match algorithm {
                Algorithm::Ed25519 => return Self::ed25519(&seed),
                // One number in 2³² is too large.
                Algorithm::EcdsaP256Sha256 => {
                    if let Ok(key) = Self::p256(&seed) {
                        return key;
                    }
                }
            }
        }
    }

    /// The secret itself, to be stored: the seed or the number that it is made from.
    #[must_use]
    pub fn to_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(match &*self.0 {
            Kind::Ed25519(key) => key.to_bytes(),
            Kind::P256(key) => key.to_bytes().into(),
        })
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match &*self.0 {
            Kind::Ed25519(_) => Algorithm::Ed25519,
            Kind::P256(_) => Algorithm::EcdsaP256Sha256,
        }
    }

    /// The public key, as the cluster document lists it.
    #[must_use]
    pub fn public(&self) -> ClientKey {
        match &*self.0 {
            Kind::Ed25519(key) => ClientKey::Ed25519 { public: Hex(key.verifying_key().to_bytes()) },
            Kind::P256(key) => {
                let mut public = [0; 33];
                public.copy_from_slice(key.verifying_key().to_encoded_point(true).as_bytes());
                ClientKey::P256 { public: Hex(public) }
            }
        }
    }

    /// What names the client to nodes.
    #[must_use]
    pub fn client_id(&self) -> [u8; 32] {
        client_id(&self.public())
    }

    pub(super) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        match &*self.0 {
            Kind::Ed25519(key) => key.sign(message).to_bytes(),
            Kind::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().into()
            }
        }
    }
}
