//! The places of one account's transactions: who has which, and when it may be sent. Only bookkeeping; nothing waits here.
//!
//! A place is given before its transaction is signed, so that many are signed side by side. They are sent in order. One that
//! fails gives its place back, and the next transaction takes it. If none comes while later ones are signed or sent, the
//! place is *empty*, and has to be filled or given up.
//!
//! What is never done: to sign a transaction for another place because its own did not come up. Then there would be two
//! signatures for one payment, and whoever keeps the first, as a stolen coordinator may, could make it happen twice.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;

/// The places of one account.
#[derive(Debug, Default)]
pub struct Nonces {
    /// The first that nobody has had. `None`: the chain has not been asked.
    next: Option<u64>,
    /// Given and not sent yet; `true`: signed.
    open: BTreeMap<u64, bool>,
    /// Below `next`, and given back; `true`: given up, so that nobody waits for it.
    empty: BTreeMap<u64, bool>,
    /// From `next` on, and chosen by callers.
    ahead: BTreeSet<u64>,
    /// Of these it is not known whether they were sent.
    doubtful: BTreeMap<u64, B256>,
    /// The last that was sent.
    last: Option<u64>,
    /// What was sent, by its place; only the latest.
    sent: BTreeMap<u64, B256>,
    /// Transactions that will take a place soon.
    waiting: usize,
    /// Somebody else sends for this account as well.
    is_stale: bool,
}

/// How a place that a caller has chosen stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It is one of ours from now on.
    Ours,
    /// It is further on.
    Ahead,
    /// It has a transaction already, which the caller wants to replace.
    Taken,
    /// A transaction of ours is on its way to it.
    Busy,
}

/// How a place that was given back stands to whoever wants it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// He has it.
    Free,
    /// Others have it.
    Taken,
    /// It is so far on that others have to come before; the first of them that is free.
    Far(u64),
}

/// Places of which it is remembered what was sent there.
const SENT_MAX: usize = 4096;
/// Places that callers have chosen further on. Beyond that the furthest are forgotten, and refused by the node at worst.
const AHEAD_MAX: usize = 4096;
/// How far behind the next place one may be that is taken up again: whatever is empty before it may have to be filled, and
/// that is paid for.
const GAP_MAX: u64 = 16;
/// At most so many of the last places are asked about when the chain knows fewer than were sent.
pub const LOOKED_MAX: usize = 64;

impl Nonces {
    /// Whether the chain has to be asked before a place is given.
    pub fn is_unsure(&self) -> bool {
        self.next.is_none() || self.is_stale || self.is_idle()
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.empty.is_empty() && self.doubtful.is_empty()
    }

    /// The first place that nobody has had.
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Takes over what the chain says: that it knows so many transactions of this account. It never takes a place back.
    pub fn learn(&mut self, count: u64) {
        let next = count.max(self.next.unwrap_or_default());
        self.next = Some(next);
        self.empty.retain(|place, _| *place >= count);
        self.ahead.retain(|place| *place >= next);
        self.is_stale = false;
        self.settle();
    }

    /// The chain has lost what was sent from a place on. Not if anything has happened since it was asked, where this was the next.
    pub fn lower(&mut self, next: u64, known: u64) {
        if self.is_idle() && self.next == Some(known) && next < known {
            self.next = Some(next);
            self.last = self.last.filter(|place| *place < next);
        }
    }

    /// The next place: an empty one if there is one.
    pub fn take(&mut self) -> Option<u64> {
        let place = match self.empty.pop_first() {
            Some((place, _)) => place,
            None => self.advance()?,
        };
        self.open.insert(place, false);
        Some(place)
    }

    /// What the next place would be.
    pub fn peek(&self) -> Option<u64> {
        let empty = self.empty.first_key_value().map(|(place, _)| *place);
        empty.or_else(|| (self.next?..u64::MAX).find(|place| !self.ahead.contains(place)))
    }

    /// What was sent at a place.
    pub fn sent_at(&self, place: u64) -> Option<B256> {
        self.sent.get(&place).copied()
    }

