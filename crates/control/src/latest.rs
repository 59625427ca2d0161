//! The latest of something, by key: when there are too many, the one that came first gives way, whatever its key is.

use std::collections::BTreeMap;

/// So many at most.
pub(crate) struct Latest<K, V> {
    most: usize,
    /// In which order they came.
    next: u64,
    order: BTreeMap<u64, K>,
    by: BTreeMap<K, (u64, V)>,
}

impl<K: Ord + Copy, V> Latest<K, V> {
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, next: 0, order: BTreeMap::new(), by: BTreeMap::new() }
    }

    /// Puts one in, as the latest. What gives way to it, another or the one that its key had, is returned.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        let before = self.remove(&key).map(|value| (key, value));
        self.order.insert(self.next, key);
        self.by.insert(key, (self.next, value));
        self.next = self.next.wrapping_add(1);
        let first = self.order.first_key_value().map(|(_, first)| *first);
        let gone = first.filter(|_| self.by.len() > self.most);
        before.or_else(|| gone.and_then(|key| Some((key, self.remove(&key)?))))
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (place, value) = self.by.remove(key)?;
        self.order.remove(&place);
        Some(value)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.by.get(key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.by.get_mut(key).map(|(_, value)| value)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.order.len(), self.by.len());
        self.by.len()
    }
}

#[cfg(test)]
mod tests {
    use super::Latest;

    #[test]
    fn the_first_gives_way_and_not_the_smallest() {
        let mut latest = Latest::new(2);
        assert_eq!(latest.insert(7, "a"), None);
        assert_eq!(latest.insert(9, "b"), None);
        assert_eq!(latest.insert(1, "c"), Some((7, "a")));
        assert_eq!(latest.insert(9, "d"), Some((9, "b")), "it is the latest now");
        assert_eq!(latest.insert(2, "e"), Some((1, "c")));
        assert_eq!((latest.get(&9), latest.get(&1), latest.len()), (Some(&"d"), None, 2));
        assert_eq!((latest.remove(&9), latest.remove(&9)), (Some("d"), None));
        assert_eq!(latest.insert(3, "f"), None);
    }
}
