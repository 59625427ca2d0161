//! The committee's moduli, for presignatures of GG20: looked for, pending until all members have signed their table, usable
//! from then on, by all coordinators and for all keys.
//!
//! Primes that wait for their one use are in memory only, so that no copy of a disk can bring one back. Our primes in a
//! table are on disk before our signature on it leaves, as our share of a key is: to make another table takes minutes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use keymoot_protocol::dkls23::Bans;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, Scheme, SessionId};
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use super::presigns::Use;
use super::{Kind, ModuliView, Node, everybody};
use crate::crypto::{Crypto, PRIMES, Task, Unfit};
use crate::message::{Address, Ended, Message, Moduli as Told, TABLES_MAX};
use crate::plan::{Effect, Lane};
use crate::policy::Policy;
use crate::record::Entry;
use crate::refusal::Refusal;

/// Sessions with a table that are remembered, so that none comes twice.
const SESSIONS_MAX: usize = 4096;

/// Tables that were signed here and that nobody has shown whole. Each is kept for ever, since it may come yet.
const PENDING_MAX: usize = 64;

/// How long one step of the search is waited for, in milliseconds. Then it is taken for lost.
const SEEK: u64 = 10_000;

/// What a node has of moduli.
pub(super) struct Moduli<C: Crypto> {
    /// Our primes, by the digest of the table that we have signed.
    pending: BTreeMap<Hash, Zeroizing<Vec<u8>>>,
    certified: BTreeMap<Hash, Held<C>>,
    /// Primes that serve nobody yet, for each coordinator: a stolen one uses up no other's.
    found: BTreeMap<u16, Vec<C::Prime>>,
    /// How often each coordinator has taken its primes.
    taken: BTreeMap<u16, u64>,
    /// Until when a step of the search is waited for.
    seeking: Option<Millis>,
}

struct Held<C: Crypto> {
    table: Vec<u8>,
    setup: Arc<C::Setup>,
    ledger: C::Ledger,
    sessions: BTreeSet<SessionId>,
    order: VecDeque<SessionId>,
}

impl<C: Crypto> Default for Moduli<C> {
    fn default() -> Self {
        Self {
            pending: BTreeMap::new(),
            certified: BTreeMap::new(),
            found: BTreeMap::new(),
            taken: BTreeMap::new(),
            seeking: None,
        }
    }
}

impl<C: Crypto> Moduli<C> {
    /// Whether we have put our name to this table.
    pub(super) fn is_taken(&self, name: Hash) -> bool {
        self.pending.contains_key(&name) || self.certified.contains_key(&name)
    }

    pub(super) fn hold(&mut self, name: Hash, primes: Zeroizing<Vec<u8>>) {
        self.pending.insert(name, primes);
    }

    /// The name of a certified table, if it is new here: only one that we have signed ourselves becomes ours. What was looked
    /// for meanwhile is not needed any more.
    pub(super) fn certify(&mut self, table: &C::Table) -> Option<Hash> {
        let name = C::table_name(table);
        let setup = C::promote_moduli(self.pending.get(&name)?, table)?;
        self.pending.remove(&name);
        let held = Held {
            table: C::encode_table(table),
            ledger: C::new_ledger(&setup),
            setup: Arc::new(setup),
            sessions: BTreeSet::new(),
            order: VecDeque::new(),
        };
        self.certified.insert(name, held);
        self.found.clear();
        Some(name)
    }

    /// A use by a session, of any coordinator.
    pub(super) fn reserve(
        &mut self,
        (name, session): (Hash, SessionId),
        signers: &[Party],
        bans: &Bans,
    ) -> Result<Use<C>, Unfit> {
        let held = self.certified.get_mut(&name).ok_or(Unfit("there are no moduli of that name"))?;
        if held.sessions.contains(&session) {
            return Err(Unfit("this session has used it before"));
        }
        let ticket = C::reserve(&held.setup, &mut held.ledger, signers, bans)?;
        held.sessions.insert(session);
        held.order.push_back(session);
        if let Some(oldest) = held.order.pop_front_if(|_| held.sessions.len() > SESSIONS_MAX) {
            held.sessions.remove(&oldest);
        }
        Ok(Use { setup: Arc::clone(&held.setup), ticket })
    }

    /// The names of the tables here, and how many primes wait for this coordinator.
    fn told(&self, coordinator: u16) -> Told {
        let primes = self.found.get(&coordinator).map_or(0, Vec::len);
        let tables = self.certified.keys().copied().take(TABLES_MAX).collect();
        Told { tables, primes: u16::try_from(primes).unwrap_or(u16::MAX) }
    }

    /// For which of so many coordinators the next prime is: the one that has taken the fewest, until it has enough.
    fn next(&self, coordinators: u16) -> Option<u16> {
        let lacks = |one: &u16| self.found.get(one).map_or(0, Vec::len) < PRIMES;
        let taken = |one: &u16| self.taken.get(one).copied().unwrap_or(0);
        (0..coordinators).filter(lacks).min_by_key(|one| (taken(one), *one))
    }

