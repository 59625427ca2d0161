//! Presignatures, made before they are wanted: at once when few are left, and up to the mark when there is nothing else
//! to do. What is counted here is hearsay, as everything that nodes say of their stock.

use std::collections::BTreeMap;

use keymoot_protocol::gg20::presign::batch_max;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, Scheme};
use rand_core::CryptoRngCore;

use super::{Aim, Coordinator, Limits};
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

/// After a signature was wanted, nothing is filled up for so long, in milliseconds.
const CALM: u64 = 250;

/// The first batch with pairs has no more than this: the first signature of a key waits for it.
const FIRST: u16 = 32;

/// No batch with pairs is made smaller than this because others took too long.
const LEAST: u16 = 8;

/// With moduli a presignature takes a hundred times as long as with pairs: fewer are made at once, and kept.
const WITH_MODULI: Pace = Pace { first: 2, least: 1, most: 16, low: 8, pool: 32 };

/// How presignatures of a scheme are made ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// How many the first batch has.
    first: u16,
    /// No batch is made smaller than this because others took too long.
    least: u16,
    /// No batch is larger.
    most: u16,
    /// Fewer than this in common, and the next batch is made.
    low: usize,
    /// So many are kept ready.
    pub(super) pool: usize,
}

impl Pace {
    /// For so many signers.
    pub(super) fn of(scheme: Scheme, signers: usize, limits: &Limits) -> Self {
        let Limits { batch, low, pool, .. } = *limits;
        let usual = Self { first: batch.min(FIRST), least: LEAST.min(batch), most: batch, low, pool };
        if !scheme.has_moduli() {
            return usual;
        }
        // Evidence of a fault has to fit a record.
        let most = u16::try_from(batch_max(signers)).unwrap_or(WITH_MODULI.most).min(WITH_MODULI.most);
        let batch = batch.min(most);
        Self {
            first: batch.min(WITH_MODULI.first),
            least: batch.min(WITH_MODULI.least),
            most: batch,
            low: low.min(WITH_MODULI.low),
            pool: pool.min(WITH_MODULI.pool),
        }
    }
}

/// Which keys are in use, and since when nothing is prepared.
pub(super) struct Supply {
    /// How many presignatures the next batch of these signers has: who is slow slows nobody else down.
    batches: BTreeMap<(Scheme, Vec<Party>), u16>,
    /// By key package, when it was used last.
    used: BTreeMap<Hash, Millis>,
    /// Nothing is prepared before then: replicas that want the same nodes at once get out of each other's way.
    pub(super) not_before: Millis,
}

impl Supply {
    pub(super) const fn new(now: Millis) -> Self {
        Self { batches: BTreeMap::new(), used: BTreeMap::new(), not_before: now }
    }

    /// The size of the next batch of these signers.
    fn batch(&self, scheme: Scheme, signers: &[Party], pace: Pace) -> u16 {
        self.batches.get(&(scheme, signers.to_vec())).copied().unwrap_or(pace.first)
    }

