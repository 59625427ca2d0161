//! The coordinator: orders, carries and adds up; holds no secret, decides nothing that a node would take its word for.
//!
//! Any replica can finish what another began: what was admitted and how it ended is in a shared store, and a lease with
//! a fencing number says who works on it. A stolen coordinator can delay and waste; it cannot sign.

mod admit;
mod drive;
mod finish;
mod gone;
mod moduli;
mod retire;
mod select;
mod store;
mod supply;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use keymoot_protocol::context::Committee;
use keymoot_protocol::envelope::ENVELOPE_MAX;
use keymoot_protocol::identity::IdentitySignature;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Millis, Party, Scheme, SessionId};
use rand_core::CryptoRngCore;

use crate::crypto::{Crypto, Order, Reading};
use crate::event::{Clock, Now};
use crate::message::{Address, Ended, Message};
use crate::outcome::Outcome;
use crate::request::{Ask, ClientId, ClientKey, Request, RequestId};

use moduli::Moduli;
use select::Members;
pub use store::{Admission, Claim, Finish, StoreAnswer, StoreCall};
use supply::Supply;
pub use view::{DriveView, MemberView, RunView, View};

/// What a coordinator is told.
#[derive(Clone)]
pub struct Config {
    /// Which replica it is.
    pub me: u16,
    /// All members.
    pub committee: Arc<Committee>,
    /// The clients that may ask. The nodes check it themselves; here it only keeps strangers out of the queue.
    pub clients: BTreeMap<ClientId, ClientKey>,
    /// The bounds on everything.
    pub limits: Limits,
}

/// A number on every queue, and a time on every wait, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that are worked on at one time.
    pub drives: usize,
    /// Attempts at one request.
    pub attempts: u16,
    /// Attempts at one key: each takes as long as the slowest node.
    pub generations: u16,
    /// How long a replica works on one request before it says that it failed.
    pub patience: u64,
    /// Requests of one client that are worked on at one time.
    pub client: usize,
    /// Clients that wait for one answer.
    pub askers: usize,
    /// How long a signing session may take.
    pub signing: u64,
    /// How long any other session may take.
    pub ceremony: u64,
    /// How long it may take to make a table of moduli.
    pub moduli: u64,
    /// For how long a lease holds.
    pub lease: u64,
    /// Without a sign of life for so long, a node is not counted on.
    pub silence: u64,
    /// Between two attempts.
    pub pause: u64,
    /// Between two looks for work that others have left.
    pub patrol: u64,
    /// The most presignatures of a batch. The first are smaller, and so are those of slow nodes.
    pub batch: u16,
    /// Fewer presignatures than this in common, and the next batch is made. Nodes name no more than
    /// [`crate::message::OFFERED`] at once, so a larger number is of no use.
    pub low: usize,
    /// Presignatures that are kept ready for each key in use.
    pub pool: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            drives: 1024,
            client: 256,
            attempts: 24,
            generations: 5,
            patience: 60_000,
            askers: 16,
            signing: 3_000,
            ceremony: 10_000,
            moduli: 120_000,
            lease: 3_000,
            silence: 4_000,
            pause: 100,
            patrol: 1_000,
            batch: 256,
            low: 32,
            pool: 1024,
        }
    }
}

/// All that can happen to a coordinator.
pub enum Event {
    /// Somebody says something.
    Message(Address, Message),
    /// Some time that was asked for has come.
    Wake,
    /// The shared store answers.
    Stored(StoreAnswer),
    /// The line to a node has broken. That it is quiet would show in time; this spares the wait.
    Gone(Party),
}

/// What a coordinator may do to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Say something.
    Send(Address, Message),
    /// Wake us at this monotonic time, or later.
    WakeAt(Millis),
    /// Ask the shared store.
    Store(StoreCall),
}

