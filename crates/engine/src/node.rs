//! The node: holds one share of each key, believes nobody, and says nothing that is not durable first.
//!
//! [`Node::step`] is the one verb. It never waits, reads no clock and draws no randomness of its own; what it wants
//! done is in the plan it returns.

mod blames;
mod invite;
mod keys;
mod moduli;
mod presigns;
mod recover;
mod retire;
mod rounds;
mod view;
mod vouch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use keymoot_protocol::context::Committee;
use keymoot_protocol::dkls23::Bans;
use keymoot_types::{KeyId, Millis, Party, Scheme, SessionId};
use rand_core::CryptoRngCore;

use crate::audit::{Log, Witness};
use crate::crypto::Crypto;
use crate::event::{Clock, Event, Now};
use crate::message::{Address, Ended, Message};
use crate::plan::{Effect, Lane, Plan, Silence};
use crate::policy::Policy;
use crate::record::{Entry, Record};
use crate::request::{ClientId, ClientKey, RequestId};

use blames::Blames;
use invite::Requests;
use keys::Keys;
use moduli::Moduli;
use presigns::{Pool, Setups};
pub use recover::Corrupt;
use rounds::{Early, Gone, Live};
pub use view::{ModuliView, SessionView, View};
use vouch::Vouching;
pub use vouch::log_name;

/// What a node is told by its operator and by the cluster's document.
#[derive(Clone)]
pub struct Config {
    /// Which member it is.
    pub me: Party,
    /// All members.
    pub committee: Arc<Committee>,
    /// The clients that may ask for anything.
    pub clients: BTreeMap<ClientId, ClientKey>,
    /// What keys may be for that it takes part in.
    pub schemes: BTreeSet<Scheme>,
    /// How many coordinators there are; they have the addresses from 0 on.
    pub coordinators: u16,
    /// The bounds on everything.
    pub limits: Limits,
}

/// A number on every queue, and a time on every wait, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at one time. Each coordinator has its share of them.
    pub sessions: usize,
    /// Pair setups and presignings at one time, for each coordinator.
    pub heavy: usize,
    /// Attempts at one request.
    pub attempts: u16,
    /// Mail that may wait for its invitation, in messages.
    pub early: usize,
    /// Presignatures for one key and one set of signers, for each coordinator that has some made.
    pub stock: usize,
    /// Presignatures of all keys, shared equally by all coordinators.
    pub pool: usize,
    /// How long a presignature may be kept.
    pub presignature: u64,
    /// How long a signing session may take.
    pub signing: u64,
    /// How long any other session may take.
    pub ceremony: u64,
    /// How long it may take to make a table of moduli.
    pub moduli: u64,
    /// Pair setups at one time, for each coordinator.
    pub setups: usize,
    /// Between two signs of life.
    pub beat: u64,
    /// Between two checkpoints of the audit log.
    pub checkpoint: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 1024,
            heavy: 16,
            attempts: 24,
            early: 128,
            stock: 16_384,
            pool: 131_072,
            presignature: 24 * 60 * 60 * 1000,
            signing: 3_000,
            ceremony: 10_000,
            moduli: 120_000,
            setups: 2,
            beat: 1_000,
            checkpoint: 5_000,
        }
    }
}

/// A node.
pub struct Node<C: Crypto, P> {
    crypto: C,
    policy: P,
    config: Config,
    clock: Clock,
    /// The time of the event that is being handled.
    now: Now,
    keys: Keys<C>,
    pool: Pool<C>,
    setups: Setups<C>,
    moduli: Moduli<C>,
    bans: Bans,
    /// What was found out of whom, with the evidence.
    blames: Blames,
    requests: Requests,
    sessions: BTreeMap<SessionId, Live<C>>,
    /// Sessions that have ended lately: their last words may still wait for the disk.
    ended: VecDeque<Gone>,
    /// Sessions that were forgotten while a worker had them, and whose names are not taken again.
    lost: BTreeSet<SessionId>,
    early: Early,
    log: Log,
    witness: Witness,
    vouching: Vouching,
    timers: Timers,
    /// Refusals since the last record of them.
    refused: u64,
    draft: Draft<C>,
    /// It has ended, and takes no more events: nothing may follow [`Entry::Stopped`] but a start, and nothing at all
    /// [`Entry::RolledBack`].
    is_stopped: bool,
}

