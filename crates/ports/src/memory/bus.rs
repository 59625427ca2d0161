//! A bus in memory, with weather: what may happen to messages happens to every n-th, the same in every run.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::lock;
use crate::bus::{Bus, MESSAGE_BYTES_MAX};
use crate::fault::fits;
use crate::{Answer, Fault, Name};

/// What happens to messages on the way to each process. Zero means never, n means every n-th.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Is lost.
    pub lose_every: u64,
    /// Arrives twice.
    pub repeat_every: u64,
    /// Overtakes those that wait.
    pub hurry_every: u64,
}

#[derive(Default)]
struct Mailbox {
    waiting: VecDeque<Vec<u8>>,
    /// How many messages were sent here, lost ones included.
    sent: u64,
    receiver: Option<Waker>,
}

type Mailboxes = BTreeMap<Name, Mailbox>;

/// The middle of a bus. Clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    mailboxes: Arc<Mutex<Mailboxes>>,
    weather: Weather,
    mailbox_max: usize,
}

impl Hub {
    /// A bus with no processes, on which at most so many messages wait for each.
    #[must_use]
    pub fn new(mailbox_max: usize, weather: Weather) -> Self {
        Self { mailboxes: Arc::default(), weather, mailbox_max }
    }

    /// The access of the process with this name, whose mailbox is there from now on.
    #[must_use]
    pub fn endpoint(&self, name: &Name) -> Endpoint {
        lock(&self.mailboxes).entry(name.clone()).or_default();
        Endpoint { hub: self.clone(), name: name.clone() }
    }

    fn post(&self, to: &Name, bytes: &[u8]) -> Result<(), Fault> {
        fits(bytes, MESSAGE_BYTES_MAX, "a message is too long")?;
        let mut mailboxes = lock(&self.mailboxes);
        let mailbox = mailboxes.get_mut(to).ok_or(Fault::unavailable())?;
        if mailbox.waiting.len() >= self.mailbox_max {
            return Err(Fault::Full);
        }
        mailbox.sent = mailbox.sent.wrapping_add(1);
        let sent = mailbox.sent;
        let is_turn = |every: u64| every != 0 && sent.is_multiple_of(every);
        if is_turn(self.weather.lose_every) {
            return Ok(());
        }
        if is_turn(self.weather.hurry_every) {
            mailbox.waiting.push_front(bytes.to_vec());
        } else {
            mailbox.waiting.push_back(bytes.to_vec());
        }
        if is_turn(self.weather.repeat_every) && mailbox.waiting.len() < self.mailbox_max {
            mailbox.waiting.push_back(bytes.to_vec());
        }
        if let Some(receiver) = mailbox.receiver.take() {
            receiver.wake();
        }
        Ok(())
    }
}

/// One process on the bus.
#[derive(Clone)]
pub struct Endpoint {
    hub: Hub,
    name: Name,
}

impl Bus for Endpoint {
    fn send<'a>(&'a self, to: &'a Name, bytes: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move { self.hub.post(to, bytes) })
    }

    fn receive(&self) -> Answer<'_, Vec<u8>> {
        Box::pin(poll_fn(|context| {
            let mut mailboxes = lock(&self.hub.mailboxes);
            let mailbox = mailboxes.entry(self.name.clone()).or_default();
            match mailbox.waiting.pop_front() {
                Some(bytes) => Poll::Ready(Ok(bytes)),
                None => {
                    mailbox.receiver = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        }))
    }
}
