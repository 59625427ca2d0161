//! The rules of shared sessions, without clock, lock or future. The simulator runs on this directly.

use std::collections::{BTreeMap, BTreeSet};

use keymoot_types::Millis;

use crate::fault::fits;
use crate::sessions::{
    Admission, BODY_BYTES_MAX, Claim, Fence, Finish, LISTED_BYTES_MAX, LISTED_MAX, Listed, NOTE_BYTES_MAX,
    Noted, ORPHANS_MAX, OUTCOME_BYTES_MAX, Page, RequestId, Standing,
};
use crate::{Bytes, Fault, Name, Ttl};

/// The most requests a table holds unless it is told otherwise, finished ones included: none is ever forgotten.
pub const REQUESTS_MAX: usize = 1 << 20;

/// Requests, leases and outcomes. Each verb looks up one row and copies no bytes but those it is given.
#[derive(Clone, Debug)]
pub struct Table {
    rows: BTreeMap<RequestId, Row>,
    /// When the lease of each open request lapses.
    leases: BTreeSet<(Millis, RequestId)>,
    /// In the order in which they were admitted.
    places: BTreeMap<u64, RequestId>,
    requests_max: usize,
}

#[derive(Clone, Debug)]
struct Row {
    body: Bytes,
    note: Bytes,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Open(Lease),
    Finished(Bytes),
}

#[derive(Clone, Debug)]
struct Lease {
    owner: Name,
    fence: Fence,
    until: Millis,
}

const UNKNOWN: Fault = Fault::Refused("nobody has admitted this request");

impl Default for Table {
    fn default() -> Self {
        Self::with_room_for(REQUESTS_MAX)
    }
}

impl Table {
    /// An empty table for at most so many requests.
    #[must_use]
    pub const fn with_room_for(requests_max: usize) -> Self {
        Self { rows: BTreeMap::new(), leases: BTreeSet::new(), places: BTreeMap::new(), requests_max }
    }

    /// See [`Sessions::admit`](crate::Sessions::admit).
    ///
    /// # Errors
    /// `Refused` for another body under a known id, and for a body that is too long; `Full`.
    pub fn admit(
        &mut self,
        request: RequestId,
        body: &[u8],
        owner: &Name,
        ttl: Ttl,
        now: Millis,
    ) -> Result<Admission, Fault> {
        fits(body, BODY_BYTES_MAX, "the body of a request is too long")?;
        if let Some(row) = self.rows.get(&request) {
            return match &row.stage {
                _ if *row.body != *body => Err(Fault::Refused("this request was admitted with another body")),
                Stage::Open(lease) => Ok(Admission::Open { held_by: lease.owner.clone() }),
                Stage::Finished(outcome) => Ok(Admission::Finished(outcome.clone())),
            };
        }
        if self.rows.len() >= self.requests_max {
            return Err(Fault::Full);
        }
        let (fence, until) = (Fence(1), now.plus(ttl.milliseconds()));
        let lease = Lease { owner: owner.clone(), fence, until };
        self.leases.insert((until, request));
        let place = self.places.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        self.places.insert(place, request);
        let row = Row { body: body.into(), note: Bytes::default(), stage: Stage::Open(lease) };
        self.rows.insert(request, row);
        Ok(Admission::Fresh { fence })
    }

    /// See [`Sessions::claim`](crate::Sessions::claim).
    ///
    /// # Errors
    /// `Full` when there are no fencing numbers left.
    pub fn claim(&mut self, request: RequestId, owner: &Name, ttl: Ttl, now: Millis) -> Result<Claim, Fault> {
        let Some(row) = self.rows.get_mut(&request) else { return Ok(Claim::Unknown) };
        let lease = match &mut row.stage {
            Stage::Finished(outcome) => return Ok(Claim::Finished(outcome.clone())),
            Stage::Open(lease) => lease,
        };
        let is_live = now < lease.until;
        if is_live && lease.owner != *owner {
            return Ok(Claim::Held);
        }
        if !is_live {
            lease.fence = Fence(lease.fence.0.checked_add(1).ok_or(Fault::Full)?);
            lease.owner = owner.clone();
        }
        self.leases.remove(&(lease.until, request));
        lease.until = now.plus(ttl.milliseconds());
        self.leases.insert((lease.until, request));
        Ok(Claim::Yours { fence: lease.fence, body: row.body.clone(), note: row.note.clone() })
    }

