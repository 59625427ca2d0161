//! A work queue in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use keymoot_types::Millis;

use super::lock;
use crate::fault::fits;
use crate::queue::{Delivery, DeliveryId, Queue, WORK_BYTES_MAX};
use crate::{Answer, Bytes, Clock, Fault, Name, Ttl};

/// The rules of a work queue, without clock, lock or future.
#[derive(Clone, Debug)]
pub struct Backlog {
    works: BTreeMap<u64, Work>,
    /// From when on each work can be had. The first to be due is the first to go.
    due: BTreeSet<(Millis, u64)>,
    pushed: u64,
    bound: usize,
}

#[derive(Clone, Debug)]
struct Work {
    bytes: Bytes,
    due: Millis,
    attempt: u32,
    borrower: Option<Name>,
}

impl Backlog {
    /// An empty queue for at most so many works, lent ones included.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { works: BTreeMap::new(), due: BTreeSet::new(), pushed: 0, bound }
    }

    /// See [`Queue::push`].
    ///
    /// # Errors
    /// `Full` at the bound; `Refused` for work that is too long.
    pub fn push(&mut self, bytes: &[u8], now: Millis) -> Result<(), Fault> {
        fits(bytes, WORK_BYTES_MAX, "a piece of work is too long")?;
        if self.works.len() >= self.bound {
            return Err(Fault::Full);
        }
        let number = self.pushed;
        self.pushed = number.checked_add(1).ok_or(Fault::Full)?;
        self.due.insert((now, number));
        self.works.insert(number, Work { bytes: bytes.into(), due: now, attempt: 0, borrower: None });
        Ok(())
    }

    /// See [`Queue::pull`].
    pub fn pull(&mut self, owner: &Name, visibility: Ttl, now: Millis) -> Option<Delivery> {
        let (due, number) = *self.due.first()?;
        if due > now {
            return None;
        }
        let work = self.works.get_mut(&number)?;
        self.due.remove(&(due, number));
        work.due = now.plus(visibility.milliseconds());
        self.due.insert((work.due, number));
        work.attempt = work.attempt.saturating_add(1);
        work.borrower = Some(owner.clone());
        let id = DeliveryId(Bytes::from(number.to_le_bytes()));
        Some(Delivery { id, bytes: work.bytes.clone(), attempt: work.attempt })
    }

    /// See [`Queue::done`].
    pub fn done(&mut self, id: &DeliveryId) {
        if let Some(number) = number(id)
            && let Some(work) = self.works.remove(&number)
        {
            self.due.remove(&(work.due, number));
        }
    }

    /// Who borrowed a piece of work last, unless it is done or nobody did.
    #[must_use]
    pub fn borrower(&self, id: &DeliveryId) -> Option<&Name> {
        self.works.get(&number(id)?)?.borrower.as_ref()
    }
}

fn number(id: &DeliveryId) -> Option<u64> {
    Some(u64::from_le_bytes((*id.0).try_into().ok()?))
}

/// A [`Backlog`] with a clock and a lock. Clones are the same queue.
#[derive(Clone)]
pub struct Twin {
    backlog: Arc<Mutex<Backlog>>,
    clock: Arc<dyn Clock>,
}

impl Twin {
    /// An empty queue for at most so many works, that lives by this clock.
    pub fn new(bound: usize, clock: Arc<dyn Clock>) -> Self {
        Self { backlog: Arc::new(Mutex::new(Backlog::new(bound))), clock }
    }
}

impl Queue for Twin {
    fn push<'a>(&'a self, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move { lock(&self.backlog).push(bytes, self.clock.now()) })
    }

    fn pull<'a>(&'a self, owner: &'a Name, visibility: Ttl) -> Answer<'a, Option<Delivery>> {
        Box::pin(async move { Ok(lock(&self.backlog).pull(owner, visibility, self.clock.now())) })
    }

    fn done<'a>(&'a self, id: &'a DeliveryId) -> Answer<'a, ()> {
        Box::pin(async move {
            lock(&self.backlog).done(id);
            Ok(())
        })
    }
}
