//! Callers that wait for the answer to a request: the engine knows one address for all of them, and here it is heard by
//! each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keymoot_engine::message::Answer;
use keymoot_engine::request::RequestId;
use tokio::sync::watch;

/// Requests that anybody waits for at one time.
const REQUESTS_MAX: usize = 8192;

type Heard = watch::Sender<Option<Answer>>;

/// The waiting room.
#[derive(Default)]
pub(crate) struct Waiting {
    rooms: Mutex<BTreeMap<RequestId, Heard>>,
}

/// Somebody who waits for one request. Leaves the room when dropped.
pub(crate) struct Waiter {
    id: RequestId,
    room: Arc<Waiting>,
    heard: Option<watch::Receiver<Option<Answer>>>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RequestId, Heard>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for answers to this request from now on. `None` if too many wait already.
    pub(crate) fn enter(self: &Arc<Self>, id: RequestId) -> Option<Waiter> {
        let mut rooms = self.lock();
        let heard = match rooms.get(&id) {
            Some(room) => room.subscribe(),
            None if rooms.len() >= REQUESTS_MAX => return None,
            None => {
                let (room, heard) = watch::channel(None);
                rooms.insert(id, room);
                heard
            }
        };
        drop(rooms);
        Some(Waiter { id, room: Arc::clone(self), heard: Some(heard) })
    }

    /// Tells all who wait.
    pub(crate) fn tell(&self, id: RequestId, answer: Answer) {
        if let Some(room) = self.lock().get(&id) {
            room.send_replace(Some(answer));
        }
    }

    /// Whether anybody waits for it.
    #[cfg(test)]
    fn is_waited_for(&self, id: RequestId) -> bool {
        self.lock().contains_key(&id)
    }
}

impl Waiter {
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
        let mut rooms = self.room.lock();
        self.heard = None;
        if rooms.get(&self.id).is_some_and(|room| room.receiver_count() == 0) {
            rooms.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keymoot_engine::message::Answer;
    use keymoot_engine::request::RequestId;
    use keymoot_engine::words::Hash;

    use super::{REQUESTS_MAX, Waiting};

    fn id(number: usize) -> RequestId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        RequestId(Hash::from_bytes(bytes))
    }

    #[tokio::test]
    async fn all_who_wait_for_one_request_hear_its_answer() {
        let waiting = Arc::new(Waiting::default());
        let mut waiters = [waiting.enter(id(1)).unwrap(), waiting.enter(id(1)).unwrap()];
        let mut other = waiting.enter(id(2)).unwrap();
        waiting.tell(id(1), Answer::Pending);
        waiting.tell(id(1), Answer::Conflict);
        for waiter in &mut waiters {
            assert_eq!(waiter.next().await, Some(Answer::Conflict), "the latest one counts");
        }
        waiting.tell(id(2), Answer::Busy(1));
        assert_eq!(other.next().await, Some(Answer::Busy(1)));
    }

    #[test]
    fn nobody_is_remembered_who_has_left() {
        let waiting = Arc::new(Waiting::default());
        let (one, two) = (waiting.enter(id(1)), waiting.enter(id(1)));
        drop(one);
        assert!(waiting.is_waited_for(id(1)));
        drop(two);
        assert!(!waiting.is_waited_for(id(1)));
    }

    #[test]
    fn the_room_has_a_bound() {
        let waiting = Arc::new(Waiting::default());
        let all: Vec<_> = (0..REQUESTS_MAX).map(|number| waiting.enter(id(number)).unwrap()).collect();
        assert!(waiting.enter(id(REQUESTS_MAX)).is_none());
        assert!(waiting.enter(id(0)).is_some(), "who is there already takes no more room");
        drop(all);
        assert!(waiting.enter(id(REQUESTS_MAX)).is_some());
    }
}
