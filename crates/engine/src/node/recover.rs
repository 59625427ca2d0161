//! A node begins with what its journal says, and nothing more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keymoot_protocol::codec::Wire;
use keymoot_protocol::dkls23::Bans;
use keymoot_protocol::identity::IdentityPublic;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, KeyId, Millis};
use zeroize::Zeroizing;

use super::blames::Blames;
use super::invite::Requests;
use super::keys::{Keys, Pending};
use super::moduli::Moduli;
use super::presigns::{Pool, Setups};
use super::rounds::Early;
use super::vouch::{self, Vouching};
use super::{Config, Draft, Node, Timers};
use crate::crypto::Crypto;
use crate::event::{Clock, Now};
use crate::plan::{Effect, Plan};
use crate::policy::Policy;
use crate::record::{Entry, Record};
use crate::request::{SKEW_MAX, VALIDITY_MAX};

/// The journal cannot be believed. The node does not begin; a person has to look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {index} of the journal {why}; the node does not start with it")]
pub struct Corrupt {
    /// Which record, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What of a long journal still matters: of each log that was witnessed the last word, and of requests those that may come
/// again. A journal of years is read in the time that its last minutes take.
struct Still {
    /// By the first line, which names the log.
    witnessed: BTreeMap<String, usize>,
    /// Requests that were served or denied before then have expired, by the journal's dates and by the clock.
    since: Millis,
}

impl Still {
    fn of(journal: &[Record], now: Now) -> Self {
        let (mut witnessed, mut latest) = (BTreeMap::new(), 0);
        for (index, record) in journal.iter().enumerate() {
            match &record.entry {
                Entry::Witnessed { note } => {
                    witnessed.insert(origin(note).to_owned(), index);
                }
                Entry::Allowed { at, .. } | Entry::Denied { at, .. } => latest = latest.max(at.0),
                _ => {}
            }
        }
        // Either may be wrong, and then too early rather than too late.
        let latest = latest.min(now.wall.0);
        Self { witnessed, since: Millis(latest.saturating_sub(VALIDITY_MAX.saturating_add(4 * SKEW_MAX))) }
    }

    fn counts(&self, index: usize, entry: &Entry) -> bool {
        match entry {
            Entry::Witnessed { note } => self.witnessed.get(origin(note)) == Some(&index),
            Entry::Allowed { at, .. } | Entry::Denied { at, .. } => *at >= self.since,
            _ => true,
        }
    }
}

fn origin(note: &str) -> &str {
    note.lines().next().unwrap_or_default()
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// A node with this journal. The plan says that it has begun.
    ///
    /// # Errors
    /// A journal that this node cannot have written, or a configuration in which it is not a member.
    pub fn recover(
        crypto: C,
        policy: P,
        config: Config,
        journal: Vec<Record>,
        now: Now,
    ) -> Result<(Self, Plan<Effect<C>>), Corrupt> {
        let me = config.me;
        let (log, witness) = vouch::begin(&config)
            .filter(|_| config.committee.identity(me) == Some(&crypto.identity()))
            .ok_or(Corrupt {
                index: 0,
                why: "belongs to another node: this one is not the member it claims to be",
            })?;
        let (identity, group) = (*crypto.identity().as_bytes(), config.committee.group());
        let clock = Clock::new(now);
        let soon = now.mono;
        let timers = Timers { beat: soon, checkpoint: soon.plus(config.limits.checkpoint) };
        let mut node = Self {
            crypto,
            policy,
            config,
            clock,
            now,
            keys: Keys::default(),
            pool: Pool::default(),
            setups: Setups::default(),
            moduli: Moduli::default(),
            bans: Bans::default(),
            blames: Blames::default(),
            requests: Requests::default(),
            sessions: BTreeMap::new(),
            ended: VecDeque::new(),
            lost: BTreeSet::new(),
            early: Early::default(),
            log,
            witness,
            vouching: Vouching::default(),
            timers,
            refused: 0,
            draft: Draft::empty(),
            is_stopped: false,
        };
        let boot = node.replay_all(journal, (identity, group))?;
        node.persist(Entry::Started { boot, node: identity, group });
        node.ask_what_was_seen();
        node.wake_at(soon);
        let plan = node.draft.finish();
        Ok((node, plan))
    }

    /// Takes all records in, and tells how often the node has begun.
    fn replay_all(&mut self, journal: Vec<Record>, ours: ([u8; 32], GroupId)) -> Result<u64, Corrupt> {
        let mut boot: u64 = 0;
        let mut was_stopped = true;
        let still = Still::of(&journal, self.now);
        for (index, record) in journal.into_iter().enumerate() {
            self.log.append(&record.entry.encode());
            if let Entry::Started { boot: number, node: whose, group: of } = record.entry {
                if (whose, of) != ours {
                    return Err(Corrupt { index, why: "belongs to another node" });
                }
                if number != boot {
                    return Err(Corrupt { index, why: "counts another start than the next" });
                }
                boot = boot.saturating_add(1);
            } else if was_stopped {
                return Err(Corrupt { index, why: "comes while the node is not running" });
            }
            let is_stop = record.entry == Entry::Stopped;
            if still.counts(index, &record.entry) {
                self.replay(record).map_err(|why| Corrupt { index, why })?;
            }
            was_stopped = is_stop;
        }
        Ok(boot)
    }

    fn replay(&mut self, record: Record) -> Result<(), &'static str> {
        let sealed = record.sealed();
        // The clock may be wrong at the start: what counts is the time from now on.
        let undated = Now { mono: self.now.mono, wall: Millis(0) };
        match &record.entry {
            // Presignatures, pair setups and primes that nothing has used are gone with the process that had them.
            Entry::Started { .. }
            | Entry::Stopped
            | Entry::Refused { .. }
            | Entry::Burnt { .. }
            | Entry::SetUp { .. }
            | Entry::Stocked { .. } => {}
            Entry::Blamed { party, fault, evidence, .. } => {
                self.blames.note(*party, fault, evidence.len());
            }
            // It is denied once, whatever the number of lives.
            Entry::Denied { request, at, .. } => {
                self.requests.is_first_denial(*request, at.plus(VALIDITY_MAX), undated);
            }
            Entry::RolledBack { .. } => {
                return Err("says that this journal is an old copy of itself");
            }
            Entry::Forked { party, .. } => {
                self.vouching.forked.insert(*party);
            }
            Entry::Allowed { request, session, at, .. } => {
                self.requests.note(*request, *session, at.plus(VALIDITY_MAX), undated);
            }
            Entry::Pending { key, .. } if self.keys.is_taken(*key) => {
                return Err("signs a key that was signed before");
            }
            Entry::Pending { key, package } => {
                self.keys.hold(*key, Pending { package: *package, share: Zeroizing::new(sealed.to_vec()) });
            }
            Entry::Certified { key, package } => self.replay_key(*key, package)?,
            Entry::ModuliPending { table } if self.moduli.is_taken(*table) => {
                return Err("signs moduli that were signed before");
            }
            Entry::ModuliPending { table } if C::read_primes(sealed) != Some((self.config.me, *table)) => {
                return Err("holds primes that are not ours, or not of the table that it names");
            }
            Entry::ModuliPending { table } => self.moduli.hold(*table, Zeroizing::new(sealed.to_vec())),
            Entry::Moduli { name, table } => self.replay_table(*name, table)?,
            Entry::Retired { key, .. } => {
                if !self.keys.retire(*key) {
                    return Err("retires a key that is not ours, or for the second time");
                }
            }
            Entry::Banned { identity } => {
                let identity =
                    IdentityPublic::from_bytes(*identity).ok_or("bans something that is no identity")?;
                self.bans.add(identity);
            }
            Entry::Witnessed { note } => {
                self.witness.recall(note, C::verifies_note).map_err(|_| "holds a checkpoint that is none")?;
            }
        }
        Ok(())
    }

