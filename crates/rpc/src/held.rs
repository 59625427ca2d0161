//! Requests that failed for a passing reason and may still happen: in the cluster a signature may come to be, and at the
//! node behind a transaction may be that nobody has seen yet. What was decided for them is kept, so that the same request
//! again is the same transaction to the last byte. Decided anew, it would be a second payment.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, keccak256};
use tokio::time::Instant;

use crate::transaction::{Draft, Fees, Priced};

/// For how long, after it was tried last.
const HELD: Duration = Duration::from_secs(15 * 60);
/// At most so many; the oldest are forgotten first.
const HELD_MAX: usize = 4096;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Send,
    Sign,
}

/// A request, as its caller has said it. All fields of a draft are in its text, and a digest of it is shorter than calldata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question(Purpose, Address, B256);

impl Question {
    pub fn new(purpose: Purpose, account: Address, draft: &Draft) -> Self {
        Self(purpose, account, keccak256(format!("{draft:?}")))
    }
}

/// What was decided for a request beside what its caller has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its place.
    pub nonce: u64,
    /// Of its transaction, once that may have been sent.
    pub hash: Option<B256>,
    kind: u8,
    gas: u64,
    fees: Fees,
}

impl Begun {
    pub fn new(priced: &Priced, nonce: u64) -> Self {
        Self { nonce, hash: None, kind: priced.kind, gas: priced.gas, fees: priced.fees }
    }

    /// The same transaction as before.
    pub fn priced(&self, draft: Draft) -> Priced {
        Priced { draft, kind: self.kind, gas: self.gas, fees: self.fees }
    }
}

/// One that was taken out, and can be put back as if it had never been.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    question: Question,
    since: Instant,
    pub begun: Begun,
}

/// All of them. Two requests with the same words are two, and each is taken up once.
#[derive(Default)]
pub struct Held(Mutex<VecDeque<Entry>>);

impl Held {
    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was decided.
    pub fn keep(&self, question: Question, begun: Begun) {
        self.put_back(Entry { question, since: Instant::now(), begun });
    }

    /// Keeps it no longer than it would have been.
    pub fn put_back(&self, entry: Entry) {
        let mut entries = self.entries();
        if entries.len() >= HELD_MAX {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// The oldest that was decided for a request.
    pub fn take(&self, question: &Question) -> Option<Entry> {
        let now = Instant::now();
        let mut entries = self.entries();
        entries.retain(|entry| now.duration_since(entry.since) <= HELD);
        let at = entries.iter().position(|entry| entry.question == *question)?;
        entries.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(nonce: u64) -> Begun {
        Begun { nonce, hash: None, kind: 0, gas: 1, fees: Fees::Price(1) }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_decided_is_taken_up_once_and_forgotten_after_a_while() {
        let (held, draft) = (Held::default(), Draft::default());
        let question = Question::new(Purpose::Send, Address::ZERO, &draft);
        held.keep(question, begun(5));
        held.keep(question, begun(6));
        let other = Draft { nonce: Some(5), ..Draft::default() };
        assert!(held.take(&Question::new(Purpose::Send, Address::ZERO, &other)).is_none());
        assert!(held.take(&Question::new(Purpose::Sign, Address::ZERO, &draft)).is_none());
        let first = held.take(&question).unwrap();
        assert_eq!((first.begun, held.take(&question).unwrap().begun), (begun(5), begun(6)));
        assert!(held.take(&question).is_none());
        tokio::time::advance(HELD / 2).await;
        held.put_back(first);
        tokio::time::advance(HELD / 2 + Duration::from_secs(1)).await;
        assert!(held.take(&question).is_none(), "put back, it is as old as it was");
    }

    #[test]
    fn as_many_are_kept_as_there_is_room_for() {
        let held = Held::default();
        for nonce in 0..HELD_MAX as u64 + 10 {
            held.keep(Question::new(Purpose::Send, Address::ZERO, &Draft::default()), begun(nonce));
        }
        assert_eq!(held.entries().len(), HELD_MAX);
        assert_eq!(held.entries()[0].begun.nonce, 10);
    }
}
