//! What a decision leaves to be done: first what must be durable, then what may be said. [`Pipeline`] keeps that order
//! and nothing but that order.

use std::collections::{BTreeMap, VecDeque};

use keymoot_types::{Millis, SessionId};
use zeroize::Zeroizing;

use crate::crypto::Job;
use crate::message::{Address, Message};
use crate::record::Record;

/// What has to keep its order among itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// One session. Sessions need not wait for each other.
    Session(SessionId),
    /// The whole node: waits for everything before it, and everything after waits for it.
    Whole,
}

/// Whose words that wait for the disk are not said any more.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Silence {
    /// Nobody's.
    #[default]
    Nobody,
    /// Those of sessions with somebody who was found out.
    Sessions(Vec<SessionId>),
    /// All.
    Everybody,
}

/// The outcome of one event.
#[must_use]
pub struct Plan<E> {
    /// With what it keeps its order.
    pub lane: Lane,
    /// Whose words that still wait are not said any more.
    pub silence: Silence,
    /// What is made durable first, in this order.
    pub persist: Vec<Record>,
    /// What is done then, in this order.
    pub then: Vec<E>,
}

/// What a node may do to the world.
pub enum Effect<C: crate::crypto::Crypto> {
    /// Say something.
    Send(Address, Message),
    /// Wake us at this monotonic time, or later.
    WakeAt(Millis),
    /// Have a long step run when it is this one's turn; its result comes back as an event. Whoever calls for many keeps nobody
    /// else's waiting for all of them.
    Work(Address, SessionId, Job<C>),
    /// The step of this session need not be begun any more. If it is not, that it failed comes back.
    Abandon(SessionId),
    /// Have some numbers searched for a safe prime, grown from this seed, when there is nothing better to do; what was found
    /// comes back as an event.
    Seek(Zeroizing<[u8; 32]>),
    /// End the process, and do not start it again: a person has to look. The node says nothing any more.
    Halt(&'static str),
}

/// Something that can be done, and may be something said.
pub trait Word {
    /// Whether it is said to anybody. Words can be held back; what a worker has begun has to come to its end.
    fn is_word(&self) -> bool;
}

impl<C: crate::crypto::Crypto> Word for Effect<C> {
    fn is_word(&self) -> bool {
        match self {
            Self::Send(..) => true,
            Self::WakeAt(_) | Self::Work(..) | Self::Abandon(_) | Self::Seek(_) | Self::Halt(_) => false,
        }
    }
}

/// Runs plans: nothing is done before what it depends on is durable. Plans of different sessions are written together,
/// and a plan that has nothing to write does not wait for a stranger's disk.
pub struct Pipeline<E> {
    waiting: VecDeque<(Lane, u64, Vec<E>)>,
    lanes: BTreeMap<SessionId, u64>,
    barrier: u64,
    fresh: Vec<Record>,
    submitted: u64,
    writing: u64,
    durable: u64,
}

impl<E> Default for Pipeline<E> {
    fn default() -> Self {
        let (waiting, lanes, fresh) = (VecDeque::new(), BTreeMap::new(), Vec::new());
        Self { waiting, lanes, barrier: 0, fresh, submitted: 0, writing: 0, durable: 0 }
    }
}

impl<E: Word> Pipeline<E> {
    /// Takes a plan, and returns what may be done at once.
    pub fn submit(&mut self, plan: Plan<E>) -> Vec<E> {
        let Plan { lane, silence, mut persist, then } = plan;
        if silence != Silence::Nobody {
            let is_silent = |lane: &Lane| match (&silence, lane) {
                (Silence::Sessions(silent), Lane::Session(session)) => silent.contains(session),
                (Silence::Everybody, _) => true,
                (Silence::Sessions(_) | Silence::Nobody, _) => false,
            };
            for (lane, _, then) in &mut self.waiting {
                then.retain(|effect| !is_silent(lane) || !effect.is_word());
            }
        }
        let writes = !persist.is_empty();
        self.submitted = self.submitted.saturating_add(persist.len() as u64);
        self.fresh.append(&mut persist);
        let needs = match lane {
            Lane::Whole => {
                // What writes nothing and silences nobody waits for others, and nobody needs to wait for it.
                if writes || silence != Silence::Nobody {
                    self.barrier = self.submitted;
                }
                self.submitted
            }
            Lane::Session(session) => {
                let earlier = self.lanes.get(&session).copied().unwrap_or(0).max(self.barrier);
                let needs = if writes { self.submitted } else { earlier };
                if needs > self.durable {
                    self.lanes.insert(session, needs);
                }
                needs
            }
        };
        if needs <= self.durable {
            return then;
        }
        if !then.is_empty() {
            self.waiting.push_back((lane, needs, then));
        }
        Vec::new()
    }