    fn replay_key(&mut self, key: KeyId, package: &[u8]) -> Result<(), &'static str> {
        let certified = C::decode_key(package, &self.config.committee);
        let ours = certified.and_then(|certified| self.keys.certify(&certified));
        if ours == Some(key) { Ok(()) } else { Err("certifies a key that is not ours") }
    }

    fn replay_table(&mut self, name: Hash, table: &[u8]) -> Result<(), &'static str> {
        let certified = self.crypto.decode_table(table, &self.config.committee, |read| read == name);
        let ours = certified.and_then(|certified| self.moduli.certify(&certified));
        if ours == Some(name) { Ok(()) } else { Err("certifies moduli that are not ours") }
    }
}

#[cfg(test)]
mod tests {
    use keymoot_protocol::transcript::Hash;
    use keymoot_types::{Millis, SessionId};

    use super::Still;
    use crate::event::Now;
    use crate::record::{Entry, Record};
    use crate::request::{RequestId, VALIDITY_MAX};

    const DAY: u64 = 24 * 60 * 60 * 1000;

    fn allowed(at: u64) -> Record {
        let hash = Hash::from_bytes([1; 32]);
        let (session, at) = (SessionId::new([1; 16]), Millis(at));
        Entry::Allowed { request: RequestId(hash), session, intent: hash, facts: None, at }.into()
    }

    fn witnessed(note: &str) -> Record {
        Entry::Witnessed { note: note.to_owned() }.into()
    }

    fn counted(journal: &[Record], wall: u64) -> Vec<usize> {
        let still = Still::of(journal, Now { mono: Millis(0), wall: Millis(wall) });
        let counts = journal.iter().enumerate().filter(|(index, record)| still.counts(*index, &record.entry));
        counts.map(|(index, _)| index).collect()
    }

    #[test]
    fn only_requests_that_may_come_again_are_remembered() {
        let journal =
            [allowed(DAY), allowed(2 * DAY - VALIDITY_MAX), allowed(2 * DAY), Entry::Stopped.into()];
        assert_eq!(counted(&journal, 2 * DAY), [1, 2, 3]);
        assert_eq!(counted(&journal, 5 * DAY), [1, 2, 3], "the journal says how late it was");
        assert_eq!(counted(&journal, DAY), [0, 1, 2, 3], "or the clock, if it says less");
    }

    #[test]
    fn of_each_log_the_last_word_counts() {
        let journal = [witnessed("a\n1\n"), witnessed("b\n1\n"), witnessed("a\n2\n"), allowed(0)];
        assert_eq!(counted(&journal, DAY), [1, 2, 3]);
    }
}
