//! Presignatures and the pair setups they are made with: free, burnt for one intent, or thrown away; never free again.
//!
//! Both are in memory and nowhere else. What may be used once only is not on disk, so that no copy of a disk can bring
//! it back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::codec::FIELD_HEADER;
use keymoot_protocol::dkls23::Bans;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party, SessionId};

use super::Node;
use crate::crypto::{Crypto, PresignatureLabel, Unfit};
use crate::message::{Address, OFFERED, OFFERED_MAX, OFFERS_MAX, SETUPS_MAX, Stock, UNNAMED_MAX, Unnamed};
use crate::policy::Policy;
use crate::record::{Entry, NAMES_MAX};

/// Sessions that may use one pair setup; then it is time for another.
const USES_MAX: usize = 4096;

/// One node's presignatures.
pub(super) struct Pool<C: Crypto> {
    ready: BTreeMap<Hash, Ready<C>>,
    /// How many were ever used or thrown away.
    burnt: u64,
    /// Nothing expires before then.
    soonest: Millis,
}

struct Ready<C: Crypto> {
    presignature: C::Presignature,
    public: C::Public,
    label: PresignatureLabel,
    /// The coordinator that had it made. Any may use it.
    owner: Address,
    /// By the monotonic clock.
    expires: Millis,
}

impl<C: Crypto> Default for Pool<C> {
    fn default() -> Self {
        Self { ready: BTreeMap::new(), burnt: 0, soonest: Millis(u64::MAX) }
    }
}

impl<C: Crypto> Pool<C> {
    fn add(&mut self, presignature: C::Presignature, owner: Address, expires: Millis) {
        let public = C::public_of(&presignature);
        let label = C::label(&public);
        self.soonest = self.soonest.min(expires);
        self.ready.entry(label.id).or_insert(Ready { presignature, public, label, owner, expires });
    }

    /// The oldest that this coordinator has had made and that fit, beyond the youngest `keep`. Of old ones it is least
    /// certain that the others still hold their parts; and nobody pushes out what another coordinator has had made.
    fn excess(&self, owner: Address, keep: usize, fits: impl Fn(&PresignatureLabel) -> bool) -> Vec<Hash> {
        let its = self.ready.values().filter(|one| one.owner == owner && fits(&one.label));
        let mut lot: Vec<_> = its.map(|one| (one.expires, one.label.id)).collect();
        let excess = lot.len().saturating_sub(keep);
        if excess == 0 {
            return Vec::new();
        }
        lot.sort_unstable();
        lot.into_iter().take(excess).map(|(_, id)| id).collect()
    }

    /// The public side of a presignature that can be used for this now.
    pub(super) fn look(&self, id: Hash, key: Hash, signers: &[Party], now: Millis) -> Option<&C::Public> {
        let one = self.ready.get(&id)?;
        let fits = one.label.key == key && one.label.signers == signers && now < one.expires;
        fits.then_some(&one.public)
    }

    /// Takes a presignature, once and for ever.
    pub(super) fn burn(&mut self, id: Hash, intent: Hash) -> Option<C::Burnt> {
        let one = self.ready.remove(&id)?;
        self.burnt = self.burnt.saturating_add(1);
        Some(C::burn(one.presignature, intent))
    }

    fn bury(&mut self, ids: &[Hash]) {
        for id in ids {
            let gone = u64::from(self.ready.remove(id).is_some());
            self.burnt = self.burnt.saturating_add(gone);
        }
    }

    fn bury_where(&mut self, doomed: impl Fn(&PresignatureLabel, Millis) -> bool) -> Vec<Hash> {
        let is_doomed = |one: &&Ready<C>| doomed(&one.label, one.expires);
        let ids: Vec<_> = self.ready.values().filter(is_doomed).map(|one| one.label.id).collect();
        self.bury(&ids);
        ids
    }

    /// Throws away what is too old.
    fn expire(&mut self, now: Millis) -> Vec<Hash> {
        if now < self.soonest {
            return Vec::new();
        }
        let gone = self.bury_where(|_, expires| now >= expires);
        self.soonest = self.ready.values().map(|one| one.expires).min().unwrap_or(Millis(u64::MAX));
        gone
    }

    /// How many are free for each key package and set of signers, and how many are gone since the start.
    pub(super) fn counts(&self) -> (BTreeMap<(Hash, Vec<Party>), usize>, u64) {
        let mut free: BTreeMap<_, usize> = BTreeMap::new();
        for one in self.ready.values() {
            let count = free.entry((one.label.key, one.label.signers.clone())).or_default();
            *count = count.saturating_add(1);
        }
        (free, self.burnt)
    }

