//! The whole cluster as a value: nodes, coordinators, clients, disks, network and time. One seed, one history.

mod asking;
mod clients;
mod coordinators;
mod documents;
mod forgers;
mod liars;
mod network;
mod nodes;
pub mod show;
mod thief;
mod trouble;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use keymoot_engine::coordinator::{StoreAnswer, StoreCall};
use keymoot_engine::crypto::Job;
use keymoot_engine::message::{Address, Message};
use keymoot_engine::outcome::Outcome;
use keymoot_ports::memory::sessions::Table;
use keymoot_protocol::context::Committee;
use keymoot_types::{GroupId, KeyId, Party, SessionId};

use crate::backend::Backend;
use crate::chance::Chance;
use crate::coverage::{Coverage, Kind};
use crate::frame::{Frame, Shape, Time};
use crate::model::mix;
use crate::planted::Bug;
use crate::watch::{Violation, Watch};

pub use clients::Wish;
use coordinators::Replica;
use nodes::Slot;

pub use nodes::FORBIDDEN;

/// Where wall time begins, in milliseconds.
pub const EPOCH: u64 = 1_700_000_000_000;

/// How long after healing everything has to have an end.
const PATIENCE: Time = 30_000;

/// The most events of a world: more means that something turns in circles.
const EVENTS_MAX: u64 = 400_000;

/// Something that is going to happen.
enum Happening<B: Backend> {
    Arrives {
        from: Address,
        to: Address,
        message: Message,
    },
    Wakes(Address, u32),
    Written(usize, u32),
    /// A worker is done; `None` if all that it can say is that it has failed.
    Worked(usize, u32, SessionId, Option<Box<Job<B>>>),
    /// A step of the search for primes is done, with this seed; `None` if it was in vain for another reason.
    Sought(usize, u32, Option<[u8; 32]>),
    AtStore(u16, u32, StoreCall),
    FromStore(u16, u32, StoreAnswer),
    Starts(Address),
    /// A process hears of a document that has all clients.
    Learns(Address),
    /// A coordinator sees that the line to a node has broken.
    LineBreaks(u16, Party),
    Client(usize),
    Trouble(trouble::Trouble),
    Heals,
    Ends,
}

struct Item<B: Backend> {
    at: Time,
    sequence: u64,
    what: Happening<B>,
}

impl<B: Backend> PartialEq for Item<B> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl<B: Backend> Eq for Item<B> {}

impl<B: Backend> PartialOrd for Item<B> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<B: Backend> Ord for Item<B> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// A cluster.
pub struct World<B: Backend> {
    frame: Frame,
    chance: Chance,
    now: Time,
    queue: BinaryHeap<Item<B>>,
    sequence: u64,
    committee: Arc<Committee>,
    nodes: Vec<Slot<B>>,
    replicas: Vec<Replica<B>>,
    store: Table,
    store_back_at: Time,
    /// When the store took each request.
    admitted: BTreeMap<keymoot_engine::request::RequestId, Time>,
    wishes: Vec<Wish>,
    /// Keys that somebody has asked to retire.
    doomed: BTreeSet<KeyId>,
    clients: Vec<B>,
    /// Whom the document that a process goes by does not have.
    absent: BTreeMap<Address, usize>,
    cuts: BTreeSet<(Address, Address)>,
    watch: Watch<B>,
    is_healed: bool,
    extensions: u32,
    bug: Option<Bug>,
    events: u64,
    history: u64,
    log: Option<Vec<String>>,
    limits: (keymoot_engine::node::Limits, keymoot_engine::coordinator::Limits),
    overwritten: BTreeMap<[u8; 32], Vec<u8>>,
    coverage: Coverage,
}

/// What came of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How much happened.
    pub events: u64,
    /// The digest of all that happened, in order.
    pub history: u64,
    /// Signatures that were told, and verified by another implementation.
    pub verified: u64,
    /// Outcomes of each kind: key, signed, denied, expired, failed, retired.
    pub outcomes: [u64; 6],
    /// What has happened.
    pub coverage: Coverage,
    /// The promise that was broken, if one was, and when.
    pub violation: Option<(Time, Violation)>,
}

