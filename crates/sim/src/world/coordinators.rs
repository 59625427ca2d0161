//! Coordinator replicas and the store they share.

use std::collections::BTreeSet;
use std::sync::Arc;

use keymoot_engine::coordinator::{
    Admission, Claim, Config, Coordinator, Deed, Event, Finish, StoreAnswer, StoreCall,
};
use keymoot_engine::event::Now;
use keymoot_engine::message::{Address, Answer, Message};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::request::RequestId;
use keymoot_ports::sessions::{self, Fence};
use keymoot_ports::{Fault, Name, Ttl};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party};

use super::{EPOCH, Happening, World};
use crate::backend::Backend;
use crate::coverage::Kind;
use crate::frame::Time;
use crate::planted::Bug;
use crate::watch::{Violation, Watch};

/// A coordinator's machine.
pub struct Replica<B: Backend> {
    pub(super) coordinator: Option<Coordinator<B>>,
    pub(super) life: u32,
    pub(super) paused_until: Time,
    pub(super) skew: i64,
    pub(super) is_stolen: bool,
    wakes: BTreeSet<Time>,
    /// What a thief remembers.
    pub(super) memory: Vec<(Address, Message)>,
    /// Invitations that a thief has sent.
    pub(super) sent: Vec<(Address, Message)>,
    /// Requests that have come to a thief.
    pub(super) loot: Vec<Vec<u8>>,
}

impl<B: Backend> Replica<B> {
    pub(super) const fn new(is_stolen: bool) -> Self {
        Self {
            coordinator: None,
            life: 0,
            paused_until: 0,
            skew: 0,
            is_stolen,
            wakes: BTreeSet::new(),
            memory: Vec::new(),
            sent: Vec::new(),
            loot: Vec::new(),
        }
    }

    fn clock(&self, now: Time) -> Now {
        let wall = (EPOCH + now).saturating_add_signed(self.skew);
        Now { mono: Millis(now), wall: Millis(wall) }
    }
}

impl<B: Backend> World<B> {
    pub(super) fn start_replica(&mut self, replica: u16) -> Result<(), Violation> {
        let clients = self.clients_of(Address::Coordinator(replica));
        let committee = Arc::clone(&self.committee);
        let config = Config { me: replica, committee, clients, limits: self.limits.1 };
        let now = self.now;
        let slot = &mut self.replicas[usize::from(replica)];
        if slot.coordinator.is_some() {
            return Ok(());
        }
        let person = B::person(16 + u64::from(replica));
        let (coordinator, deeds) = Coordinator::new(person, config, slot.clock(now));
        slot.coordinator = Some(coordinator);
        self.carry_out(replica, deeds)
    }

    pub(super) fn crash_replica(&mut self, replica: u16) {
        let down = self.chance.between(50, 6_000);
        let slot = &mut self.replicas[usize::from(replica)];
        if slot.coordinator.take().is_none() {
            return;
        }
        slot.life += 1;
        slot.wakes.clear();
        let down = if self.is_healed { 50 } else { down };
        self.push(down, Happening::Starts(Address::Coordinator(replica)));
    }

    pub(super) fn replica_hears(
        &mut self,
        replica: u16,
        from: Address,
        message: Message,
    ) -> Result<(), Violation> {
        if self.replicas[usize::from(replica)].is_stolen {
            self.thief_hears(replica, from, &message);
        }
        if self.is(Bug::WaitsForAll) && self.nodes.iter().any(|slot| slot.node.is_none()) {
            return Ok(());
        }
        self.replica_event(replica, Event::Message(from, message))
    }

    /// What a stream tells that a datagram does not: whoever was at its other end is not there any more. It may be back by
    /// now.
    pub(super) fn line_breaks(&mut self, replica: u16, party: Party) -> Result<(), Violation> {
        self.saw(Kind::LineBroken);
        self.replica_event(replica, Event::Gone(party))
    }

    pub(super) fn replica_wakes(&mut self, replica: u16) -> Result<(), Violation> {
        let now = self.now;
        self.replicas[usize::from(replica)].wakes.remove(&now);
        self.replica_event(replica, Event::Wake)
    }

