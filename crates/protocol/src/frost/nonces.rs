//! Nonces: drawn, named, burnt, used once.
//!
//! Two signatures with one nonce give the share away. So a nonce is a value that only moves: [`NoncePool::burn`]
//! hands it out once and never again; only [`BurntNonces`] can sign, and signing consumes them. Whoever stores nonces
//! makes the name of a burnt one durable *before* anything derived from it leaves.

use std::collections::BTreeMap;

use frost_core::round1::{Nonce, SigningNonces};
use frost_core::{Ciphersuite, Field, Group};
use keymoot_types::Party;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::keys::SigningKey;
use super::messages::Commitments;
use super::suite::Suite;
use crate::codec::Wire;
use crate::transcript::{Hash, NonceName, Transcript};

/// The name of one pair of nonces: the digest of its commitments, its key and its owner.
pub type NonceId = Hash;

/// One pair of nonces that has not been used. Secret: no `Clone`, no `Debug`, wiped on drop.
///
/// ```compile_fail
/// type Secret = keymoot_protocol::frost::Nonces<keymoot_protocol::curve::Ed25519>;
/// fn copy(nonces: &Secret) -> Secret {
///     nonces.clone()
/// }
/// ```
pub struct Nonces<S: Suite> {
    id: NonceId,
    owner: Owner,
    public: Commitments<S>,
    // On the heap, so that moving them leaves no copy behind.
    secret: Box<SigningNonces<S::Zf>>,
}

/// One pair of nonces whose burning is on record: good for one signature share.
///
/// ```compile_fail
/// # use keymoot_protocol::{curve::Ed25519, frost::{BurntNonces, Signer}};
/// fn twice(nonces: BurntNonces<Ed25519>, sign: impl Fn(BurntNonces<Ed25519>)) {
///     sign(nonces);
///     sign(nonces);
/// }
/// ```
pub struct BurntNonces<S: Suite> {
    pub(crate) owner: Owner,
    pub(crate) public: Commitments<S>,
    pub(crate) secret: Box<SigningNonces<S::Zf>>,
}

/// Whose nonces these are: the member's share of one key in one epoch, at whatever path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    group_key: Hash,
    member: Party,
}

impl Owner {
    pub(crate) fn of<S: Suite>(key: &SigningKey<S>) -> Self {
        Self { group_key: key.public().digest(), member: key.party() }
    }
}

impl<S: Suite> Nonces<S> {
    /// Draws a pair, hedged with the share itself against weak randomness.
    pub fn draw(key: &SigningKey<S>, rng: &mut impl CryptoRngCore) -> Self {
        let mut nonce = || draw_one::<S>(key, rng);
        let secret = Box::new(SigningNonces::from_nonces(nonce(), nonce()));
        let public = Commitments::<S>::new(*secret.commitments());
        let group = key.public().group();
        let member = group.committee.identity(key.party()).copied();
        let commitments = public.encode();
        let id = member.map(|member| {
            NonceName { member, group_key: key.public().digest(), commitments: &commitments }.digest()
        });
        Self { id: id.unwrap_or(Hash::from_bytes([0; 32])), owner: Owner::of(key), public, secret }
    }

    /// Their name.
    #[must_use]
    pub const fn id(&self) -> NonceId {
        self.id
    }

    /// Their public side.
    #[must_use]
    pub const fn commitments(&self) -> Commitments<S> {
        self.public
    }

    /// Gives them up for one signature. The caller makes the name durable before the share leaves.
    #[must_use]
    pub fn burn(self) -> (NonceId, BurntNonces<S>) {
        (self.id, BurntNonces { owner: self.owner, public: self.public, secret: self.secret })
    }
}

/// `nonce_generate` of RFC 9591, §4.1: H3(random ‖ share). The library's own leaves the share behind in freed memory.
fn draw_one<S: Suite>(key: &SigningKey<S>, rng: &mut impl CryptoRngCore) -> Nonce<S::Zf> {
    loop {
        let mut input = Zeroizing::new([0u8; 64]);
        let (random, share) = input.split_at_mut(32);
        rng.fill_bytes(random);
        let encoded = Zeroizing::new(key.package.signing_share().serialize());
        share.iter_mut().zip(encoded.iter()).for_each(|(byte, encoded)| *byte = *encoded);
        let scalar = <S::Zf as Ciphersuite>::H3(input.as_ref());
        let nonce = Zeroizing::new(
            <<<S::Zf as Ciphersuite>::Group as Group>::Field as Field>::serialize(&scalar).as_ref().to_vec(),
        );
        // A scalar that was just encoded decodes.
        if let Ok(nonce) = Nonce::deserialize(&nonce) {
            return nonce;
        }
    }
}

/// A nonce that cannot be had: used before, or never drawn here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this nonce was used before, or is none of ours")]
pub struct Spent;

/// Nonces drawn ahead of need, for one member's share of one key. Never stored, never copied: a restart empties it.
pub struct NoncePool<S: Suite> {
    ready: BTreeMap<NonceId, Nonces<S>>,
}

impl<S: Suite> Default for NoncePool<S> {
    fn default() -> Self {
        Self { ready: BTreeMap::new() }
    }
}

impl<S: Suite> NoncePool<S> {
    /// Draws `count` pairs and returns what to publish of them.
    pub fn refill(
        &mut self,
        key: &SigningKey<S>,
        count: usize,
        rng: &mut impl CryptoRngCore,
    ) -> Vec<(NonceId, Commitments<S>)> {
        let draw = |_| {
            let nonces = Nonces::draw(key, rng);
            let public = (nonces.id(), nonces.commitments());
            self.ready.insert(nonces.id(), nonces);
            public
        };
        (0..count).map(draw).collect()
    }

    /// How many pairs are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.ready.len()
    }

    /// Takes a pair for one signature, once and for ever.
    ///
    /// # Errors
    /// The pair was used before or is not in this pool; nothing was signed.
    pub fn burn(&mut self, id: NonceId) -> Result<BurntNonces<S>, Spent> {
        self.ready.remove(&id).map(|nonces| nonces.burn().1).ok_or(Spent)
    }
}
