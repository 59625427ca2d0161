//! The committee's moduli: have them made once, as soon as all members are ready and there is little else to do, and see to
//! it that whoever has signed their table gets it. What nodes say of theirs is hearsay; a table vouches for itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, Scheme};
use rand_core::CryptoRngCore;

use super::{Aim, Coordinator, Drive};
use crate::crypto::{Crypto, PRIMES};
use crate::message::{Address, Message, Moduli as Told, TABLES_MAX, What};

/// How long after it was asked for or shown a table is not asked for or shown again, in milliseconds.
const AGAIN: u64 = 3_000;

/// With so many signatures in progress none are made.
const QUIET: usize = 2;

/// After a failure none are made for so long, in milliseconds, and after each further one for twice as long, at most so often.
const RESPITE: u64 = 2_000;
const DOUBLINGS: u32 = 11;

/// What a coordinator knows of moduli.
#[derive(Default)]
pub(super) struct Moduli {
    /// What each member has said last, and when.
    told: BTreeMap<Party, (Told, Millis)>,
    /// Tables that were shown, by their names.
    tables: BTreeMap<Hash, Vec<u8>>,
    /// When a table was asked for.
    asked: BTreeMap<Hash, Millis>,
    /// When a table was shown to whom.
    shown: BTreeMap<(Party, Hash), Millis>,
    /// How often they could not be made, and until when that is not tried again: each attempt costs all members their primes. It
    /// is not forgotten because a member says that it has a table now: whoever spoils the others' part may say so.
    failed: u32,
    not_before: Option<Millis>,
}

impl Moduli {
    fn holds(&self, party: Party, name: Hash) -> bool {
        self.told.get(&party).is_some_and(|(told, _)| told.tables.contains(&name))
    }

    /// All names that anybody has said.
    fn names(&self) -> Vec<Hash> {
        let mut names: Vec<Hash> = self.told.values().flat_map(|(told, _)| told.tables.clone()).collect();
        names.sort_unstable_by_key(|name| *name.as_bytes());
        names.dedup();
        names
    }

    /// A table that all of these say they hold: the same one whoever is asked, as long as nobody says otherwise.
    pub(super) fn shared(&self, signers: &[Party]) -> Option<Hash> {
        let held = |name: &Hash| signers.iter().all(|signer| self.holds(*signer, *name));
        self.names().into_iter().find(held)
    }

    /// The table that most of these say they hold: one that somebody makes up is nobody else's.
    fn most(&self, parties: &[Party]) -> Option<Hash> {
        let holders = |name: &Hash| parties.iter().filter(|party| self.holds(**party, *name)).count();
        self.names().into_iter().rev().max_by_key(holders)
    }

    /// A member has a table now.
    pub(super) fn made(&mut self, party: Party, name: Hash, now: Millis) {
        let (told, at) =
            self.told.entry(party).or_insert_with(|| (Told { tables: Vec::new(), primes: 0 }, now));
        *at = now;
        if !told.tables.contains(&name) && told.tables.len() < TABLES_MAX {
            told.tables.push(name);
        }
    }

    /// What a member has said does not hold: the table of this name, or its primes.
    pub(super) fn forget(&mut self, party: Party, name: Option<Hash>) {
        if let Some((told, _)) = self.told.get_mut(&party) {
            match name {
                Some(name) => told.tables.retain(|held| *held != name),
                None => told.primes = 0,
            }
        }
    }

    /// They could not be made.
    pub(super) fn failed(&mut self, now: Millis) {
        let pause = RESPITE.saturating_mul(1 << self.failed.min(DOUBLINGS));
        (self.failed, self.not_before) = (self.failed.saturating_add(1), Some(now.plus(pause)));
    }

    /// A member is not there any more.
    pub(super) fn gone(&mut self, party: Party) {
        self.told.remove(&party);
    }
}

