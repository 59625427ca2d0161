//! A node with its disk and its worker: plans run through the pipeline, and a life ends between any two effects.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use keymoot_engine::crypto::Described;
use keymoot_engine::event::Event;
use keymoot_engine::message::{Address, Invite, Message, SessionMail, What, Words};
use keymoot_engine::node::{Config, Corrupt, Node};
use keymoot_engine::plan::{Effect, Pipeline};
use keymoot_engine::policy::{Decision, DenyAll, Policy};
use keymoot_engine::real::Real;
use keymoot_engine::record::{Entry, Record};
use keymoot_engine::request::{ClientKey, Request};
use keymoot_protocol::codec::Wire;
use keymoot_types::{Party, SessionId};

use super::{Cluster, Deeds, Due, by_name};
use crate::room::suite;

/// How long one step of the search for primes takes, in milliseconds.
const SEEK: u64 = 1_000;

/// What a node does to the world.
pub type Deed = Effect<Real>;

/// A node's policy: everything, or what ships today, which is nothing.
#[derive(Clone, Default)]
pub struct Rule {
    denies: Rc<Cell<bool>>,
}

impl Policy for Rule {
    fn decide(&self, request: &Request, key: Option<&Described>) -> Decision {
        if self.denies.get() { DenyAll.decide(request, key) } else { Decision::Allow }
    }
}

/// One node's machine. The journal survives the node.
#[derive(Default)]
pub struct Seat {
    pub node: Option<Node<Real, Rule>>,
    pipeline: Pipeline<Deed>,
    /// Records as they are on disk.
    pub journal: Vec<Vec<u8>>,
    rule: Rule,
    /// By how much its wall clock is wrong, in milliseconds.
    pub wall_shift: i64,
    /// How long a write takes beyond a millisecond.
    pub disk: u64,
    /// How long a long step takes beyond a millisecond.
    pub work: u64,
    /// It wants to be looked at.
    pub is_halted: bool,
    /// How often something was written.
    pub writes: usize,
    life: u64,
}

impl Seat {
    pub fn is(&self, life: u64) -> bool {
        self.node.is_some() && self.life == life
    }

    /// Lets nothing be signed any more.
    pub fn deny_all(&self) {
        self.rule.denies.set(true);
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.journal.iter().map(|bytes| Record::decode(bytes).expect("a record").entry).collect()
    }

    pub fn count(&self, is_it: impl Fn(&Entry) -> bool) -> usize {
        self.entries().iter().filter(|entry| is_it(entry)).count()
    }

    pub fn node(&self) -> &Node<Real, Rule> {
        self.node.as_ref().expect("the node lives")
    }

    pub fn sessions(&self) -> BTreeMap<SessionId, u64> {
        self.node().sessions().map(|(session, deadline)| (session, deadline.0)).collect()
    }
}

impl Cluster {
    pub fn crypto(&self, party: Party) -> Real {
        Real::new(Arc::clone(&self.identities[&party])).with(suite())
    }

    pub fn config(&self, me: Party) -> Config {
        Config {
            me,
            committee: Arc::clone(&self.committee),
            clients: self.clients(),
            schemes: self.schemes.clone(),
            coordinators: 3,
            limits: self.node_limits,
        }
    }

    /// A number that no prime of this cluster has had.
    fn next_prime(&mut self) -> usize {
        self.primes += 1;
        self.primes - 1
    }

    /// A node with these bytes on its disk.
    pub fn recover(
        &self,
        party: Party,
        journal: &[Vec<u8>],
    ) -> Result<(Node<Real, Rule>, keymoot_engine::plan::Plan<Deed>), Corrupt> {
        let journal = journal.iter().map(|bytes| Record::decode(bytes).expect("a record")).collect();
        let seat = &self.seats[&party];
        let now = self.time(seat.wall_shift);
        Node::recover(self.crypto(party), seat.rule.clone(), self.config(party), journal, now)
    }

    /// Begins with what the disk holds.
    pub fn start_node(&mut self, party: Party) {
        let journal = self.seats[&party].journal.clone();
        let (node, plan) = self.recover(party, &journal).expect("the journal is sound");
        let seat = self.seat(party);
        seat.node = Some(node);
        seat.pipeline = Pipeline::default();
        let deeds = seat.pipeline.submit(plan);
        self.carry_out(party, deeds.into());
    }

    /// The node is gone, with all that was not written.
    pub fn crash_node(&mut self, party: Party) {
        let seat = self.seat(party);
        seat.node = None;
        seat.life += 1;
    }

    pub fn restart_node(&mut self, party: Party) {
        self.crash_node(party);
        self.start_node(party);
    }

    /// The node ends in order: it is told to, and what it says of that is written.
    pub fn stop_node(&mut self, party: Party) {
        self.node_event(party, Event::Stop);
        let stopped = |cluster: &Self| cluster.seats[&party].entries().last() == Some(&Entry::Stopped);
        self.run_until(stopped);
        self.crash_node(party);
    }

    pub fn seat(&mut self, party: Party) -> &mut Seat {
        self.seats.get_mut(&party).expect("a seat of the cluster")
    }

