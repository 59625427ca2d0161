//! What a session is about: which committee, which key, which protocol, and what is to be done.
//!
//! The digest of a [`Context`] enters every message, so that nothing said in one session means anything in another.

use std::sync::Arc;

use keymoot_types::{Epoch, GroupId, KeyId, PARTIES_MAX, Party, Quorum, Scheme, SessionId, Threshold};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::identity::IdentityPublic;
use crate::transcript::{ContextId, Hash, Transcript};

/// The members of a committee, in index order, and how many of them sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    group: GroupId,
    threshold: Threshold,
    members: Vec<IdentityPublic>,
}

/// Why a committee was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// The members are not exactly 1..=n, once each, in order.
    #[error("the members must be numbered 1 to n, once each, in order")]
    Numbering,
    /// Two members share one identity, so that one node would count twice.
    #[error("{0} has the identity of another member")]
    SameIdentity(Party),
}

impl Committee {
    /// The committee of these members.
    ///
    /// # Errors
    /// Indices other than 1..=n in order; a repeated identity.
    pub fn new(
        group: GroupId,
        threshold: Threshold,
        members: Vec<(Party, IdentityPublic)>,
    ) -> Result<Self, CommitteeError> {
        if !members.iter().map(|(party, _)| *party).eq(threshold.parties()) {
            return Err(CommitteeError::Numbering);
        }
        let mut seen = std::collections::BTreeSet::new();
        match members.iter().find(|(_, identity)| !seen.insert(*identity)) {
            Some((party, _)) => Err(CommitteeError::SameIdentity(*party)),
            None => Ok(Self { group, threshold, members: members.into_iter().map(|(_, key)| key).collect() }),
        }
    }

    /// The name of the group.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// How many of how many.
    #[must_use]
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// The identity of a member.
    #[must_use]
    pub fn identity(&self, party: Party) -> Option<&IdentityPublic> {
        self.members.get(usize::from(party.index()).checked_sub(1)?)
    }

    /// Which member this identity is here, if it is one. The same identity may have other indices in other committees.
    #[must_use]
    pub fn party(&self, identity: &IdentityPublic) -> Option<Party> {
        self.threshold.parties().find(|party| self.identity(*party) == Some(identity))
    }
}

impl Wire for Committee {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self.group.as_bytes());
        writer.uint(u64::from(self.threshold.needed()));
        writer.list(
            self.threshold.parties().zip(&self.members).collect::<Vec<_>>().into_iter(),
            |writer, (party, key)| {
                writer.party(party);
                writer.bytes(key.as_bytes());
            },
        );
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let group = GroupId::new(reader.fixed()?);
        let needed = u16::try_from(reader.uint()?).map_err(|_| Malformed::Integer)?;
        let members = reader.list(usize::from(PARTIES_MAX), |reader| {
            let party = reader.party()?;
            Ok((party, IdentityPublic::from_bytes(reader.fixed()?).ok_or(Malformed::Point)?))
        })?;
        let total = u16::try_from(members.len()).map_err(|_| Malformed::WrongLength)?;
        let threshold = Threshold::new(needed, total).map_err(|_| Malformed::Choice)?;
        Self::new(group, threshold, members).map_err(|_| Malformed::Party)
    }
}

/// The protocols that have sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Distributed key generation.
    Dkg,
    /// FROST signing.
    FrostSign,
    /// Pair setup of DKLs23.
    DklsSetup,
    /// A batch of DKLs23 presignatures.
    DklsPresign,
    /// DKLs23 signing with a presignature.
    DklsSign,
    /// Auxiliary-information generation of GG20.
    Gg20Auxiliary,
    /// A batch of GG20 presignatures.
    Gg20Presign,
    /// GG20 signing with a presignature.
    Gg20Sign,
}

impl Protocol {
    /// Its name in transcripts.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dkg => "dkg",
            Self::FrostSign => "frost/sign",
            Self::DklsSetup => "dkls23/setup",
            Self::DklsPresign => "dkls23/presign",
            Self::DklsSign => "dkls23/sign",
            Self::Gg20Auxiliary => "gg20/auxiliary",
            Self::Gg20Presign => "gg20/presign",
            Self::Gg20Sign => "gg20/sign",
        }
    }

    /// Its version in transcripts.
    #[must_use]
    pub const fn version(self) -> u64 {
        1
    }
}

/// All that is fixed about a session before its first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The name of the attempt, drawn by whoever asks for it, so that late mail of an earlier one is recognised. It
    /// routes; the session's security rests on what the participants contribute themselves.
    pub session: SessionId,
    /// The scheme the key serves; it names the curve and the hashes too.
    pub scheme: Scheme,
    /// What is being run.
    pub protocol: Protocol,
    /// All members, whether they take part or not.
    pub committee: Arc<Committee>,
    /// The key; `None` for a pair setup, which serves all keys of its committee.
    pub key: Option<KeyId>,
    /// Its epoch.
    pub epoch: Epoch,
    /// Who takes part; everybody if `None`.
    pub signers: Option<Quorum>,
    /// The digest of the certified public key package; `None` while there is none yet.
    pub group_key: Option<Hash>,
    /// The Taproot script tree that the key commits to; part of the key, never of a request.
    pub merkle_root: Option<[u8; 32]>,
    /// What is to be done; `None` where the protocol says it all.
    pub intent: Option<Hash>,
    /// What is made of which pair setup; `None` unless presignatures are made.
    pub batch: Option<Batch>,
}

/// A batch of presignatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many.
    pub size: u16,
    /// The digest of the pair setup they are made with.
    pub setup: Hash,
}

impl Context {
    /// What all members of a committee do before there is anything to do it with.
    pub(crate) const fn of_all(
        committee: Arc<Committee>,
        scheme: Scheme,
        protocol: Protocol,
        session: SessionId,
    ) -> Self {
        Self {
            session,
            scheme,
            protocol,
            committee,
            key: None,
            epoch: Epoch::FIRST,
            signers: None,
            group_key: None,
            merkle_root: None,
            intent: None,
            batch: None,
        }
    }

    /// The digest that names this context.
    #[must_use]
    pub fn id(&self) -> Hash {
        ContextId(self).digest()
    }

    /// Who takes part, in increasing order.
    #[must_use]
    pub fn participants(&self) -> Vec<Party> {
        match &self.signers {
            Some(quorum) => quorum.signers().to_vec(),
            None => self.committee.threshold().parties().collect(),
        }
    }
}
