//! Requests that failed and may still happen: in the cluster a signature may be, whatever is said of it, and at the node behind a
//! transaction that nobody has seen yet. What was decided for them is kept, so that the same request again is the same
//! transaction to the last byte, and later at least at the same place. At another, it would be a second payment.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, keccak256};
use tokio::time::Instant;

use crate::transaction::{Draft, Fees, Priced};

/// At most so many; the oldest are forgotten first.
const HELD_MAX: usize = 4096;
/// Of one request so many transactions are remembered that may have been sent, one for each of its prices.
const HASHES_MAX: usize = 64;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its place.
    pub nonce: u64,
    /// Of its transactions that may have been sent: of each price one, and more if it was signed again.
    pub hashes: Vec<B256>,
    since: Instant,
    kind: u8,
    gas: u64,
    fees: Fees,
}

impl Begun {
    pub fn new(priced: &Priced, nonce: u64) -> Self {
        let since = Instant::now();
        Self { nonce, hashes: Vec::new(), since, kind: priced.kind, gas: priced.gas, fees: priced.fees }
    }

    /// The same at its place, with a new price.
    pub fn anew(self, priced: &Priced) -> Self {
        Self { hashes: self.hashes, ..Self::new(priced, self.nonce) }
    }

    /// Whether both come from one decision.
    fn is_one_with(&self, other: &Self) -> bool {
        (self.nonce, self.since) == (other.nonce, other.since)
    }

    /// One of its transactions may have been sent.
    pub fn is_at_large(&mut self, hash: B256) {
        if !self.hashes.contains(&hash) {
            self.hashes.truncate(HASHES_MAX - 1);
            self.hashes.insert(0, hash);
        }
    }

    /// Whether what was decided is longer ago than this.
    pub fn is_older(&self, than: Duration) -> bool {
        self.since.elapsed() >= than
    }

    /// The same transaction as before.
    pub fn priced(&self, draft: Draft) -> Priced {
        Priced { draft, kind: self.kind, gas: self.gas, fees: self.fees }
    }
}

/// All of them. Two requests to send with the same words are two, and each is taken up once. Two to sign are one as long as
/// nobody has been told: what is only signed has the next place and does not take it, and so they could not both happen.
#[derive(Default)]
pub struct Held {
    entries: Mutex<VecDeque<(Question, Begun)>>,
    /// Those to sign, in a place of their own: they push no payment out.
    signs: Mutex<VecDeque<(Question, Begun)>>,
    deciding: [tokio::sync::Mutex<()>; DECIDING],
}

/// So many requests to sign are decided side by side, where no two are alike.
const DECIDING: usize = 32;

impl Held {
    fn entries(&self) -> MutexGuard<'_, VecDeque<(Question, Begun)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
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
        let at = entries.iter().position(|(known, _)| known == question)?;
        entries.remove(at).map(|(_, begun)| begun)
    }

    /// To be held while it is decided what one to sign is, so that two alike are not two.
    pub async fn decide(&self, question: &Question) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let [first, ..] = question.2.0;
        // There always is one.
        let of_its_own = self.deciding.get(usize::from(first) % DECIDING)?;
        Some(of_its_own.lock().await)
    }

    fn signs(&self) -> MutexGuard<'_, VecDeque<(Question, Begun)>> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was decided for one to sign.
    pub fn decided(&self, question: &Question) -> Option<Begun> {
        self.signs().iter().find(|(known, _)| known == question).map(|(_, begun)| begun.clone())
    }

    /// This is what it is, until its caller is told.
    pub fn set(&self, question: Question, begun: Begun) {
        let mut signs = self.signs();
        signs.retain(|(known, _)| *known != question);
        if signs.len() >= HELD_MAX {
            signs.pop_front();
        }
        signs.push_back((question, begun));
    }

    /// The same, unless something else was decided meanwhile.
    pub fn set_again(&self, question: Question, begun: Begun) {
        if self.decided(&question).is_none_or(|decided| decided.is_one_with(&begun)) {
            self.set(question, begun);
        }
    }

    /// Its caller is told. What was decided for the next one with the same words stays.
    pub fn told(&self, question: &Question, begun: &Begun) {
        self.signs().retain(|(known, decided)| known != question || !decided.is_one_with(begun));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(nonce: u64) -> Begun {
        Begun { nonce, hashes: Vec::new(), since: Instant::now(), kind: 0, gas: 1, fees: Fees::Price(1) }
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
        let first = held.take(&send).unwrap();
        assert_eq!((first.clone(), held.take(&send)), (begun(5), Some(begun(6))));
        assert!(held.take(&send).is_none());
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        held.keep(send, first.clone());
        assert!(!first.is_older(second * 2));
        tokio::time::advance(second).await;
        assert!(first.is_older(second * 2), "kept again, it is as old as it was");
        assert_eq!(held.take(&send), Some(first));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_told_ends_what_was_decided_for_him_and_nothing_later() {
        let (held, draft) = (Held::default(), Draft::default());
        let question = Question::new(Purpose::Sign, Address::ZERO, &draft);
        let first = begun(5);
        held.set(question, first.clone());
        assert_eq!(held.decided(&question), Some(first.clone()));
        assert!(held.take(&question).is_none(), "it is not among those to send");
        tokio::time::advance(Duration::from_secs(1)).await;
        held.told(&question, &first);
        let second = begun(6);
        held.set(question, second.clone());
        held.told(&question, &first);
        held.set_again(question, first.clone());
        assert_eq!(held.decided(&question), Some(second.clone()));
        held.told(&question, &second);
        held.set_again(question, first.clone());
        assert_eq!(held.decided(&question), Some(first));
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_new_price_it_remembers_all_that_may_have_been_sent() {
        let mut first = begun(5);
        let hash = |number: usize| B256::left_padding_from(&number.to_be_bytes());
        for number in [1, 2, 1] {
            first.is_at_large(hash(number));
        }
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        let priced = Priced { draft: Draft::default(), kind: 2, gas: 9, fees: Fees::Price(3) };
        let mut anew = first.anew(&priced);
        assert!(!anew.is_older(second));
        assert_eq!((anew.nonce, anew.gas, &anew.hashes[..]), (5, 9, &[hash(2), hash(1)][..]));
        for number in 0..HASHES_MAX * 2 {
            anew.is_at_large(hash(number));
        }
        assert_eq!(anew.hashes.len(), HASHES_MAX);
        assert_eq!(anew.hashes[0], hash(HASHES_MAX * 2 - 1), "the latest are kept");
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
