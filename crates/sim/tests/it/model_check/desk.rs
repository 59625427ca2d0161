//! A node with its pipeline and its disk, and what can be wrong with them on purpose.

use std::sync::Arc;

use keymoot_engine::crypto::{Described, Job};
use keymoot_engine::event::{Event, Now};
use keymoot_engine::message::Message;
use keymoot_engine::node::{Config, Limits, Node};
use keymoot_engine::plan::{Effect, Pipeline, Plan};
use keymoot_engine::policy::{Decision, Policy};
use keymoot_engine::record::{Entry, Record};
use keymoot_engine::request::{Ask, ClientId, Request, VALIDITY_MAX};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::context::Committee;
use keymoot_protocol::identity::{IdentityKey, IdentityPublic};
use keymoot_sim::Bug;
use keymoot_sim::model::{Model, Weakness};
use keymoot_types::{GroupId, Millis, Party, Threshold};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub type Bytes = Vec<u8>;

/// The wall clock when a life begins. The relay cannot change it.
const WALL: Millis = Millis(1_000_000);

/// Later than every deadline of sessions that began with the life.
const LATE: u64 = 20_000;

/// What is wrong with the nodes on purpose, to see whether the checker notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    #[default]
    None,
    /// One of the simulator's bugs, at the same seam.
    Planted(Bug),
    /// A node that begins again does not read which keys it has signed.
    SkipsPending,
    /// A node that begins again does not read what it has allowed.
    SkipsAllowed,
    /// Burns are written twice.
    BurnsTwice,
    /// After a crash a node goes on from an image of its memory and its disk as it was in the beginning.
    Revives,
}

impl Flaw {
    const fn is(self, bug: Bug) -> bool {
        matches!(self, Self::Planted(planted) if planted as u8 == bug as u8)
    }

    fn forgets(self, entry: &Entry) -> bool {
        match entry {
            Entry::Burnt { .. } => self.is(Bug::ForgetBurns),
            // A journal that certifies what it has not signed is refused.
            Entry::Pending { .. } | Entry::Certified { .. } => self.is(Bug::ForgetPending),
            Entry::Allowed { .. } => self.is(Bug::ForgetAllowed),
            _ => false,
        }
    }

    fn speaks_first(self, plan: &Plan<Effect<Model>>) -> bool {
        let allows = |record: &Record| matches!(record.entry, Entry::Allowed { .. });
        self.is(Bug::SpeakFirst) || self.is(Bug::AuditAfterRelease) && plan.persist.iter().any(allows)
    }

    pub fn weakness(self) -> Weakness {
        match self {
            Self::Planted(bug) => bug.weakness(),
            _ => Weakness::default(),
        }
    }
}

/// A record; equal ones are one.
#[derive(Clone)]
pub struct Stored(Arc<Kept>);

struct Kept {
    number: u32,
    bytes: Bytes,
    entry: Entry,
}

impl Stored {
    pub fn new(number: u32, bytes: Bytes) -> Self {
        let entry = Record::decode(&bytes).expect("a record of ours").entry;
        Self(Arc::new(Kept { number, bytes, entry }))
    }

    pub fn entry(&self) -> &Entry {
        &self.0.entry
    }
}

impl PartialEq for Stored {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Stored {}

impl PartialOrd for Stored {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Stored {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.number.cmp(&other.0.number)
    }
}

pub struct AllowAll;

impl Policy for AllowAll {
    fn decide(&self, _: &Request, _: Option<&Described>) -> Decision {
        Decision::Allow
    }
}

pub fn party(index: u16) -> Party {
    Party::new(index).expect("a party of a test")
}

/// Who takes part.
pub struct Cast {
    pub committee: Arc<Committee>,
    client: Model,
    limits: Limits,
}

impl Cast {
    pub fn new(attempts: u16) -> Self {
        let threshold = Threshold::new(2, 3).expect("2-of-3");
        let identity = |seed: u8| IdentityKey::from_seed([seed; 32]).public();
        let members = threshold.parties().map(|party| (party, identity(party.index() as u8))).collect();
        let committee = Committee::new(GroupId::new([1; 16]), threshold, members).expect("a committee");
        let client = Model { identity: identity(99) };
        Self { committee: Arc::new(committee), client, limits: Limits { attempts, ..Limits::default() } }
    }

    pub fn identity(&self, party: Party) -> IdentityPublic {
        *self.committee.identity(party).expect("a member")
    }