    /// Whether a place counts as used: nothing of ours is on its way to it, and nobody could take it.
    pub fn is_used(&self, place: u64) -> bool {
        self.next.is_some_and(|next| place < next)
            && !self.open.contains_key(&place)
            && !self.empty.contains_key(&place)
            && !self.doubtful.contains_key(&place)
    }

    /// The last of what was sent beyond a place, the last of all first.
    pub fn sent_beyond(&self, place: u64) -> Vec<(u64, B256)> {
        let next = self.next.unwrap_or_default();
        let beyond = self.sent.iter().rev().take_while(|(known, _)| **known > place);
        beyond.filter(|(known, _)| **known < next).take(LOOKED_MAX).map(|(at, hash)| (*at, *hash)).collect()
    }

    /// The chain has nothing at a place that counts as used, nor what was sent there when it was asked: it is empty. What was sent
    /// is remembered: it may be in a block after all.
    pub fn miss(&mut self, place: u64, at: Option<B256>) {
        if self.is_used(place) && self.sent_at(place) == at {
            self.empty.insert(place, false);
            self.settle();
        }
    }

    /// Something was sent at a place.
    pub fn note(&mut self, place: u64, hash: B256) {
        self.sent.insert(place, hash);
        if self.sent.len() > SENT_MAX {
            self.sent.pop_first();
        }
    }

    /// What was given back at a place was sent after all.
    pub fn found(&mut self, place: u64, hash: B256) {
        match self.resume(place) {
            Resumed::Free => self.sent(place, hash),
            Resumed::Taken | Resumed::Far(_) => {}
        }
    }

    /// Takes a place again that was given back, if it is still free.
    pub fn resume(&mut self, place: u64) -> Resumed {
        let next = self.next.unwrap_or_default();
        if self.empty.remove(&place).is_some() {
            self.open.insert(place, false);
            return Resumed::Free;
        }
        let is_ours = self.open.contains_key(&place) || self.doubtful.contains_key(&place);
        let Some(behind) = place.checked_add(1) else { return Resumed::Taken };
        if is_ours || place < next || self.ahead.contains(&place) {
            return Resumed::Taken;
        }
        if place - next > GAP_MAX {
            return Resumed::Far(next);
        }
        // It left no trace when it was the last one. Those before it are empty then.
        for before in next..place {
            if !self.ahead.remove(&before) {
                self.empty.insert(before, false);
            }
        }
        self.next = Some(behind);
        self.open.insert(place, false);
        Resumed::Free
    }

    /// Past what callers have chosen, the first that nobody has had.
    fn advance(&mut self) -> Option<u64> {
        let mut place = self.next?;
        while self.ahead.remove(&place) {
            place = place.checked_add(1)?;
        }
        self.next = Some(place.checked_add(1)?);
        Some(place)
    }

    /// A caller has chosen this place itself.
    pub fn choose(&mut self, place: u64) -> Chosen {
        let next = self.next.unwrap_or_default();
        if self.empty.remove(&place).is_some() {
            self.open.insert(place, false);
            return Chosen::Ours;
        }
        if self.open.contains_key(&place) || self.doubtful.contains_key(&place) {
            return Chosen::Busy;
        }
        if place < next || self.ahead.contains(&place) {
            return Chosen::Taken;
        }
        if place == next && self.advance() == Some(place) {
            self.open.insert(place, false);
            return Chosen::Ours;
        }
        self.ahead.insert(place);
        if self.ahead.len() > AHEAD_MAX {
            self.ahead.pop_last();
        }
        Chosen::Ahead
    }

    /// What was chosen further on was not sent.
    pub fn leave(&mut self, place: u64) {
        if !self.ahead.remove(&place) && self.next.is_some_and(|next| place < next) {
            self.empty.insert(place, false);
            self.settle();
        }
    }

    /// The transaction of a place is signed.
    pub fn signed(&mut self, place: u64) {
        if let Some(is_signed) = self.open.get_mut(&place) {
            *is_signed = true;
        }
    }

