//! What is to be signed, and every check a signer makes before it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frost_core::SigningPackage;
use keymoot_types::{Party, Quorum, QuorumError, SessionId};

use super::keys::{VerifyingKey, identifier};
use super::messages::Commitments;
use super::suite::Suite;
use crate::abort::{Abort, Benign};
use crate::codec::Wire;
use crate::context::{Context, Protocol};
use crate::derive::DeriveError;
use crate::key::CertificateError;
use crate::record::Broadcasts;
use crate::transcript::{Hash, Intent, Transcript};

/// Why a signer refuses. Nothing was signed, and no nonce was used for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The key's certificate does not hold.
    #[error("the key is not certified")]
    Certificate(#[source] CertificateError),
    /// The key serves another scheme.
    #[error("the key serves another scheme")]
    WrongScheme,
    /// The share or nonce belongs to another key.
    #[error("the share belongs to another key")]
    WrongKey,
    /// There is no such child key.
    #[error("there is no key at this path")]
    Path(#[source] DeriveError),
    /// The signers are not a quorum.
    #[error("the signers are not a quorum")]
    Quorum(#[source] QuorumError),
    /// We are not among the signers.
    #[error("{0} is not among the signers")]
    NotASigner(Party),
    /// The scheme does not sign such bytes.
    #[error("Taproot signs digests of exactly 32 bytes; hash the message first")]
    Message,
    /// The commitments are not those of the signers, once each.
    #[error("the commitments are not exactly those of the signers")]
    Package,
    /// The commitment listed for us is not that of the nonce we hold.
    #[error("the commitment listed for us is not ours")]
    NotOurCommitment,
    /// One nonce is listed twice. Who copied whom cannot be told.
    #[error("one commitment is listed twice")]
    Repeated,
    /// The identity is not the one that the committee lists for the signer.
    #[error("the identity is not the one that the committee lists for {0}")]
    WrongIdentity(Party),
    /// The library refused its input; a defect.
    #[error("the signing library refused a checked input")]
    Library,
}

impl Refused {
    /// How a refusal ends a running session. All but one were ruled out before it began.
    pub(super) const fn in_session(self) -> Abort {
        match self {
            Self::Repeated => Abort::Benign(Benign::Repeated),
            Self::Certificate(_)
            | Self::WrongScheme
            | Self::WrongKey
            | Self::Path(_)
            | Self::Quorum(_)
            | Self::NotASigner(_)
            | Self::Message
            | Self::Package
            | Self::NotOurCommitment
            | Self::WrongIdentity(_)
            | Self::Library => Abort::Bug("a checked signing request was refused"),
        }
    }
}

/// What one node has approved: these bytes, under this key, by these signers. Nothing in it comes from a relay.
pub struct Order<S: Suite> {
    key: Arc<VerifyingKey<S>>,
    quorum: Quorum,
    message: Vec<u8>,
}

impl<S: Suite> Clone for Order<S> {
    fn clone(&self) -> Self {
        Self { key: Arc::clone(&self.key), quorum: self.quorum.clone(), message: self.message.clone() }
    }
}

impl<S: Suite> Order<S> {
    /// An order to sign `message`.
    ///
    /// # Errors
    /// Too few or foreign signers; bytes that the scheme does not sign.
    pub fn new(key: Arc<VerifyingKey<S>>, signers: Vec<Party>, message: Vec<u8>) -> Result<Self, Refused> {
        let quorum = Quorum::new(key.group().committee.threshold(), signers).map_err(Refused::Quorum)?;
        if S::accepts(&message) { Ok(Self { key, quorum, message }) } else { Err(Refused::Message) }
    }

    /// The key that signs.
    #[must_use]
    pub const fn key(&self) -> &Arc<VerifyingKey<S>> {
        &self.key
    }

    /// Who signs.
    #[must_use]
    pub const fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// What is signed.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The digest of what is signed where: message, path, epoch and output key.
    #[must_use]
    pub fn intent(&self) -> Hash {
        let intent = Intent {
            message: &self.message,
            path: self.key.path(),
            epoch: self.key.group().epoch,
            output_key: self.key.output_key(),
        };
        intent.digest()
    }

    /// What a session with this name is about. Key, epoch, committee, signers, path, output key and message are all in it.
    #[must_use]
    pub fn context(&self, session: SessionId) -> Context {
        let group = self.key.group();
        Context {
            session,
            scheme: S::SCHEME,
            protocol: Protocol::FrostSign,
            committee: Arc::clone(&group.committee),
            key: Some(group.key),
            batch: None,
            epoch: group.epoch,
            signers: Some(self.quorum.clone()),
            group_key: Some(self.key.digest()),
            merkle_root: group.merkle_root,
            intent: Some(self.intent()),
        }
    }

    /// The first words of a prepared session, from commitments published earlier.
    pub(super) fn known(&self, commitments: &[(Party, Commitments<S>)]) -> Result<Broadcasts, Refused> {
        let complete = commitments.iter().map(|(party, _)| party).eq(self.quorum.signers());
        if !complete {
            return Err(Refused::Package);
        }
        Ok(commitments.iter().map(|(party, commitments)| (*party, commitments.encode().to_vec())).collect())
    }

    /// The library's form of it.
    pub(crate) fn package(
        &self,
        all: &BTreeMap<Party, Commitments<S>>,
    ) -> Result<SigningPackage<S::Zf>, Refused> {
        if !all.keys().eq(self.quorum.signers()) {
            return Err(Refused::Package);
        }
        let distinct: BTreeSet<_> = all.values().flat_map(Commitments::encoded).collect();
        if distinct.len() != all.len().saturating_mul(2) {
            return Err(Refused::Repeated);
        }
        let named = all.iter().map(|(party, commitments)| Some((identifier::<S>(*party)?, commitments.0)));
        let named = named.collect::<Option<BTreeMap<_, _>>>().ok_or(Refused::Library)?;
        Ok(SigningPackage::new(named, &self.message))
    }
}

/// Whether a context is about a signing of this suite.
pub(super) fn concerns<S: Suite>(context: &Context) -> bool {
    let complete = context.signers.is_some() && context.group_key.is_some() && context.intent.is_some();
    context.protocol == Protocol::FrostSign && context.scheme == S::SCHEME && complete
}