impl<C: Crypto> Coordinator<C> {
    /// Only those who have what the scheme needs are to be counted on.
    pub(super) fn keep_able(&self, scheme: Scheme, ranked: &mut Vec<Party>) {
        if scheme.has_moduli() {
            let most = self.moduli.most(ranked);
            ranked.retain(|party| most.is_some_and(|name| self.moduli.holds(*party, name)));
        }
    }

    /// A member says what it has.
    pub(super) fn told_of_moduli(&mut self, party: Party, told: Told, rng: &mut impl CryptoRngCore) {
        let now = self.now.mono;
        let is_news = self.moduli.told.get(&party).is_none_or(|(before, _)| before.tables != told.tables);
        self.moduli.told.insert(party, (told, now));
        self.tend_moduli(rng);
        if is_news {
            self.hurry(Drive::lacks_moduli, rng);
        }
    }

    /// A member shows a table. One that nobody has asked for is not looked at.
    pub(super) fn shown_table(&mut self, table: Vec<u8>) {
        if self.moduli.asked.is_empty() {
            return;
        }
        let is_asked = |name| self.moduli.asked.contains_key(&name);
        let Some(read) = self.crypto.decode_table(&table, &self.config.committee, is_asked) else { return };
        let name = C::table_name(&read);
        self.moduli.asked.remove(&name);
        if self.moduli.tables.len() < TABLES_MAX {
            self.moduli.tables.insert(name, table);
            self.spread_tables();
        }
    }

    /// Has what is missing made, or brought to whom it is missing.
    pub(super) fn tend_moduli(&mut self, rng: &mut impl CryptoRngCore) {
        let (now, silence) = (self.now.mono, self.config.limits.silence);
        // Who says nothing of it any more does not serve it any more, or is not there.
        self.moduli.told.retain(|_, (_, at)| now < at.plus(silence));
        self.spread_tables();
        let is_ready = |party: &Party| {
            let told = self.moduli.told.get(party);
            told.is_some_and(|(told, _)| told.tables.is_empty() && usize::from(told.primes) >= PRIMES)
        };
        let members = self.members.all();
        let signing = self.runs.values().filter(|run| matches!(run.aim, Aim::Sign(..))).count();
        let is_under_way = self.runs.values().any(|run| matches!(run.aim, Aim::Moduli));
        // Whoever waits for them is not kept waiting by others who sign.
        let is_wanted = self.drives.values().any(Drive::lacks_moduli);
        let is_due = self.moduli.not_before.is_none_or(|at| now >= at);
        let is_time = is_due && now >= self.supply.not_before;
        let is_quiet = signing < QUIET || is_wanted;
        if is_quiet && is_time && !is_under_way && members.iter().all(is_ready) {
            // They serve this session and no other.
            members.iter().for_each(|party| self.moduli.forget(*party, None));
            self.call(Aim::Moduli, members, &What::Moduli, None, rng);
        }
    }

    /// Shows each table to those who could use it and do not say that they have it.
    fn spread_tables(&mut self) {
        let now = self.now.mono;
        self.moduli.asked.retain(|_, at| now < at.plus(AGAIN));
        self.moduli.shown.retain(|_, at| now < at.plus(AGAIN));
        for name in self.moduli.names() {
            let lacks = |party: &Party| {
                !self.moduli.holds(*party, name) && !self.moduli.shown.contains_key(&(*party, name))
            };
            let lacking: Vec<Party> = self.moduli.told.keys().copied().filter(lacks).collect();
            if lacking.is_empty() {
                continue;
            }
            if let Some(table) = self.moduli.tables.get(&name).cloned() {
                for party in lacking {
                    self.moduli.shown.insert((party, name), now);
                    self.send(Address::Node(party), Message::Table(table.clone()));
                }
            } else if let Entry::Vacant(asked) = self.moduli.asked.entry(name) {
                asked.insert(now);
                let mut holders: Vec<Party> = self.moduli.told.keys().copied().collect();
                holders.retain(|party| self.moduli.holds(*party, name));
                for party in holders {
                    self.send(Address::Node(party), Message::TableQuery(name));
                }
            }
        }
    }
}
