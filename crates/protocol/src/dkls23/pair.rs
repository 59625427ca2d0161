//! What a finished pair setup leaves with one node, and the durable count of its uses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keymoot_types::{PARTIES_MAX, Party, Secret};
use zeroize::Zeroizing;

use super::bans::Bans;
use super::tree::Forest;
use super::{LEAVES, TREES};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::context::Committee;
use crate::transcript::Hash;

/// What two nodes share. Secret: no `Clone`, no `Debug`, wiped on drop.
pub(super) struct Shared {
    /// The agreed seed of zero-shares.
    pub(super) zero: Secret<[u8; 32]>,
    /// As the extension's sender: Δ.
    pub(super) delta: Secret<u128>,
    /// As the extension's sender: all leaves but one of the peer's trees, in punctured order.
    pub(super) punctured: Secret<Forest>,
    /// As the extension's receiver: all leaves of our own trees.
    pub(super) leaves: Secret<Forest>,
}

/// One pair, in all sessions that use it. It has its secrets until it is burnt, and then nothing.
pub(super) struct Pair {
    /// Locked for moments only, so that nobody waits for a check who just looks or burns.
    shared: Mutex<Option<Arc<Shared>>>,
    /// Whose turn it is to check something against the secrets. One failure is all that the peer may learn from: it burns
    /// the pair before the next has its turn.
    turn: Mutex<()>,
}

/// Burns a pair when it is dropped, in a panic too, unless it is disarmed.
struct Fuse<'a>(Option<&'a Pair>);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        if let Some(pair) = self.0 {
            pair.burn();
        }
    }
}

impl Pair {
    pub(super) fn new(shared: Shared) -> Self {
        Self { shared: Mutex::new(Some(Arc::new(shared))), turn: Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Shared>>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secrets, for one step of one session: they are wiped when the pair is burnt and all such steps are over. `None` if
    /// it is burnt.
    pub(super) fn shared(&self) -> Option<Arc<Shared>> {
        self.lock().clone()
    }

    fn burn(&self) {
        drop(self.lock().take());
    }

    fn is_burnt(&self) -> bool {
        self.lock().is_none()
    }

    /// Runs a check whose outcome depends on our secrets. `None` if the pair is not to be used any more. A failure burns it
    /// before anybody else can look, and so does a check that panics.
    pub(super) fn check<T>(&self, check: impl FnOnce(&Shared) -> Option<T>) -> Option<Result<T, Failed>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = self.shared()?;
        let mut fuse = Fuse(Some(self));
        let outcome = check(&shared);
        if outcome.is_some() {
            fuse.0 = None;
        }
        drop(fuse);
        match outcome {
            // Somebody has burnt it meanwhile.
            Some(_) if self.is_burnt() => None,
            outcome => Some(outcome.ok_or(Failed)),
        }
    }
}

/// A check failed that depends on our secrets.
pub(super) struct Failed;

/// One node's side of a finished pair setup. Secret: no `Clone`, no `Debug`, wiped on drop.
///
/// ```compile_fail
/// type Secret = keymoot_protocol::dkls23::PairSetup;
/// fn copy(setup: &Secret) -> Secret {
///     setup.clone()
/// }
/// ```
pub struct PairSetup {
    pub(super) committee: Arc<Committee>,
    pub(super) me: Party,
    pub(super) name: Hash,
    pub(super) pairs: BTreeMap<Party, Arc<Pair>>,
}

impl PairSetup {
    /// Whose side it is.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.me
    }

    /// The committee whose nodes made it.
    #[must_use]
    pub const fn committee(&self) -> &Arc<Committee> {
        &self.committee
    }

    /// The name all participants know it by.
    #[must_use]
    pub const fn name(&self) -> Hash {
        self.name
    }

    /// With whom there is a pair that is not burnt.
    pub fn peers(&self) -> impl Iterator<Item = Party> {
        self.sound().map(|(peer, _)| peer)
    }

    /// Ends the use of both directions of the pair with `peer`, in running sessions too. Its secrets are wiped, as soon as a
    /// step that is using them on another thread is over; what [`PairSetup::seal`] writes from now on is without them.
    pub fn burn(&self, peer: Party) {
        if let Some(pair) = self.pairs.get(&peer) {
            pair.burn();
        }
    }

    /// The pairs that are not burnt.
    fn sound(&self) -> impl Iterator<Item = (Party, Arc<Shared>)> {
        self.pairs.iter().filter_map(|(peer, pair)| Some((*peer, pair.shared()?)))
    }