    /// The public sides of some of each set of signers, and how many more there are.
    ///
    /// First come those that this coordinator has had made, the youngest before all: another signer that has begun again still has
    /// its parts of those. Then come those of others, the oldest first, since their own coordinators use the youngest.
    fn offers(&self, key: Hash, to: Address) -> (Vec<Vec<u8>>, Vec<Unnamed>) {
        let of_key = self.ready.values().filter(|one| one.label.key == key);
        let (mut own, mut others): (Vec<_>, Vec<_>) = of_key.partition(|one| one.owner == to);
        let of_key = || own.iter().chain(&others);
        let sets: BTreeSet<&[Party]> = of_key().map(|one| one.label.signers.as_slice()).collect();
        let most = OFFERED_MAX.checked_div(sets.len()).unwrap_or(OFFERED).clamp(1, OFFERED);
        let mut named: BTreeMap<&[Party], usize> = BTreeMap::new();
        let mut unnamed: BTreeMap<&[Party], u64> = BTreeMap::new();
        let (mut offers, mut room) = (Vec::new(), OFFERS_MAX);
        own.sort_unstable_by_key(|one| (Reverse(one.expires), one.label.id));
        others.sort_unstable_by_key(|one| (one.expires, one.label.id));
        for one in own.into_iter().chain(others) {
            let count = named.entry(&one.label.signers).or_default();
            // With what stands around it.
            let offer = (*count < most).then(|| C::encode_public(&one.public)).and_then(|offer| {
                room = room.checked_sub(offer.len().saturating_add(FIELD_HEADER))?;
                Some(offer)
            });
            let counted = match offer {
                Some(offer) => {
                    *count = count.saturating_add(1);
                    offers.push(offer);
                    continue;
                }
                None => unnamed.entry(&one.label.signers).or_default(),
            };
            *counted = counted.saturating_add(1);
        }
        let unnamed = unnamed.into_iter().take(UNNAMED_MAX).map(|(signers, count)| (signers.to_vec(), count));
        (offers, unnamed.collect())
    }
}

/// One use of a pair setup, counted.
pub(super) struct Use<C: Crypto> {
    pub(super) setup: Arc<C::Setup>,
    pub(super) ticket: C::Ticket,
}

struct Held<C: Crypto> {
    setup: Arc<C::Setup>,
    ledger: C::Ledger,
    owner: Address,
    /// The sessions that have used it: none comes twice, or an old first word would pass for a peer's old state.
    sessions: BTreeSet<SessionId>,
}

/// One node's pair setups, oldest first.
pub(super) struct Setups<C: Crypto> {
    held: Vec<Held<C>>,
}

impl<C: Crypto> Default for Setups<C> {
    fn default() -> Self {
        Self { held: Vec::new() }
    }
}

impl<C: Crypto> Setups<C> {
    /// Adds one. If its coordinator has too many, its oldest gives way.
    fn add(&mut self, setup: C::Setup, owner: Address) {
        let ledger = C::new_ledger(&setup);
        self.held.push(Held { setup: Arc::new(setup), ledger, owner, sessions: BTreeSet::new() });
        let its = self.held.iter().filter(|held| held.owner == owner).count();
        if let Some(place) = self.held.iter().position(|held| held.owner == owner && its > SETUPS_MAX) {
            self.held.remove(place);
        }
    }

    fn find(&mut self, name: Hash) -> Option<&mut Held<C>> {
        self.held.iter_mut().find(|held| C::setup_name(&held.setup) == name)
    }

    /// Counts a use by a session. A setup serves the coordinator that had it made: nobody uses up another's.
    pub(super) fn reserve(
        &mut self,
        (name, session, from): (Hash, SessionId, Address),
        signers: &[Party],
        bans: &Bans,
    ) -> Result<Use<C>, Unfit> {
        let held = self.find(name).filter(|held| held.owner == from);
        let held = held.ok_or(Unfit("there is no pair setup of that name"))?;
        if held.sessions.contains(&session) {
            return Err(Unfit("this session has used it before"));
        }
        if held.sessions.len() >= USES_MAX {
            return Err(Unfit("it was used often enough"));
        }
        let ticket = C::reserve(&held.setup, &mut held.ledger, signers, bans)?;
        held.sessions.insert(session);
        Ok(Use { setup: Arc::clone(&held.setup), ticket })
    }

    /// Notes the counts that peers came with. Whether none of them was there before.
    pub(super) fn observe(&mut self, name: Hash, counts: &BTreeMap<Party, u64>) -> bool {
        self.find(name).is_some_and(|held| C::observe(&mut held.ledger, counts))
    }