#[derive(Clone, Copy, Debug)]
struct Timers {
    beat: Millis,
    checkpoint: Millis,
}

/// The plan that is being made.
struct Draft<C: Crypto> {
    lane: Lane,
    silence: Silence,
    persist: Vec<Record>,
    then: Vec<Effect<C>>,
}

impl<C: Crypto> Draft<C> {
    const fn empty() -> Self {
        Self { lane: Lane::Whole, silence: Silence::Nobody, persist: Vec::new(), then: Vec::new() }
    }

    /// What waits of these sessions is not said any more.
    fn hush(&mut self, sessions: &[SessionId]) {
        match &mut self.silence {
            Silence::Nobody => self.silence = Silence::Sessions(sessions.to_vec()),
            Silence::Sessions(silent) => silent.extend(sessions),
            Silence::Everybody => {}
        }
    }

    fn finish(&mut self) -> Plan<Effect<C>> {
        let Self { lane, silence, persist, then } = std::mem::replace(self, Self::empty());
        Plan { lane, silence, persist, then }
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// Takes one event.
    pub fn step(&mut self, now: Now, event: Event<C>, rng: &mut impl CryptoRngCore) -> Plan<Effect<C>> {
        self.now = self.clock.read(now);
        match event {
            _ if self.is_stopped => {}
            Event::Message(from, message) => self.hear(from, message, rng),
            Event::Wake => self.tick(rng),
            Event::Worked(session, result) => self.worked(session, result),
            Event::Sought(prime) => self.sought(prime, rng),
            Event::Stop => {
                self.is_stopped = true;
                self.persist(Entry::Stopped);
            }
        }
        self.draft.finish()
    }

    /// From now on these clients may ask, and this policy judges. What goes on was allowed by what was before, and ends;
    /// whoever may still have it asks again. Presignatures stay: they are nobody's.
    pub fn go_by(&mut self, now: Now, clients: BTreeMap<ClientId, ClientKey>, policy: P) -> Plan<Effect<C>> {
        self.now = self.clock.read(now);
        if !self.is_stopped {
            (self.config.clients, self.policy) = (clients, policy);
            let asked = |live: &Live<C>| matches!(live.kind, Kind::Keygen(_) | Kind::Sign(_));
            let ids = self.sessions.iter().filter(|(_, live)| asked(live)).map(|(session, _)| *session);
            let ids: Vec<SessionId> = ids.collect();
            self.draft.hush(&ids);
            for session in ids {
                if let Some((coordinator, _)) = self.give_up(session) {
                    self.send(coordinator, Message::Ended(session, Ended::Benign));
                }
            }
        }
        self.draft.finish()
    }

    fn hear(&mut self, from: Address, message: Message, rng: &mut impl CryptoRngCore) {
        let known = |number: u16| number < self.config.coordinators;
        let Some(from) = Some(from).filter(|from| matches!(from, Address::Coordinator(n) if known(*n)))
        else {
            self.refused = self.refused.saturating_add(1);
            return;
        };
        match message {
            Message::Invite(invite) => {
                self.draft.lane = Lane::Session(invite.session);
                self.invited(from, invite, rng);
            }
            Message::Mail(mail) => {
                self.draft.lane = Lane::Session(mail.session);
                self.mail(from, mail);
            }
            Message::Cancel(session) => {
                // Whoever called a session could keep its mail back as well.
                if self.sessions.get(&session).is_some_and(|live| live.coordinator == from) {
                    self.draft.lane = Lane::Session(session);
                    self.give_up(session);
                }
            }
            Message::StockQuery(key) => {
                let stock = self.stock(key, from);
                self.send(from, Message::Stock(stock));
            }
            Message::KeyQuery(key) => {
                if let Some(package) = self.keys.package(key) {
                    self.send(from, Message::Key(package));
                }
            }
            Message::Key(package) => self.learn_key(&package),
            Message::TableQuery(name) => self.show_table(from, name),
            Message::Table(table) => self.learn_table(&table),
            Message::Witness { from: author, to, words } if to == self.config.me => {
                self.witnessed(from, author, words);
            }
            Message::Ask(_)
            | Message::Answer(..)
            | Message::Refused(..)
            | Message::Ended(..)
            | Message::Complete(..)
            | Message::Stock(_)
            | Message::Moduli(_)
            | Message::Beat
            | Message::Witness { .. } => self.refused = self.refused.saturating_add(1),
        }
    }

    /// Whatever is due.
    fn tick(&mut self, rng: &mut impl CryptoRngCore) {
        self.end_late_sessions();
        self.cosign_waiting();
        let limits = self.config.limits;
        let now = self.now.mono;
        if now >= self.timers.beat {
            self.timers.beat = now.plus(limits.beat);
            for coordinator in 0..self.config.coordinators {
                self.send(Address::Coordinator(coordinator), Message::Beat);
            }
            self.expire_presignatures();
            self.requests.forget(self.now);
            self.tell_moduli_to_all();
            self.seek(rng);
            self.ask_what_was_seen();
            self.wake_at(self.timers.beat);
        }
        if now >= self.timers.checkpoint {
            self.timers.checkpoint = now.plus(limits.checkpoint);
            if self.refused > 0 {
                let count = std::mem::take(&mut self.refused);
                self.persist(Entry::Refused { count });
            }
            self.vouch();
            self.wake_at(self.timers.checkpoint);
        }
    }

    fn persist(&mut self, record: impl Into<Record>) {
        let record = record.into();
        // Two nodes that vouch for each other's vouching would never come to an end.
        self.vouching.is_due |= !matches!(record.entry, Entry::Witnessed { .. });
        // What must not be forgotten by an old copy of the journal is to be known to others soon.
        if matches!(
            record.entry,
            Entry::Pending { .. }
                | Entry::ModuliPending { .. }
                | Entry::Banned { .. }
                | Entry::Retired { .. }
        ) {
            self.timers.checkpoint = self.now.mono;
            self.wake_at(self.now.mono);
        }
        self.log.append(&keymoot_protocol::codec::Wire::encode(&record.entry));
        self.draft.persist.push(record);
    }

    fn send(&mut self, to: Address, message: Message) {
        self.draft.then.push(Effect::Send(to, message));
    }

    fn wake_at(&mut self, at: Millis) {
        self.draft.then.push(Effect::WakeAt(at));
    }

    /// Drops all sessions of which this member is part, without another word.
    fn drop_sessions_with(&mut self, culprit: Party) {
        let ended = self.ended.iter().filter(|ended| ended.members.contains(&culprit));
        let ended: Vec<SessionId> = ended.map(|ended| ended.session).collect();
        self.draft.hush(&ended);
        let with = self.sessions.iter().filter(|(_, live)| live.members.contains(&culprit));
        let with: Vec<SessionId> = with.map(|(session, _)| *session).collect();
        self.draft.hush(&with);
        for session in with {
            self.give_up(session);
        }
    }

    /// Which member we are.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.config.me
    }

    /// The audit log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Who may not take part any more.
    #[must_use]
    pub const fn bans(&self) -> &Bans {
        &self.bans
    }

    /// The sessions in progress, with their deadlines.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, Millis)> {
        let going = self.sessions.iter().filter(|(_, live)| !live.is_over);
        going.map(|(session, live)| (*session, live.deadline))
    }

    /// Whether this session is in progress here.
    #[must_use]
    pub fn holds(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The digests of the certified keys held here.
    pub fn keys(&self) -> impl Iterator<Item = C::Key> {
        self.keys.all()
    }
}

/// What a session is about, as far as its end depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Keygen(KeyId),
    Setup,
    Moduli,
    Presign,
    Sign(RequestId),
}

impl Kind {
    /// Whether its steps take so long that a worker thread runs them.
    const fn is_heavy(&self) -> bool {
        match self {
            Self::Setup | Self::Moduli | Self::Presign => true,
            Self::Keygen(_) | Self::Sign(_) => false,
        }
    }
}

/// Everybody in a committee.
fn everybody(committee: &Committee) -> Vec<Party> {
    committee.threshold().parties().collect()
}
