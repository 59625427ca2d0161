//! Keys made ready for signing at one derivation path: done once, used for many signatures.

use std::collections::BTreeMap;
use std::sync::Arc;

use frost_core::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_core::{Identifier, VerifyingKey as ZfVerifyingKey};
use keymoot_types::{Party, Path, Secret};
use zeroize::Zeroizing;

use super::order::Refused;
use super::suite::Suite;
use crate::context::Committee;
use crate::curve::group::Group;
use crate::derive::{output_key, path_tweak};
use crate::key::{GroupKey, KeyShare};
use crate::transcript::Hash;

/// The name of a party in the ZcashFoundation crates: its index, never anything from outside.
pub(crate) fn identifier<S: Suite>(party: Party) -> Option<Identifier<S::Zf>> {
    Identifier::try_from(party.index()).ok()
}

/// The public side at one path: enough to check shares and to aggregate, without any secret.
pub struct VerifyingKey<S: Suite> {
    group: Arc<GroupKey<S>>,
    path: Path,
    output: [u8; 32],
    digest: Hash,
    pub(crate) package: PublicKeyPackage<S::Zf>,
}

impl<S: Suite> VerifyingKey<S> {
    /// The key at `path` below `group`, whose certificate by the committee that the caller knows is checked here.
    ///
    /// # Errors
    /// No valid certificate of that committee, a key of another scheme, or no such child.
    pub fn new(group: Arc<GroupKey<S>>, pinned: &Committee, path: Path) -> Result<Self, Refused> {
        if group.scheme != S::SCHEME {
            return Err(Refused::WrongScheme);
        }
        group.verify(pinned).map_err(Refused::Certificate)?;
        let tweak = path_tweak(&*group, &path).map_err(Refused::Path)?;
        let shift = S::Point::generator() * tweak;
        let mut shares = BTreeMap::new();
        for party in group.committee.threshold().parties() {
            let share = *group.share_of(party).ok_or(Refused::Library)? + shift;
            let share = VerifyingShare::deserialize(S::encode_point(&share).as_ref())
                .map_err(|_| Refused::Library)?;
            shares.insert(identifier::<S>(party).ok_or(Refused::Library)?, share);
        }
        let public = group.public + shift;
        let key =
            ZfVerifyingKey::deserialize(S::encode_point(&public).as_ref()).map_err(|_| Refused::Library)?;
        let needed = group.committee.threshold().needed();
        let package =
            S::to_output_key(PublicKeyPackage::new(shares, key, Some(needed)), group.merkle_root.as_ref());
        let output =
            output_key::<S>(S::SCHEME, &public, group.merkle_root.as_ref()).ok_or(Refused::Library)?;
        let same = package.verifying_key().serialize().is_ok_and(|bytes| bytes.ends_with(&output));
        let digest = group.digest();
        if same { Ok(Self { group, path, output, digest, package }) } else { Err(Refused::Library) }
    }

    /// The key package this was made from.
    #[must_use]
    pub const fn group(&self) -> &Arc<GroupKey<S>> {
        &self.group
    }

    /// The digest that its certificate covers; computed once, because every nonce and every session names it.
    pub(crate) const fn digest(&self) -> Hash {
        self.digest
    }

    /// Where below the key this is.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// The key under which signatures verify: x-only for Taproot, RFC 8032 for Ed25519.
    #[must_use]
    pub const fn output_key(&self) -> &[u8; 32] {
        &self.output
    }

    /// Whether these 64 bytes are a signature of the message under this key.
    #[must_use]
    pub fn is_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.try_into().is_ok_and(|signature| S::is_signature(&self.output, message, signature))
    }
}

/// One member's share at one path. Secret: no `Clone`, no `Debug`; the library wipes it on drop.
///
/// ```compile_fail
/// type Secret = keymoot_protocol::frost::SigningKey<keymoot_protocol::curve::Ed25519>;
/// fn copy(key: &Secret) -> Secret {
///     key.clone()
/// }
/// ```
pub struct SigningKey<S: Suite> {
    party: Party,
    public: Arc<VerifyingKey<S>>,
    // On the heap, so that moving the key leaves no copy behind.
    pub(crate) package: Box<KeyPackage<S::Zf>>,
}

impl<S: Suite> SigningKey<S> {
    /// The share at the path of `public`.
    ///
    /// # Errors
    /// The public side is that of another key.
    pub fn new(share: &KeyShare<S>, public: Arc<VerifyingKey<S>>) -> Result<Self, Refused> {
        if **share.group() != *public.group {
            return Err(Refused::WrongKey);
        }
        let tweak = path_tweak(&*public.group, &public.path).map_err(Refused::Path)?;
        let secret = Secret::new(tweak + share.expose());
        let own = S::Point::generator() * secret.expose();
        let whole = public.group.public + S::Point::generator() * tweak;
        let encoded = Zeroizing::new(S::encode_scalar(secret.expose()));
        let package = KeyPackage::new(
            identifier::<S>(share.party()).ok_or(Refused::Library)?,
            SigningShare::deserialize(encoded.as_ref()).map_err(|_| Refused::Library)?,
            VerifyingShare::deserialize(S::encode_point(&own).as_ref()).map_err(|_| Refused::Library)?,
            ZfVerifyingKey::deserialize(S::encode_point(&whole).as_ref()).map_err(|_| Refused::Library)?,
            public.group.committee.threshold().needed(),
        );
        let package = Box::new(S::to_output_share(package, public.group.merkle_root.as_ref()));
        Ok(Self { party: share.party(), public, package })
    }

    /// Whose share it is.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.party
    }

    /// The public side.
    #[must_use]
    pub const fn public(&self) -> &Arc<VerifyingKey<S>> {
        &self.public
    }
}