    pub(super) fn node_event(&mut self, party: Party, event: Event<Real>) {
        let Some(seat) = self.seats.get_mut(&party) else { return };
        let wall_shift = seat.wall_shift;
        let now = self.time(wall_shift);
        let Some(seat) = self.seats.get_mut(&party) else { return };
        let Some(node) = &mut seat.node else { return };
        let plan = node.step(now, event, &mut self.rng);
        let deeds = seat.pipeline.submit(plan);
        self.carry_out(party, deeds.into());
    }

    /// From now on these clients may ask at a node.
    pub fn node_goes_by(&mut self, party: Party, clients: &[ClientKey]) {
        let now = self.time(self.seats[&party].wall_shift);
        let seat = self.seat(party);
        let (rule, node) = (seat.rule.clone(), seat.node.as_mut().expect("the node lives"));
        let plan = node.go_by(now, by_name(clients), rule);
        let deeds = seat.pipeline.submit(plan);
        self.carry_out(party, deeds.into());
    }

    /// Does what may be done, and has written what waits.
    fn carry_out(&mut self, party: Party, mut deeds: Deeds) {
        while let Some(deed) = deeds.pop_front() {
            if (self.fate)(party, &deed) {
                return self.crash_node(party);
            }
            let life = self.seats[&party].life;
            match deed {
                Effect::Send(to, message) => self.post(Address::Node(party), to, message),
                Effect::WakeAt(at) => {
                    self.later(at.0.saturating_sub(self.now), Due::WakeNode(party, life));
                }
                Effect::Halt(_) => self.seat(party).is_halted = true,
                // Here every job is begun at once.
                Effect::Abandon(_) => {}
                Effect::Seek(_) => {
                    let prime = self.next_prime();
                    self.later(SEEK, Due::Sought(party, life, prime));
                }
                Effect::Work(_, session, job) => {
                    let time = 1 + self.seats[&party].work;
                    self.later(time, Due::Work(party, life, session, job));
                }
            }
        }
        let seat = self.seat(party);
        let (life, time) = (seat.life, 1 + seat.disk);
        if let Some(batch) = seat.pipeline.next_batch() {
            let batch = batch.iter().map(|record| record.encode().to_vec()).collect();
            self.later(time, Due::Written(party, life, batch));
        }
    }

    pub(super) fn written(&mut self, party: Party, batch: Vec<Vec<u8>>) {
        let seat = self.seat(party);
        seat.journal.extend(batch);
        seat.writes += 1;
        let deeds = seat.pipeline.written();
        self.carry_out(party, deeds.into());
    }

    /// What the stolen coordinator gets from a node for saying this: everything the node says to it within a second, but
    /// for what it says to every coordinator by itself.
    pub fn provoke(&mut self, party: Party, message: Message) -> Vec<Message> {
        let since = self.said.len();
        self.say(super::STOLEN, Address::Node(party), message);
        self.run_for(1_000);
        let told = self.told(Address::Node(party), super::STOLEN, since).into_iter();
        let by_itself = |message: &&Message| {
            matches!(
                message,
                Message::Beat
                    | Message::Moduli(_)
                    | Message::Witness { words: Words::Checkpoint(_) | Words::Recall, .. }
            )
        };
        told.filter(|message| !by_itself(message)).cloned().collect()
    }

    /// The stolen coordinator has this done by these, and carries the mail.
    pub fn have_done(&mut self, members: &[Party], what: &What) -> SessionId {
        let session = self.session();
        for member in members {
            let invite = Invite { session, what: what.clone() };
            self.say(super::STOLEN, Address::Node(*member), Message::Invite(invite));
        }
        let mut carried = self.said.len();
        for _ in 0..200 {
            self.run_for(5);
            let fresh: Vec<_> = self.said[carried..].to_vec();
            carried = self.said.len();
            for post in fresh.into_iter().filter(|post| post.to == super::STOLEN) {
                let Message::Mail(mail) = post.message else { continue };
                for member in members.iter().filter(|one| mail.to.is_none_or(|to| to == **one)) {
                    let to = Address::Node(*member);
                    if to != post.from {
                        let mail = SessionMail { to: None, ..mail.clone() };
                        self.say(super::STOLEN, to, Message::Mail(mail));
                    }
                }
            }
        }
        session
    }

    /// The stolen coordinator has all pairs set up for itself.
    pub fn thieves_setup(&mut self) {
        let members = self.parties();
        self.have_done(&members.clone(), &What::Setup { members });
    }

    /// What a node says when the stolen coordinator invites it to this, in a session of a new name.
    pub fn lure(&mut self, party: Party, what: What) -> Vec<Message> {
        let session = self.session();
        self.provoke(party, Message::Invite(Invite { session, what }))
    }

    /// The name of a session that nobody has had.
    pub fn session(&mut self) -> SessionId {
        let mut name = [0xfe; 16];
        self.count += 1;
        name[..8].copy_from_slice(&self.count.to_le_bytes());
        SessionId::new(name)
    }

    /// Which presignatures a node has burnt for a signature.
    pub fn burnt(&self, party: Party) -> Vec<keymoot_protocol::transcript::Hash> {
        let burnt = |entry: Entry| match entry {
            Entry::Burnt { presignatures, intent: Some(_) } => presignatures,
            _ => Vec::new(),
        };
        self.seats[&party].entries().into_iter().flat_map(burnt).collect()
    }
}
