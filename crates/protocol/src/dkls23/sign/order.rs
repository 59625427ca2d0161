//! What is to be signed, and every check a signer makes before it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use k256::{AffinePoint, ProjectivePoint, Scalar};
use keymoot_types::{Party, Path, Quorum, QuorumError, Scheme, SessionId};

use super::super::payload::Payload;
use super::super::points;
use super::super::presignature::Public;
use super::Approval;
use crate::abort::{Abort, Benign, Charges, Fault};
use crate::context::{Committee, Context, Protocol};
use crate::curve::group::prime::PrimeCurveAffine;
use crate::derive::{DeriveError, path_tweak};
use crate::ecdsa::EcdsaSignature;
use crate::key::{CertificateError, GroupKey};
use crate::transcript::presignature::{EcdsaIntent, EntropyCommitment, Rerandomiser};
use crate::transcript::{Hash, Transcript};

/// Why a signer refuses. Nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignRefused {
    /// The key's certificate does not hold.
    #[error("the key is not certified")]
    Certificate(#[source] CertificateError),
    /// The key serves another scheme.
    #[error("the key serves another scheme")]
    WrongScheme,
    /// There is no such child key.
    #[error("there is no key at this path")]
    Path(#[source] DeriveError),
    /// The presignature is for another key or epoch.
    #[error("the presignature is for another key or epoch")]
    WrongKey,
    /// The presignature's signers are not a quorum of exactly as many as are needed.
    #[error("the presignature's signers are not a quorum")]
    Quorum(#[source] QuorumError),
    /// The presignature has more signers than are needed.
    #[error("the presignature has more signers than are needed")]
    TooMany,
    /// The presignature was burnt for another request, or is another one than the order's.
    #[error("the presignature was not burnt for this request")]
    WrongRequest,
    /// A signer is banned.
    #[error("{0} is banned")]
    Banned(Party),
    /// The identity is not the one that the committee lists for the signer.
    #[error("the identity is not the one that the committee lists for {0}")]
    WrongIdentity(Party),
}

/// An ECDSA key of any scheme at one derivation path: enough to verify and to aggregate, without any secret.
pub struct VerifyingKey {
    group: Arc<GroupKey<crate::curve::Secp256k1>>,
    path: Path,
    digest: Hash,
    tweak: Scalar,
    public: ProjectivePoint,
    /// The group's key and this one in the form that is hashed for every signature.
    root: AffinePoint,
    child: AffinePoint,
}

impl VerifyingKey {
    /// The key at `path` below `group`, whose certificate by the committee that the caller knows is checked here.
    ///
    /// # Errors
    /// No valid certificate of that committee, a key of a scheme that is not ECDSA, or no such child.
    pub fn new(
        group: Arc<GroupKey<crate::curve::Secp256k1>>,
        pinned: &Committee,
        path: Path,
    ) -> Result<Self, SignRefused> {
        match group.scheme {
            Scheme::Dkls23 | Scheme::Gg20 => {}
            Scheme::FrostEd25519 | Scheme::FrostTaproot => return Err(SignRefused::WrongScheme),
        }
        group.verify(pinned).map_err(SignRefused::Certificate)?;
        let tweak = path_tweak(&*group, &path).map_err(SignRefused::Path)?;
        let public = group.public + points::times_base(&tweak);
        let digest = group.digest();
        let (root, child) = (group.public.to_affine(), public.to_affine());
        Ok(Self { group, path, digest, tweak, public, root, child })
    }

    /// The key package this was made from.
    #[must_use]
    pub const fn group(&self) -> &Arc<GroupKey<crate::curve::Secp256k1>> {
        &self.group
    }

    /// The digest of that package.
    pub(crate) const fn digest(&self) -> Hash {
        self.digest
    }

    /// Where below the key this is.
    #[must_use]
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// The sum of the tweaks that lead here.
    pub(crate) const fn tweak(&self) -> &Scalar {
        &self.tweak
    }

    /// The key under which signatures verify.
    #[must_use]
    pub const fn public(&self) -> &ProjectivePoint {
        &self.public
    }

    /// The group's key in affine form.
    pub(crate) const fn root(&self) -> AffinePoint {
        self.root
    }

    /// [`VerifyingKey::public`] in affine form.
    pub(crate) const fn child(&self) -> AffinePoint {
        self.child
    }

    /// Whether these 65 bytes are a signature of the payload under this key, in the form of
    /// [`EcdsaSignature::to_recoverable`] and with the id that recovers it.
    #[must_use]
    pub fn is_signature(&self, payload: &Payload, signature: &[u8]) -> bool {
        let recovered = EcdsaSignature::from_recoverable(signature)
            .and_then(|signature| signature.recover(payload.digest().as_bytes()));
        recovered == Some(self.public)
    }
}

/// What one node has approved: this payload, under this key, with this presignature and its signers. Nothing in it
/// comes from a relay unseen.
#[derive(Clone)]
pub struct Order {
    key: Arc<VerifyingKey>,
    payload: Arc<Payload>,
    presignature: Arc<Public>,
    quorum: Quorum,
    intent: Hash,
}

impl Order {
    /// An order to sign `payload` with `presignature`.
    ///
    /// # Errors
    /// A key of another scheme, a presignature of another key or epoch, or for impossible signers.
    pub fn new(
        key: Arc<VerifyingKey>,
        payload: Arc<Payload>,
        presignature: Arc<Public>,
    ) -> Result<Self, SignRefused> {
        let group = &key.group;
        if group.scheme != Scheme::Dkls23 {
            return Err(SignRefused::WrongScheme);
        }
        if presignature.group_key != key.digest || presignature.epoch != group.epoch {
            return Err(SignRefused::WrongKey);
        }
        let threshold = group.committee.threshold();
        let quorum = Quorum::new(threshold, presignature.signers.clone()).map_err(SignRefused::Quorum)?;
        if quorum.signers().len() != usize::from(threshold.needed()) {
            return Err(SignRefused::TooMany);
        }
        let digest = payload.digest();
        let intent = EcdsaIntent {
            hash: payload.hash().label(),
            digest: digest.as_bytes(),
            path: &key.path,
            epoch: group.epoch,
            public: key.child,
            presignature: presignature.id(),
        };
        let intent = intent.digest();
        Ok(Self { key, payload, presignature, quorum, intent })
    }

    /// The key that signs.
    #[must_use]
    pub const fn key(&self) -> &Arc<VerifyingKey> {
        &self.key
    }

    /// Who signs.
    #[must_use]
    pub const fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// What is signed.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The presignature.
    #[must_use]
    pub fn presignature(&self) -> &Public {
        &self.presignature
    }

    /// The digest of all of it, for which a presignature is burnt.
    #[must_use]
    pub const fn intent(&self) -> Hash {
        self.intent
    }

    /// What a session with this name is about.
    #[must_use]
    pub fn context(&self, session: SessionId) -> Context {
        let group = &self.key.group;
        Context {
            session,
            scheme: Scheme::Dkls23,
            protocol: Protocol::DklsSign,
            committee: Arc::clone(&group.committee),
            key: Some(group.key),
            epoch: group.epoch,
            signers: Some(self.quorum.clone()),
            group_key: Some(self.key.digest),
            merkle_root: None,
            intent: Some(self.intent),
            batch: None,
        }
    }

    /// Whether an approval opens what its signer committed to.
    pub(super) fn is_opened_by(&self, party: Party, approval: &Approval) -> bool {
        let public = &self.presignature;
        let (ssid, number, entropy) = (public.ssid, public.number, &approval.entropy);
        let commitment = EntropyCommitment { ssid, party, number, entropy }.digest();
        public.entropy_of(party) == Some(commitment)
    }

    /// The presignature's nonce, re-randomised by everybody's approval: δ and R′ = R + δ·G.
    pub(super) fn rerandomise(
        &self,
        ssid: Hash,
        approvals: &BTreeMap<Party, Approval>,
    ) -> Result<(Scalar, AffinePoint), Abort> {
        let mut charges = Charges::default();
        for (party, approval) in approvals {
            charges.unless(self.is_opened_by(*party, approval), *party, Fault::WrongOpening, &[0]);
        }
        charges.verdict()?;
        let entropy: Vec<_> = approvals.values().map(|approval| approval.entropy).collect();
        let (public, digest) = (&self.presignature, self.payload.digest());
        let shift = Rerandomiser {
            ssid,
            presignature: public.id(),
            epoch: public.epoch,
            signers: &public.signers,
            public: self.key.root,
            tweak: &self.key.tweak,
            child: self.key.child,
            digest: digest.as_bytes(),
            nonce: public.nonce,
            entropy: &entropy,
        };
        let shift = shift.shift();
        let nonce = (ProjectivePoint::from(public.nonce) + points::times_base(&shift)).to_affine();
        if bool::from(nonce.is_identity()) {
            return Err(Abort::Benign(Benign::Degenerate));
        }
        Ok((shift, nonce))
    }
}

/// Whether a context is about a signing.
pub(super) fn concerns(context: &Context) -> bool {
    let complete = context.signers.is_some() && context.group_key.is_some() && context.intent.is_some();
    let scheme = context.scheme == Scheme::Dkls23 && context.batch.is_none();
    context.protocol == Protocol::DklsSign && scheme && complete
}
