//! Keys and shares of every scheme. Which one it is follows from the scheme that the certificate names.

use std::sync::Arc;

use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::transcript::Hash;
use keymoot_protocol::{dkls23, frost};
use keymoot_types::{Epoch, KeyId, Scheme};
use zeroize::Zeroizing;

use super::known::Known;
use crate::crypto::Described;

/// A key of FROST, and what follows from it.
pub type FrostKey<S> = Arc<Known<S, frost::VerifyingKey<S>>>;

/// A key of DKLs23 or GG20, and what follows from it.
pub type EcdsaKey = Arc<Known<Secp256k1, dkls23::VerifyingKey>>;

/// The public side of a key, by what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// FROST, for BIP-340 signatures.
    Taproot(FrostKey<Secp256k1>),
    /// FROST, for Ed25519 signatures.
    Ed25519(FrostKey<Ed25519>),
    /// DKLs23 or GG20, for ECDSA signatures.
    Ecdsa(EcdsaKey),
}

/// One member's share of a key. Secret: no `Clone`, no `Debug`, wiped on drop.
pub enum Share {
    /// Of a Taproot key.
    Taproot(Arc<KeyShare<Secp256k1>>, FrostKey<Secp256k1>),
    /// Of an Ed25519 key.
    Ed25519(Arc<KeyShare<Ed25519>>, FrostKey<Ed25519>),
    /// Of an ECDSA key.
    Ecdsa(Arc<KeyShare<Secp256k1>>, EcdsaKey),
}

impl Key {
    /// `None` for a scheme on another curve.
    fn secp256k1(group: Arc<GroupKey<Secp256k1>>) -> Option<Self> {
        match group.scheme {
            Scheme::FrostTaproot => Some(Self::Taproot(Arc::new(Known::new(group)))),
            Scheme::Dkls23 | Scheme::Gg20 => Some(Self::Ecdsa(Arc::new(Known::new(group)))),
            Scheme::FrostEd25519 => None,
        }
    }

    /// `None` for a scheme on another curve.
    fn ed25519(group: Arc<GroupKey<Ed25519>>) -> Option<Self> {
        match group.scheme {
            Scheme::FrostEd25519 => Some(Self::Ed25519(Arc::new(Known::new(group)))),
            Scheme::FrostTaproot | Scheme::Dkls23 | Scheme::Gg20 => None,
        }
    }

    /// A key that the committee has certified, to the last member.
    pub(super) fn decode(bytes: &[u8], committee: &Committee) -> Option<Self> {
        // The encoding begins with the curve, so at most one of the two decodes.
        if let Some(group) = certified::<Secp256k1>(bytes, committee) {
            return Self::secp256k1(group);
        }
        certified::<Ed25519>(bytes, committee).and_then(Self::ed25519)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Taproot(key) => Wire::encode(&**key.group()).to_vec(),
            Self::Ecdsa(key) => Wire::encode(&**key.group()).to_vec(),
            Self::Ed25519(key) => Wire::encode(&**key.group()).to_vec(),
        }
    }

    /// What people and chains want to know of it.
    #[must_use]
    pub fn details(&self) -> &KeyDetails {
        match self {
            Self::Taproot(key) => key.details(),
            Self::Ecdsa(key) => key.details(),
            Self::Ed25519(key) => key.details(),
        }
    }

    pub(super) fn describe(&self) -> Described {
        let KeyDetails { id, scheme, epoch, digest, .. } = *self.details();
        Described { id, scheme, epoch, digest }
    }

    /// Its holders.
    pub(super) fn committee(&self) -> &Committee {
        match self {
            Self::Taproot(key) => &key.committee,
            Self::Ecdsa(key) => &key.committee,
            Self::Ed25519(key) => &key.committee,
        }
    }
}

/// What people and chains want to know of a certified key. All of it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDetails {
    /// Its name.
    pub id: KeyId,
    /// The scheme it serves.
    pub scheme: Scheme,
    /// Its epoch.
    pub epoch: Epoch,
    /// The public key: 33 bytes compressed on secp256k1, 32 on Ed25519. For Taproot this is the internal key.
    pub public_key: Vec<u8>,
    /// The chain code of BIP-32, for keys below this one.
    pub chain_code: [u8; 32],
    /// The digest of its public package.
    pub digest: Hash,
}

/// The details of a key that this committee has certified, to the last member; `None` for anything else.
#[must_use]
pub fn key_details(package: &[u8], committee: &Committee) -> Option<KeyDetails> {
    Key::decode(package, committee).map(|key| key.details().clone())
}

impl KeyDetails {
    pub(super) fn of<C: Curve>(group: &GroupKey<C>) -> Self {
        let public_key = C::encode_point(&group.public).as_ref().to_vec();
        let GroupKey { key: id, scheme, epoch, chain_code, .. } = *group;
        Self { id, scheme, epoch, public_key, chain_code, digest: group.digest() }
    }
}

fn certified<C: Curve>(bytes: &[u8], committee: &Committee) -> Option<Arc<GroupKey<C>>> {
    let group = GroupKey::<C>::decode(bytes).ok()?;
    group.verify(committee).is_ok().then(|| Arc::new(group))
}

impl Share {
    /// `None` for a scheme on another curve.
    pub(super) fn secp256k1(share: KeyShare<Secp256k1>) -> Option<Self> {
        let group = Arc::clone(share.group());
        Self::beside(share, &Key::secp256k1(group)?)
    }

    /// `None` for a scheme on another curve.
    pub(super) fn ed25519(share: KeyShare<Ed25519>) -> Option<Self> {
        match Key::ed25519(Arc::clone(share.group()))? {
            Key::Ed25519(key) => Some(Self::Ed25519(Arc::new(share), key)),
            Key::Taproot(_) | Key::Ecdsa(_) => None,
        }
    }

    /// A share on secp256k1 beside its key.
    fn beside(share: KeyShare<Secp256k1>, key: &Key) -> Option<Self> {
        match key {
            Key::Taproot(key) => Some(Self::Taproot(Arc::new(share), Arc::clone(key))),
            Key::Ecdsa(key) => Some(Self::Ecdsa(Arc::new(share), Arc::clone(key))),
            Key::Ed25519(_) => None,
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::Taproot(_, key) => Key::Taproot(Arc::clone(key)),
            Self::Ed25519(_, key) => Key::Ed25519(Arc::clone(key)),
            Self::Ecdsa(_, key) => Key::Ecdsa(Arc::clone(key)),
        }
    }

    pub(super) fn seal(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Taproot(share, _) | Self::Ecdsa(share, _) => share.seal(),
            Self::Ed25519(share, _) => share.seal(),
        }
    }

    /// What [`Share::seal`] wrote, beside its key.
    pub(super) fn unseal(bytes: &[u8], key: &Key) -> Option<Self> {
        match key {
            Key::Taproot(known) => {
                Self::beside(KeyShare::unseal(bytes, Arc::clone(known.group())).ok()?, key)
            }
            Key::Ecdsa(known) => Self::beside(KeyShare::unseal(bytes, Arc::clone(known.group())).ok()?, key),
            Key::Ed25519(known) => {
                let share = KeyShare::unseal(bytes, Arc::clone(known.group())).ok()?;
                Some(Self::Ed25519(Arc::new(share), Arc::clone(known)))
            }
        }
    }

    /// The digest that the key's certificate covers.
    pub(super) fn package(&self) -> Hash {
        self.key().details().digest
    }
}
