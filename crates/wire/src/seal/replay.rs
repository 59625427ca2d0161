//! Which sealed mail has been here before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keymoot_types::{Party, SessionId};

use super::Header;

/// Sessions that are remembered of one sender. Nodes run fewer at a time.
const SESSIONS_MAX: usize = 4096;

/// Numbers that are remembered of one session: more than pieces that are under way at a time.
const NUMBERS_MAX: usize = 64;

/// Lets each piece of mail pass once. Its memory is bounded for each sender, so nobody can push out what is remembered
/// of others: only mail that was opened gets here, and its sender is proved.
///
/// Of a session so old that it was pushed out by thousands of newer ones of the same sender, nothing is remembered. It
/// has long ended then, and what is dead takes no mail.
#[derive(Default)]
pub struct Sequence {
    senders: BTreeMap<Party, Sender>,
}

#[derive(Default)]
struct Sender {
    sessions: BTreeMap<SessionId, Window>,
    /// In the order in which they came up.
    order: VecDeque<SessionId>,
}

#[derive(Default)]
struct Window {
    seen: BTreeSet<u64>,
    /// All numbers up to here count as seen.
    floor: Option<u64>,
}

impl Sequence {
    /// Whether this mail is here for the first time. Ask only about mail that was opened.
    pub fn admit(&mut self, header: &Header) -> bool {
        let sender = self.senders.entry(header.from).or_default();
        if !sender.sessions.contains_key(&header.session) {
            sender.order.push_back(header.session);
            if sender.order.len() > SESSIONS_MAX
                && let Some(oldest) = sender.order.pop_front()
            {
                sender.sessions.remove(&oldest);
            }
        }
        sender.sessions.entry(header.session).or_default().admit(header.sequence)
    }
}

impl Window {
    fn admit(&mut self, number: u64) -> bool {
        if self.floor.is_some_and(|floor| number <= floor) || !self.seen.insert(number) {
            return false;
        }
        if self.seen.len() > NUMBERS_MAX {
            self.floor = self.seen.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use keymoot_types::GroupId;

    use super::*;

    fn header(from: u16, session: u16, sequence: u64) -> Header {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&session.to_be_bytes());
        let (from, to) = (Party::new(from).unwrap(), Party::new(9).unwrap());
        Header { group: GroupId::new([1; 16]), from, to, session: SessionId::new(bytes), round: 0, sequence }
    }

    #[test]
    fn each_number_passes_once_in_any_order() {
        let mut sequence = Sequence::default();
        for number in [3, 1, u64::MAX, 2, 0] {
            assert!(sequence.admit(&header(1, 0, number)), "{number}");
            assert!(!sequence.admit(&header(1, 0, number)), "{number}");
        }
        assert!(sequence.admit(&header(2, 0, 1)), "another sender counts for itself");
        assert!(sequence.admit(&header(1, 1, 1)), "another session counts for itself");
    }

    #[test]
    fn what_is_older_than_the_window_counts_as_seen() {
        let mut sequence = Sequence::default();
        for number in 0..=NUMBERS_MAX as u64 {
            assert!(sequence.admit(&header(1, 0, number * 2)));
        }
        assert!(!sequence.admit(&header(1, 0, 0)));
        assert!(sequence.admit(&header(1, 0, 1)), "above the floor, and never seen");
        assert!(!sequence.admit(&header(1, 0, 1)));
    }

    #[test]
    fn memory_is_bounded_for_each_sender() {
        let mut sequence = Sequence::default();
        assert!(sequence.admit(&header(2, 0, 0)));
        for session in 0..=u16::try_from(SESSIONS_MAX).unwrap() {
            for number in 0..3 {
                assert!(sequence.admit(&header(1, session, number)));
            }
        }
        let sender = &sequence.senders[&Party::new(1).unwrap()];
        assert_eq!((sender.sessions.len(), sender.order.len()), (SESSIONS_MAX, SESSIONS_MAX));
        assert!(!sequence.admit(&header(1, 1, 0)), "the youngest are remembered");
        assert!(!sequence.admit(&header(2, 0, 0)), "and those of others");
    }
}