    fn replica_event(&mut self, replica: u16, event: Event) -> Result<(), Violation> {
        let now = self.now;
        let slot = &mut self.replicas[usize::from(replica)];
        let clock = slot.clock(now);
        let Some(coordinator) = &mut slot.coordinator else { return Ok(()) };
        let deeds = coordinator.step(clock, event, &mut self.chance);
        let slot = &self.replicas[usize::from(replica)];
        if let Some(coordinator) = slot.coordinator.as_ref().filter(|_| now >= slot.paused_until + 5_000) {
            let who = Address::Coordinator(replica);
            Watch::<B>::invariant_i05_sessions_end(who, coordinator.sessions(), now)?;
        }
        self.carry_out(replica, deeds)
    }

    pub(super) fn carry_out(&mut self, replica: u16, deeds: Vec<Deed>) -> Result<(), Violation> {
        for deed in deeds {
            if self.replicas[usize::from(replica)].coordinator.is_none() {
                return Ok(());
            }
            let dies = !self.is_healed && self.frame.faults.crash_midway > 0 && self.chance.below(4_000) == 0;
            if dies {
                self.crash_replica(replica);
                return Ok(());
            }
            match deed {
                Deed::Send(to, message) => self.replica_says(replica, to, message)?,
                Deed::WakeAt(at) => self.wake_replica_at(replica, at.0),
                Deed::Store(call) => self.ask_store(replica, call)?,
            }
        }
        Ok(())
    }

    fn replica_says(&mut self, replica: u16, to: Address, message: Message) -> Result<(), Violation> {
        if self.replicas[usize::from(replica)].is_stolen {
            self.steal(replica, to, message);
            return Ok(());
        }
        let from = Address::Coordinator(replica);
        if let Message::Answer(id, answer) = &message {
            self.watch.answered(from, *id, answer)?;
            self.invariant_i06_nothing_acknowledged_is_forgotten(*id, answer)?;
        }
        self.send(from, to, message);
        Ok(())
    }

    /// I6: whoever was told that it is being worked on will hear of it again.
    fn invariant_i06_nothing_acknowledged_is_forgotten(
        &self,
        id: RequestId,
        answer: &Answer,
    ) -> Result<(), Violation> {
        let is_kept = self.store.requests().any(|(kept, _)| kept == id.0.as_bytes());
        if matches!(answer, Answer::Pending) && !is_kept {
            let what = format!("{id:?} is acknowledged, and the store does not have it");
            return Err(Violation { invariant: "I6", what });
        }
        Ok(())
    }

    fn wake_replica_at(&mut self, replica: u16, at: Time) {
        if self.is(Bug::CoordinatorSleeps) && self.chance.happens(100) {
            return;
        }
        let now = self.now;
        let slot = &mut self.replicas[usize::from(replica)];
        let at = at.max(now);
        if slot.wakes.insert(at) {
            let life = slot.life;
            self.push(at - now, Happening::Wakes(Address::Coordinator(replica), life));
        }
    }

    fn ask_store(&mut self, replica: u16, call: StoreCall) -> Result<(), Violation> {
        let slot = &self.replicas[usize::from(replica)];
        let life = slot.life;
        // Whoever has stolen a coordinator keeps it away from the store, and uses it.
        if slot.is_stolen {
            if let Some(answer) = thieves_store(call) {
                self.push(1, Happening::FromStore(replica, life, answer));
            }
            return Ok(());
        }
        if let (StoreCall::Finish { request, outcome, .. }, true) = (&call, self.is(Bug::TellBeforeStore))
            && let Ok(outcome) = Outcome::decode(outcome)
        {
            self.watch.answered(Address::Coordinator(replica), *request, &Answer::Final(outcome))?;
        }
        let time = self.chance.between(1, 20);
        self.push(time, Happening::AtStore(replica, life, call));
        Ok(())
    }

    pub(super) fn at_store(&mut self, replica: u16, life: u32, call: StoreCall) {
        // An outage loses the question or the answer; the caller never knows which.
        let is_out = self.now < self.store_back_at;
        if is_out && self.chance.happens(500) {
            return;
        }
        let Some(answer) = self.ask_table(replica, call) else { return };
        if is_out {
            return;
        }
        let time = self.chance.between(1, 20);
        self.push(time, Happening::FromStore(replica, life, answer));
    }

