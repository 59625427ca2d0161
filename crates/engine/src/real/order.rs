//! What a payload means to each scheme, and orders in the words of each.

use std::sync::Arc;

use keymoot_protocol::curve::{Curve, Secp256k1};
use keymoot_protocol::dkls23::{self, Payload};
use keymoot_protocol::frost::{self, Suite};
use keymoot_protocol::gg20;
use keymoot_protocol::transcript::Hash;
use keymoot_types::Path;

use super::holding::{EcdsaKey, FrostKey};
use super::{Key, Public, Real, words};
use crate::crypto::{Order, Unfit};

/// What the scheme signs: Taproot and ECDSA the payload's digest, Ed25519 its bytes, since RFC 8032 hashes by itself.
pub(super) fn message(key: &Key, payload: &Payload) -> Vec<u8> {
    match key {
        Key::Taproot(_) | Key::Ecdsa(_) => payload.digest().as_bytes().to_vec(),
        Key::Ed25519(_) => payload.as_bytes().to_vec(),
    }
}

pub(super) fn intent(order: &Order<Real>) -> Result<Hash, Unfit> {
    match &order.key {
        Key::Taproot(group) => frost_order(group, order).map(|order| order.intent()),
        Key::Ed25519(group) => frost_order(group, order).map(|order| order.intent()),
        Key::Ecdsa(group) => ecdsa_order(group, order).map(|order| order.intent()),
    }
}

/// 64 bytes for Taproot and Ed25519, 65 for ECDSA: r ‖ s ‖ recovery id.
pub(super) fn is_signature(key: &Key, path: &Path, payload: &Payload, signature: &[u8]) -> bool {
    let message = message(key, payload);
    match key {
        Key::Taproot(group) => frost_key(group, path).is_ok_and(|key| key.is_signature(&message, signature)),
        Key::Ed25519(group) => frost_key(group, path).is_ok_and(|key| key.is_signature(&message, signature)),
        Key::Ecdsa(group) => ecdsa_key(group, path).is_ok_and(|key| key.is_signature(payload, signature)),
    }
}

/// The key under which signatures at a path verify: 33 bytes compressed for ECDSA, else 32. `None` where there is none.
pub(super) fn verifies_under(key: &Key, path: &Path) -> Option<Vec<u8>> {
    match key {
        Key::Taproot(group) => frost_key(group, path).ok().map(|key| key.output_key().to_vec()),
        Key::Ed25519(group) => frost_key(group, path).ok().map(|key| key.output_key().to_vec()),
        Key::Ecdsa(group) => {
            ecdsa_key(group, path).ok().map(|key| Secp256k1::encode_point(key.public()).to_vec())
        }
    }
}

/// The order in FROST's words.
pub(super) fn frost_order<S: Suite>(
    group: &FrostKey<S>,
    order: &Order<Real>,
) -> Result<frost::Order<S>, Unfit> {
    if order.presignature.is_some() {
        return Err(Unfit("the scheme signs without presignatures"));
    }
    let key = frost_key(group, &order.path).map_err(words::frost_refused)?;
    let message = message(&order.key, &order.payload);
    frost::Order::new(key, order.signers.clone(), message).map_err(words::frost_refused)
}

/// An order for an ECDSA signature, in the words of the protocol that its presignature is of.
pub(super) enum EcdsaOrder {
    Dkls23(dkls23::Order),
    Gg20(gg20::Order),
}

impl EcdsaOrder {
    const fn intent(&self) -> Hash {
        match self {
            Self::Dkls23(order) => order.intent(),
            Self::Gg20(order) => order.intent(),
        }
    }
}

/// The order in the words of DKLs23 or GG20. A presignature of another protocol than the key's is refused there.
pub(super) fn ecdsa_order(group: &EcdsaKey, order: &Order<Real>) -> Result<EcdsaOrder, Unfit> {
    let public = order.presignature.as_ref().ok_or(Unfit("the scheme signs with a presignature"))?;
    if public.signers() != order.signers {
        return Err(Unfit("the presignature is for other signers"));
    }
    let key = ecdsa_key(group, &order.path).map_err(words::ecdsa_refused)?;
    let payload = Arc::clone(&order.payload);
    match public {
        Public::Dkls23(public) => {
            dkls23::Order::new(key, payload, Arc::clone(public)).map(EcdsaOrder::Dkls23)
        }
        Public::Gg20(public) => gg20::Order::new(key, payload, Arc::clone(public)).map(EcdsaOrder::Gg20),
    }
    .map_err(words::ecdsa_refused)
}

// The committee of a key that exists is the one that was pinned when it was read.

fn frost_key<S: Suite>(
    known: &FrostKey<S>,
    path: &Path,
) -> Result<Arc<frost::VerifyingKey<S>>, frost::Refused> {
    known.at(path, |group, path| frost::VerifyingKey::new(Arc::clone(&group), &group.committee, path))
}

fn ecdsa_key(known: &EcdsaKey, path: &Path) -> Result<Arc<dkls23::VerifyingKey>, dkls23::SignRefused> {
    known.at(path, |group, path| dkls23::VerifyingKey::new(Arc::clone(&group), &group.committee, path))
}
