//! Callers that wait for the answer to a request: all who have brought the same bytes wait in one room, and hear what is
//! said to them. The engine knows each room by an address of its own, so that nobody hears what is said about other bytes
//! under the same name.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keymoot_engine::message::Answer;
use keymoot_engine::request::RequestId;
use tokio::sync::watch;

/// Rooms in which anybody waits at one time.
const ROOMS_MAX: usize = 8192;

/// Bodies under one name for which somebody waits at one time.
const BODIES_MAX: usize = 16;

/// One room.
struct Room {
    /// Of the bytes, with a key that nobody knows.
    digest: u64,
    /// By which the engine knows it, among those of the request.
    number: u16,
    heard: watch::Sender<Option<Answer>>,
    /// When the engine was asked last.
    asked: Option<Instant>,
}

#[derive(Default)]
struct Rooms {
    of: BTreeMap<RequestId, Vec<Room>>,
    count: usize,
}

/// All rooms.
#[derive(Default)]
pub(crate) struct Waiting {
    key: RandomState,
    rooms: Mutex<Rooms>,
}

/// Somebody who waits for one request. Leaves the room when dropped.
pub(crate) struct Waiter {
    id: RequestId,
    number: u16,
    all: Arc<Waiting>,
    heard: Option<watch::Receiver<Option<Answer>>>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for answers to this request, as it is in these bytes, from now on. Whoever comes later knows at once what those
    /// who wait have been told. `None` if too many wait already.
    pub(crate) fn enter(self: &Arc<Self>, id: RequestId, body: &[u8]) -> Option<Waiter> {
        let digest = self.key.hash_one(body);
        let mut rooms = self.lock();
        let known = rooms.of.get(&id).and_then(|all| all.iter().find(|room| room.digest == digest));
        let (number, heard) = match known {
            Some(room) => {
                let mut heard = room.heard.subscribe();
                if matches!(*heard.borrow(), Some(Answer::Pending | Answer::Final(_))) {
                    heard.mark_changed();
                }
                (room.number, heard)
            }
            None if rooms.count >= ROOMS_MAX => return None,
            None => {
                let all = rooms.of.entry(id).or_default();
                if all.len() >= BODIES_MAX {
                    return None;
                }
                // The same bytes have the same number whenever they come, unless it is taken.
                let first = digest as u16;
                let is_free = |number: &u16| all.iter().all(|room| room.number != *number);
                let number = (0..=u16::MAX).map(|step| first.wrapping_add(step)).find(is_free)?;
                let (room, heard) = watch::channel(None);
                all.push(Room { digest, number, heard: room, asked: None });
                rooms.count = rooms.count.saturating_add(1);
                (number, heard)
            }
        };
        drop(rooms);
        Some(Waiter { id, number, all: Arc::clone(self), heard: Some(heard) })
    }

    /// Tells all who wait in a room.
    pub(crate) fn tell(&self, id: RequestId, number: u16, answer: Answer) {
        let rooms = self.lock();
        let room = rooms.of.get(&id).and_then(|all| all.iter().find(|room| room.number == number));
        if let Some(room) = room {
            room.heard.send_replace(Some(answer));
        }
    }

    /// Whether anybody waits for it.
    #[cfg(test)]
    fn is_waited_for(&self, id: RequestId) -> bool {
        self.lock().of.contains_key(&id)
    }
}

impl Waiter {
    /// By which the engine knows the room.
    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    /// Whether it is time for somebody in this room to ask the engine; then whoever is told so does it, and nobody else.
    pub(crate) fn asks(&self, every: Duration) -> bool {
        let mut rooms = self.all.lock();
        let mut all = rooms.of.get_mut(&self.id).into_iter().flatten();
        let Some(room) = all.find(|room| room.number == self.number) else { return false };
        let is_due = room.asked.is_none_or(|at| at.elapsed() >= every);
        if is_due {
            room.asked = Some(Instant::now());
        }
        is_due
    }