    /// The encoding for a sealed store.
    #[must_use]
    pub fn seal(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(self.pairs.len().saturating_mul(40_000).saturating_add(4096));
        self.committee.write(&mut writer);
        writer.party(self.me);
        self.name.write(&mut writer);
        let pairs: Vec<_> = self.sound().collect();
        writer.list(pairs.into_iter(), |writer, (peer, pair)| {
            writer.party(peer);
            writer.bytes(pair.zero.expose());
            writer.bytes(Zeroizing::new(pair.delta.expose().to_le_bytes()).as_ref());
            writer.bytes(pair.punctured.expose().as_flattened().as_flattened());
            writer.bytes(pair.leaves.expose().as_flattened().as_flattened());
        });
        writer.finish()
    }

    /// Reads what [`PairSetup::seal`] wrote.
    ///
    /// # Errors
    /// Anything else, or the setup of another committee.
    pub fn unseal(bytes: &[u8], committee: Arc<Committee>) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if Committee::read(&mut reader)? != *committee {
            return Err(Malformed::Party);
        }
        let (me, name) = (reader.party()?, Hash::read(&mut reader)?);
        let pairs = reader.list(usize::from(PARTIES_MAX), |reader| {
            let peer = reader.party()?;
            let zero = Secret::new(reader.fixed()?);
            let delta = Secret::new(u128::from_le_bytes(reader.fixed()?));
            let (punctured, leaves) = (read_forest(reader)?, read_forest(reader)?);
            Ok((peer, Arc::new(Pair::new(Shared { zero, delta, punctured, leaves }))))
        })?;
        reader.end()?;
        let members = pairs.iter().map(|(peer, _)| *peer).chain([me]);
        let known = members.clone().all(|party| committee.identity(party).is_some());
        let distinct: BTreeSet<_> = members.collect();
        if known && distinct.len() == pairs.len().saturating_add(1) {
            Ok(Self { committee, me, name, pairs: pairs.into_iter().collect() })
        } else {
            Err(Malformed::Party)
        }
    }
}

fn read_forest(reader: &mut Reader<'_>) -> Result<Secret<Forest>, Malformed> {
    let (seeds, rest) = reader.bytes(TREES * LEAVES * 32)?.as_chunks::<32>();
    let (trees, odd) = seeds.as_chunks::<LEAVES>();
    let mut forest = Secret::new([[[0; 32]; LEAVES]; TREES]);
    if trees.len() != TREES || !odd.is_empty() || !rest.is_empty() {
        return Err(Malformed::WrongLength);
    }
    forest.expose_mut().iter_mut().zip(trees).for_each(|(place, tree)| *place = *tree);
    Ok(forest)
}

/// The durable state of a pair setup: how often we used it, how often we know others did, and which pairs are burnt.
///
/// Every change is on disk before anything that depends on it leaves the node. With the same seeds, a session name that
/// comes again would give the same transfers again; our contribution to the name holds our count, so it cannot come again
/// as long as the count is not lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    setup: Hash,
    uses: u64,
    /// Used for one batch of a key that wanted it for itself.
    dedicated: bool,
    seen: BTreeMap<Party, Seen>,
    burnt: BTreeSet<Party>,
}

/// Which counts of a peer we have seen: the highest, and which of the 64 below it. Batches may overtake each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    highest: u64,
    /// Bit i is for `highest − 1 − i`.
    below: u64,
}

impl Seen {
    /// Whether a count is one that a peer with its current state can still come with.
    pub(super) fn admits(self, count: u64) -> bool {
        match self.highest.checked_sub(count) {
            None => true,
            Some(0) => false,
            Some(behind) => behind <= 64 && (self.below >> (behind - 1)) & 1 == 0,
        }
    }

    /// Whether only counts from 1 on are among what was seen.
    fn is_possible(self) -> bool {
        let lowest = u32::try_from(self.highest.saturating_sub(1)).unwrap_or(u32::MAX);
        self.highest > 0 && self.below.checked_shr(lowest).unwrap_or(0) == 0
    }

    fn note(&mut self, count: u64) {
        let rise = count.saturating_sub(self.highest);
        if rise > 0 {
            let shifted = u32::try_from(rise).ok().and_then(|rise| self.below.checked_shl(rise)).unwrap_or(0);
            let previous = if self.highest > 0 && rise <= 64 { 1 << (rise - 1) } else { 0 };
            *self = Self { highest: count, below: shifted | previous };
        } else if let Some(behind) =
            self.highest.checked_sub(count).filter(|behind| (1..=64).contains(behind))
        {
            self.below |= 1 << (behind - 1);
        }
    }
}