impl<B: Backend> World<B> {
    /// The world of a seed.
    #[must_use]
    pub fn new(seed: u64, shape: Shape, bug: Option<Bug>) -> Self {
        let (mut frame, chance) = Frame::draw(seed, shape);
        if !B::has_moduli() {
            frame.leave_gg20_out();
        }
        let people: Vec<B> = (0..frame.nodes() as u64).map(B::person).collect();
        let members: Vec<_> = frame
            .threshold
            .parties()
            .zip(&people)
            .map(|(party, person)| (party, person.identity()))
            .collect();
        let committee = Committee::new(GroupId::new([7; 16]), frame.threshold, members);
        let committee =
            Arc::new(committee.unwrap_or_else(|error| unreachable!("the committee is sound: {error}")));
        let honest = (0..frame.nodes()).map(|place| !frame.liars.contains(&place)).collect();
        let serves = |place| frame.serves_gg20 && frame.sceptic != Some(place);
        let serve = (0..frame.nodes()).map(serves).collect();
        let clients: Vec<B> = (20..22).map(B::person).collect();
        let mut world = Self {
            watch: Watch::new(Arc::clone(&committee), honest, serve),
            limits: limits(),
            chance,
            now: 0,
            queue: BinaryHeap::new(),
            sequence: 0,
            committee,
            nodes: Vec::new(),
            replicas: Vec::new(),
            store: Table::default(),
            store_back_at: 0,
            admitted: BTreeMap::new(),
            wishes: Vec::new(),
            doomed: BTreeSet::new(),
            clients,
            absent: BTreeMap::new(),
            cuts: BTreeSet::new(),
            is_healed: false,
            extensions: 0,
            bug,
            events: 0,
            history: mix(&[seed]),
            log: None,
            overwritten: BTreeMap::new(),
            coverage: Coverage::default(),
            frame,
        };
        world.nodes = world
            .frame
            .threshold
            .parties()
            .zip(people)
            .map(|(me, person)| Slot::new(me, person, world.frame.liars.contains(&crate::backend::place(me))))
            .collect();
        world.replicas =
            (0..world.frame.coordinators).map(|me| Replica::new(world.frame.stolen == Some(me))).collect();
        if bug.is_some_and(Bug::touches_the_log) {
            world.watch.skip_logs();
        }
        let faults = world.frame.faults;
        if world.frame.stolen.is_some() || faults.crash > 0 || faults.crash_midway > 0 {
            world.watch.let_names_repeat();
        }
        world.begin();
        world
    }

    /// Keeps a line for each event.
    pub fn keep_log(&mut self) {
        self.log = Some(Vec::new());
    }

    /// The lines that were kept.
    #[must_use]
    pub fn take_log(&mut self) -> Vec<String> {
        self.log.take().unwrap_or_default()
    }

    fn begin(&mut self) {
        let parties: Vec<Party> = self.frame.threshold.parties().collect();
        for party in parties {
            self.push(0, Happening::Starts(Address::Node(party)));
        }
        for replica in 0..self.frame.coordinators {
            self.push(0, Happening::Starts(Address::Coordinator(replica)));
        }
        self.make_wishes();
        self.plan_trouble();
        let heal_at = self.frame.heal_at;
        self.push(heal_at, Happening::Heals);
        self.push(heal_at + PATIENCE, Happening::Ends);
    }

    fn push(&mut self, after: Time, what: Happening<B>) {
        self.sequence += 1;
        self.queue.push(Item { at: self.now + after, sequence: self.sequence, what });
    }