/// A coordinator replica.
pub struct Coordinator<C: Crypto> {
    crypto: C,
    config: Config,
    clock: Clock,
    now: Now,
    members: Members<C>,
    keys: BTreeMap<KeyId, C::Key>,
    /// The keys by the digest of their packages.
    packages: BTreeMap<Hash, KeyId>,
    drives: BTreeMap<RequestId, Drive>,
    /// Who waits for the store's first word on a request.
    admitting: BTreeMap<RequestId, Admitting>,
    runs: BTreeMap<SessionId, Run<C>>,
    past: VecDeque<Past>,
    /// Requests that nobody works on, and since when that is known here.
    orphans: BTreeMap<RequestId, Millis>,
    patrol_at: Millis,
    supply: Supply,
    moduli: Moduli,
    /// Keys that the nodes were asked for, and until when that is new.
    key_queries: BTreeMap<KeyId, Millis>,
    deeds: Vec<Deed>,
}

/// A request that the store has not spoken about yet.
struct Admitting {
    request: Request,
    body: Vec<u8>,
    askers: BTreeSet<Address>,
    until: Millis,
}

/// A session that has failed lately, and whose members may still say why.
struct Past {
    session: SessionId,
    request: Option<RequestId>,
    /// Who has not reported on it.
    unheard: Vec<Party>,
    /// Who has said that it took too long, and that nobody is late: the suspicion it took upon itself for that, and that is not
    /// forgiven yet.
    unsure: BTreeMap<Party, u32>,
    /// What a report weighs.
    weight: u32,
}

impl Past {
    /// A member reports, which counts once. A word that doubts nobody is no report: a check that went on after its time may
    /// still find somebody out. Returns what the member has taken upon itself for such a word before: it does so once.
    fn hears(&mut self, from: Party, ended: &Ended) -> u32 {
        let paid = match ended {
            Ended::Late(nobody) if nobody.is_empty() => self.unsure.insert(from, self.weight),
            _ => {
                self.unheard.retain(|member| *member != from);
                self.unsure.remove(&from)
            }
        };
        paid.unwrap_or_default()
    }
}

/// Work on one request.
struct Drive {
    request: Request,
    body: Vec<u8>,
    fence: u64,
    attempt: u16,
    /// Since when this replica has worked on it.
    began: Millis,
    session: Option<SessionId>,
    retry_at: Millis,
    renew_at: Millis,
    askers: BTreeSet<Address>,
    denials: BTreeMap<Party, (String, IdentitySignature)>,
    /// Who says that it has made as many attempts at it as it makes.
    spent: BTreeSet<Party>,
    /// Whose share of a signature was seen to be wrong, by ourselves.
    found_out: BTreeSet<Party>,
    /// Who has ended its part in the key that is to be retired.
    words: BTreeMap<Party, IdentitySignature>,
    /// What the payload comes to, once it was read.
    reading: Option<Reading>,
    /// Being stored.
    outcome: Option<Outcome>,
    /// What went wrong last.
    trouble: &'static str,
}

/// What a signature waits for whose scheme needs moduli.
const NO_MODULI: &str =
    "too few nodes have moduli: they look for safe primes, make their table, or do not serve the scheme";

impl Drive {
    /// Whether it waits for nothing but moduli.
    fn lacks_moduli(&self) -> bool {
        self.trouble == NO_MODULI && self.session.is_none() && self.outcome.is_none()
    }

    /// Who refuses for good, why, and its word on that.
    fn denied(&self) -> Vec<(Party, String, IdentitySignature)> {
        self.denials.iter().map(|(party, (why, word))| (*party, why.clone(), *word)).collect()
    }
}

/// A session that this coordinator has called.
struct Run<C: Crypto> {
    aim: Aim<C>,
    members: Vec<Party>,
    began: Millis,
    deadline: Millis,
    /// If it fails, how long to leave the nodes alone; drawn by lot.
    respite: u64,
    heard: BTreeSet<Party>,
    complete: BTreeSet<Party>,
    aggregator: Option<C::Run>,
    released: BTreeMap<Party, IdentitySignature>,
    /// What was carried for each, in pieces and bytes.
    carried: BTreeMap<Party, (usize, usize)>,
}

