//! A key in one piece, to sign what an inspection asks for. BIP-32 and BIP-341 are done here again, on k256.

use hmac::{Hmac, Mac};
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use k256::{ProjectivePoint, Scalar, U256};
use keymoot_chains::{Algorithm, Key, Payload, Signature, Signing, assemble, inspect};
use keymoot_types::{CurveName, Path, Scheme};
use sha2::{Digest, Sha256, Sha512};

/// A private key with its chain code.
pub struct Local {
    pub scheme: Scheme,
    pub secret: [u8; 32],
    pub chain_code: [u8; 32],
}

impl Local {
    pub fn new(scheme: Scheme, secret: [u8; 32]) -> Self {
        Self { scheme, secret, chain_code: [0x5c; 32] }
    }

    /// What nodes know of it.
    pub fn key(&self) -> Key {
        Key::new(self.scheme, &self.public(), self.chain_code).unwrap()
    }

    pub fn public(&self) -> Vec<u8> {
        match self.scheme.curve() {
            CurveName::Secp256k1 => compressed(&scalar(&self.secret)).to_vec(),
            CurveName::Ed25519 => {
                ed25519_dalek::SigningKey::from_bytes(&self.secret).verifying_key().to_bytes().to_vec()
            }
        }
    }

    /// The private key at a path.
    pub fn child(&self, path: &Path) -> Scalar {
        let mut chain_code = self.chain_code;
        path.steps().iter().fold(scalar(&self.secret), |parent, step| {
            let mut mac = Hmac::<Sha512>::new_from_slice(&chain_code).unwrap();
            mac.update(&compressed(&parent));
            mac.update(&step.to_be_bytes());
            let out = mac.finalize().into_bytes();
            chain_code.copy_from_slice(&out[32..]);
            parent + scalar(out[..32].try_into().unwrap())
        })
    }

    pub fn sign(&self, signing: &Signing) -> Signature {
        let message = signing.message();
        Signature(match signing.algorithm {
            Algorithm::Ecdsa => {
                use k256::ecdsa::signature::hazmat::PrehashSigner;
                let secret =
                    k256::ecdsa::SigningKey::from_bytes(&self.child(&signing.path).to_bytes()).unwrap();
                let signature: k256::ecdsa::Signature = secret.sign_prehash(&message).unwrap();
                signature.normalize_s().unwrap_or(signature).to_bytes().into()
            }
            Algorithm::TaprootKeyPath => {
                let secret = even(self.child(&signing.path));
                let internal = compressed(&secret);
                let tweak = tagged("TapTweak", &internal[1..]);
                assert_eq!(signing.tweak, Some(tweak));
                let secret =
                    k256::schnorr::SigningKey::from_bytes(&(secret + scalar(&tweak)).to_bytes()).unwrap();
                secret.sign_raw(&message, &[7; 32]).unwrap().to_bytes()
            }
            Algorithm::Ed25519 => {
                use ed25519_dalek::Signer;
                ed25519_dalek::SigningKey::from_bytes(&self.secret).sign(&message).to_bytes()
            }
        })
    }

    /// Inspect, sign all of it, assemble.
    pub fn round(&self, payload: &Payload, key: &Key) -> Vec<u8> {
        let inspection = inspect(payload, key).unwrap();
        let signatures: Vec<_> = inspection.signings.iter().map(|signing| self.sign(signing)).collect();
        assemble(payload, key, &signatures).unwrap()
    }
}

fn scalar(bytes: &[u8; 32]) -> Scalar {
    <Scalar as Reduce<U256>>::reduce_bytes(bytes.into())
}

pub fn compressed(secret: &Scalar) -> [u8; 33] {
    (ProjectivePoint::GENERATOR * secret).to_encoded_point(true).as_bytes().try_into().unwrap()
}

fn even(secret: Scalar) -> Scalar {
    if compressed(&secret)[0] == 2 { secret } else { -secret }
}

pub fn tagged(tag: &str, message: &[u8]) -> [u8; 32] {
    let tag = Sha256::digest(tag);
    Sha256::new().chain_update(tag).chain_update(tag).chain_update(message).finalize().into()
}
