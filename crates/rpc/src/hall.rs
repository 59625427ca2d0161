//! Who is connected. Whoever has not been admitted yet is a stranger: there is room for some, for a short time, and if it is
//! full, whoever has been there longest makes room. So strangers cannot take the places of those who are known.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

/// For how long a stranger may take to be admitted, with its handshake.
const STRANGE_TIME: Duration = Duration::from_secs(10);
/// For how long nobody has to make room.
const GRACE: Duration = Duration::from_secs(1);

/// All who are connected.
pub struct Hall {
    strangers: Mutex<VecDeque<Stranger>>,
    strangers_max: usize,
    has_room: Notify,
    known: Arc<Semaphore>,
}

struct Stranger {
    guest: Guest,
    since: Instant,
    /// Dropped, it is sent away if it is a stranger still.
    _stay: oneshot::Sender<()>,
}

/// Somebody who is connected.
#[derive(Clone)]
pub struct Guest(Arc<OnceLock<OwnedSemaphorePermit>>);

/// A stay in the hall. Dropped, it is over.
pub struct Stay {
    hall: Arc<Hall>,
    guest: Guest,
    end: Option<oneshot::Receiver<()>>,
    until: Instant,
}

/// How a guest says that it was admitted.
#[derive(Clone)]
pub struct Entrance {
    hall: Arc<Hall>,
    guest: Guest,
}

impl Guest {
    fn is_known(&self) -> bool {
        self.0.get().is_some()
    }
}

impl Hall {
    pub fn new(known: usize, strangers: usize) -> Arc<Self> {
        Arc::new(Self {
            strangers: Mutex::default(),
            strangers_max: strangers,
            has_room: Notify::new(),
            known: Arc::new(Semaphore::new(known)),
        })
    }

    fn strangers(&self) -> MutexGuard<'_, VecDeque<Stranger>> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody comes in, as a stranger. Whoever stops waiting has not come in.
    pub async fn enter(self: &Arc<Self>) -> Stay {
        loop {
            let has_room = self.has_room.notified();
            match self.try_enter() {
                Ok(stay) => return stay,
                Err(later) => {
                    tokio::select! {
                        () = has_room => {}
                        () = sleep_until(later) => {}
                    }
                }
            }
        }
    }

    /// Or when to try again.
    fn try_enter(self: &Arc<Self>) -> Result<Stay, Instant> {
        let now = Instant::now();
        let mut strangers = self.strangers();
        if strangers.len() >= self.strangers_max
            && let Some(first) = strangers.front()
        {
            let later = first.since + GRACE;
            if later > now {
                return Err(later);
            }
            strangers.pop_front();
        }
        let (stay, end) = oneshot::channel();
        let guest = Guest(Arc::default());
        strangers.push_back(Stranger { guest: guest.clone(), since: now, _stay: stay });
        Ok(Stay { hall: self.clone(), guest, end: Some(end), until: now + STRANGE_TIME })
    }

    fn leave(&self, guest: &Guest) {
        self.strangers().retain(|stranger| !Arc::ptr_eq(&stranger.guest.0, &guest.0));
        self.has_room.notify_one();
    }
}

impl Stay {
    pub fn entrance(&self) -> Entrance {
        Entrance { hall: self.hall.clone(), guest: self.guest.clone() }
    }

    /// Waits until a stranger has to go. Whoever is known may stay.
    pub async fn is_over(&mut self) {
        if let Some(end) = &mut self.end {
            // It ends when it was admitted, and when somebody else needs its room.
            let _ = timeout_at(self.until, end).await;
            self.end = None;
        }
        if self.guest.is_known() {
            std::future::pending().await
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.hall.leave(&self.guest);
    }
}

impl Entrance {
    /// From now on it is known. `false`: there are as many as there is room for.
    pub fn admit(&self) -> bool {
        if self.guest.is_known() {
            return true;
        }
        let Ok(place) = self.hall.known.clone().try_acquire_owned() else { return false };
        // One request at a time: nobody else has set it meanwhile.
        let _ = self.guest.0.set(place);
        self.hall.leave(&self.guest);
        true
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn strangers_make_room_for_each_other_and_never_the_known_for_them() {
        let hall = Hall::new(1, 2);
        let mut known = hall.enter().await;
        assert!(known.entrance().admit() && known.entrance().admit());
        let (mut first, mut second) = (hall.enter().await, hall.enter().await);
        assert!(hall.enter().now_or_never().is_none(), "nobody has to go at once");
        assert!(!second.entrance().admit(), "the one place is taken");
        assert!(first.is_over().now_or_never().is_none());
        let began = Instant::now();
        let third = hall.enter().await;
        assert_eq!(began.elapsed(), GRACE);
        assert!(known.is_over().now_or_never().is_none() && second.is_over().now_or_never().is_none());
        drop((known, third));
        assert!(second.entrance().admit(), "who has left has left its place");
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_waited_longest_goes_and_none_stays_a_stranger() {
        let hall = Hall::new(1, 1);
        let mut first = hall.enter().await;
        let began = Instant::now();
        let (mut second, ()) = tokio::join!(hall.enter(), first.is_over());
        assert_eq!(began.elapsed(), GRACE);
        second.is_over().await;
        assert_eq!(began.elapsed(), GRACE + STRANGE_TIME);
    }
}
