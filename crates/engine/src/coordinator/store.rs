//! What coordinators share: which requests were admitted, who works on them, and how they ended. The store keeps the
//! first word and the last; between them it keeps a lease.

use keymoot_protocol::codec::Wire;

use crate::outcome::Outcome;
use crate::request::RequestId;

/// A question to the shared store. It is asked in the name of the replica, with its lease time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCall {
    /// Note a request, and work on it if nobody does.
    Admit {
        /// The request.
        request: RequestId,
        /// Its encoding, for whoever takes over.
        body: Vec<u8>,
    },
    /// Take over, or renew, the lease on a request.
    Claim {
        /// The request.
        request: RequestId,
    },
    /// Note how it ended, once and for ever.
    Finish {
        /// The request.
        request: RequestId,
        /// The fencing number of our lease.
        fence: u64,
        /// The outcome, encoded.
        outcome: Vec<u8>,
    },
    /// Which requests does nobody work on?
    Orphans,
}

impl StoreCall {
    /// What the store is asked at the end.
    #[must_use]
    pub fn finish(request: RequestId, fence: u64, outcome: &Outcome) -> Self {
        Self::Finish { request, fence, outcome: outcome.encode().to_vec() }
    }
}

/// The store's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// To [`StoreCall::Admit`].
    Admitted(RequestId, Admission),
    /// To [`StoreCall::Claim`].
    Claimed(RequestId, Claim),
    /// To [`StoreCall::Finish`].
    Finished(RequestId, Finish),
    /// To [`StoreCall::Orphans`].
    Orphans(Vec<RequestId>),
}

/// What became of an admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is noted, and ours to work on.
    Fresh {
        /// The fencing number.
        fence: u64,
    },
    /// It was noted before, and is not finished.
    Open,
    /// It has ended before.
    Finished(Vec<u8>),
    /// Under this name there is another request.
    Conflict,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is ours to work on.
    Yours {
        /// The fencing number.
        fence: u64,
        /// The request, encoded.
        body: Vec<u8>,
    },
    /// Somebody else works on it.
    Held,
    /// It has ended.
    Finished(Vec<u8>),
    /// It was never admitted.
    Unknown,
}

/// What became of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// This is the outcome, ours or an earlier one.
    Stored(Vec<u8>),
    /// Somebody else works on it by now.
    Stale,
}
