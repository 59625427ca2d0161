//! The same question has the same answer: whoever repeats a request because an answer was lost gets what the first one got,
//! and two at once share one. Signing again would give another signature, and a transaction another hash.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// For how long an answer is kept: longer than the same request is the same transaction, by what it takes to sign it.
const KEPT: Duration = Duration::from_secs(30 * 60);
/// At most so many; the oldest go first.
const KEPT_MAX: usize = 4096;

/// Answers by their questions.
pub struct Kept<K, V> {
    cells: Mutex<VecDeque<Entry<K, V>>>,
}

struct Entry<K, V> {
    key: K,
    since: Instant,
    cell: Arc<OnceCell<V>>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { cells: Mutex::default() }
    }
}

impl<K: PartialEq, V> Kept<K, V> {
    /// Where the answer to a question is, or comes.
    pub fn cell(&self, key: K) -> Arc<OnceCell<V>> {
        let now = Instant::now();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        while cells.front().is_some_and(|entry| now.duration_since(entry.since) > KEPT) {
            cells.pop_front();
        }
        if let Some(entry) = cells.iter().rev().find(|entry| entry.key == key) {
            return entry.cell.clone();
        }
        if cells.len() >= KEPT_MAX {
            cells.pop_front();
        }
        let cell = Arc::new(OnceCell::new());
        cells.push_back(Entry { key, since: now, cell: cell.clone() });
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_a_while_and_a_failure_is_not() {
        let kept: Kept<&str, u32> = Kept::default();
        let failed = kept.cell("one").get_or_try_init(|| async { Err::<u32, _>(()) }).await.copied();
        assert_eq!(failed, Err(()));
        let first = kept.cell("one").get_or_init(|| async { 1 }).await.to_owned();
        let again = kept.cell("one").get_or_init(|| async { 2 }).await.to_owned();
        let other = kept.cell("two").get_or_init(|| async { 3 }).await.to_owned();
        assert_eq!((first, again, other), (1, 1, 3));
        tokio::time::advance(KEPT + Duration::from_secs(1)).await;
        assert_eq!(*kept.cell("one").get_or_init(|| async { 4 }).await, 4);
    }

    #[test]
    fn as_many_are_kept_as_there_is_room_for() {
        let kept: Kept<usize, ()> = Kept::default();
        for number in 0..KEPT_MAX + 10 {
            kept.cell(number);
        }
        assert_eq!(kept.cells.lock().unwrap().len(), KEPT_MAX);
    }
}