    /// Burns all pairs with a peer.
    fn burn(&mut self, peer: Party) {
        for held in &mut self.held {
            C::burn_pair(&held.setup, &mut held.ledger, peer);
        }
    }

    /// Gives a setup up whose pairs have to be made anew.
    pub(super) fn drop_setup(&mut self, name: Hash) {
        self.held.retain(|held| C::setup_name(&held.setup) != name);
    }

    /// The names of those that this coordinator can still use, oldest first.
    fn names_for(&self, owner: Address) -> Vec<Hash> {
        let usable = |held: &&Held<C>| held.owner == owner && held.sessions.len() < USES_MAX;
        self.held.iter().filter(usable).map(|held| C::setup_name(&held.setup)).collect()
    }

    /// The names of all, oldest first.
    pub(super) fn names(&self) -> Vec<Hash> {
        self.held.iter().map(|held| C::setup_name(&held.setup)).collect()
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// What is here for a key and this coordinator.
    pub(super) fn stock(&self, key: Hash, coordinator: Address) -> Stock {
        let (presignatures, unnamed) = self.pool.offers(key, coordinator);
        let is_retired = self.keys.is_retired(key);
        Stock { key, setups: self.setups.names_for(coordinator), presignatures, unnamed, is_retired }
    }

    /// Keeps a pair setup, and tells its name.
    pub(super) fn set_up(&mut self, setup: C::Setup, owner: Address) -> Hash {
        let name = C::setup_name(&setup);
        self.persist(Entry::SetUp { setup: name });
        self.setups.add(setup, owner);
        // Somebody may have been banned while it was made.
        for banned in super::everybody(&self.config.committee) {
            if self.bans.find(&self.config.committee, &[banned]).is_some() {
                self.setups.burn(banned);
            }
        }
        name
    }

    /// Adds a batch, unless one of its signers was banned while it was made.
    pub(super) fn stock_up(&mut self, batch: Vec<C::Presignature>, owner: Address) {
        let labels: Vec<_> = batch.iter().map(|one| C::label(&C::public_of(one))).collect();
        let banned =
            |label: &PresignatureLabel| self.bans.find(&self.config.committee, &label.signers).is_some();
        if labels.iter().any(banned) {
            return;
        }
        if let Some(first) = labels.first() {
            let limits = self.config.limits;
            let share = limits.pool / usize::from(self.config.coordinators.max(1));
            let keep = |most: usize| most.saturating_sub(batch.len());
            let same = |label: &PresignatureLabel| label.key == first.key && label.signers == first.signers;
            // Of the same kind first, and then, for what nobody may ever want again, of any of what is left.
            self.evict(owner, keep(limits.stock), same);
            self.evict(owner, keep(share), |_| true);
        }
        let expires = self.now.mono.plus(self.config.limits.presignature);
        let presignatures = labels.iter().map(|label| label.id).collect();
        self.persist(Entry::Stocked { presignatures });
        batch.into_iter().for_each(|one| self.pool.add(one, owner, expires));
    }

    /// Throws away the oldest of a coordinator's presignatures that fit, but for the youngest `keep`.
    fn evict(&mut self, owner: Address, keep: usize, fits: impl Fn(&PresignatureLabel) -> bool) {
        let excess = self.pool.excess(owner, keep, fits);
        self.pool.bury(&excess);
        self.record_buried(&excess);
    }

    pub(super) fn expire_presignatures(&mut self) {
        let presignatures = self.pool.expire(self.now.mono);
        self.record_buried(&presignatures);
    }

    /// Throws away what is ready for this key package.
    pub(super) fn bury_of(&mut self, package: Hash) -> Vec<Hash> {
        self.pool.bury_where(|label, _| label.key == package)
    }

    /// Notes what was thrown away, in entries that can be read back.
    pub(super) fn record_buried(&mut self, presignatures: &[Hash]) {
        for some in presignatures.chunks(NAMES_MAX) {
            self.persist(Entry::Burnt { presignatures: some.to_vec(), intent: None });
        }
    }

    /// A member failed a check that depends on our secrets. What follows is durable before anything else is said, and no
    /// session with it says another word.
    pub(super) fn ban(&mut self, culprit: Party) {
        self.draft.lane = crate::plan::Lane::Whole;
        if let Some(identity) = self.config.committee.identity(culprit) {
            self.bans.add(*identity);
            self.persist(Entry::Banned { identity: *identity.as_bytes() });
        }
        self.setups.burn(culprit);
        let presignatures = self.pool.bury_where(|label, _| label.signers.contains(&culprit));
        self.record_buried(&presignatures);
        self.drop_sessions_with(culprit);
    }
}