    /// Takes a coordinator's primes, which serve one session.
    fn take(&mut self, coordinator: u16) -> Option<Vec<C::Prime>> {
        self.found.get(&coordinator).filter(|found| found.len() >= PRIMES)?;
        let taken = self.taken.entry(coordinator).or_default();
        *taken = taken.saturating_add(1);
        self.found.remove(&coordinator)
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// Whether this node may take part in what the scheme needs.
    pub(super) fn check_served(&self, scheme: Scheme) -> Result<(), Refusal> {
        if self.config.schemes.contains(&scheme) { Ok(()) } else { Err(Refusal::NotServed) }
    }

    fn has_use_for_moduli(&self) -> bool {
        Scheme::ALL.iter().any(|one| one.has_moduli() && self.config.schemes.contains(one))
    }

    /// Has the next numbers looked at, while there is no table and somebody lacks primes.
    pub(super) fn seek(&mut self, rng: &mut impl CryptoRngCore) {
        let now = self.now.mono;
        let is_seeking = self.moduli.seeking.is_some_and(|until| now < until);
        // Where one of us is apart from another there will be none.
        let is_possible =
            self.has_use_for_moduli() && self.check_bans(&everybody(&self.config.committee)).is_ok();
        let is_needed = is_possible && self.moduli.certified.is_empty();
        if is_seeking || !is_needed || self.moduli.next(self.config.coordinators).is_none() {
            return;
        }
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        self.moduli.seeking = Some(now.plus(SEEK));
        self.draft.then.push(Effect::Seek(seed));
    }

    /// A step of the search is done.
    pub(super) fn sought(&mut self, prime: Option<C::Prime>, rng: &mut impl CryptoRngCore) {
        self.moduli.seeking = None;
        let is_needed = self.moduli.certified.is_empty();
        let lacks = self.moduli.next(self.config.coordinators).filter(|_| is_needed);
        if let (Some(prime), Some(coordinator)) = (prime, lacks) {
            let found = self.moduli.found.entry(coordinator).or_default();
            found.push(prime);
            if found.len() >= PRIMES {
                self.tell_moduli(coordinator);
            }
        }
        self.seek(rng);
    }

    /// Tells a coordinator what is here, if anything of it is of any use.
    fn tell_moduli(&mut self, coordinator: u16) {
        if self.has_use_for_moduli() {
            let told = self.moduli.told(coordinator);
            self.send(Address::Coordinator(coordinator), Message::Moduli(told));
        }
    }

    pub(super) fn tell_moduli_to_all(&mut self) {
        (0..self.config.coordinators).for_each(|coordinator| self.tell_moduli(coordinator));
    }

    pub(super) fn show_table(&mut self, to: Address, name: Hash) {
        if let Some(held) = self.moduli.certified.get(&name) {
            let table = held.table.clone();
            self.send(to, Message::Table(table));
        }
    }

    /// A table from anywhere. All members' signatures make it what it is; one that we have not signed ourselves is of no use here.
    pub(super) fn learn_table(&mut self, bytes: &[u8]) {
        if self.moduli.pending.is_empty() {
            return;
        }
        let is_ours = |name| self.moduli.pending.contains_key(&name);
        if let Some(table) = self.crypto.decode_table(bytes, &self.config.committee, is_ours) {
            self.certify_table(&table);
        }
    }

    pub(super) fn certify_table(&mut self, table: &C::Table) {
        let Some(name) = self.moduli.certify(table) else { return };
        // Whatever is made with it later waits for the record, in whichever session.
        self.draft.lane = Lane::Whole;
        self.persist(Entry::Moduli { name, table: C::encode_table(table) });
        // One is enough. Another that is under way has our signature or will not have it.
        let other = self.sessions.iter().filter(|(_, live)| live.kind == Kind::Moduli);
        let other: Vec<SessionId> = other.map(|(session, _)| *session).collect();
        self.draft.hush(&other);
        for session in other {
            if let Some((coordinator, _)) = self.give_up(session) {
                self.send(coordinator, Message::Ended(session, Ended::Benign));
            }
        }
        self.tell_moduli_to_all();
    }

    pub(super) fn moduli_view(&self) -> ModuliView {
        let moduli = &self.moduli;
        let is_needed = self.has_use_for_moduli() && moduli.certified.is_empty();
        let coordinators = usize::from(self.config.coordinators);
        ModuliView {
            tables: moduli.certified.keys().copied().collect(),
            pending: moduli.pending.len(),
            primes: moduli.found.values().map(Vec::len).sum(),
            wanted: if is_needed { coordinators.saturating_mul(PRIMES) } else { 0 },
        }
    }

    /// Takes part in making a table, unless there is one.
    pub(super) fn make_moduli(
        &mut self,
        from: Address,
        session: SessionId,
        rng: &mut impl CryptoRngCore,
    ) -> Result<(), Refusal> {
        if !self.has_use_for_moduli() {
            return Err(Refusal::NotServed);
        }
        let committee = Arc::clone(&self.config.committee);
        let members = everybody(&committee);
        self.check_bans(&members)?;
        if !self.moduli.certified.is_empty() {
            return Err(Refusal::Setup("the moduli are made".into()));
        }
        if self.moduli.pending.len() >= PENDING_MAX {
            return Err(Refusal::Setup("too many moduli were signed and never certified".into()));
        }
        self.check_given_up(from)?;
        let Address::Coordinator(number) = from else { return Err(Refusal::Signers) };
        let primes = self.moduli.take(number);
        let primes = primes.ok_or_else(|| Refusal::Setup("the safe primes are not found yet".into()))?;
        self.make_way(from, |live| live.kind == Kind::Moduli, 1);
        let task = Task::Moduli { session, committee, me: self.config.me, primes };
        self.begin(from, session, (Kind::Moduli, members), task, rng)?;
        self.seek(rng);
        Ok(())
    }
}