    /// The next batch to be written, if none is being written: everything that has come since.
    pub fn next_batch(&mut self) -> Option<Vec<Record>> {
        if self.writing > self.durable || self.fresh.is_empty() {
            return None;
        }
        self.writing = self.submitted;
        Some(std::mem::take(&mut self.fresh))
    }

    /// The batch is durable. Returns what may be done now.
    pub fn written(&mut self) -> Vec<E> {
        self.durable = self.writing;
        let durable = self.durable;
        self.lanes.retain(|_, needs| *needs > durable);
        let mut ready = Vec::new();
        // The waiting are not in the order of their needs: a lane without records may wait for less than one before it.
        let mut still = VecDeque::with_capacity(self.waiting.len());
        for (lane, needs, then) in self.waiting.drain(..) {
            if needs <= durable { ready.extend(then) } else { still.push_back((lane, needs, then)) }
        }
        self.waiting = still;
        ready
    }

    /// Whether everything submitted is durable.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.durable == self.submitted
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, Pipeline, Plan, Silence};
    use crate::record::{Entry, Record};
    use keymoot_types::SessionId;

    impl super::Word for &'static str {
        fn is_word(&self) -> bool {
            *self != "work"
        }
    }

    fn plan(lane: u8, records: u64, then: &[&'static str]) -> Plan<&'static str> {
        let lane = if lane == 0 { Lane::Whole } else { Lane::Session(SessionId::new([lane; 16])) };
        let persist = (0..records)
            .map(|boot| {
                Record::from(Entry::Started {
                    boot,
                    node: [0; 32],
                    group: keymoot_types::GroupId::new([0; 16]),
                })
            })
            .collect();
        Plan { lane, silence: Silence::Nobody, persist, then: then.to_vec() }
    }

    #[test]
    fn nothing_is_said_before_it_is_durable() {
        let mut pipeline = Pipeline::default();
        assert!(pipeline.submit(plan(1, 1, &["a"])).is_empty());
        assert_eq!(pipeline.next_batch().map(|batch| batch.len()), Some(1));
        assert!(pipeline.submit(plan(1, 0, &["b"])).is_empty(), "the same session keeps its order");
        assert_eq!(pipeline.submit(plan(2, 0, &["c"])), ["c"], "another session does not wait");
        assert!(pipeline.submit(plan(2, 2, &["d"])).is_empty());
        assert!(pipeline.submit(plan(3, 1, &["e"])).is_empty());
        assert!(pipeline.next_batch().is_none(), "one batch at a time");
        assert_eq!(pipeline.written(), ["a", "b"]);
        assert_eq!(pipeline.next_batch().map(|batch| batch.len()), Some(3), "sessions are written together");
        assert_eq!(pipeline.written(), ["d", "e"]);
        assert_eq!(pipeline.submit(plan(1, 0, &["f"])), ["f"]);
        assert!(pipeline.is_idle());
    }

    #[test]
    fn a_ban_silences_what_sessions_with_the_culprit_have_waiting() {
        let mut pipeline = Pipeline::default();
        assert!(pipeline.submit(plan(1, 1, &["a", "work"])).is_empty());
        assert!(pipeline.submit(plan(2, 1, &["b"])).is_empty());
        let silence = Silence::Sessions(vec![SessionId::new([1; 16])]);
        assert!(pipeline.submit(Plan { silence, ..plan(0, 1, &["ban"]) }).is_empty());
        assert!(pipeline.next_batch().is_some());
        assert_eq!(pipeline.written(), ["work", "b", "ban"]);
    }

    #[test]
    fn what_concerns_the_whole_node_is_a_barrier() {
        let mut pipeline = Pipeline::default();
        assert!(pipeline.submit(plan(1, 1, &["a"])).is_empty());
        assert!(pipeline.submit(plan(0, 0, &["look"])).is_empty(), "waits for everything before");
        assert_eq!(pipeline.submit(plan(2, 0, &["b"])), ["b"], "nothing was decided, so nobody waits for it");
        assert!(pipeline.submit(plan(0, 1, &["whole"])).is_empty());
        assert!(pipeline.submit(plan(2, 0, &["c"])).is_empty(), "everything after waits for it");
        assert!(pipeline.next_batch().is_some());
        assert_eq!(pipeline.written(), ["a", "look", "whole", "c"]);
    }

    #[test]
    fn a_node_that_halts_says_nothing_that_still_waits() {
        let mut pipeline = Pipeline::default();
        assert!(pipeline.submit(plan(1, 1, &["a", "work"])).is_empty());
        assert!(pipeline.submit(plan(0, 1, &["b"])).is_empty());
        assert!(pipeline.submit(Plan { silence: Silence::Everybody, ..plan(0, 1, &["halt"]) }).is_empty());
        assert!(pipeline.next_batch().is_some());
        assert_eq!(pipeline.written(), ["work", "halt"]);
    }
}
