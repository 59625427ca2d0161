//! How much of something is held at the moment: by all together, and by each holder. Whoever is enrolled may hold its share
//! and no more, so that one client alone, slow or hostile, leaves room for the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is held. Of who holds nothing, nothing is kept.
#[derive(Debug)]
pub struct Places<K: Ord + Clone> {
    held: Mutex<Taken<K>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    by: BTreeMap<K, usize>,
}

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Of this holder.
    pub each: usize,
    /// Of all together, when this holder has what it asks for. Who is to find a place at all times has a higher one.
    pub all: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The holder has its share.
    #[error("there is no more for this one")]
    Each,
    /// All are held.
    #[error("there is no more for anybody")]
    All,
}

/// Places that are held, until this is dropped.
#[derive(Debug)]
pub struct Place<K: Ord + Clone> {
    of: Arc<Places<K>>,
    holder: K,
    count: usize,
}

impl<K: Ord + Clone> Places<K> {
    /// Of which nothing is held yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { held: Mutex::new(Taken { all: 0, by: BTreeMap::new() }) })
    }

    fn held(&self) -> MutexGuard<'_, Taken<K>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many places for this holder, all at once or none.
    ///
    /// # Errors
    /// Which bound stands in the way.
    pub fn take(self: &Arc<Self>, holder: &K, count: usize, bound: Bound) -> Result<Place<K>, Full> {
        let mut place = Place { of: Arc::clone(self), holder: holder.clone(), count: 0 };
        place.grow(count, bound)?;
        Ok(place)
    }
}

impl<K: Ord + Clone> Place<K> {
    /// So many more, all at once or none.
    ///
    /// # Errors
    /// Which bound stands in the way. What was held is held on.
    pub fn grow(&mut self, count: usize, bound: Bound) -> Result<(), Full> {
        let mut held = self.of.held();
        let its = held.by.get(&self.holder).copied().unwrap_or_default();
        let its = its.checked_add(count).filter(|its| *its <= bound.each).ok_or(Full::Each)?;
        let all = held.all.checked_add(count).filter(|all| *all <= bound.all).ok_or(Full::All)?;
        held.all = all;
        if its > 0 {
            held.by.insert(self.holder.clone(), its);
        }
        // No more than all, so there is no overflow.
        self.count = self.count.saturating_add(count);
        Ok(())
    }
}

impl<K: Ord + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.of.held();
        held.all = held.all.saturating_sub(self.count);
        let left = held.by.get(&self.holder).map_or(0, |its| its.saturating_sub(self.count));
        if left > 0 {
            held.by.insert(self.holder.clone(), left);
        } else {
            held.by.remove(&self.holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Full, Places};

    #[test]
    fn one_holder_has_its_share_and_leaves_the_rest_to_others() {
        let places = Places::new();
        let take = |holder: &'static str, count| places.take(&holder, count, Bound { each: 3, all: 5 });
        let three = take("alice", 3).unwrap();
        assert_eq!(take("alice", 1).unwrap_err(), Full::Each);
        let two = take("bob", 2).unwrap();
        assert_eq!(take("bob", 1).unwrap_err(), Full::All);
        let process = places.take(&"node", 1, Bound { each: 1, all: 6 });
        assert!(process.is_ok(), "who is to find a place at all times does");
        drop((three, process));
        let one = take("bob", 1).unwrap();
        assert_eq!(take("bob", 1).unwrap_err(), Full::Each);
        drop((one, two));
        assert_eq!(take("bob", 4).unwrap_err(), Full::Each, "all at once or none");
        assert!(take("bob", 3).is_ok());
    }

    #[test]
    fn of_who_holds_nothing_nothing_is_kept() {
        let places = Places::new();
        let bound = Bound { each: 3, all: 9 };
        let kept = || {
            let held = places.held();
            (held.all, held.by.len())
        };
        let held = (places.take(&1, 2, bound).unwrap(), places.take(&1, 0, bound).unwrap());
        assert!(places.take(&1, 2, bound).is_err() && places.take(&1, usize::MAX, bound).is_err());
        assert_eq!(kept(), (2, 1));
        drop(held);
        drop(places.take(&1, 0, bound));
        assert_eq!(kept(), (0, 0));
    }
}
