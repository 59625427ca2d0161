//! What a node has and does, for people who look: public, bounded by the node's own limits, and never a secret.

use std::collections::BTreeMap;

use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Millis, Party, SessionId};

use super::rounds::Running;
use super::{Kind, Node, everybody};
use crate::crypto::Crypto;
use crate::policy::Policy;

/// A node at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Keys that all members have certified.
    pub keys: Vec<KeyId>,
    /// Those of them that do not sign any more.
    pub retired: Vec<KeyId>,
    /// Keys that wait for their certificate here.
    pub pending: Vec<KeyId>,
    /// Free presignatures of each key package and set of signers.
    pub presignatures: BTreeMap<(Hash, Vec<Party>), usize>,
    /// Presignatures that have gone since the start.
    pub burnt: u64,
    /// Pair setups, oldest first.
    pub setups: Vec<Hash>,
    /// What there is of moduli.
    pub moduli: ModuliView,
    /// Members that take part in nothing with this node.
    pub banned: Vec<Party>,
    /// Sessions in progress.
    pub sessions: Vec<SessionView>,
    /// Entries of the audit log.
    pub entries: u64,
    /// How many of them the last checkpoint covers.
    pub covered: u64,
    /// Cosignatures on the last checkpoint.
    pub cosigned: usize,
    /// Refusals since the last record of them.
    pub refused: u64,
}

/// What a node has of the moduli that GG20 needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuliView {
    /// The names of the tables that all members have signed.
    pub tables: Vec<Hash>,
    /// Tables that wait for their certificate here.
    pub pending: usize,
    /// Safe primes that are found and serve no table yet.
    pub primes: usize,
    /// How many of them are looked for; none where there is a table, or no use for one.
    pub wanted: usize,
}

/// A session in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its name.
    pub session: SessionId,
    /// What it does, in a word.
    pub kind: &'static str,
    /// Who takes part.
    pub members: Vec<Party>,
    /// When it ends, by the monotonic clock.
    pub deadline: Millis,
    /// Whose mail it waits for; `None` while a worker has it.
    pub missing: Option<Vec<Party>>,
    /// Given up, and only kept for what the worker may still find out.
    pub is_over: bool,
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// What this node has and does now.
    #[must_use]
    pub fn view(&self) -> View {
        let (pending, keys) = self.keys.names();
        let (presignatures, burnt) = self.pool.counts();
        let committee = &self.config.committee;
        let is_banned = |party: &Party| self.bans.find(committee, &[*party]).is_some();
        let sessions = self.sessions.iter().map(|(session, live)| SessionView {
            session: *session,
            kind: live.kind.word(),
            members: live.members.clone(),
            deadline: live.deadline,
            missing: match &live.running {
                Running::Here(run) => Some(C::missing(run)),
                Running::Away(_) => None,
            },
            is_over: live.is_over,
        });
        View {
            keys,
            retired: self.keys.retired(),
            pending,
            presignatures,
            burnt,
            setups: self.setups.names(),
            moduli: self.moduli_view(),
            banned: everybody(committee).into_iter().filter(is_banned).collect(),
            sessions: sessions.collect(),
            entries: self.log.tree().size(),
            covered: self.checkpoint().map_or(0, |latest| latest.signed().checkpoint().size()),
            cosigned: self.checkpoint().map_or(0, crate::audit::Witnessed::count),
            refused: self.refused,
        }
    }
}

impl Kind {
    const fn word(&self) -> &'static str {
        match self {
            Self::Keygen(_) => "key generation",
            Self::Setup => "pair setup",
            Self::Moduli => "moduli",
            Self::Presign => "presigning",
            Self::Sign(_) => "signing",
        }
    }
}
