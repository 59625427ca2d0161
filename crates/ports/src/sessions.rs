//! What coordinators share: which requests there are, who works on each, and how each ended.
//!
//! A request is admitted once, with one body. One owner at a time holds its lease. Taking over a lapsed lease costs a
//! new and higher fencing number, and with it everything the owner before still tries is stale. The first outcome is
//! the outcome for ever, and an admitted request is never forgotten.
//!
//! Nothing here makes two owners exclusive: an owner whose lease lapsed may still be running. Only what goes through
//! its fence is safe.

use crate::{Answer, Bytes, Name, Ttl};

/// The longest body of a request, in bytes: what a client can sign, and its signature.
pub const BODY_BYTES_MAX: usize = keymoot_types::signed::BODY_MAX + 4096;

/// The longest note of progress, in bytes.
pub const NOTE_BYTES_MAX: usize = 256 << 10;

/// The longest outcome, in bytes.
pub const OUTCOME_BYTES_MAX: usize = 1 << 20;

/// The most orphans in one answer.
pub const ORPHANS_MAX: usize = 1024;

/// The most requests in one answer of [`Recall::newest`].
pub const LISTED_MAX: usize = 200;

/// The most bytes in one of its answers, unless a single request has more.
pub const LISTED_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(NOTE_BYTES_MAX <= BODY_BYTES_MAX, "a note is about a request, not larger than it");

/// A request's own name: a digest, made by whoever asks.
pub type RequestId = [u8; 32];

/// Numbers the owners of one request, upwards. Numbers of different requests have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// Where a request stands that somebody brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It was not known. It is durable now, and the caller holds its lease.
    Fresh {
        /// The number of the caller's lease.
        fence: Fence,
    },
    /// It is known and not finished. Only `claim` hands out a lease, also to the owner itself.
    Open {
        /// Who holds the lease, or held it last.
        held_by: Name,
    },
    /// It has ended, with this outcome.
    Finished(Bytes),
}

/// Whether the caller may work on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The caller holds the lease.
    Yours {
        /// The number of the lease: the same as before if the caller held it all the time, otherwise a higher one.
        fence: Fence,
        /// The request as it was admitted.
        body: Bytes,
        /// The last note of anybody who held the lease; empty if there is none.
        note: Bytes,
    },
    /// Somebody else holds the lease.
    Held,
    /// The request has ended, with this outcome.
    Finished(Bytes),
    /// Nobody has admitted such a request.
    Unknown,
}

/// Whether progress was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is durable and replaces the note before.
    Noted,
    /// Another owner has a higher fence, or the request has ended. Stop working on it.
    Stale,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The outcome, for ever: the caller's, or the one that came first.
    Settled(Bytes),
    /// Another owner has a higher fence, and there is no outcome yet. Nothing is stored.
    Stale,
}

/// What is known of a request that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The request as it was admitted.
    pub body: Bytes,
    /// The last note of anybody who held the lease; empty if there is none.
    pub note: Bytes,
    /// How it ended, if it did.
    pub outcome: Option<Bytes>,
}

impl Standing {
    /// All bytes of it.
    #[must_use]
    pub fn length(&self) -> usize {
        let outcome = self.outcome.as_ref().map_or(0, |outcome| outcome.len());
        self.body.len().saturating_add(self.note.len()).saturating_add(outcome)
    }
}

/// A request among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// When it was admitted, as a number: higher is later, and no two have the same.
    pub place: u64,
    /// Its name.
    pub request: RequestId,
    /// What is known of it.
    pub standing: Standing,
}

/// Some of all requests, latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// They.
    pub listed: Vec<Listed>,
    /// Whether others come after the last of these.
    pub has_more: bool,
}

/// For whoever only looks: nothing here takes a lease, writes, or keeps those waiting who do.
pub trait Recall: Send + Sync {
    /// What is known of a request; `None` if nobody has admitted it.
    fn recall(&self, request: RequestId) -> Answer<'_, Option<Standing>>;

    /// The requests that were admitted last, latest first: at most `limit`, never more than [`LISTED_MAX`], and not more
    /// than fit into [`LISTED_BYTES_MAX`], but at least one if there is one. With `before`, only those in places before
    /// that one.
    fn newest(&self, before: Option<u64>, limit: usize) -> Answer<'_, Page>;
}

/// The shared state of coordinators. All verbs may be repeated; what a repetition finds is part of the answers.
pub trait Sessions: Recall {
    /// Makes a request durable. The first body wins: the same id with another body is `Refused`, also when the request
    /// has ended. After `Unavailable` the request may be there, with the caller as owner: admit again, then claim.
    fn admit<'a>(
        &'a self,
        request: RequestId,
        body: &'a [u8],
        owner: &'a Name,
        ttl: Ttl,
    ) -> Answer<'a, Admission>;

    /// Takes over a lapsed lease with a higher fence, or renews the owner's own with the same. A lease that has lapsed
    /// costs its last owner a new number too.
    fn claim<'a>(&'a self, request: RequestId, owner: &'a Name, ttl: Ttl) -> Answer<'a, Claim>;

    /// Replaces the note of a request. The last one stays when the request ends. Does not renew the lease. A lapsed fence is good as long as nobody has a higher
    /// one. A request that is unknown is `Refused`.
    fn note<'a>(&'a self, request: RequestId, fence: Fence, progress: &'a [u8]) -> Answer<'a, Noted>;

    /// Ends a request. The first outcome wins and is the answer, whatever the fence. A lapsed fence is good as long as
    /// nobody has a higher one. A request that is unknown is `Refused`.
    fn finish<'a>(&'a self, request: RequestId, fence: Fence, outcome: &'a [u8]) -> Answer<'a, Finish>;

    /// At most `limit` open requests whose lease has lapsed, and never more than [`ORPHANS_MAX`]. Each of them comes
    /// up sooner or later if those before it are claimed.
    fn orphans(&self, limit: usize) -> Answer<'_, Vec<RequestId>>;
}