    /// A batch of these took so long, of the time that it may take. Slow machines make small ones: a batch that misses its time is
    /// lost whole.
    pub(super) fn took(&mut self, scheme: Scheme, signers: &[Party], time: u64, limits: &Limits) {
        let pace = Pace::of(scheme, signers.len(), limits);
        let size = self.batch(scheme, signers, pace);
        let next = if time.saturating_mul(4) <= limits.ceremony {
            size.saturating_mul(2).min(pace.most)
        } else if time.saturating_mul(2) >= limits.ceremony {
            (size / 2).max(pace.least)
        } else {
            size
        };
        if self.batches.len() >= SETS_MAX {
            self.batches.clear();
        }
        self.batches.insert((scheme, signers.to_vec()), next);
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

    /// Whether nobody has wanted a signature for a moment: where one always follows the other, none may be in progress just now.
    fn is_calm(&self, now: Millis) -> bool {
        self.used.values().all(|at| now >= at.plus(CALM))
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
        let Pace { low, pool, .. } = self.pace_of(key);
        let left = self.members.left(key, signers);
        let all = left.saturating_add(self.members.unnamed(key, signers));
        // Half of the mark is soon enough where there is no quiet time.
        if left < low || all < pool / 2 {
            self.prepare(key, signers, ranked, rng);
        }
    }

    /// Fills up what is in use, as long as nobody signs: whoever does would wait for it.
    pub(super) fn fill_up(&mut self, rng: &mut impl CryptoRngCore) {
        let now = self.now.mono;
        for key in self.supply.in_use(now) {
            let is_busy = self.runs.values().any(|run| matches!(run.aim, Aim::Sign(..)));
            let is_calm = !is_busy && self.supply.is_calm(now);
            if !is_calm || now < self.supply.not_before || self.batches() >= QUIET_BATCHES_MAX {
                return;
            }
            let retired = self.members.retired(key).collect();
            let mut ranked = self.members.ranked(now, self.config.limits.silence, &retired);
            self.scheme_of(key).into_iter().for_each(|scheme| self.keep_able(scheme, &mut ranked));
            let Some(signers) = self.members.quorum(&ranked) else { continue };
            let pace = self.pace_of(key);
            let left = self.members.left(key, &signers);
            // Of what could not be named, nobody knows whether all of them hold it. If they do, more is named soon.
            let is_all_named =
                left < pace.low && (left == 0 || !self.members.may_name_more(key, &signers).is_empty());
            let unnamed = if is_all_named { 0 } else { self.members.unnamed(key, &signers) };
            if left.saturating_add(unnamed) < pace.pool {
                self.prepare(key, &signers, &ranked, rng);
            }
        }
    }

    /// How presignatures of a scheme are made ahead here.
    pub(super) fn pace(&self, scheme: Scheme) -> Pace {
        Pace::of(scheme, self.config.committee.threshold().needed().into(), &self.config.limits)
    }

    /// The same of this key.
    fn pace_of(&self, key: Hash) -> Pace {
        self.pace(self.scheme_of(key).unwrap_or(Scheme::Dkls23))
    }

    /// A batch of these signers took so long.
    pub(super) fn batch_took(&mut self, key: Hash, signers: &[Party], time: u64) {
        if let Some(scheme) = self.scheme_of(key) {
            self.supply.took(scheme, signers, time, &self.config.limits);
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
            Aim::Keygen(..) | Aim::Moduli | Aim::Sign(..) | Aim::Retire(..) => false,
        });
        let (now, pace) = (self.now.mono, self.pace_of(key));
        let left = self.members.left(key, signers);
        // What could not be named may be enough.
        let more = if left < pace.low { self.members.may_name_more(key, signers) } else { Vec::new() };
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
        let Some(scheme) = self.scheme_of(key) else { return };
        let shared = if scheme.has_moduli() {
            self.moduli.shared(signers)
        } else {
            self.members.shared_setup(signers)
        };
        match shared {
            Some(setup) => {
                let size = self.supply.batch(scheme, signers, pace);
                let what = What::Presign { key, signers: signers.to_vec(), setup, size };
                self.call(Aim::Presign(key, setup), signers.to_vec(), &what, None, rng);
            }
            None if scheme.has_moduli() => self.tend_moduli(rng),
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
    use keymoot_types::{Millis, Party, Scheme};

    use super::super::Limits;
    use super::{Pace, Supply};

    const USUAL: Scheme = Scheme::Dkls23;

    fn batch(supply: &Supply, scheme: Scheme, signers: &[Party], limits: &Limits) -> u16 {
        supply.batch(scheme, signers, Pace::of(scheme, signers.len(), limits))
    }

    #[test]
    fn batches_grow_while_there_is_time_and_shrink_when_there_is_not() {
        let limits = Limits { ceremony: 10_000, batch: 256, ..Limits::default() };
        let mut supply = Supply::new(Millis(0));
        let slow = [1, 2].map(|number| Party::new(number).unwrap());
        let mut next = |time| {
            supply.took(USUAL, &slow, time, &limits);
            batch(&supply, USUAL, &slow, &limits)
        };
        assert_eq!([200, 400, 800, 1_600].map(&mut next), [64, 128, 256, 256]);
        assert_eq!(next(3_000), 256, "neither quick nor late");
        assert_eq!([5_000, 10_250, 10_250].map(&mut next), [128, 64, 32]);
        assert_eq!([10_250, 10_250, 10_250].map(&mut next), [16, 8, 8]);
        let others = [1, 3].map(|number| Party::new(number).unwrap());
        assert_eq!(batch(&supply, USUAL, &others, &limits), 32, "others are not slower for that");
        let (mut small, four) = (Supply::new(Millis(0)), Limits { batch: 4, ..limits });
        small.took(USUAL, &slow, 10_250, &four);
        assert_eq!(batch(&small, USUAL, &slow, &four), 4, "as small as it was asked to be");
    }

    #[test]
    fn with_moduli_batches_begin_with_two_and_have_no_more_than_sixteen() {
        let (limits, signers) = (Limits::default(), [1, 2].map(|number| Party::new(number).unwrap()));
        let mut supply = Supply::new(Millis(0));
        let mut next = |time| {
            supply.took(Scheme::Gg20, &signers, time, &limits);
            batch(&supply, Scheme::Gg20, &signers, &limits)
        };
        assert_eq!([1_000, 2_000, 2_500, 2_500].map(&mut next), [4, 8, 16, 16]);
        assert_eq!([9_000, 9_000, 9_000, 9_000, 9_000].map(&mut next), [8, 4, 2, 1, 1]);
        assert_eq!(batch(&supply, USUAL, &signers, &limits), 32, "pairs are not slower for that");
        assert_eq!(Pace::of(Scheme::Gg20, 32, &limits).most, 2, "evidence of a fault fits a record");
        assert_eq!(Pace::of(Scheme::Gg20, 2, &limits).pool, 32);
        assert_eq!(
            Pace::of(Scheme::Gg20, 2, &Limits { pool: 0, low: 1, ..limits }).pool,
            0,
            "as few as asked for"
        );
    }
}