    /// See [`Sessions::note`](crate::Sessions::note).
    ///
    /// # Errors
    /// `Refused` for an unknown request, and for a note that is too long.
    pub fn note(&mut self, request: RequestId, fence: Fence, progress: &[u8]) -> Result<Noted, Fault> {
        fits(progress, NOTE_BYTES_MAX, "a note is too long")?;
        let row = self.rows.get_mut(&request).ok_or(UNKNOWN)?;
        match &row.stage {
            Stage::Open(lease) if lease.fence == fence => {
                row.note = progress.into();
                Ok(Noted::Noted)
            }
            Stage::Open(_) | Stage::Finished(_) => Ok(Noted::Stale),
        }
    }

    /// See [`Sessions::finish`](crate::Sessions::finish).
    ///
    /// # Errors
    /// `Refused` for an unknown request, and for an outcome that is too long.
    pub fn finish(&mut self, request: RequestId, fence: Fence, outcome: &[u8]) -> Result<Finish, Fault> {
        fits(outcome, OUTCOME_BYTES_MAX, "an outcome is too long")?;
        let row = self.rows.get_mut(&request).ok_or(UNKNOWN)?;
        match &row.stage {
            Stage::Finished(first) => Ok(Finish::Settled(first.clone())),
            Stage::Open(lease) if lease.fence == fence => {
                self.leases.remove(&(lease.until, request));
                let outcome: Bytes = outcome.into();
                row.stage = Stage::Finished(outcome.clone());
                Ok(Finish::Settled(outcome))
            }
            Stage::Open(_) => Ok(Finish::Stale),
        }
    }

    /// See [`Sessions::orphans`](crate::Sessions::orphans). Those that lapsed first come first.
    #[must_use]
    pub fn orphans(&self, limit: usize, now: Millis) -> Vec<RequestId> {
        let lapsed = self.leases.iter().take_while(|(until, _)| *until <= now);
        lapsed.take(limit.min(ORPHANS_MAX)).map(|(_, request)| *request).collect()
    }

    /// See [`Recall::recall`](crate::sessions::Recall::recall).
    #[must_use]
    pub fn recall(&self, request: &RequestId) -> Option<Standing> {
        let row = self.rows.get(request)?;
        Some(Standing {
            body: row.body.clone(),
            note: row.note.clone(),
            outcome: self.outcome(request).cloned(),
        })
    }

    /// See [`Recall::newest`](crate::sessions::Recall::newest).
    #[must_use]
    pub fn newest(&self, before: Option<u64>, limit: usize) -> Page {
        let mut page = Page::default();
        let mut bytes = 0_usize;
        for (place, request) in self.places.range(..before.unwrap_or(u64::MAX)).rev() {
            let Some(standing) = self.recall(request) else { continue };
            bytes = bytes.saturating_add(standing.length());
            let is_full = page.listed.len() >= limit.min(LISTED_MAX) || bytes > LISTED_BYTES_MAX;
            if is_full && (!page.listed.is_empty() || limit == 0) {
                page.has_more = true;
                break;
            }
            page.listed.push(Listed { place: *place, request: *request, standing });
        }
        page
    }

    /// How a request ended, if it did. For those who check invariants.
    #[must_use]
    pub fn outcome(&self, request: &RequestId) -> Option<&Bytes> {
        match &self.rows.get(request)?.stage {
            Stage::Finished(outcome) => Some(outcome),
            Stage::Open(_) => None,
        }
    }

    /// Every request with its body, in the order of their ids. For those who check invariants.
    pub fn requests(&self) -> impl Iterator<Item = (&RequestId, &Bytes)> {
        self.rows.iter().map(|(request, row)| (request, &row.body))
    }
}
