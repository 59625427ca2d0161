//! A coordinator, and the store that all of them share.

use std::sync::Arc;

use keymoot_engine::coordinator::{
    Admission, Claim, Config, Coordinator, Deed, Event, Finish, StoreAnswer, StoreCall,
};
use keymoot_engine::message::Address;
use keymoot_engine::real::Real;
use keymoot_engine::request::ClientKey;
use keymoot_engine::request::RequestId;
use keymoot_ports::sessions::{self, Fence};
use keymoot_ports::{Fault, Name, Ttl};
use keymoot_protocol::identity::IdentityKey;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party};

use super::{Cluster, Due};

/// A coordinator's machine. Nothing on it survives.
#[derive(Default)]
pub struct Replica {
    pub coordinator: Option<Coordinator<Real>>,
    /// How long what it asks the store is on its way beyond a millisecond.
    pub store_delay: u64,
    life: u64,
}

impl Replica {
    pub fn is(&self, life: u64) -> bool {
        self.coordinator.is_some() && self.life == life
    }

    pub fn coordinator(&self) -> &Coordinator<Real> {
        self.coordinator.as_ref().expect("the coordinator lives")
    }
}

impl Cluster {
    pub fn replica(&mut self, id: u16) -> &mut Replica {
        self.replicas.get_mut(&id).expect("a replica of the cluster")
    }

    pub fn start_coordinator(&mut self, id: u16) {
        let config = Config {
            me: id,
            committee: Arc::clone(&self.committee),
            clients: self.clients(),
            limits: self.limits,
        };
        let crypto = Real::new(Arc::new(IdentityKey::from_seed([0xc0; 32]))).with(crate::room::suite());
        let (coordinator, deeds) = Coordinator::new(crypto, config, self.time(0));
        self.replica(id).coordinator = Some(coordinator);
        self.do_all(id, deeds);
    }

    /// From now on these clients may ask at a coordinator.
    pub fn coordinator_goes_by(&mut self, id: u16, clients: &[ClientKey]) {
        let replica = self.replica(id);
        let coordinator = replica.coordinator.as_mut().expect("the coordinator lives");
        let deeds = coordinator.go_by(super::by_name(clients));
        self.do_all(id, deeds);
    }

    pub fn crash_coordinator(&mut self, id: u16) {
        let replica = self.replica(id);
        replica.coordinator = None;
        replica.life += 1;
    }

    /// A coordinator sees that the line to a node has broken.
    pub fn line_breaks(&mut self, id: u16, party: Party) {
        self.coordinator_event(id, Event::Gone(party));
    }

    pub(super) fn coordinator_event(&mut self, id: u16, event: Event) {
        let now = self.time(0);
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        let Some(coordinator) = &mut replica.coordinator else { return };
        let deeds = coordinator.step(now, event, &mut self.rng);
        self.do_all(id, deeds);
    }

    fn do_all(&mut self, id: u16, deeds: Vec<Deed>) {
        let (life, delay) = (self.replicas[&id].life, self.replicas[&id].store_delay);
        for deed in deeds {
            match deed {
                Deed::Send(to, message) => self.post(Address::Coordinator(id), to, message),
                Deed::WakeAt(at) => {
                    self.later(at.0.saturating_sub(self.now), Due::WakeCoordinator(id, life));
                }
                Deed::Store(call) => self.later(1 + delay, Due::Store(id, life, call)),
            }
        }
    }

    pub(super) fn store(&mut self, id: u16, life: u64, call: StoreCall) {
        let answer = self.look_up(id, call.clone());
        self.stored.push((id, call, answer.clone()));
        self.later(1, Due::Stored(id, life, answer));
    }

    fn look_up(&mut self, id: u16, call: StoreCall) -> StoreAnswer {
        let owner = Name::new(&format!("coordinator-{id}")).expect("a name");
        let (ttl, now) = (Ttl::new(self.limits.lease).expect("a lease"), Millis(self.now));
        let name = |request: RequestId| *request.0.as_bytes();
        let sound = "the store has no fault";
        match call {
            StoreCall::Admit { request, body } => StoreAnswer::Admitted(
                request,
                match self.table.admit(name(request), &body, &owner, ttl, now) {
                    Ok(sessions::Admission::Fresh { fence }) => Admission::Fresh { fence: fence.0 },
                    Ok(sessions::Admission::Open { .. }) => Admission::Open,
                    Ok(sessions::Admission::Finished(outcome)) => Admission::Finished(outcome.to_vec()),
                    Err(Fault::Refused(_)) => Admission::Conflict,
                    Err(fault) => panic!("{sound}: {fault}"),
                },
            ),
            StoreCall::Claim { request } => {
                let found = self.table.claim(name(request), &owner, ttl, now).expect(sound);
                StoreAnswer::Claimed(
                    request,
                    match found {
                        sessions::Claim::Yours { fence, body, .. } => {
                            Claim::Yours { fence: fence.0, body: body.to_vec() }
                        }
                        sessions::Claim::Held => Claim::Held,
                        sessions::Claim::Finished(outcome) => Claim::Finished(outcome.to_vec()),
                        sessions::Claim::Unknown => Claim::Unknown,
                    },
                )
            }
            StoreCall::Finish { request, fence, outcome } => {
                let found = self.table.finish(name(request), Fence(fence), &outcome).expect(sound);
                StoreAnswer::Finished(
                    request,
                    match found {
                        sessions::Finish::Settled(outcome) => Finish::Stored(outcome.to_vec()),
                        sessions::Finish::Stale => Finish::Stale,
                    },
                )
            }
            StoreCall::Orphans => {
                let orphans = self.table.orphans(64, now).into_iter();
                StoreAnswer::Orphans(orphans.map(|name| RequestId(Hash::from_bytes(name))).collect())
            }
        }
    }

    /// How a request ended, as the store has it.
    pub fn settled(&self, request: RequestId) -> Option<Vec<u8>> {
        self.table.outcome(request.0.as_bytes()).map(|outcome| outcome.to_vec())
    }

    /// What became of all attempts to end a request: by whom, under which fence, and the answer.
    pub fn finishes(&self, request: RequestId) -> Vec<(u16, u64, &Finish)> {
        let finish = |(id, call, answer): &'_ (u16, StoreCall, StoreAnswer)| match (call, answer) {
            (StoreCall::Finish { request: of, fence, .. }, StoreAnswer::Finished(..)) if *of == request => {
                Some((*id, *fence))
            }
            _ => None,
        };
        let answers = self.stored.iter().filter_map(|one| match &one.2 {
            StoreAnswer::Finished(_, answer) => finish(one).map(|(id, fence)| (id, fence, answer)),
            _ => None,
        });
        answers.collect()
    }
}