    fn ask_table(&mut self, replica: u16, call: StoreCall) -> Option<StoreAnswer> {
        let owner = Name::new(&format!("coordinator-{replica}")).ok()?;
        let ttl = Ttl::new(self.limits.1.lease).ok()?;
        let now = Millis(self.now);
        match call {
            StoreCall::Admit { request, body } => {
                if self.is(Bug::ForgetAdmission) && self.chance.happens(200) {
                    return Some(StoreAnswer::Admitted(request, Admission::Fresh { fence: 1 }));
                }
                let admission = self.store.admit(*request.0.as_bytes(), &body, &owner, ttl, now);
                Some(StoreAnswer::Admitted(
                    request,
                    match admission {
                        Ok(sessions::Admission::Fresh { fence }) => {
                            self.admitted.insert(request, self.now);
                            Admission::Fresh { fence: fence.0 }
                        }
                        Ok(sessions::Admission::Open { .. }) => Admission::Open,
                        Ok(sessions::Admission::Finished(outcome)) => {
                            Admission::Finished(self.as_kept(request, &outcome))
                        }
                        Err(Fault::Refused(_)) => Admission::Conflict,
                        Err(_) => return None,
                    },
                ))
            }
            StoreCall::Claim { request } => {
                let claim = self.store.claim(*request.0.as_bytes(), &owner, ttl, now).ok()?;
                Some(StoreAnswer::Claimed(
                    request,
                    match claim {
                        sessions::Claim::Yours { fence, body, .. } => {
                            Claim::Yours { fence: fence.0, body: body.to_vec() }
                        }
                        sessions::Claim::Held => Claim::Held,
                        sessions::Claim::Finished(outcome) => {
                            Claim::Finished(self.as_kept(request, &outcome))
                        }
                        sessions::Claim::Unknown => Claim::Unknown,
                    },
                ))
            }
            StoreCall::Finish { request, fence, outcome } => {
                if self.is(Bug::OutcomeOverwritten) {
                    self.overwritten.insert(*request.0.as_bytes(), outcome.clone());
                }
                let finish = self.store.finish(*request.0.as_bytes(), Fence(fence), &outcome).ok()?;
                Some(StoreAnswer::Finished(
                    request,
                    match finish {
                        sessions::Finish::Settled(outcome) => Finish::Stored(self.as_kept(request, &outcome)),
                        sessions::Finish::Stale if self.is(Bug::OutcomeOverwritten) => {
                            Finish::Stored(outcome)
                        }
                        sessions::Finish::Stale => Finish::Stale,
                    },
                ))
            }
            StoreCall::Orphans if self.is(Bug::NoTakeover) => Some(StoreAnswer::Orphans(Vec::new())),
            StoreCall::Orphans => {
                let orphans = self.store.orphans(16, now);
                let name = |id: [u8; 32]| RequestId(Hash::from_bytes(id));
                Some(StoreAnswer::Orphans(orphans.into_iter().map(name).collect()))
            }
        }
    }

    /// The outcome as a store with a planted bug has it.
    fn as_kept(&self, request: RequestId, outcome: &[u8]) -> Vec<u8> {
        self.overwritten.get(request.0.as_bytes()).cloned().unwrap_or_else(|| outcome.to_vec())
    }

    pub(super) fn store_answers(
        &mut self,
        replica: u16,
        life: u32,
        answer: StoreAnswer,
    ) -> Result<(), Violation> {
        let slot = &self.replicas[usize::from(replica)];
        if slot.life != life {
            return Ok(());
        }
        if slot.paused_until > self.now {
            let time = slot.paused_until - self.now;
            self.push(time, Happening::FromStore(replica, life, answer));
            return Ok(());
        }
        self.replica_event(replica, Event::Stored(answer))
    }
}

/// What a thief lets its coordinator believe of the store, so that it goes on calling sessions.
fn thieves_store(call: StoreCall) -> Option<StoreAnswer> {
    match call {
        StoreCall::Admit { request, .. } => {
            Some(StoreAnswer::Admitted(request, Admission::Fresh { fence: 1 }))
        }
        StoreCall::Finish { request, outcome, .. } => {
            Some(StoreAnswer::Finished(request, Finish::Stored(outcome)))
        }
        StoreCall::Claim { .. } | StoreCall::Orphans => None,
    }
}
