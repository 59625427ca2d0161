//! What waits for a worker: of each coordinator in its order, and first of the one that has had the least of the workers' time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use keymoot_engine::message::Address;
use keymoot_types::SessionId;

/// Waiting jobs. Whoever calls for many gets its part of the time, as everybody for whom something waits, and no more.
pub(crate) struct Turns<T> {
    lines: BTreeMap<Address, Line<T>>,
    /// What the one that was served last had had: whoever had nothing to do for a while is owed nothing for it.
    floor: Duration,
}

struct Line<T> {
    waiting: VecDeque<(SessionId, T)>,
    /// How many of its jobs are under way. How long they take is known when they end.
    under_way: usize,
    had: Duration,
}

/// A job whose turn it is.
pub(crate) struct Turn<T> {
    pub(crate) whose: Address,
    pub(crate) session: SessionId,
    pub(crate) job: T,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lines: BTreeMap::new(), floor: Duration::ZERO }
    }
}

impl<T> Turns<T> {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lines.values().map(|line| line.waiting.len()).sum()
    }

    /// Puts a job at the end of somebody's line.
    pub(crate) fn put(&mut self, whose: Address, session: SessionId, job: T) {
        let floor = self.floor;
        let line =
            self.lines.entry(whose).or_insert(Line { waiting: VecDeque::new(), under_way: 0, had: floor });
        if line.waiting.is_empty() && line.under_way == 0 {
            line.had = line.had.max(floor);
        }
        line.waiting.push_back((session, job));
    }

    /// Takes the next job.
    pub(crate) fn take(&mut self) -> Option<Turn<T>> {
        let waits = self.lines.iter_mut().filter(|(_, line)| !line.waiting.is_empty());
        // Several workers do not serve one line while somebody else waits.
        let (whose, line) = waits.min_by_key(|(_, line)| (line.under_way, line.had))?;
        self.floor = self.floor.max(line.had);
        line.under_way = line.under_way.saturating_add(1);
        let (session, job) = line.waiting.pop_front()?;
        Some(Turn { whose: *whose, session, job })
    }

    /// Somebody's job has taken so long.
    pub(crate) fn took(&mut self, whose: Address, time: Duration) {
        if let Some(line) = self.lines.get_mut(&whose) {
            line.under_way = line.under_way.saturating_sub(1);
            line.had = line.had.saturating_add(time);
        }
    }

    /// Takes the job of a session out, if it waits.
    pub(crate) fn remove(&mut self, session: SessionId) -> Option<T> {
        self.lines.values_mut().find_map(|line| {
            let place = line.waiting.iter().position(|(one, _)| *one == session)?;
            line.waiting.remove(place).map(|(_, job)| job)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keymoot_engine::message::Address;
    use keymoot_types::SessionId;

    use super::Turns;

    const A: Address = Address::Coordinator(0);
    const B: Address = Address::Coordinator(1);
    const C: Address = Address::Coordinator(2);

    fn session(number: u8) -> SessionId {
        SessionId::new([number; 16])
    }

    fn put(turns: &mut Turns<&'static str>, whose: Address, first: u8, jobs: &[&'static str]) {
        for (number, job) in (first..).zip(jobs) {
            turns.put(whose, session(number), job);
        }
    }

    /// Serves them all; what is called long takes ten seconds, all else one.
    fn served(turns: &mut Turns<&'static str>) -> Vec<&'static str> {
        let mut order = Vec::new();
        while let Some(turn) = turns.take() {
            let time = if turn.job.starts_with("long") { 10 } else { 1 };
            turns.took(turn.whose, Duration::from_secs(time));
            order.push(turn.job);
        }
        order
    }

    #[test]
    fn whoever_calls_for_many_gets_its_part() {
        let mut turns = Turns::default();
        put(&mut turns, A, 0, &["a1", "a2", "a3"]);
        put(&mut turns, B, 10, &["b1", "b2"]);
        put(&mut turns, C, 20, &["c1"]);
        assert_eq!(turns.len(), 6);
        assert_eq!(served(&mut turns), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!(turns.len(), 0);
    }

    #[test]
    fn whoever_calls_for_long_ones_waits_for_as_long() {
        let mut turns = Turns::default();
        put(&mut turns, A, 0, &["long1", "long2"]);
        put(&mut turns, B, 10, &["b1", "b2", "b3", "b4"]);
        assert_eq!(served(&mut turns), ["long1", "b1", "b2", "b3", "b4", "long2"]);
    }

    #[test]
    fn two_workers_do_not_serve_one_while_another_waits() {
        let mut turns = Turns::default();
        put(&mut turns, A, 0, &["long1", "long2"]);
        put(&mut turns, B, 10, &["b1", "b2", "b3"]);
        let mut next = || turns.take().map(|turn| (turn.whose, turn.job)).unwrap();
        assert_eq!((next(), next()), ((A, "long1"), (B, "b1")));
        // B has had a second by now, and A nothing yet: but its job still runs.
        turns.took(B, Duration::from_secs(1));
        assert_eq!(turns.take().map(|turn| turn.job), Some("b2"));
        turns.took(B, Duration::from_secs(1));
        turns.took(A, Duration::from_secs(10));
        assert_eq!(served(&mut turns), ["b3", "long2"]);
    }

    #[test]
    fn nobody_saves_time_up() {
        let mut turns = Turns::default();
        put(&mut turns, A, 0, &["long1", "long2", "long3"]);
        assert_eq!(served(&mut turns).len(), 3);
        // The thirty seconds in which it called for nothing are not owed to the one that comes late: it goes before the other for
        // as long as the last job took, and no longer.
        put(&mut turns, A, 10, &["a1", "a2"]);
        put(&mut turns, B, 30, &["b1"; 20]);
        let order = served(&mut turns);
        assert_eq!(order.iter().position(|job| *job == "a1"), Some(10), "{order:?}");
        assert_eq!(order.iter().position(|job| *job == "a2"), Some(12), "{order:?}");
    }

    #[test]
    fn what_is_taken_out_is_not_begun() {
        let mut turns = Turns::default();
        put(&mut turns, A, 0, &["a1", "a2"]);
        put(&mut turns, B, 2, &["b1"]);
        assert_eq!((turns.remove(session(2)), turns.remove(session(2))), (Some("b1"), None));
        assert_eq!(turns.remove(session(0)), Some("a1"));
        assert_eq!(turns.len(), 1);
        assert_eq!(served(&mut turns), ["a2"]);
    }
}
