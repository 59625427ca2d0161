//! Presignatures, made before they are wanted: at once when few are left, and up to the mark when there is nothing else
//! to do. What is counted here is hearsay, as everything that nodes say of their stock.

use std::collections::BTreeMap;

use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party};
use rand_core::CryptoRngCore;

use super::{Aim, Coordinator};
use crate::crypto::Crypto;
use crate::message::{Address, Message, What};

/// Keys that are kept supplied.
const KEYS_MAX: usize = 32;

/// Presignatures of all keys together: no more than a node keeps for one of several coordinators, or the latest would push
/// out the ones before.
const SUPPLY_MAX: usize = 32_768;

/// How long after its last use a key is kept supplied, in milliseconds.
const IN_USE: u64 = 60 * 60 * 1000;

/// Sets of signers whose batches are remembered.
const SETS_MAX: usize = 256;

/// Batches at one time: nodes have room for a few of each coordinator, and what is made side by side takes as much longer.
const BATCHES_MAX: usize = 4;

/// Batches at one time for which nobody waits.
const QUIET_BATCHES_MAX: usize = 2;

/// With more signatures than this in progress, only what is short is made.
const QUIET: usize = 2;

/// The first batch has no more than this: the first signature of a key waits for it.
const FIRST: u16 = 32;

/// No batch is made smaller than this because others took too long.
const LEAST: u16 = 8;

/// Which keys are in use, and since when nothing is prepared.
pub(super) struct Supply {
    /// How many presignatures the next batch of these signers has: who is slow slows nobody else down.
    batches: BTreeMap<Vec<Party>, u16>,
    /// The first batch of any.
    first: u16,
    /// By key package, when it was used last.
    used: BTreeMap<Hash, Millis>,
    /// Nothing is prepared before then: replicas that want the same nodes at once get out of each other's way.
    pub(super) not_before: Millis,
}

impl Supply {
    pub(super) fn new(batch: u16, now: Millis) -> Self {
        Self { batches: BTreeMap::new(), first: batch.min(FIRST), used: BTreeMap::new(), not_before: now }
    }

    /// The size of the next batch of these signers.
    fn batch(&self, signers: &[Party]) -> u16 {
        self.batches.get(signers).copied().unwrap_or(self.first)
    }

    /// A batch of these took so long, of the time that it may take. Slow machines make small ones: a batch that misses its time is
    /// lost whole.
    pub(super) fn took(&mut self, signers: &[Party], time: u64, limit: u64, most: u16) {
        let size = self.batch(signers);
        let next = if time.saturating_mul(4) <= limit {
            size.saturating_mul(2).min(most)
        } else if time.saturating_mul(2) >= limit {
            (size / 2).max(LEAST.min(most))
        } else {
            size
        };
        if self.batches.len() >= SETS_MAX {
            self.batches.clear();
        }
        self.batches.insert(signers.to_vec(), next);
    }

    /// Somebody has a use for this key.
    pub(super) fn use_key(&mut self, key: Hash, pool: usize, now: Millis) {
        self.used.insert(key, now);
        let most = SUPPLY_MAX.checked_div(pool).unwrap_or(KEYS_MAX).clamp(1, KEYS_MAX);
        if self.used.len() > most {
            let oldest = self.used.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key);
            oldest.map(|oldest| self.used.remove(&oldest));
        }
    }

    /// The keys in use, latest first.
    fn in_use(&mut self, now: Millis) -> Vec<Hash> {
        self.used.retain(|_, at| now < at.plus(IN_USE));
        let mut keys: Vec<_> = self.used.iter().map(|(key, at)| (*at, *key)).collect();
        keys.sort_unstable();
        keys.into_iter().rev().map(|(_, key)| key).collect()
    }
}

impl<C: Crypto> Coordinator<C> {
    /// After one was taken: sees to it that the next ones are there in time.
    pub(super) fn replenish(
        &mut self,
        key: Hash,
        signers: &[Party],
        ranked: &[Party],
        rng: &mut impl CryptoRngCore,
    ) {
        let (low, pool) = (self.config.limits.low, self.config.limits.pool);
        let left = self.members.left(key, signers);
        let all = left.saturating_add(self.members.unnamed(key, signers));
        // Half of the mark is soon enough where there is no quiet time.
        if left < low || all < pool / 2 {
            self.prepare(key, signers, ranked, rng);
        }
    }

