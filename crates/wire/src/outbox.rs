//! What waits to be sent to one peer: bounded in number and bytes, and never older than is of use. Whoever puts something
//! in never waits; whoever takes out is one stream at a time.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How much waits at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Pieces.
    pub pieces: usize,
    /// Bytes of all pieces.
    pub bytes: usize,
    /// After this time a piece is of no use to anybody.
    pub age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { pieces: 4096, bytes: 64 << 20, age: Duration::from_secs(10) }
    }
}

/// Whether a piece may give way to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// A session waits for it.
    Session,
    /// It is said again anyway.
    Repeated,
}

struct Piece<T> {
    content: T,
    bytes: usize,
    weight: Weight,
    since: Instant,
}

struct Inner<T> {
    pieces: VecDeque<Piece<T>>,
    bytes: usize,
    /// Which stream takes out now.
    turn: u64,
    lost: u64,
}

/// The queue. Many put in; the latest stream takes out.
pub struct Outbox<T> {
    bounds: Bounds,
    inner: Mutex<Inner<T>>,
    changed: Notify,
}

impl<T> Outbox<T> {
    /// An empty queue that nobody takes out of yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let inner = Inner { pieces: VecDeque::new(), bytes: 0, turn: 0, lost: 0 };
        Self { bounds, inner: Mutex::new(inner), changed: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a piece in. What is said again anyway gives way first, then what is oldest; says how many have.
    pub fn push(&self, content: T, bytes: usize, weight: Weight) -> u64 {
        let mut inner = self.lock();
        inner.pieces.push_back(Piece { content, bytes, weight, since: Instant::now() });
        inner.bytes = inner.bytes.saturating_add(bytes);
        let mut lost: u64 = 0;
        while inner.pieces.len() > self.bounds.pieces || inner.bytes > self.bounds.bytes {
            let place = inner.pieces.iter().position(|piece| piece.weight == Weight::Repeated).unwrap_or(0);
            let Some(gone) = inner.pieces.remove(place) else { break };
            inner.bytes = inner.bytes.saturating_sub(gone.bytes);
            lost = lost.saturating_add(1);
        }
        inner.lost = inner.lost.saturating_add(lost);
        drop(inner);
        self.changed.notify_one();
        lost
    }

    /// From now on, whoever has this turn takes out, and nobody else.
    pub fn take_turn(&self) -> u64 {
        let mut inner = self.lock();
        inner.turn = inner.turn.wrapping_add(1);
        let turn = inner.turn;
        drop(inner);
        self.changed.notify_waiters();
        turn
    }

    /// Ends the turn of whoever takes out, if it is still this one.
    pub fn end_turn(&self, turn: u64) {
        let mut inner = self.lock();
        if inner.turn == turn {
            inner.turn = inner.turn.wrapping_add(1);
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// The next piece that is not too old, or `None` if somebody else's turn has come.
    pub async fn next(&self, turn: u64) -> Option<T> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change falls between the look and the wait.
            changed.as_mut().enable();
            match self.try_next(turn) {
                Taken::Piece(content) => return Some(content),
                Taken::Over => return None,
                Taken::Nothing => changed.await,
            }
        }
    }

    /// What is there now.
    fn try_next(&self, turn: u64) -> Taken<T> {
        let mut inner = self.lock();
        if inner.turn != turn {
            return Taken::Over;
        }
        while let Some(piece) = inner.pieces.pop_front() {
            inner.bytes = inner.bytes.saturating_sub(piece.bytes);
            if piece.since.elapsed() < self.bounds.age {
                return Taken::Piece(piece.content);
            }
            inner.lost = inner.lost.saturating_add(1);
        }
        Taken::Nothing
    }

    /// Takes out the first piece that fits, whoever's turn it is.
    pub fn pick(&self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let mut inner = self.lock();
        let place = inner.pieces.iter().position(|piece| fits(&piece.content))?;
        let piece = inner.pieces.remove(place)?;
        inner.bytes = inner.bytes.saturating_sub(piece.bytes);
        Some(piece.content)
    }

    /// Pieces that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().pieces.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pieces that gave way or became too old.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }
}

enum Taken<T> {
    Piece(T),
    Nothing,
    Over,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Bounds, Outbox, Weight};

    fn small() -> Outbox<u8> {
        Outbox::new(Bounds { pieces: 3, bytes: 30, ..Bounds::default() })
    }

    #[tokio::test]
    async fn what_is_said_again_anyway_gives_way_first() {
        let outbox = small();
        for (content, weight) in [(1, Weight::Session), (2, Weight::Repeated), (3, Weight::Session)] {
            assert_eq!(outbox.push(content, 1, weight), 0);
        }
        assert_eq!(outbox.push(4, 1, Weight::Session), 1);
        assert_eq!(outbox.push(5, 29, Weight::Session), 2, "bytes are bounded too");
        let turn = outbox.take_turn();
        let mut left = Vec::new();
        while !outbox.is_empty() {
            left.extend(outbox.next(turn).await);
        }
        assert_eq!((left, outbox.lost()), (vec![4, 5], 3));
    }

    #[tokio::test]
    async fn an_older_stream_takes_nothing_from_a_newer_one() {
        let outbox = Arc::new(small());
        let old = outbox.take_turn();
        let waiting = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move { outbox.next(old).await }
        });
        tokio::task::yield_now().await;
        let new = outbox.take_turn();
        assert_eq!(waiting.await.unwrap(), None, "it ends as soon as there is a newer one");
        outbox.push(7, 1, Weight::Session);
        assert_eq!(outbox.next(old).await, None);
        assert_eq!(outbox.next(new).await, Some(7));
        outbox.end_turn(old);
        outbox.push(8, 1, Weight::Session);
        assert_eq!(outbox.next(new).await, Some(8), "only its own turn can be ended");
    }

    #[tokio::test]
    async fn what_is_too_old_is_not_sent() {
        let outbox = Outbox::new(Bounds { age: std::time::Duration::ZERO, ..Bounds::default() });
        let turn = outbox.take_turn();
        outbox.push(1, 1, Weight::Session);
        outbox.end_turn(turn);
        let turn = outbox.take_turn();
        assert!(matches!(outbox.try_next(turn), super::Taken::Nothing));
        assert_eq!(outbox.lost(), 1);
    }

    #[test]
    fn one_piece_can_be_picked_out() {
        let outbox = small();
        for content in [1, 2, 3] {
            outbox.push(content, 1, Weight::Session);
        }
        assert_eq!(outbox.pick(|content| *content == 2), Some(2));
        assert_eq!((outbox.pick(|content| *content == 2), outbox.len()), (None, 2));
    }
}