    /// Runs to the end, or to the first broken promise.
    pub fn run(&mut self) -> Report {
        crate::model::weaken(self.bug.map(Bug::weakness).unwrap_or_default());
        crate::model::forget_trips();
        let mut violation = None;
        while violation.is_none() {
            match self.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(broken) => violation = Some((self.now, broken)),
            }
        }
        crate::model::weaken(crate::model::Weakness::default());
        self.report(violation)
    }

    fn report(&self, violation: Option<(Time, Violation)>) -> Report {
        let (mut outcomes, mut coverage) = ([0; 6], self.coverage);
        for outcome in self.wishes.iter().filter_map(|wish| self.watch.outcome(wish.id)) {
            coverage.saw(Kind::from(outcome));
            outcomes[match outcome {
                Outcome::Key(_) => 0,
                Outcome::Signed { .. } => 1,
                Outcome::Denied(_) => 2,
                Outcome::Expired => 3,
                Outcome::Failed(_) | Outcome::NoModuli(_) => 4,
                Outcome::Retired { .. } => 5,
            }] += 1;
        }
        let (events, history) = (self.events, self.history);
        let (seed, verified) = (self.frame.seed, self.watch.verified);
        Report { seed, events, history, verified, outcomes, coverage, violation }
    }

    /// One event. `false` at the end.
    fn step(&mut self) -> Result<bool, Violation> {
        let Some(item) = self.queue.pop() else { return Ok(false) };
        self.now = item.at;
        self.events += 1;
        if self.events > EVENTS_MAX {
            let what = "the world does not come to rest".to_owned();
            return Err(Violation { invariant: "I5", what });
        }
        self.note(&item.what);
        match item.what {
            Happening::Arrives { from, to, message } => self.arrives(from, to, message)?,
            Happening::Wakes(who, life) => self.wakes(who, life)?,
            Happening::Written(place, life) => self.written(place, life)?,
            Happening::Worked(place, life, session, job) => self.worked(place, life, session, job)?,
            Happening::Sought(place, life, seed) => self.sought(place, life, seed)?,
            Happening::AtStore(replica, life, call) => self.at_store(replica, life, call),
            Happening::FromStore(replica, life, answer) => self.store_answers(replica, life, answer)?,
            Happening::Starts(who) => self.starts(who)?,
            Happening::Learns(who) => self.hears_of(who, None)?,
            Happening::LineBreaks(replica, party) => self.line_breaks(replica, party)?,
            Happening::Client(wish) => self.client_acts(wish),
            Happening::Trouble(trouble) => self.trouble(trouble)?,
            Happening::Heals => self.heal(),
            Happening::Ends => return self.all_is_well().map(|over| !over),
        }
        Ok(true)
    }

    /// Mixes an event into the history.
    fn note(&mut self, what: &Happening<B>) {
        let word = match what {
            Happening::Arrives { from, to, message } => {
                mix(&[1, word_of(*from), word_of(*to), kind_of(message)])
            }
            Happening::Wakes(who, life) => mix(&[2, word_of(*who), u64::from(*life)]),
            Happening::Written(place, life) => mix(&[3, *place as u64, u64::from(*life)]),
            Happening::Worked(place, _, session, _) => {
                mix(&[4, *place as u64, crate::model::mix_bytes(session.as_bytes())])
            }
            Happening::Sought(place, life, _) => mix(&[14, *place as u64, u64::from(*life)]),
            Happening::AtStore(replica, ..) => mix(&[5, u64::from(*replica)]),
            Happening::FromStore(replica, ..) => mix(&[6, u64::from(*replica)]),
            Happening::Starts(who) => mix(&[7, word_of(*who)]),
            Happening::Learns(who) => mix(&[13, word_of(*who)]),
            Happening::Client(wish) => mix(&[8, *wish as u64]),
            Happening::Trouble(trouble) => mix(&[9, trouble.word()]),
            Happening::Heals => 10,
            Happening::Ends => 11,
            Happening::LineBreaks(replica, party) => {
                mix(&[12, u64::from(*replica), u64::from(party.index())])
            }
        };
        self.history = mix(&[self.history, self.now, word]);
        if let Some(log) = &mut self.log {
            let line = match what {
                Happening::Arrives { from, to, message } => format!("{from:?} -> {to:?}: {}", short(message)),
                Happening::Wakes(who, _) => format!("{who:?} wakes"),
                Happening::Written(place, _) => format!("node {} has written", place + 1),
                Happening::Worked(place, _, session, _) => {
                    format!("node {} has worked on {session}", place + 1)
                }
                Happening::Sought(place, ..) => format!("node {} has looked for primes", place + 1),
                Happening::AtStore(replica, _, call) => {
                    format!("coordinator {replica} asks the store: {call:.80?}")
                }
                Happening::FromStore(replica, _, answer) => {
                    format!("the store answers {replica}: {answer:.80?}")
                }
                Happening::Starts(who) => format!("{who:?} starts"),
                Happening::Learns(who) => format!("{who:?} goes by a document with all clients"),
                Happening::LineBreaks(replica, party) => {
                    format!("coordinator {replica} sees the line to {party} break")
                }
                Happening::Client(wish) => format!("client acts on wish {wish}"),
                Happening::Trouble(trouble) => format!("trouble: {trouble:?}"),
                Happening::Heals => "everything heals".to_owned(),
                Happening::Ends => "the end".to_owned(),
            };
            log.push(format!("{:>8} {line}", self.now));
        }
    }

    const fn saw(&mut self, kind: Kind) {
        self.coverage.saw(kind);
    }

    const fn is(&self, bug: Bug) -> bool {
        matches!(self.bug, Some(here) if here as u8 == bug as u8)
    }
}