    /// Whether everything before a place has been sent or given up.
    pub fn is_turn(&self, place: u64) -> bool {
        let waits = self.empty.iter().find(|(_, is_given_up)| !**is_given_up).map(|(place, _)| *place);
        let first = self.open.keys().next().copied().into_iter().chain(waits).min();
        first.is_none_or(|first| place <= first)
    }

    /// The transaction of a place was sent.
    pub fn sent(&mut self, place: u64, hash: B256) {
        self.open.remove(&place);
        self.doubtful.remove(&place);
        self.note(place, hash);
        self.last = self.last.max(Some(place));
    }

    /// The transaction of a place will not be sent.
    pub fn give_back(&mut self, place: u64) {
        if self.open.remove(&place).is_some() || self.doubtful.remove(&place).is_some() {
            self.empty.insert(place, false);
            self.settle();
        }
    }

    /// Somebody else has used a place.
    pub fn lose(&mut self, place: u64) {
        self.open.remove(&place);
        self.is_stale = true;
    }

    /// It is not known whether the transaction of a place was sent.
    pub fn doubt(&mut self, place: u64, hash: B256) {
        if self.open.remove(&place).is_some() {
            self.doubtful.insert(place, hash);
        }
    }

    /// Those of which it is not known.
    pub fn doubtful(&self) -> Vec<(u64, B256)> {
        self.doubtful.iter().map(|(place, hash)| (*place, *hash)).collect()
    }

    /// An empty place that has to be filled, and is open from now on: somebody waits behind it, and nobody is coming.
    pub fn claim_empty(&mut self) -> Option<u64> {
        if self.waiting > 0 {
            return None;
        }
        let signed = self.open.iter().rev().find(|(_, is_signed)| **is_signed).map(|(place, _)| *place);
        let behind = signed.max(self.last);
        let place = *self.empty.iter().find(|(_, is_given_up)| !**is_given_up)?.0;
        if behind.is_none_or(|behind| behind < place) {
            return None;
        }
        self.empty.remove(&place);
        self.open.insert(place, false);
        Some(place)
    }

    /// Gives an open place up: it is empty, and nobody waits for it.
    pub fn give_up(&mut self, place: u64) {
        if self.open.remove(&place).is_some() {
            self.empty.insert(place, true);
            self.settle();
        }
    }

    /// One more, or one less, that will take a place soon.
    pub fn wait(&mut self, one_more: bool) {
        self.waiting = if one_more { self.waiting.saturating_add(1) } else { self.waiting.saturating_sub(1) };
    }