/// One use of a pair setup, counted: good for one session. No `Clone`.
///
/// ```compile_fail
/// # use keymoot_protocol::dkls23::Ticket;
/// fn twice(ticket: Ticket, open: impl Fn(Ticket)) {
///     open(ticket);
///     open(ticket);
/// }
/// ```
pub struct Ticket {
    pub(super) setup: Hash,
    pub(super) number: u64,
    pub(super) seen: BTreeMap<Party, Seen>,
    pub(super) signers: Vec<Party>,
}

/// Why a pair setup cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The pair with this party is burnt; set it up anew.
    #[error("the pair with {0} is burnt")]
    Burnt(Party),
    /// There is no pair with this party.
    #[error("there is no pair with {0}")]
    NoPair(Party),
    /// The party is banned.
    #[error("{0} is banned")]
    Banned(Party),
    /// Fresh base OTs are due for each batch, and this setup has been used; or it was made for one batch only.
    #[error("a fresh pair setup is due for each batch, and this one has been used")]
    NotFresh,
    /// The ledger is that of another setup.
    #[error("the ledger belongs to another pair setup")]
    WrongLedger,
    /// The party comes with a count of uses that was seen before or is too old.
    #[error("{0} uses an old copy of its pair setup")]
    Stale(Party),
    /// The count of uses is at its end.
    #[error("the pair setup has been used too often")]
    WornOut,
}

/// Uses of one pair setup, at most: so that no two of its streams come near to meeting.
pub const USES_MAX: u64 = 1 << 32;

/// How a key wants its base OTs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// One pair setup for all keys and batches; a failed check bans the peer.
    #[default]
    Shared,
    /// A pair setup of its own for each batch, used for nothing else and dropped with the session.
    EachBatch,
}

impl Ledger {
    /// The ledger of a setup that has not been used.
    #[must_use]
    pub fn new(setup: &PairSetup) -> Self {
        let (seen, burnt) = (BTreeMap::new(), BTreeSet::new());
        Self { setup: setup.name, uses: 0, dedicated: false, seen, burnt }
    }

    /// Counts one use by these signers, of whom we are one.
    ///
    /// # Errors
    /// A burnt or missing pair, a banned signer, a used setup where a fresh one is due, too many uses.
    pub fn reserve(
        &mut self,
        setup: &PairSetup,
        signers: &[Party],
        freshness: Freshness,
        bans: &Bans,
    ) -> Result<Ticket, Unusable> {
        if self.setup != setup.name {
            return Err(Unusable::WrongLedger);
        }
        let peers = || signers.iter().filter(|party| **party != setup.me);
        if let Some(burnt) = peers().find(|peer| self.burnt.contains(peer)) {
            return Err(Unusable::Burnt(*burnt));
        }
        if let Some(banned) = bans.find(&setup.committee, signers) {
            return Err(Unusable::Banned(banned));
        }
        if let Some(missing) = peers().find(|peer| !setup.peers().any(|sound| sound == **peer)) {
            return Err(Unusable::NoPair(*missing));
        }
        if self.dedicated || (freshness == Freshness::EachBatch && self.uses > 0) {
            return Err(Unusable::NotFresh);
        }
        if self.uses >= USES_MAX {
            return Err(Unusable::WornOut);
        }
        self.uses = self.uses.saturating_add(1);
        self.dedicated = freshness == Freshness::EachBatch;
        let (number, seen) = (self.uses, self.seen.clone());
        Ok(Ticket { setup: setup.name, number, seen, signers: signers.to_vec() })
    }

    /// Tests and notes with which counts others have come, in one step. To be called once for each session, as soon as it
    /// knows them ([`super::Presigner::counts`]), before anything else of it leaves. The session itself has compared them
    /// with what was seen when its use was counted; of two that run at once with the same count, only the first passes here.
    ///
    /// # Errors
    /// [`Unusable::Stale`] with the first party whose count was seen before or is too old: drop the session, as after
    /// [`crate::abort::Benign::StalePair`]. The others' are noted even so.
    pub fn observe(&mut self, counts: &BTreeMap<Party, u64>) -> Result<(), Unusable> {
        let mut stale = None;
        for (party, count) in counts {
            let mut seen = self.seen.get(party).copied().unwrap_or_default();
            if seen.admits(*count) {
                seen.note(*count);
                self.seen.insert(*party, seen);
            } else {
                stale = stale.or(Some(*party));
            }
        }
        stale.map_or(Ok(()), |party| Err(Unusable::Stale(party)))
    }

