//! Keys and shares of every scheme. Which one it is follows from the scheme that the certificate names.

use std::sync::Arc;

use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::curve::{Curve, Ed25519, Secp256k1};
use keymoot_protocol::key::{GroupKey, KeyShare};
use keymoot_protocol::transcript::Hash;
use keymoot_types::Scheme;
use zeroize::Zeroizing;

use crate::crypto::Described;

/// The public side of a key, by what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// FROST, for BIP-340 signatures.
    Taproot(Arc<GroupKey<Secp256k1>>),
    /// FROST, for Ed25519 signatures.
    Ed25519(Arc<GroupKey<Ed25519>>),
    /// DKLs23, for ECDSA signatures.
    Ecdsa(Arc<GroupKey<Secp256k1>>),
}

/// One member's share of a key. Secret: no `Clone`, no `Debug`, wiped on drop.
pub enum Share {
    /// Of a Taproot key.
    Taproot(Arc<KeyShare<Secp256k1>>),
    /// Of an Ed25519 key.
    Ed25519(Arc<KeyShare<Ed25519>>),
    /// Of an ECDSA key.
    Ecdsa(Arc<KeyShare<Secp256k1>>),
}

impl Key {
    /// `None` for a scheme on another curve.
    fn secp256k1(group: Arc<GroupKey<Secp256k1>>) -> Option<Self> {
        match group.scheme {
            Scheme::FrostTaproot => Some(Self::Taproot(group)),
            Scheme::Dkls23 => Some(Self::Ecdsa(group)),
            Scheme::FrostEd25519 => None,
        }
    }

    /// `None` for a scheme on another curve.
    fn ed25519(group: Arc<GroupKey<Ed25519>>) -> Option<Self> {
        match group.scheme {
            Scheme::FrostEd25519 => Some(Self::Ed25519(group)),
            Scheme::FrostTaproot | Scheme::Dkls23 => None,
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
            Self::Taproot(group) | Self::Ecdsa(group) => Wire::encode(&**group).to_vec(),
            Self::Ed25519(group) => Wire::encode(&**group).to_vec(),
        }
    }

    pub(super) fn describe(&self) -> Described {
        match self {
            Self::Taproot(group) | Self::Ecdsa(group) => describe(group),
            Self::Ed25519(group) => describe(group),
        }
    }

    /// Its holders.
    pub(super) fn committee(&self) -> &Committee {
        match self {
            Self::Taproot(group) | Self::Ecdsa(group) => &group.committee,
            Self::Ed25519(group) => &group.committee,
        }
    }
}

fn certified<C: Curve>(bytes: &[u8], committee: &Committee) -> Option<Arc<GroupKey<C>>> {
    let group = GroupKey::<C>::decode(bytes).ok()?;
    group.verify(committee).is_ok().then(|| Arc::new(group))
}

fn describe<C: Curve>(group: &GroupKey<C>) -> Described {
    Described { id: group.key, scheme: group.scheme, epoch: group.epoch, digest: group.digest() }
}

impl Share {
    /// `None` for a scheme on another curve.
    pub(super) fn secp256k1(share: KeyShare<Secp256k1>) -> Option<Self> {
        match share.group().scheme {
            Scheme::FrostTaproot => Some(Self::Taproot(Arc::new(share))),
            Scheme::Dkls23 => Some(Self::Ecdsa(Arc::new(share))),
            Scheme::FrostEd25519 => None,
        }
    }

    /// `None` for a scheme on another curve.
    pub(super) fn ed25519(share: KeyShare<Ed25519>) -> Option<Self> {
        match share.group().scheme {
            Scheme::FrostEd25519 => Some(Self::Ed25519(Arc::new(share))),
            Scheme::FrostTaproot | Scheme::Dkls23 => None,
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::Taproot(share) => Key::Taproot(Arc::clone(share.group())),
            Self::Ed25519(share) => Key::Ed25519(Arc::clone(share.group())),
            Self::Ecdsa(share) => Key::Ecdsa(Arc::clone(share.group())),
        }
    }

    pub(super) fn seal(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Taproot(share) | Self::Ecdsa(share) => share.seal(),
            Self::Ed25519(share) => share.seal(),
        }
    }

    /// What [`Share::seal`] wrote, beside its key.
    pub(super) fn unseal(bytes: &[u8], key: &Key) -> Option<Self> {
        match key {
            Key::Taproot(group) | Key::Ecdsa(group) => {
                KeyShare::unseal(bytes, Arc::clone(group)).ok().and_then(Self::secp256k1)
            }
            Key::Ed25519(group) => KeyShare::unseal(bytes, Arc::clone(group)).ok().and_then(Self::ed25519),
        }
    }

    /// The digest that the key's certificate covers.
    pub(super) fn package(&self) -> Hash {
        match self {
            Self::Taproot(share) | Self::Ecdsa(share) => share.group().digest(),
            Self::Ed25519(share) => share.group().digest(),
        }
    }
}
