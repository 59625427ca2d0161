//! Requests that failed and may still happen: in the cluster a signature may be, whatever is said of it, and at the node behind a
//! transaction that nobody has seen yet. What was decided for them is kept, so that the same request again is the same
//! transaction to the last byte, and later at least at the same place. At another, it would be a second payment.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, keccak256};
use tokio::time::Instant;

use crate::transaction::{Draft, Fees, Priced};

/// For how long the transaction is the same. After that, one to be sent has a new price at its place, and one that is only signed
/// is forgotten.
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
    since: Instant,
    kind: u8,
    gas: u64,
    fees: Fees,
}

impl Begun {
    pub fn new(priced: &Priced, nonce: u64) -> Self {
        let since = Instant::now();
        Self { nonce, hash: None, since, kind: priced.kind, gas: priced.gas, fees: priced.fees }
    }

    /// Whether what was decided is of a while ago.
    pub fn is_old(&self) -> bool {
        self.since.elapsed() > HELD
    }

    /// The same transaction as before.
    pub fn priced(&self, draft: Draft) -> Priced {
        Priced { draft, kind: self.kind, gas: self.gas, fees: self.fees }
    }
}

/// All of them. Two requests with the same words are two, and each is taken up once.
#[derive(Default)]
pub struct Held(Mutex<VecDeque<(Question, Begun)>>);

impl Held {
    fn entries(&self) -> MutexGuard<'_, VecDeque<(Question, Begun)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was decided.
    pub fn keep(&self, question: Question, begun: Begun) {
        let mut entries = self.entries();
        if entries.len() >= HELD_MAX {
            entries.pop_front();
        }
        entries.push_back((question, begun));
    }

    /// The oldest that was decided for a request.
    pub fn take(&self, question: &Question) -> Option<Begun> {
        let mut entries = self.entries();
        entries.retain(|(question, begun)| question.0 == Purpose::Send || !begun.is_old());
        let at = entries.iter().position(|(known, _)| known == question)?;
        entries.remove(at).map(|(_, begun)| begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(nonce: u64) -> Begun {
        Begun { nonce, hash: None, since: Instant::now(), kind: 0, gas: 1, fees: Fees::Price(1) }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_decided_is_taken_up_once_and_its_place_is_not_forgotten() {
        let (held, draft) = (Held::default(), Draft::default());
        let question = |purpose| Question::new(purpose, Address::ZERO, &draft);
        let send = question(Purpose::Send);
        held.keep(send, begun(5));
        held.keep(send, begun(6));
        let other = Draft { nonce: Some(5), ..Draft::default() };
        assert!(held.take(&Question::new(Purpose::Send, Address::ZERO, &other)).is_none());
        assert!(held.take(&question(Purpose::Sign)).is_none());
        let first = held.take(&send).unwrap();
        assert_eq!((first, held.take(&send)), (begun(5), Some(begun(6))));
        assert!(held.take(&send).is_none());
        held.keep(question(Purpose::Sign), first);
        tokio::time::advance(HELD / 2).await;
        held.keep(send, first);
        assert!(!first.is_old());
        tokio::time::advance(HELD / 2 + Duration::from_secs(1)).await;
        assert!(first.is_old(), "kept again, it is as old as it was");
        assert!(held.take(&question(Purpose::Sign)).is_none());
        assert_eq!(held.take(&send), Some(first));
    }

    #[test]
    fn as_many_are_kept_as_there_is_room_for() {
        let held = Held::default();
        for nonce in 0..HELD_MAX as u64 + 10 {
            held.keep(Question::new(Purpose::Send, Address::ZERO, &Draft::default()), begun(nonce));
        }
        assert_eq!(held.entries().len(), HELD_MAX);
        assert_eq!(held.entries()[0].1.nonce, 10);
    }
}
