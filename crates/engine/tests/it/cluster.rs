//! Three nodes, two coordinators, clients and a store in one process, where everything that happens is on one agenda:
//! the same test always takes the same course. The test is the network, the disk and the fate of them all.

mod ask;
mod replica;
mod seat;
mod web;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use keymoot_engine::coordinator::{self, StoreAnswer, StoreCall};
use keymoot_engine::crypto::Job;
use keymoot_engine::event::{Event, Now};
use keymoot_engine::message::{Address, Answer, Message};
use keymoot_engine::node;
use keymoot_engine::real::Real;
use keymoot_engine::request::{ClientId, ClientKey, RequestId};
use keymoot_ports::memory::sessions::Table;
use keymoot_protocol::context::Committee;
use keymoot_protocol::identity::IdentityKey;
use keymoot_types::{Millis, Party, Scheme, SessionId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::room::Room;
pub use ask::{id_of, payload};
pub use replica::Replica;
pub use seat::{Deed, Seat};
pub use web::Pen;

/// Wall time at the beginning of every story.
pub const DAWN: u64 = 1_700_000_000_000;

/// The client that is enrolled.
pub const CLIENT: Address = Address::Client(0);

/// The coordinator that somebody has stolen: an address from which only the test speaks.
pub const STOLEN: Address = Address::Coordinator(2);

/// A message on its way, and by how much it is held up.
#[derive(Clone, Debug)]
pub struct Post {
    pub from: Address,
    pub to: Address,
    pub message: Message,
    pub after: u64,
}

impl Post {
    /// The same, so many milliseconds later than usual.
    pub fn after(self, milliseconds: u64) -> Self {
        Self { after: milliseconds, ..self }
    }
}

/// What the network makes of a message.
pub type Postman = Box<dyn FnMut(Post) -> Vec<Post>>;

/// Whether a node dies instead of doing this.
pub type Fate = Box<dyn FnMut(Party, &Deed) -> bool>;

/// Something on the agenda. What names a life is nothing to the next one.
enum Due {
    Deliver(Post),
    WakeNode(Party, u64),
    WakeCoordinator(u16, u64),
    Written(Party, u64, Vec<Vec<u8>>),
    Work(Party, u64, SessionId, Job<Real>),
    Sought(Party, u64, usize),
    Store(u16, u64, StoreCall),
    Stored(u16, u64, StoreAnswer),
}

/// The whole world.
pub struct Cluster {
    pub committee: Arc<Committee>,
    pub identities: BTreeMap<Party, Arc<IdentityKey>>,
    /// Milliseconds since the beginning.
    pub now: u64,
    pub node_limits: node::Limits,
    pub limits: coordinator::Limits,
    /// What keys may be for; changed for a node's next life.
    pub schemes: BTreeSet<Scheme>,
    /// Primes that were found, by anybody.
    pub primes: usize,
    pub seats: BTreeMap<Party, Seat>,
    pub replicas: BTreeMap<u16, Replica>,
    pub table: Table,
    /// All that was ever said, as it was sent.
    pub said: Vec<Post>,
    /// How long the journal was when a node said it; nothing for others.
    pub durable: Vec<usize>,
    /// All that the store was asked and answered.
    pub stored: Vec<(u16, StoreCall, StoreAnswer)>,
    /// What clients have heard, and from whom.
    pub answers: Vec<(Address, RequestId, Answer)>,
    pub postman: Postman,
    pub fate: Fate,
    rng: ChaCha20Rng,
    agenda: BTreeMap<(u64, u64), Due>,
    count: u64,
}

/// Nothing happens to a message.
pub fn honest(post: Post) -> Vec<Post> {
    vec![post]
}

impl Cluster {
    /// Everybody has begun, and has heard of everybody.
    pub fn new(seed: u8) -> Self {
        Self::with(seed, |_, _| ())
    }

    /// The same with other limits.
    pub fn with(seed: u8, limit: impl FnOnce(&mut node::Limits, &mut coordinator::Limits)) -> Self {
        Self::serving(seed, &Scheme::USUAL, limit)
    }

    /// The same with nodes that serve these schemes.
    pub fn serving(
        seed: u8,
        schemes: &[Scheme],
        limit: impl FnOnce(&mut node::Limits, &mut coordinator::Limits),
    ) -> Self {
        let Room { committee, identities, .. } = Room::new(seed);
        let mut node_limits = node::Limits::default();
        let mut limits = coordinator::Limits { batch: 4, low: 1, pool: 0, ..coordinator::Limits::default() };
        limit(&mut node_limits, &mut limits);
        let mut cluster = Self {
            committee,
            identities,
            now: 0,
            node_limits,
            limits,
            schemes: schemes.iter().copied().collect(),
            primes: 0,
            seats: BTreeMap::new(),
            replicas: BTreeMap::new(),
            table: Table::default(),
            said: Vec::new(),
            durable: Vec::new(),
            stored: Vec::new(),
            answers: Vec::new(),
            postman: Box::new(honest),
            fate: Box::new(|_, _| false),
            rng: ChaCha20Rng::from_seed([seed; 32]),
            agenda: BTreeMap::new(),
            count: 0,
        };
        cluster.parties().into_iter().for_each(|party| {
            cluster.seats.insert(party, Seat::default());
            cluster.start_node(party);
        });
        (0..2).for_each(|id| {
            cluster.replicas.insert(id, Replica::default());
            cluster.start_coordinator(id);
        });
        cluster.run_for(1_500);
        cluster
    }

    pub fn parties(&self) -> Vec<Party> {
        self.identities.keys().copied().collect()
    }

    fn clients(&self) -> BTreeMap<ClientId, ClientKey> {
        by_name(&Pen::enrolled().map(|pen| pen.key()))
    }

    fn time(&self, wall_shift: i64) -> Now {
        let wall = (DAWN + self.now).checked_add_signed(wall_shift).expect("a wall clock of a test");
        Now { mono: Millis(self.now), wall: Millis(wall) }
    }

    fn later(&mut self, milliseconds: u64, due: Due) {
        self.count += 1;
        self.agenda.insert((self.now + milliseconds, self.count), due);
    }

    /// Puts a message on its way.
    fn post(&mut self, from: Address, to: Address, message: Message) {
        let post = Post { from, to, message, after: 0 };
        self.said.push(post.clone());
        self.durable.push(match from {
            Address::Node(party) => self.seats[&party].journal.len(),
            Address::Client(_) | Address::Coordinator(_) => 0,
        });
        for post in (self.postman)(post) {
            self.later(1 + post.after, Due::Deliver(post));
        }
    }

    /// Says something in the name of a coordinator, a client or a node.
    pub fn say(&mut self, from: Address, to: Address, message: Message) {
        self.later(1, Due::Deliver(Post { from, to, message, after: 0 }));
    }

    /// Lets a node live through an event now.
    pub fn event(&mut self, party: Party, event: Event<Real>) {
        self.node_event(party, event);
    }

    /// The next thing that happens. `false` when nothing does before that time.
    fn happen(&mut self, until: u64) -> bool {
        let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= until) else {
            return false;
        };
        self.now = entry.key().0;
        match entry.remove() {
            Due::Deliver(post) => self.deliver(post),
            Due::WakeNode(party, life) if self.seats[&party].is(life) => self.node_event(party, Event::Wake),
            Due::Written(party, life, batch) if self.seats[&party].is(life) => self.written(party, batch),
            Due::Work(party, life, session, job) if self.seats[&party].is(life) => {
                let result = job.run(&self.crypto(party));
                self.node_event(party, Event::Worked(session, result));
            }
            Due::Sought(party, life, prime) if self.seats[&party].is(life) => {
                self.node_event(party, Event::Sought(Some(crate::room::prime(prime))));
            }
            Due::WakeCoordinator(id, life) if self.replicas[&id].is(life) => {
                self.coordinator_event(id, coordinator::Event::Wake);
            }
            // The store does what it was asked, whoever has died meanwhile.
            Due::Store(id, life, call) => self.store(id, life, call),
            Due::Stored(id, life, answer) if self.replicas[&id].is(life) => {
                self.coordinator_event(id, coordinator::Event::Stored(answer));
            }
            Due::WakeNode(..)
            | Due::Written(..)
            | Due::Work(..)
            | Due::Sought(..)
            | Due::WakeCoordinator(..)
            | Due::Stored(..) => {}
        }
        true
    }

    fn deliver(&mut self, post: Post) {
        let Post { from, to, message, .. } = post;
        match to {
            Address::Node(party) => self.node_event(party, Event::Message(from, message)),
            Address::Coordinator(id) => {
                self.coordinator_event(id, coordinator::Event::Message(from, message));
            }
            Address::Client(_) => {
                if let Message::Answer(request, answer) = message {
                    self.answers.push((from, request, answer));
                }
            }
        }
    }

    /// Time passes.
    pub fn run_for(&mut self, milliseconds: u64) {
        let until = self.now + milliseconds;
        while self.happen(until) {}
        self.now = until;
    }

    /// Time passes until this is so, and not for longer than two minutes.
    pub fn run_until(&mut self, mut is_so: impl FnMut(&Self) -> bool) {
        let until = self.now + 120_000;
        while !is_so(self) {
            assert!(self.happen(until), "it does not come to that");
        }
    }

    /// What was said by one to anybody since that many messages.
    pub fn said_by(&self, from: Address, since: usize) -> impl Iterator<Item = &Message> {
        self.said.iter().skip(since).filter(move |post| post.from == from).map(|post| &post.message)
    }

    /// What was said by one to one since that many messages.
    pub fn told(&self, from: Address, to: Address, since: usize) -> Vec<&Message> {
        let is_it = move |post: &&Post| (post.from, post.to) == (from, to);
        self.said.iter().skip(since).filter(is_it).map(|post| &post.message).collect()
    }
}

/// Clients by their names.
fn by_name(clients: &[ClientKey]) -> BTreeMap<ClientId, ClientKey> {
    clients.iter().map(|key| (key.id(), key.clone())).collect()
}

/// Effects that wait, in the order in which they are to be done.
type Deeds = VecDeque<Deed>;
