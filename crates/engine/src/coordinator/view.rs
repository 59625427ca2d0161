//! What a coordinator works on and believes, for people who look. It holds no secret to begin with.

use std::collections::BTreeSet;

use keymoot_types::{KeyId, Millis, Party, Scheme, SessionId};

use super::{Aim, Coordinator};
use crate::crypto::Crypto;
use crate::request::{Ask, RequestId};

/// A coordinator at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Requests that it works on.
    pub drives: Vec<DriveView>,
    /// Requests that the store has not spoken about yet.
    pub admitting: Vec<RequestId>,
    /// Sessions that it has called.
    pub runs: Vec<RunView>,
    /// What it thinks of each member.
    pub members: Vec<MemberView>,
    /// How many certified keys it knows.
    pub keys: usize,
    /// How many presignatures it has heard of.
    pub offered: usize,
}

/// Work on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveView {
    /// The request.
    pub request: RequestId,
    /// The fencing number of the lease.
    pub fence: u64,
    /// Sessions that were called for it.
    pub attempt: u16,
    /// Since when, by the monotonic clock.
    pub began: Millis,
    /// The session that is going on.
    pub session: Option<SessionId>,
    /// Who has denied it.
    pub denied: Vec<Party>,
    /// Whether its outcome is on the way to the store.
    pub is_ending: bool,
    /// What went wrong last.
    pub trouble: &'static str,
}

/// A session that a coordinator has called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// Its name.
    pub session: SessionId,
    /// What it does, in a word.
    pub kind: &'static str,
    /// Who takes part.
    pub members: Vec<Party>,
    /// When it is given up, by the monotonic clock.
    pub deadline: Millis,
    /// Whose mail has come.
    pub heard: Vec<Party>,
}

/// What a coordinator thinks of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The member.
    pub party: Party,
    /// When it was heard last, by the monotonic clock.
    pub seen: Option<Millis>,
    /// How much it is suspected.
    pub suspicion: u32,
    /// How many pair setups it says it holds.
    pub setups: usize,
}

impl<C: Crypto> Coordinator<C> {
    /// What this coordinator works on and believes now.
    #[must_use]
    pub fn view(&self) -> View {
        let drives = self.drives.iter().map(|(request, drive)| DriveView {
            request: *request,
            fence: drive.fence,
            attempt: drive.attempt,
            began: drive.began,
            session: drive.session,
            denied: drive.denials.keys().copied().collect(),
            is_ending: drive.outcome.is_some(),
            trouble: drive.trouble,
        });
        let runs = self.runs.iter().map(|(session, run)| RunView {
            session: *session,
            kind: run.aim.word(),
            members: run.members.clone(),
            deadline: run.deadline,
            heard: run.heard.iter().copied().collect(),
        });
        View {
            drives: drives.collect(),
            admitting: self.admitting.keys().copied().collect(),
            runs: runs.collect(),
            members: self.members.views(),
            keys: self.keys.len(),
            offered: self.members.offered(),
        }
    }
}

impl<C: Crypto> Coordinator<C> {
    /// Whose share of the signature that was asked for this coordinator has itself seen to be wrong.
    #[must_use]
    pub fn found_out(&self, request: RequestId) -> BTreeSet<Party> {
        self.drives.get(&request).map(|drive| drive.found_out.clone()).unwrap_or_default()
    }

    /// The scheme that a request is about, while it is worked on and the key is known.
    #[must_use]
    pub fn scheme_of_request(&self, request: RequestId) -> Option<Scheme> {
        match &self.drives.get(&request)?.request.ask {
            Ask::Key(scheme) => Some(*scheme),
            Ask::Sign { key, .. } | Ask::Retire { key } => {
                self.keys.get(key).map(|key| C::describe(key).scheme)
            }
        }
    }

    /// The scheme that a session in progress serves, where it serves one.
    #[must_use]
    pub fn scheme_of_session(&self, session: SessionId) -> Option<Scheme> {
        match &self.runs.get(&session)?.aim {
            Aim::Keygen(request, _) => self.scheme_of_request(*request),
            Aim::Setup => Some(Scheme::Dkls23),
            Aim::Moduli => Some(Scheme::Gg20),
            Aim::Presign(key, _) | Aim::Retire(_, key) => self.scheme_of(*key),
            Aim::Sign(_, order) => Some(C::describe(&order.key).scheme),
        }
    }

    /// How many free presignatures of this key all signers of some set say they hold.
    #[must_use]
    pub fn stock_of(&self, key: KeyId) -> usize {
        let package = self.keys.get(&key).map(|key| C::describe(key).digest);
        package.map_or(0, |package| self.members.held_by_all(package))
    }
}

impl<C: Crypto> Aim<C> {
    const fn word(&self) -> &'static str {
        match self {
            Self::Keygen(..) => "key generation",
            Self::Setup => "pair setup",
            Self::Moduli => "moduli",
            Self::Presign(..) => "presigning",
            Self::Sign(..) => "signing",
            Self::Retire(..) => "retirement",
        }
    }
}
