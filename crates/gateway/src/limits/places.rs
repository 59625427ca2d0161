//! How much of something is held at the moment: by all together, and by each client. Whoever is enrolled may hold its
//! share and no more, so that one client alone, slow or hostile, leaves room for the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keymoot_wire::problem::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Refused;

/// Places for all, of which each client has a share.
pub struct Places {
    /// What is held, in the plural.
    what: &'static str,
    all: Arc<Semaphore>,
    share: usize,
    shares: Shares,
}

/// Places that are held, until this is dropped.
#[derive(Debug)]
pub struct Place {
    _all: OwnedSemaphorePermit,
    _share: Share,
}

impl Places {
    pub fn new(what: &'static str, all: usize, share: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS)));
        Self { what, all, share, shares: Shares::default() }
    }

    /// So many places for this client, all at once or none.
    ///
    /// # Errors
    /// The client holds its share; all places are held.
    pub fn take(&self, client: &Arc<str>, count: usize) -> Result<Place, Refused> {
        let (what, most) = (self.what, self.share);
        let share = self.shares.take(client, count, most).ok_or_else(|| {
            let detail =
                format!("this client may have {most} {what} at a time, and has no room for {count} more");
            Refused::new(Code::TooManyRequests, detail)
        })?;
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        let all = self.all.clone().try_acquire_many_owned(permits);
        let all = all.map_err(|_| Refused::new(Code::Busy, format!("too many {what} of all clients")))?;
        Ok(Place { _all: all, _share: share })
    }
}

/// How much each client holds. Of who holds nothing, nothing is kept.
#[derive(Clone, Debug, Default)]
pub struct Shares(Arc<Mutex<BTreeMap<Arc<str>, usize>>>);

/// A part of a client's share, until this is dropped.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    client: Arc<str>,
    count: usize,
}

impl Shares {
    /// So much more for this client; `None` if it would then hold more than `most`.
    pub fn take(&self, client: &Arc<str>, count: usize, most: usize) -> Option<Share> {
        let mut held = self.held();
        let now = held.get(client).copied().unwrap_or(0);
        let then = now.checked_add(count).filter(|then| *then <= most)?;
        if then > 0 {
            held.insert(client.clone(), then);
        }
        Some(Share { shares: self.clone(), client: client.clone(), count })
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        let left = held.get(&self.client).map_or(0, |now| now.saturating_sub(self.count));
        if left > 0 {
            held.insert(self.client.clone(), left);
        } else {
            held.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(refused: Result<Place, Refused>) -> &'static str {
        refused.err().map_or("taken", |refused| match refused.problem.code.as_str() {
            "E5002" => "all are held",
            "E5003" => "the share is held",
            _ => "odd",
        })
    }

    #[test]
    fn one_client_holds_its_share_and_leaves_the_rest_to_others() {
        let places = Places::new("requests in progress", 5, 3);
        let (alice, bob): (Arc<str>, Arc<str>) = ("alice".into(), "bob".into());
        let three = places.take(&alice, 3).unwrap();
        assert_eq!(code(places.take(&alice, 1)), "the share is held");
        let two = places.take(&bob, 2).unwrap();
        assert_eq!(code(places.take(&bob, 1)), "all are held");
        drop(three);
        let one = places.take(&bob, 1).unwrap();
        assert_eq!(code(places.take(&bob, 1)), "the share is held");
        drop((one, two));
        assert_eq!(code(places.take(&bob, 4)), "the share is held", "all at once or none");
        assert_eq!(code(places.take(&bob, 3)), "taken");
    }

    #[test]
    fn of_who_holds_nothing_nothing_is_kept() {
        let (shares, alice) = (Shares::default(), Arc::from("alice"));
        let held = (shares.take(&alice, 2, 3).unwrap(), shares.take(&alice, 0, 3).unwrap());
        assert!(shares.take(&alice, 2, 3).is_none() && shares.take(&alice, usize::MAX, 3).is_none());
        assert_eq!(shares.held().len(), 1);
        drop(held);
        assert!(shares.held().is_empty());
        drop(shares.take(&alice, 0, 3));
        assert!(shares.held().is_empty());
    }
}
