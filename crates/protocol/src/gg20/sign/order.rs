//! What is to be signed, and every check a signer makes before it answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::Reduce;
use k256::{AffinePoint, Scalar};
use keymoot_types::{Party, Quorum, SessionId};

use super::super::presignature::Public;
use super::{Approval, SignRefused, SignatureShare, VerifyingKey};
use crate::abort::{Abort, Benign, Charges, Fault};
use crate::context::{Context, Protocol};
use crate::dkls23::Payload;
use crate::dkls23::points::{times_public, x_scalar};
use crate::transcript::paillier::{Entropy, Rescaler, SigningIntent};
use crate::transcript::{Hash, Transcript};

/// What one node has approved: this payload, under this key, with this presignature and its signers. Nothing in it
/// comes from a relay unseen.
#[derive(Clone)]
pub struct Order {
    key: Arc<VerifyingKey>,
    payload: Arc<Payload>,
    presignature: Arc<Public>,
    /// The presignature's name.
    name: Hash,
    quorum: Quorum,
    intent: Hash,
}

/// The presignature of one session: d and R′ = d·R.
pub(super) struct Rescaled {
    pub(super) factor: Scalar,
    pub(super) nonce: AffinePoint,
    /// r, the x coordinate of R′.
    pub(super) x: Scalar,
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
        let group = key.group();
        if group.scheme != super::super::SCHEME {
            return Err(SignRefused::WrongScheme);
        }
        if presignature.group_key != key.digest() || presignature.epoch != group.epoch {
            return Err(SignRefused::WrongKey);
        }
        let threshold = group.committee.threshold();
        let quorum = Quorum::new(threshold, presignature.signers.clone()).map_err(SignRefused::Quorum)?;
        if quorum.signers().len() != usize::from(threshold.needed()) {
            return Err(SignRefused::TooMany);
        }
        let (digest, name) = (payload.digest(), presignature.id());
        let intent = SigningIntent {
            hash: payload.hash().label(),
            digest: digest.as_bytes(),
            path: key.path(),
            epoch: group.epoch,
            public: key.child(),
            presignature: name,
        };
        let intent = intent.digest();
        Ok(Self { key, payload, presignature, name, quorum, intent })
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
        let group = self.key.group();
        Context {
            session,
            scheme: super::super::SCHEME,
            protocol: Protocol::Gg20Sign,
            committee: Arc::clone(&group.committee),
            key: Some(group.key),
            epoch: group.epoch,
            signers: Some(self.quorum.clone()),
            group_key: Some(self.presignature.group_key),
            merkle_root: None,
            intent: Some(self.intent),
            batch: None,
        }
    }

    /// The digest as ECDSA takes it: an integer modulo the order.
    pub(super) fn message(&self) -> Scalar {
        <Scalar as Reduce<U256>>::reduce(U256::from_be_slice(self.payload.digest().as_bytes()))
    }

    /// Whether an approval opens what its signer committed to.
    pub(super) fn is_opened_by(&self, party: Party, approval: &Approval) -> bool {
        let public = &self.presignature;
        let (ssid, number, entropy) = (public.ssid, public.number, &approval.entropy);
        let commitment = Entropy { ssid, party, number, entropy }.digest();
        public.entropy_of(party) == Some(commitment)
    }

    /// The presignature's nonce, re-randomised by everybody's approval.
    pub(super) fn rescale(
        &self,
        ssid: Hash,
        approvals: &BTreeMap<Party, Approval>,
    ) -> Result<Rescaled, Abort> {
        let mut charges = Charges::default();
        for (party, approval) in approvals {
            charges.unless(self.is_opened_by(*party, approval), *party, Fault::WrongOpening, &[0]);
        }
        charges.verdict()?;
        let entropy: Vec<_> = approvals.values().map(|approval| approval.entropy).collect();
        let (public, digest) = (&self.presignature, self.payload.digest());
        let factor = Rescaler {
            ssid,
            presignature: self.name,
            epoch: public.epoch,
            signers: &public.signers,
            public: self.key.root(),
            tweak: self.key.tweak(),
            child: self.key.child(),
            digest: digest.as_bytes(),
            nonce: public.nonce,
            entropy: &entropy,
        };
        let factor = factor.factor();
        // Everybody has opened, so that the factor is no secret.
        let nonce = times_public(&public.nonce, &factor);
        let x = x_scalar(&nonce);
        if bool::from(factor.is_zero()) || bool::from(x.is_zero()) {
            return Err(Abort::Benign(Benign::Degenerate));
        }
        Ok(Rescaled { factor, nonce, x })
    }

    /// Whether a share is right: s·R′ = m·R̄ + r·(S + ε·R̄).
    pub(super) fn is_share(&self, rescaled: &Rescaled, party: Party, share: &SignatureShare) -> bool {
        let Some([nonce, key]) = self.presignature.points_of(party) else { return false };
        let factor = self.message() + rescaled.x * self.key.tweak();
        rescaled.nonce * share.0 == *nonce * factor + *key * rescaled.x
    }
}

/// Whether a context is about a signing.
pub(super) fn concerns(context: &Context) -> bool {
    let complete = context.signers.is_some() && context.group_key.is_some() && context.intent.is_some();
    let scheme = context.scheme == super::super::SCHEME && context.batch.is_none();
    context.protocol == Protocol::Gg20Sign && scheme && complete
}