/// What a session is for.
enum Aim<C: Crypto> {
    Keygen(RequestId, KeyId),
    Setup,
    Moduli,
    /// For this key package, with this pair setup or table of moduli.
    Presign(Hash, Hash),
    Sign(RequestId, Box<Order<C>>),
    /// This key package.
    Retire(RequestId, Hash),
}

impl<C: Crypto> Aim<C> {
    const fn request(&self) -> Option<RequestId> {
        match self {
            Self::Keygen(request, _) | Self::Sign(request, _) | Self::Retire(request, _) => Some(*request),
            Self::Setup | Self::Moduli | Self::Presign(..) => None,
        }
    }

    /// How much a failure weighs: a signature is tried again at once, anything else has taken long.
    const fn cost(&self) -> u32 {
        if self.request().is_some() { 1 } else { select::COSTLY }
    }

    /// The most that is carried for one member to each other one, in pieces and bytes: more than any protocol says (48
    /// rounds, of which each has an envelope at most), so that nobody talks without end.
    const fn allowance(&self) -> (usize, usize) {
        match self {
            Self::Sign(..) | Self::Retire(..) => (16, 64 << 10),
            Self::Keygen(..) | Self::Setup | Self::Moduli | Self::Presign(..) => (64, 48 * ENVELOPE_MAX),
        }
    }

    fn key(&self) -> Option<Hash> {
        match self {
            Self::Presign(key, _) | Self::Retire(_, key) => Some(*key),
            Self::Sign(_, order) => Some(C::describe(&order.key).digest),
            Self::Keygen(..) | Self::Setup | Self::Moduli => None,
        }
    }

    const fn setup(&self) -> Option<Hash> {
        match self {
            Self::Presign(_, setup) => Some(*setup),
            Self::Keygen(..) | Self::Setup | Self::Moduli | Self::Sign(..) | Self::Retire(..) => None,
        }
    }
}

impl<C: Crypto> Coordinator<C> {
    /// A coordinator that knows nothing yet, and what it does first.
    #[must_use]
    pub fn new(crypto: C, config: Config, now: Now) -> (Self, Vec<Deed>) {
        let members = Members::new(&config.committee);
        let coordinator = Self {
            crypto,
            config,
            clock: Clock::new(now),
            now,
            members,
            keys: BTreeMap::new(),
            packages: BTreeMap::new(),
            drives: BTreeMap::new(),
            admitting: BTreeMap::new(),
            runs: BTreeMap::new(),
            past: VecDeque::new(),
            orphans: BTreeMap::new(),
            patrol_at: now.mono,
            supply: Supply::new(now.mono),
            moduli: Moduli::default(),
            key_queries: BTreeMap::new(),
            deeds: Vec::new(),
        };
        (coordinator, vec![Deed::WakeAt(now.mono)])
    }

    /// Takes one event.
    pub fn step(&mut self, now: Now, event: Event, rng: &mut impl CryptoRngCore) -> Vec<Deed> {
        self.now = self.clock.read(now);
        match event {
            Event::Message(from, message) => self.hear(from, message, rng),
            Event::Wake => self.tick(rng),
            Event::Stored(answer) => self.stored(answer, rng),
            Event::Gone(party) => self.gone(party, rng),
        }
        std::mem::take(&mut self.deeds)
    }

    /// From now on these clients may ask. What others have asked is not worked on any more: no node would. Nodes go by another
    /// document as well, so none is held to what it has refused by the one before.
    pub fn go_by(&mut self, clients: BTreeMap<ClientId, ClientKey>) -> Vec<Deed> {
        self.config.clients = clients;
        let is_known = |drive: &Drive| self.config.clients.contains_key(&drive.request.client);
        let strangers = self.drives.iter().filter(|(_, drive)| drive.outcome.is_none() && !is_known(drive));
        let strangers: Vec<RequestId> = strangers.map(|(id, _)| *id).collect();
        for id in strangers {
            self.is_elsewhere(id);
        }
        self.drives.values_mut().for_each(|drive| drive.denials.clear());
        self.past.iter_mut().for_each(|past| past.request = None);
        std::mem::take(&mut self.deeds)
    }

