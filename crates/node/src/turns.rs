//! What waits for a worker: of each coordinator in its order, and of all coordinators in turn.

use std::collections::VecDeque;

use keymoot_engine::message::Address;
use keymoot_types::SessionId;

/// Waiting jobs. Whoever has called for many is served one of them before anybody else's next, and no more.
pub(crate) struct Turns<T> {
    /// Whoever has something that waits, the next in front.
    lines: VecDeque<(Address, VecDeque<(SessionId, T)>)>,
    waiting: usize,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lines: VecDeque::new(), waiting: 0 }
    }
}

impl<T> Turns<T> {
    /// How many wait.
    pub(crate) const fn len(&self) -> usize {
        self.waiting
    }

    /// Puts a job at the end of somebody's line.
    pub(crate) fn put(&mut self, whose: Address, session: SessionId, job: T) {
        self.waiting = self.waiting.saturating_add(1);
        match self.lines.iter_mut().find(|(who, _)| *who == whose) {
            Some((_, line)) => line.push_back((session, job)),
            None => self.lines.push_back((whose, VecDeque::from([(session, job)]))),
        }
    }

    /// Takes the next job; who has more waits for all others.
    pub(crate) fn take(&mut self) -> Option<(SessionId, T)> {
        let (whose, mut line) = self.lines.pop_front()?;
        let next = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((whose, line));
        }
        self.waiting = self.waiting.saturating_sub(1);
        next
    }

    /// Drops the job of a session, if it waits.
    pub(crate) fn drop_job(&mut self, session: SessionId) -> bool {
        let before = self.waiting;
        for (_, line) in &mut self.lines {
            let all = line.len();
            line.retain(|(one, _)| *one != session);
            self.waiting = self.waiting.saturating_sub(all.saturating_sub(line.len()));
        }
        self.lines.retain(|(_, line)| !line.is_empty());
        self.waiting < before
    }
}

#[cfg(test)]
mod tests {
    use keymoot_engine::message::Address;
    use keymoot_types::SessionId;

    use super::Turns;

    fn session(number: u8) -> SessionId {
        SessionId::new([number; 16])
    }

    fn taken(turns: &mut Turns<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| turns.take()).map(|(_, job)| job).collect()
    }

    #[test]
    fn whoever_calls_for_many_keeps_nobody_waiting_for_all_of_them() {
        let mut turns = Turns::default();
        for (number, job) in (0..).zip(["a1", "a2", "a3", "a4"]) {
            turns.put(Address::Coordinator(0), session(number), job);
        }
        assert_eq!(turns.take().map(|(_, job)| job), Some("a1"));
        turns.put(Address::Coordinator(1), session(10), "b1");
        turns.put(Address::Coordinator(1), session(11), "b2");
        turns.put(Address::Coordinator(2), session(12), "c1");
        assert_eq!(turns.len(), 6);
        assert_eq!(taken(&mut turns), ["a2", "b1", "c1", "a3", "b2", "a4"]);
        assert_eq!(turns.len(), 0);
    }

    #[test]
    fn what_is_dropped_is_not_begun() {
        let mut turns = Turns::default();
        turns.put(Address::Coordinator(0), session(1), "a1");
        turns.put(Address::Coordinator(0), session(2), "a2");
        turns.put(Address::Coordinator(1), session(3), "b1");
        assert!(turns.drop_job(session(3)) && !turns.drop_job(session(3)));
        assert!(turns.drop_job(session(1)));
        assert_eq!(turns.len(), 1);
        assert_eq!(taken(&mut turns), ["a2"]);
    }
}