    /// The next answer that this one has not seen.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        let heard = self.heard.as_mut()?;
        loop {
            heard.changed().await.ok()?;
            let answer = heard.borrow_and_update().clone();
            if answer.is_some() {
                return answer;
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut rooms = self.all.lock();
        self.heard = None;
        let Some(all) = rooms.of.get_mut(&self.id) else { return };
        let before = all.len();
        all.retain(|room| room.number != self.number || room.heard.receiver_count() > 0);
        let (left, is_empty) = (before - all.len(), all.is_empty());
        if is_empty {
            rooms.of.remove(&self.id);
        }
        rooms.count = rooms.count.saturating_sub(left);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use keymoot_engine::message::Answer;
    use keymoot_engine::request::RequestId;
    use keymoot_engine::words::Hash;

    use super::{BODIES_MAX, ROOMS_MAX, Waiting};

    fn id(number: usize) -> RequestId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        RequestId(Hash::from_bytes(bytes))
    }

    #[tokio::test]
    async fn all_who_wait_for_one_request_hear_its_answer() {
        let waiting = Arc::new(Waiting::default());
        let mut waiters = [waiting.enter(id(1), b"a").unwrap(), waiting.enter(id(1), b"a").unwrap()];
        let mut other = waiting.enter(id(2), b"a").unwrap();
        let number = waiters[0].number();
        waiting.tell(id(1), number, Answer::Pending);
        let mut late = waiting.enter(id(1), b"a").unwrap();
        assert_eq!(late.next().await, Some(Answer::Pending), "whoever comes later knows it at once");
        waiting.tell(id(1), number, Answer::Busy(9));
        for waiter in &mut waiters {
            assert_eq!(waiter.next().await, Some(Answer::Busy(9)), "the latest one counts");
        }
        waiting.tell(id(2), other.number(), Answer::Busy(1));
        assert_eq!(other.next().await, Some(Answer::Busy(1)));
    }

    #[tokio::test]
    async fn nobody_hears_what_is_said_about_other_bytes() {
        let waiting = Arc::new(Waiting::default());
        let mut first = waiting.enter(id(1), b"first").unwrap();
        let mut second = waiting.enter(id(1), b"second").unwrap();
        assert_ne!(first.number(), second.number());
        waiting.tell(id(1), second.number(), Answer::Conflict);
        waiting.tell(id(1), first.number(), Answer::Pending);
        assert_eq!(second.next().await, Some(Answer::Conflict));
        assert_eq!(first.next().await, Some(Answer::Pending), "and not the conflict");
        drop(second);
        let again = waiting.enter(id(1), b"second").unwrap();
        assert_ne!(again.number(), first.number(), "the one who is there keeps its number");
    }

    #[test]
    fn of_all_who_wait_for_the_same_one_asks() {
        let waiting = Arc::new(Waiting::default());
        let all: Vec<_> = (0..9).map(|_| waiting.enter(id(1), b"a").unwrap()).collect();
        let other = waiting.enter(id(1), b"b").unwrap();
        let every = Duration::from_secs(3600);
        assert_eq!(all.iter().filter(|waiter| waiter.asks(every)).count(), 1);
        assert!(other.asks(every), "other bytes are another question");
        assert_eq!(
            all.iter().filter(|waiter| waiter.asks(Duration::ZERO)).count(),
            9,
            "later it is asked again"
        );
    }

    #[test]
    fn nobody_is_remembered_who_has_left() {
        let waiting = Arc::new(Waiting::default());
        let (one, two) = (waiting.enter(id(1), b"a"), waiting.enter(id(1), b"a"));
        drop(one);
        assert!(waiting.is_waited_for(id(1)));
        drop(two);
        assert!(!waiting.is_waited_for(id(1)));
    }

    #[test]
    fn there_are_only_so_many_rooms() {
        let waiting = Arc::new(Waiting::default());
        let all: Vec<_> = (0..ROOMS_MAX).map(|number| waiting.enter(id(number), b"a").unwrap()).collect();
        assert!(waiting.enter(id(ROOMS_MAX), b"a").is_none());
        assert!(waiting.enter(id(0), b"a").is_some(), "who is there already takes no more room");
        drop(all);
        let bodies: Vec<_> = (0..BODIES_MAX).map(|body| waiting.enter(id(1), &body.to_le_bytes())).collect();
        assert!(bodies.iter().all(Option::is_some));
        assert!(waiting.enter(id(1), b"one more").is_none(), "one name does not take all of them");
        assert!(waiting.enter(id(ROOMS_MAX), b"a").is_some());
    }
}