    /// Burns both directions of the pair with `peer`, for all keys.
    pub fn burn(&mut self, peer: Party) {
        self.burnt.insert(peer);
    }

    /// Whether the pair with `peer` is burnt.
    #[must_use]
    pub fn is_burnt(&self, peer: Party) -> bool {
        self.burnt.contains(&peer)
    }
}

impl Wire for Ledger {
    fn write(&self, writer: &mut Writer) {
        self.setup.write(writer);
        writer.uint(self.uses);
        writer.uint(u64::from(self.dedicated));
        writer.list(self.seen.iter(), |writer, (party, seen)| {
            writer.party(*party);
            writer.uint(seen.highest);
            writer.uint(seen.below);
        });
        writer.list(self.burnt.iter(), |writer, party| writer.party(*party));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let max = usize::from(PARTIES_MAX);
        let (setup, uses) = (Hash::read(reader)?, reader.uint()?);
        let dedicated = match reader.uint()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed::Choice),
        };
        let seen = reader.list(max, |reader| {
            let party = reader.party()?;
            let seen = Seen { highest: reader.uint()?, below: reader.uint()? };
            if seen.is_possible() { Ok((party, seen)) } else { Err(Malformed::Integer) }
        })?;
        let burnt = reader.list(max, Reader::party)?;
        let rising = |parties: &[Party]| parties.iter().zip(parties.iter().skip(1)).all(|(a, b)| a < b);
        let counted: Vec<_> = seen.iter().map(|(party, _)| *party).collect();
        if rising(&counted) && rising(&burnt) {
            let (seen, burnt) = (seen.into_iter().collect(), burnt.into_iter().collect());
            Ok(Self { setup, uses, dedicated, seen, burnt })
        } else {
            Err(Malformed::Party)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    fn pair() -> (Pair, Weak<Shared>) {
        let forest = || Secret::new([[[9; 32]; LEAVES]; TREES]);
        let (zero, delta) = (Secret::new([7; 32]), Secret::new(8));
        let pair = Pair::new(Shared { zero, delta, punctured: forest(), leaves: forest() });
        let shared = Arc::downgrade(&pair.shared().unwrap());
        (pair, shared)
    }

    #[test]
    fn d01_a_check_that_fails_or_panics_is_the_last_and_wipes_the_secrets() {
        let (failing, secrets) = pair();
        assert!(matches!(failing.check(|_| Some(1)), Some(Ok(1))));
        assert!(secrets.upgrade().is_some() && !failing.is_burnt());
        assert!(matches!(failing.check(|_| None::<()>), Some(Err(Failed))));
        let (panicking, others) = pair();
        let panics = || panicking.check(|_| -> Option<()> { panic!("in a check") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        for (pair, secrets) in [(failing, secrets), (panicking, others)] {
            assert!(pair.is_burnt() && pair.check(|_| Some(1)).is_none(), "no further one is made");
            assert!(secrets.upgrade().is_none(), "nobody holds them any more");
        }
    }

    #[test]
    fn d01_nobody_waits_for_a_check_to_look_or_to_burn() {
        let (pair, secrets) = pair();
        let outcome = pair.check(|shared| {
            // Another thread would be no different.
            assert!(!pair.is_burnt() && pair.shared().is_some());
            pair.burn();
            assert!(pair.is_burnt());
            Some(*shared.delta.expose())
        });
        assert!(outcome.is_none(), "what was burnt meanwhile passes no check");
        assert!(secrets.upgrade().is_none());
    }

    #[test]
    fn d07_counts_may_overtake_each_other_but_never_come_again() {
        let mut seen = Seen::default();
        for count in [5, 6, 3, 66, 7, 4] {
            assert!(seen.admits(count), "{count}");
            seen.note(count);
            assert!(!seen.admits(count), "{count} came again");
        }
        assert!(!seen.admits(3) && !seen.admits(6) && !seen.admits(5));
        assert!(seen.admits(8) && seen.admits(65) && seen.admits(67));
        seen.note(1000);
        assert!(!seen.admits(66) && !seen.admits(900), "too long ago to tell apart");
        assert!(seen.admits(936) && !seen.admits(935));
        seen.note(1064);
        assert!(!seen.admits(1000) && seen.admits(1001));
    }
}