    /// Fills up what is in use, as long as there is little else to do.
    pub(super) fn fill_up(&mut self, rng: &mut impl CryptoRngCore) {
        let now = self.now.mono;
        for key in self.supply.in_use(now) {
            let signing = self.runs.values().filter(|run| matches!(run.aim, Aim::Sign(..))).count();
            if signing >= QUIET || now < self.supply.not_before || self.batches() >= QUIET_BATCHES_MAX {
                return;
            }
            let retired = self.members.retired(key).collect();
            let ranked = self.members.ranked(now, self.config.limits.silence, &retired);
            let Some(signers) = self.members.quorum(&ranked) else { continue };
            let left = self.members.left(key, &signers);
            // Of what could not be named, nobody knows whether all of them hold it. If they do, more is named soon.
            let is_all_named = left < self.config.limits.low
                && (left == 0 || !self.members.may_name_more(key, &signers).is_empty());
            let unnamed = if is_all_named { 0 } else { self.members.unnamed(key, &signers) };
            if left.saturating_add(unnamed) < self.config.limits.pool {
                self.prepare(key, &signers, &ranked, rng);
            }
        }
    }

    fn batches(&self) -> usize {
        self.runs.values().filter(|run| matches!(run.aim, Aim::Presign(..))).count()
    }

    /// Has presignatures made for these signers, and before that whatever they are made with.
    pub(super) fn prepare(
        &mut self,
        key: Hash,
        signers: &[Party],
        ranked: &[Party],
        rng: &mut impl CryptoRngCore,
    ) {
        let is_busy = self.runs.values().any(|run| match run.aim {
            Aim::Setup => true,
            Aim::Presign(of, _) => of == key && run.members == signers,
            Aim::Keygen(..) | Aim::Sign(..) | Aim::Retire(..) => false,
        });
        let now = self.now.mono;
        let (left, low) = (self.members.left(key, signers), self.config.limits.low);
        // What could not be named may be enough.
        let more = if left < low { self.members.may_name_more(key, signers) } else { Vec::new() };
        let is_busy = is_busy || self.batches() >= BATCHES_MAX;
        if more.is_empty() && (is_busy || now < self.supply.not_before) {
            return;
        }
        let untold = if more.is_empty() { self.members.untold(signers, key, now) } else { more };
        if !untold.is_empty() {
            let due = self.members.due(&untold, key, now);
            due.iter().for_each(|one| self.send(Address::Node(*one), Message::StockQuery(key)));
            return;
        }
        match self.members.shared_setup(signers) {
            Some(setup) => {
                let size = self.supply.batch(signers);
                let what = What::Presign { key, signers: signers.to_vec(), setup, size };
                self.call(Aim::Presign(key, setup), signers.to_vec(), &what, None, rng);
            }
            None => {
                self.members.doubt_setups(signers);
                let members = self.members.company(signers, ranked);
                let what = What::Setup { members: members.clone() };
                self.call(Aim::Setup, members, &what, None, rng);
            }
        }
    }

    /// Somebody waits, and what is on its way may take long: these may have some that they are not believed to have any more.
    /// Their answers may be behind the mail of what keeps them busy, so nobody is pressed.
    pub(super) fn ask_meanwhile(&mut self, key: Hash, signers: &[Party]) {
        for party in self.members.due_at_leisure(signers, key, self.now.mono) {
            self.send(Address::Node(party), Message::StockQuery(key));
        }
    }
}

#[cfg(test)]
mod tests {
    use keymoot_types::{Millis, Party};

    use super::Supply;

    #[test]
    fn batches_grow_while_there_is_time_and_shrink_when_there_is_not() {
        let mut supply = Supply::new(256, Millis(0));
        let slow = [1, 2].map(|number| Party::new(number).unwrap());
        let mut next = |time| {
            supply.took(&slow, time, 10_000, 256);
            supply.batch(&slow)
        };
        assert_eq!([200, 400, 800, 1_600].map(&mut next), [64, 128, 256, 256]);
        assert_eq!(next(3_000), 256, "neither quick nor late");
        assert_eq!([5_000, 10_250, 10_250].map(&mut next), [128, 64, 32]);
        assert_eq!([10_250, 10_250, 10_250].map(&mut next), [16, 8, 8]);
        let others = [1, 3].map(|number| Party::new(number).unwrap());
        assert_eq!(supply.batch(&others), 32, "others are not slower for that");
        let mut small = Supply::new(4, Millis(0));
        small.took(&slow, 10_250, 10_000, 4);
        assert_eq!(small.batch(&slow), 4, "as small as it was asked to be");
    }
}