    /// Empty places at the end are places that nobody has had.
    fn settle(&mut self) {
        while let Some(before) = self.next.and_then(|next| next.checked_sub(1))
            && self.empty.remove(&before).is_some()
        {
            self.next = Some(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(count: u64) -> Nonces {
        let mut nonces = Nonces::default();
        nonces.learn(count);
        nonces
    }

    #[test]
    fn a_place_that_was_given_back_is_given_first() {
        let mut nonces = from(7);
        assert_eq!([nonces.take(), nonces.take(), nonces.take()], [Some(7), Some(8), Some(9)]);
        nonces.give_back(8);
        assert!(nonces.is_turn(7) && !nonces.is_turn(9));
        assert_eq!((nonces.peek(), nonces.take()), (Some(8), Some(8)));
        // The last ones leave no trace.
        nonces.give_back(9);
        nonces.give_back(8);
        assert_eq!((nonces.next(), nonces.claim_empty()), (Some(8), None));
    }

    #[test]
    fn an_empty_place_is_filled_only_if_somebody_waits_behind_it_and_nobody_comes() {
        let mut nonces = from(0);
        for _ in 0..3 {
            nonces.take();
        }
        nonces.give_back(0);
        assert_eq!(nonces.claim_empty(), None, "nothing behind it is signed yet");
        nonces.signed(2);
        nonces.wait(true);
        assert_eq!(nonces.claim_empty(), None, "somebody is about to take it");
        nonces.wait(false);
        assert_eq!(nonces.claim_empty(), Some(0));
        assert!(!nonces.is_turn(1));
        nonces.give_up(0);
        assert!(nonces.is_turn(1) && nonces.claim_empty().is_none());
        assert_eq!(nonces.take(), Some(0), "it is still the first to be given");
    }

    #[test]
    fn what_callers_choose_is_not_given_to_others() {
        let mut nonces = from(5);
        assert_eq!(nonces.choose(7), Chosen::Ahead);
        assert_eq!(nonces.choose(5), Chosen::Ours);
        assert_eq!(nonces.choose(4), Chosen::Taken);
        assert_eq!([nonces.take(), nonces.take()], [Some(6), Some(8)]);
        nonces.leave(7);
        assert_eq!(nonces.take(), Some(7), "it was passed, and was not used");
        nonces.choose(20);
        nonces.leave(20);
        assert_eq!(nonces.take(), Some(9));
    }

    #[test]
    fn a_place_that_is_on_its_way_is_nobodys_to_choose() {
        let mut nonces = from(5);
        assert_eq!((nonces.take(), nonces.take()), (Some(5), Some(6)));
        assert_eq!(nonces.choose(5), Chosen::Busy);
        nonces.doubt(5, B256::ZERO);
        assert_eq!(nonces.choose(5), Chosen::Busy, "it may have been sent");
        nonces.sent(5, B256::ZERO);
        assert_eq!(nonces.choose(5), Chosen::Taken, "what was sent may be replaced");
        assert_eq!(nonces.choose(8), Chosen::Ahead);
        assert_eq!(nonces.peek(), Some(7));
        nonces.take();
        assert_eq!(nonces.peek(), Some(9), "what a caller has chosen is not the next");
    }

    #[test]
    fn a_place_is_taken_up_again_if_nobody_has_it() {
        let mut nonces = from(5);
        for _ in 0..3 {
            nonces.take();
        }
        nonces.give_back(6);
        assert_eq!((nonces.resume(6), nonces.resume(6)), (Resumed::Free, Resumed::Taken));
        assert_eq!((nonces.resume(7), nonces.resume(4)), (Resumed::Taken, Resumed::Taken), "others have it");
        nonces.give_back(6);
        nonces.give_back(7);
        assert_eq!(nonces.next(), Some(6), "they left no trace");
        assert_eq!(nonces.resume(7), Resumed::Free);
        assert!(!nonces.is_turn(7), "the one before it is waited for");
        assert_eq!((nonces.take(), nonces.take()), (Some(6), Some(8)));
        assert_eq!(nonces.resume(u64::MAX), Resumed::Taken);
        // One request may not have hundreds of places filled.
        assert_eq!(nonces.resume(9 + GAP_MAX + 1), Resumed::Far(9));
        assert_eq!(nonces.resume(9 + GAP_MAX), Resumed::Free);
        nonces.sent(7, B256::repeat_byte(7));
        assert_eq!((nonces.sent_at(7), nonces.sent_at(6)), (Some(B256::repeat_byte(7)), None));
    }

    #[test]
    fn the_chain_is_asked_when_nothing_is_on_its_way_and_believed() {
        let mut nonces = from(3);
        nonces.take();
        assert!(!nonces.is_unsure());
        nonces.sent(3, B256::ZERO);
        assert!(nonces.is_unsure());
        nonces.learn(2);
        assert_eq!(nonces.next(), Some(4), "it is not taken back by the way");
        nonces.lower(2, 3);
        assert_eq!(nonces.next(), Some(4), "something has happened since");
        nonces.lower(2, 4);
        assert_eq!(nonces.take(), Some(2));
        nonces.lower(0, 3);
        assert_eq!(nonces.next(), Some(3), "something is on its way");
        nonces.lose(2);
        assert!(nonces.is_unsure());
        nonces.learn(9);
        assert_eq!(nonces.take(), Some(9));
    }

    #[test]
    fn what_is_in_doubt_becomes_sent_or_empty() {
        let mut nonces = from(0);
        nonces.take();
        nonces.take();
        nonces.doubt(0, B256::repeat_byte(1));
        assert!(nonces.is_turn(1), "nobody waits for it");
        assert_eq!(nonces.doubtful(), [(0, B256::repeat_byte(1))]);
        nonces.sent(1, B256::ZERO);
        nonces.give_back(0);
        assert_eq!(nonces.claim_empty(), Some(0));
        nonces.sent(0, B256::ZERO);
        assert!(nonces.is_idle());
    }

    #[test]
    fn a_place_that_the_chain_has_nothing_at_is_empty_and_is_filled() {
        let mut nonces = from(5);
        let hash = |place: u64| B256::repeat_byte(place as u8);
        for place in 5..9 {
            nonces.take();
            nonces.sent(place, hash(place));
        }
        assert_eq!(nonces.sent_beyond(6), [(8, hash(8)), (7, hash(7))]);
        assert!(nonces.is_used(6) && nonces.is_used(2) && !nonces.is_used(9));
        nonces.miss(6, Some(hash(5)));
        assert!(nonces.is_used(6), "another was sent there since");
        nonces.miss(6, Some(hash(6)));
        nonces.miss(9, None);
        assert!(!nonces.is_used(6) && nonces.sent_at(6) == Some(hash(6)));
        assert_eq!((nonces.peek(), nonces.claim_empty(), nonces.take()), (Some(6), Some(6), Some(9)));
        nonces.miss(9, None);
        nonces.miss(6, Some(hash(6)));
        assert!(!nonces.is_turn(9), "what is on its way is not missed");
        // The last ones leave no trace.
        nonces.sent(6, hash(6));
        nonces.sent(9, hash(9));
        nonces.miss(9, Some(hash(9)));
        assert_eq!((nonces.next(), nonces.is_idle()), (Some(9), true));
        // It was there, or is taken by somebody meanwhile.
        nonces.found(9, hash(9));
        assert_eq!((nonces.next(), nonces.take(), nonces.next()), (Some(10), Some(10), Some(11)));
        nonces.found(10, hash(1));
        assert_eq!(nonces.sent_at(10), None, "another is on its way to it");
    }

    proptest! {
        /// Whatever happens in whatever order: no place is open twice, and when all is done, all places below the next one
        /// were sent, but for those that are still empty.
        #[test]
        fn no_place_is_given_twice_and_none_is_forgotten(steps in prop::collection::vec((0u8..7, any::<prop::sample::Index>()), 1..200)) {
            let mut nonces = from(10);
            let (mut held, mut sent) = (Vec::new(), BTreeSet::new());
            let mut back = Vec::new();
            for (step, which) in steps {
                if step < 2 {
                    let place = nonces.take().unwrap();
                    prop_assert!(!held.contains(&place) && !sent.contains(&place), "{place} is given twice");
                    held.push(place);
                } else if step == 6 {
                    // Somebody comes back for a place that was given back; somebody else may have it.
                    if !back.is_empty() {
                        let place: u64 = back.swap_remove(which.index(back.len()));
                        if nonces.resume(place) == Resumed::Free {
                            prop_assert!(!held.contains(&place) && !sent.contains(&place), "{place} is given twice");
                            held.push(place);
                        }
                    }
                } else if !held.is_empty() {
                    let place = held.swap_remove(which.index(held.len()));
                    match step {
                        2 | 3 => { nonces.sent(place, B256::ZERO); sent.insert(place); }
                        4 => { nonces.give_back(place); back.push(place); }
                        _ => nonces.give_up(place),
                    }
                }
            }
            for place in held {
                nonces.sent(place, B256::ZERO);
                sent.insert(place);
            }
            while let Some(place) = nonces.claim_empty() {
                nonces.sent(place, B256::ZERO);
                sent.insert(place);
            }
            let given_up = nonces.empty.keys().copied();
            let all: BTreeSet<u64> = sent.iter().copied().chain(given_up).collect();
            prop_assert_eq!(all, (10..nonces.next().unwrap()).collect::<BTreeSet<u64>>());
        }
    }
}