fn word_of(address: Address) -> u64 {
    match address {
        Address::Client(number) => u64::from(number),
        Address::Coordinator(number) => 1000 + u64::from(number),
        Address::Node(party) => 2000 + u64::from(party.index()),
    }
}

fn kind_of(message: &Message) -> u64 {
    match message {
        Message::Ask(body) => mix(&[1, body.len() as u64]),
        Message::Answer(id, _) => mix(&[2, u64::from(id.0.as_bytes()[0])]),
        Message::Cancel(session) => mix(&[14, crate::model::mix_bytes(session.as_bytes())]),
        Message::Invite(invite) => mix(&[3, crate::model::mix_bytes(invite.session.as_bytes())]),
        Message::Mail(mail) => mix(&[4, crate::model::mix_bytes(&mail.bytes)]),
        Message::Refused(session, ..) => mix(&[5, crate::model::mix_bytes(session.as_bytes())]),
        Message::Ended(session, _) => mix(&[6, crate::model::mix_bytes(session.as_bytes())]),
        Message::Complete(session, _) => mix(&[7, crate::model::mix_bytes(session.as_bytes())]),
        Message::StockQuery(_) => 8,
        Message::Stock(stock) => mix(&[9, stock.presignatures.len() as u64]),
        Message::KeyQuery(_) => 10,
        Message::Key(package) => mix(&[11, crate::model::mix_bytes(package)]),
        Message::Beat => 12,
        Message::Witness { .. } => 13,
        Message::Moduli(told) => mix(&[15, told.tables.len() as u64, u64::from(told.primes)]),
        Message::TableQuery(_) => 16,
        Message::Table(table) => mix(&[17, crate::model::mix_bytes(table)]),
    }
}

/// A message in a line.
#[must_use]
pub fn short(message: &Message) -> String {
    let text = format!("{message:?}");
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn limits() -> (keymoot_engine::node::Limits, keymoot_engine::coordinator::Limits) {
    let node = keymoot_engine::node::Limits {
        stock: 16,
        heavy: 3,
        presignature: 20_000,
        signing: 1_500,
        ceremony: 4_000,
        moduli: 4_000,
        ..keymoot_engine::node::Limits::default()
    };
    let coordinator = keymoot_engine::coordinator::Limits {
        drives: 12,
        patience: 20_000,
        signing: 1_500,
        ceremony: 4_000,
        moduli: 4_000,
        batch: 4,
        low: 2,
        pool: 6,
        ..keymoot_engine::coordinator::Limits::default()
    };
    (node, coordinator)
}