    fn hear(&mut self, from: Address, message: Message, rng: &mut impl CryptoRngCore) {
        match (from, message) {
            (Address::Client(_), Message::Ask(body)) => self.asked(from, body),
            (Address::Node(party), message) if self.members.contains(party) => {
                self.members.heard(party, self.now.mono);
                self.hear_node(party, message, rng);
            }
            (Address::Client(_) | Address::Coordinator(_) | Address::Node(_), _) => {}
        }
    }

    fn hear_node(&mut self, party: Party, message: Message, rng: &mut impl CryptoRngCore) {
        match message {
            Message::Mail(mail) => self.carry(party, mail),
            Message::Refused(session, refusal, word) => self.refused(party, session, &refusal, word, rng),
            Message::Ended(session, ended) => self.ended(party, session, &ended, rng),
            Message::Complete(session, complete) => self.completed(party, session, complete, rng),
            Message::Stock(stock) => {
                if self.packages.contains_key(&stock.key) {
                    self.members.restock(party, &stock, self.now.mono);
                    self.hurry_key(stock.key, rng);
                }
            }
            Message::Key(package) => {
                if self.learn_key(&package) {
                    self.hurry(|_| true, rng);
                }
            }
            Message::Moduli(told) => self.told_of_moduli(party, told, rng),
            Message::Table(table) => self.shown_table(table),
            Message::Witness { from, to, words } if from == party && self.members.contains(to) => {
                self.send(Address::Node(to), Message::Witness { from, to, words });
            }
            Message::Ask(_)
            | Message::Answer(..)
            | Message::Invite(_)
            | Message::Cancel(_)
            | Message::StockQuery(_)
            | Message::KeyQuery(_)
            | Message::TableQuery(_)
            | Message::Beat
            | Message::Witness { .. } => {}
        }
    }

    fn tick(&mut self, rng: &mut impl CryptoRngCore) {
        let now = self.now.mono;
        self.end_late_runs();
        if now >= self.patrol_at {
            self.patrol_at = now.plus(self.config.limits.patrol);
            self.admitting.retain(|_, admitting| now < admitting.until);
            if self.members.forgive(now) {
                let paid = self.past.iter_mut().flat_map(|past| past.unsure.values_mut());
                paid.for_each(|paid| *paid /= 2);
            }
            self.deeds.push(Deed::Store(StoreCall::Orphans));
            self.wake_at(self.patrol_at);
            self.tend_moduli(rng);
            self.fill_up(rng);
        }
        self.advance_all(rng);
    }

    fn send(&mut self, to: Address, message: Message) {
        self.deeds.push(Deed::Send(to, message));
    }

    fn wake_at(&mut self, at: Millis) {
        self.deeds.push(Deed::WakeAt(at));
    }

    /// Whether this is a certified key that was not known here.
    fn learn_key(&mut self, package: &[u8]) -> bool {
        let Some(key) = C::decode_key(package, &self.config.committee) else { return false };
        let described = C::describe(&key);
        self.packages.insert(described.digest, described.id);
        self.keys.insert(described.id, key).is_none()
    }

    /// What the key of this package is for, where it is known.
    fn scheme_of(&self, package: Hash) -> Option<Scheme> {
        let key = self.packages.get(&package).and_then(|name| self.keys.get(name))?;
        Some(C::describe(key).scheme)
    }

    /// Goes on with all that waits for presignatures of this key.
    fn hurry_key(&mut self, package: Hash, rng: &mut impl CryptoRngCore) {
        let Some(name) = self.packages.get(&package).copied() else { return };
        self.hurry(|drive| matches!(&drive.request.ask, Ask::Sign { key, .. } if *key == name), rng);
    }

    /// How many requests are worked on.
    #[must_use]
    pub fn load(&self) -> usize {
        self.drives.len()
    }

    /// The sessions in progress, with their deadlines.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, Millis)> {
        self.runs.iter().map(|(session, run)| (*session, run.deadline))
    }
}
