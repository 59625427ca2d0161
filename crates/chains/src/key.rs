//! What a node knows of the key that is to sign: everything public, nothing from a request but the path.

use bitcoin::NetworkKind;
use bitcoin::bip32::{ChainCode, ChildNumber, Fingerprint, Xpub};
use bitcoin::secp256k1::{PublicKey, Secp256k1, VerifyOnly};
use keymoot_types::{CurveName, Network, Path, Scheme};

/// A key of a committee, and below which path it may sign here.
///
/// Addresses and descriptors take the key for the root of a tree of its own, depth 0: hardened steps do not exist below
/// it, and its fingerprint is that of the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    scheme: Scheme,
    public: Public,
    path: Path,
    network: Network,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Secp256k1(Box<Xpub>),
    Ed25519([u8; 32]),
}

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a point of the scheme's curve in its usual encoding: 33 bytes for secp256k1, 32 for Ed25519.
    #[error("the bytes are no public key of this scheme")]
    Point,
    /// Ed25519 has no public derivation.
    #[error("a key of this scheme has no paths below it")]
    NoPaths,
    /// BIP-32 says that this index has no child, or the path is too long.
    #[error("there is no key at this path")]
    NoChild,
}

/// The most steps of a path below a key. Everything in use has two to five.
pub(crate) const STEPS_MAX: usize = 8;

impl Key {
    /// A key as its committee certified it: encoded public key and chain code. It signs at its root, on mainnet.
    ///
    /// # Errors
    /// [`KeyError::Point`].
    pub fn new(scheme: Scheme, public: &[u8], chain_code: [u8; 32]) -> Result<Self, KeyError> {
        let public = match scheme.curve() {
            CurveName::Secp256k1 => {
                let compressed: &[u8; 33] = public.try_into().map_err(|_| KeyError::Point)?;
                let point = PublicKey::from_slice(compressed).map_err(|_| KeyError::Point)?;
                Public::Secp256k1(Box::new(Xpub {
                    network: NetworkKind::Main,
                    depth: 0,
                    parent_fingerprint: Fingerprint::default(),
                    child_number: ChildNumber::Normal { index: 0 },
                    public_key: point,
                    chain_code: ChainCode::from(chain_code),
                }))
            }
            CurveName::Ed25519 => {
                let bytes: [u8; 32] = public.try_into().map_err(|_| KeyError::Point)?;
                let point = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Point)?;
                if point.is_weak() {
                    return Err(KeyError::Point);
                }
                Public::Ed25519(bytes)
            }
        };
        Ok(Self { scheme, public, path: Path::root(), network: Network::default() })
    }

    /// The same key, to sign at this path. A Bitcoin transaction is signed at paths below it.
    ///
    /// # Errors
    /// No key there.
    pub fn at(self, path: Path) -> Result<Self, KeyError> {
        match &self.public {
            Public::Ed25519(_) if path.steps().is_empty() => {}
            Public::Ed25519(_) => return Err(KeyError::NoPaths),
            Public::Secp256k1(root) => {
                descend(root, path.steps())?;
            }
        }
        Ok(Self { path, ..self })
    }

    /// The same key, for this network.
    #[must_use]
    pub fn on(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// The scheme it signs with.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The path that a request names.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// The Bitcoin network of its addresses.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// The key as BIP-32's extended public key of depth 0. `None` for Ed25519.
    #[must_use]
    pub fn xpub(&self) -> Option<Xpub> {
        match &self.public {
            Public::Secp256k1(root) => Some(Xpub { network: self.network_kind(), ..**root }),
            Public::Ed25519(_) => None,
        }
    }

    /// What extended public keys of its network are marked with: all test networks with the same.
    pub(crate) const fn network_kind(&self) -> NetworkKind {
        match self.network {
            Network::Mainnet => NetworkKind::Main,
            Network::Testnet | Network::Signet | Network::Regtest => NetworkKind::Test,
        }
    }

    /// The public key at the path: 33 bytes compressed on secp256k1, 32 on Ed25519.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        match &self.public {
            // A path that is here was walked when it was set.
            Public::Secp256k1(_) => self.point().map(|point| point.serialize().to_vec()).unwrap_or_default(),
            Public::Ed25519(bytes) => bytes.to_vec(),
        }
    }

    /// The point at the request's path; `None` for Ed25519.
    pub(crate) fn point(&self) -> Option<PublicKey> {
        self.point_at(self.path.steps())
    }

    /// The point at a path from the root; `None` for Ed25519, and where there is none.
    pub(crate) fn point_at(&self, steps: &[u32]) -> Option<PublicKey> {
        match &self.public {
            Public::Secp256k1(root) => descend(root, steps).ok(),
            Public::Ed25519(_) => None,
        }
    }

    /// The Ed25519 key; `None` on another curve.
    pub(crate) const fn edwards(&self) -> Option<&[u8; 32]> {
        match &self.public {
            Public::Ed25519(bytes) => Some(bytes),
            Public::Secp256k1(_) => None,
        }
    }
}

fn descend(root: &Xpub, steps: &[u32]) -> Result<PublicKey, KeyError> {
    if steps.len() > STEPS_MAX {
        return Err(KeyError::NoChild);
    }
    let path = steps
        .iter()
        .map(|step| ChildNumber::from_normal_idx(*step).map_err(|_| KeyError::NoChild))
        .collect::<Result<Vec<_>, _>>()?;
    let child = root.derive_pub(&verifier(), &path).map_err(|_| KeyError::NoChild)?;
    Ok(child.public_key)
}

/// libsecp256k1 without any secret to protect: no blinding, no randomness.
pub(crate) fn verifier() -> Secp256k1<VerifyOnly> {
    Secp256k1::verification_only()
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyError};
    use keymoot_types::Scheme;

    // SEC 2, the generator.
    const G: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    #[test]
    fn a_key_is_a_point_of_its_schemes_curve() {
        let point = hex::decode(G).unwrap();
        assert!(Key::new(Scheme::Dkls23, &point, [0; 32]).is_ok());
        let refused = |scheme, bytes: &[u8]| Key::new(scheme, bytes, [0; 32]).unwrap_err();
        assert_eq!(refused(Scheme::Dkls23, &point[1..]), KeyError::Point);
        assert_eq!(refused(Scheme::FrostTaproot, &[2; 32]), KeyError::Point);
        assert_eq!(refused(Scheme::FrostEd25519, &point), KeyError::Point);
        assert_eq!(refused(Scheme::Dkls23, &[5; 33]), KeyError::Point);
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(refused(Scheme::FrostEd25519, &identity), KeyError::Point, "a point of small order");
    }

    #[test]
    fn paths_exist_below_secp256k1_keys_and_end_after_eight_steps() {
        let key = Key::new(Scheme::Dkls23, &hex::decode(G).unwrap(), [0; 32]).unwrap();
        assert!(key.clone().at("m/0/7".parse().unwrap()).is_ok());
        assert_eq!(key.at("m/0/0/0/0/0/0/0/0/0".parse().unwrap()).unwrap_err(), KeyError::NoChild);
        // RFC 8032, test 1.
        let public = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let key = Key::new(Scheme::FrostEd25519, &public, [0; 32]).unwrap();
        assert_eq!(key.at("m/0".parse().unwrap()).unwrap_err(), KeyError::NoPaths);
    }
}