    pub fn request(&self, ask: Ask) -> Bytes {
        let client = ClientId::of(&self.client.identity);
        let (created, expires, nonce) = (WALL, WALL.plus(VALIDITY_MAX), [0; 16]);
        Request { ask, client, created, expires, nonce }.sign(&self.client).encode().to_vec()
    }

    fn config(&self, me: Party) -> Config {
        let clients = [(ClientId::of(&self.client.identity), self.client.identity.into())].into();
        let (committee, limits) = (Arc::clone(&self.committee), self.limits);
        let schemes = keymoot_types::Scheme::USUAL.into();
        Config { me, committee, clients, schemes, coordinators: 1, limits }
    }
}

/// A node with its disk.
pub struct Desk {
    pub node: Node<Model, AllowAll>,
    crypto: Model,
    pipeline: Pipeline<Effect<Model>>,
    pub records: Vec<Bytes>,
    pub durable: usize,
    flaw: Flaw,
    pub late: bool,
}

impl Desk {
    /// A node with this journal, its beginning durable.
    pub fn begin(cast: &Cast, me: Party, journal: &[Stored], flaw: Flaw) -> Self {
        let crypto = Model { identity: cast.identity(me) };
        let decode = |stored: &Stored| Record::decode(&stored.0.bytes).expect("a record of ours");
        let is_read = |record: &Record| match record.entry {
            Entry::Pending { .. } | Entry::Certified { .. } => flaw != Flaw::SkipsPending,
            Entry::Allowed { .. } => flaw != Flaw::SkipsAllowed,
            _ => true,
        };
        let records = journal.iter().map(decode).filter(is_read).collect();
        let now = Now { mono: Millis(0), wall: WALL };
        let node = Node::recover(crypto.clone(), AllowAll, cast.config(me), records, now);
        let (node, plan) = node.expect("a node believes its own journal");
        let (records, durable) =
            (journal.iter().map(|stored| stored.0.bytes.clone()).collect(), journal.len());
        let pipeline = Pipeline::default();
        let mut desk = Self { node, crypto, pipeline, records, durable, flaw, late: false };
        desk.submit(plan);
        desk.write();
        desk
    }

    fn submit(&mut self, mut plan: Plan<Effect<Model>>) -> Vec<Effect<Model>> {
        let speaks_first = self.flaw.speaks_first(&plan);
        plan.persist.retain(|record| !self.flaw.forgets(&record.entry));
        for record in &plan.persist {
            let is_double = self.flaw == Flaw::BurnsTwice && matches!(record.entry, Entry::Burnt { .. });
            let copies = 1 + usize::from(is_double);
            self.records.extend(std::iter::repeat_n(record.encode().to_vec(), copies));
        }
        if !speaks_first {
            return self.pipeline.submit(plan);
        }
        let then = std::mem::take(&mut plan.then);
        let _ = self.pipeline.submit(plan);
        then
    }

    pub fn take(&mut self, event: Event<Model>, seed: u64) -> Vec<Effect<Model>> {
        let after = if self.late { LATE } else { 0 };
        let now = Now { mono: Millis(after), wall: WALL.plus(after) };
        let plan = self.node.step(now, event, &mut ChaCha8Rng::seed_from_u64(seed));
        self.submit(plan)
    }

    pub fn write(&mut self) -> Vec<Effect<Model>> {
        if self.pipeline.next_batch().is_none() {
            return Vec::new();
        }
        self.durable = self.records.len();
        self.pipeline.written()
    }

    /// Takes an event and all that follows from it here, the disk and the workers included.
    pub fn settle(&mut self, event: Event<Model>, seed: u64) -> Vec<Message> {
        let mut effects = self.take(event, seed);
        effects.extend(self.write());
        let mut said = Vec::new();
        while let Some(effect) = effects.pop() {
            match effect {
                Effect::Send(_, message) => said.insert(0, message),
                Effect::WakeAt(_) | Effect::Abandon(_) => {}
                Effect::Seek(_) => panic!("nothing here needs moduli"),
                Effect::Halt(why) => panic!("no journal is an old copy here, but {why}"),
                Effect::Work(_, session, job) => {
                    let done = Job::run(job, &self.crypto);
                    effects.extend(self.take(Event::Worked(session, done), seed));
                    effects.extend(self.write());
                }
            }
        }
        said
    }
}
