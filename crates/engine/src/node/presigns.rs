//! Presignatures and the pair setups they are made with: free, burnt for one intent, or thrown away; never free again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use keymoot_protocol::codec::{FIELD_HEADER, Malformed, Reader, Writer};
use keymoot_protocol::dkls23::{BATCH_MAX, Bans};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party};
use zeroize::Zeroizing;

use super::Node;
use crate::crypto::{Crypto, PresignatureLabel, Unfit};
use crate::message::Stock;
use crate::policy::Policy;
use crate::record::{Entry, NAMES_MAX, Record, SEALED_MAX};

/// Presignatures of one set of signers that are named to a coordinator at once.
pub const OFFERED: usize = 16;

/// Pair setups that are kept; the oldest gives way.
const SETUPS_MAX: usize = 8;

/// One node's presignatures.
pub(super) struct Pool<C: Crypto> {
    ready: BTreeMap<Hash, Ready<C>>,
    gone: BTreeSet<Hash>,
}

struct Ready<C: Crypto> {
    presignature: C::Presignature,
    public: C::Public,
    label: PresignatureLabel,
    expires: Millis,
}

impl<C: Crypto> Default for Pool<C> {
    fn default() -> Self {
        Self { ready: BTreeMap::new(), gone: BTreeSet::new() }
    }
}

impl<C: Crypto> Pool<C> {
    /// Adds a presignature, unless one of its name was ever here.
    pub(super) fn add(&mut self, presignature: C::Presignature, expires: Millis) {
        let public = C::public_of(&presignature);
        let label = C::label(&public);
        if !self.gone.contains(&label.id) && !self.ready.contains_key(&label.id) {
            self.ready.insert(label.id, Ready { presignature, public, label, expires });
        }
    }

    /// The oldest for exactly these signers of this key package, beyond the youngest `keep`.
    fn oldest(&self, key: Hash, signers: &[Party], keep: usize) -> Vec<Hash> {
        let lot = self.ready.values().filter(|one| one.label.key == key && one.label.signers == signers);
        let mut lot: Vec<_> = lot.map(|one| (one.expires, one.label.id)).collect();
        lot.sort_unstable();
        let excess = lot.len().saturating_sub(keep);
        lot.into_iter().take(excess).map(|(_, id)| id).collect()
    }

    /// The public side of a presignature that can be used for this now.
    pub(super) fn look(&self, id: Hash, key: Hash, signers: &[Party], wall: Millis) -> Option<&C::Public> {
        let one = self.ready.get(&id)?;
        let fits = one.label.key == key && one.label.signers == signers && wall < one.expires;
        (fits && !self.gone.contains(&id)).then_some(&one.public)
    }

    /// Takes a presignature, once and for ever.
    pub(super) fn burn(&mut self, id: Hash, intent: Hash) -> Option<C::Burnt> {
        let one = self.ready.remove(&id)?;
        self.gone.insert(id).then(|| C::burn(one.presignature, intent))
    }

    /// Notes that these are gone, whether they are here or not.
    pub(super) fn bury(&mut self, ids: &[Hash]) {
        for id in ids {
            self.ready.remove(id);
            self.gone.insert(*id);
        }
    }

    /// Throws everything away that is free.
    pub(super) fn bury_all(&mut self) -> Vec<Hash> {
        self.bury_where(|_, _| true)
    }

    pub(super) fn bury_where(&mut self, doomed: impl Fn(&PresignatureLabel, Millis) -> bool) -> Vec<Hash> {
        let is_doomed = |one: &&Ready<C>| doomed(&one.label, one.expires);
        let ids: Vec<_> = self.ready.values().filter(is_doomed).map(|one| one.label.id).collect();
        self.bury(&ids);
        ids
    }

    /// How many are free for each key package and set of signers, and how many are gone.
    pub(super) fn counts(&self) -> (BTreeMap<(Hash, Vec<Party>), usize>, usize) {
        let mut free: BTreeMap<_, usize> = BTreeMap::new();
        for one in self.ready.values() {
            let count = free.entry((one.label.key, one.label.signers.clone())).or_default();
            *count = count.saturating_add(1);
        }
        (free, self.gone.len())
    }

    fn offers(&self, key: Hash) -> Vec<Vec<u8>> {
        let mut named: BTreeMap<&[Party], usize> = BTreeMap::new();
        let mut offers = Vec::new();
        for one in self.ready.values().filter(|one| one.label.key == key) {
            let count = named.entry(&one.label.signers).or_default();
            *count = count.saturating_add(1);
            if *count <= OFFERED {
                offers.push(C::encode_public(&one.public));
            }
        }
        offers
    }
}

/// One use of a pair setup, and the record that counts it.
pub(super) struct Use<C: Crypto> {
    pub(super) setup: Arc<C::Setup>,
    pub(super) ticket: C::Ticket,
    pub(super) counted: Entry,
}

/// One node's pair setups, oldest first.
pub(super) struct Setups<C: Crypto> {
    held: Vec<(Arc<C::Setup>, C::Ledger)>,
}

impl<C: Crypto> Default for Setups<C> {
    fn default() -> Self {
        Self { held: Vec::new() }
    }
}

impl<C: Crypto> Setups<C> {
    pub(super) fn add(&mut self, setup: C::Setup, ledger: C::Ledger) {
        self.held.push((Arc::new(setup), ledger));
        if self.held.len() > SETUPS_MAX {
            self.held.remove(0);
        }
    }

    fn find(&mut self, name: Hash) -> Option<&mut (Arc<C::Setup>, C::Ledger)> {
        self.held.iter_mut().find(|(setup, _)| C::setup_name(setup) == name)
    }

    /// Counts a use.
    pub(super) fn reserve(&mut self, name: Hash, signers: &[Party], bans: &Bans) -> Result<Use<C>, Unfit> {
        let (setup, ledger) = self.find(name).ok_or(Unfit("there is no pair setup of that name"))?;
        let ticket = C::reserve(setup, ledger, signers, bans)?;
        let entry = Entry::Counted { setup: name, ledger: C::encode_ledger(ledger) };
        Ok(Use { setup: Arc::clone(setup), ticket, counted: entry })
    }

    /// Notes the counts that peers came with.
    pub(super) fn observe(&mut self, name: Hash, counts: &BTreeMap<Party, u64>) -> Option<(bool, Entry)> {
        let (_, ledger) = self.find(name)?;
        let is_fresh = C::observe(ledger, counts);
        Some((is_fresh, Entry::Counted { setup: name, ledger: C::encode_ledger(ledger) }))
    }

    /// Burns all pairs with a peer.
    pub(super) fn burn(&mut self, peer: Party) -> Vec<Entry> {
        let burn = |(setup, ledger): &mut (Arc<C::Setup>, C::Ledger)| {
            C::burn_pair(setup, ledger, peer);
            Entry::Counted { setup: C::setup_name(setup), ledger: C::encode_ledger(ledger) }
        };
        self.held.iter_mut().map(burn).collect()
    }

    /// The ledger of a setup as it was on disk.
    pub(super) fn restore(&mut self, name: Hash, ledger: C::Ledger) {
        if let Some((_, held)) = self.find(name) {
            *held = ledger;
        }
    }

    /// Carries burnt pairs of the ledgers over into the running values.
    pub(super) fn enforce(&mut self, members: &[Party]) {
        for (setup, ledger) in &mut self.held {
            for peer in members {
                if !C::is_sound(setup, ledger, *peer) {
                    C::burn_pair(setup, ledger, *peer);
                }
            }
        }
    }

    pub(super) fn names(&self) -> Vec<Hash> {
        self.held.iter().map(|(setup, _)| C::setup_name(setup)).collect()
    }
}

impl<C: Crypto, P: Policy> Node<C, P> {
    /// What is here for a key.
    pub(super) fn stock(&self, key: Hash) -> Stock {
        Stock { key, setups: self.setups.names(), presignatures: self.pool.offers(key) }
    }

    /// Adds a batch, unless one of its signers was banned while it was made.
    pub(super) fn stock_up(&mut self, batch: Vec<C::Presignature>) {
        let labels: Vec<_> = batch.iter().map(|one| C::label(&C::public_of(one))).collect();
        let banned =
            |label: &PresignatureLabel| self.bans.find(&self.config.committee, &label.signers).is_some();
        if labels.iter().any(banned) {
            return;
        }
        // The oldest give way. A peer that has begun again has lost its parts of them, and nobody else can tell.
        let keep = self.config.limits.stock.saturating_sub(batch.len());
        if let Some(first) = labels.first() {
            let presignatures = self.pool.oldest(first.key, &first.signers, keep);
            self.pool.bury(&presignatures);
            self.record_buried(&presignatures);
        }
        let expires = self.now.wall.plus(self.config.limits.presignature);
        let presignatures = labels.iter().map(|label| label.id).collect();
        let entry = Entry::Stocked { presignatures, expires };
        self.persist(Record::sealing(entry, seal_batch::<C>(&batch)));
        batch.into_iter().for_each(|one| self.pool.add(one, expires));
    }

    pub(super) fn expire_presignatures(&mut self) {
        let wall = self.now.wall;
        let presignatures = self.pool.bury_where(|_, expires| wall >= expires);
        self.record_buried(&presignatures);
    }

    /// Notes what was thrown away, in entries that can be read back.
    fn record_buried(&mut self, presignatures: &[Hash]) {
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
        for entry in self.setups.burn(culprit) {
            self.persist(entry);
        }
        let presignatures = self.pool.bury_where(|label, _| label.signers.contains(&culprit));
        self.record_buried(&presignatures);
        self.drop_sessions_with(culprit);
    }
}

/// The encoding of a batch for a sealed store.
fn seal_batch<C: Crypto>(batch: &[C::Presignature]) -> Zeroizing<Vec<u8>> {
    let sealed: Vec<_> = batch.iter().map(|one| C::seal_presignature(one)).collect();
    let room: usize = sealed.iter().map(|one| one.len().saturating_add(FIELD_HEADER)).sum();
    let mut writer = Writer::with_capacity(room.saturating_add(FIELD_HEADER));
    writer.list(sealed.iter(), |writer, one| writer.bytes(one));
    writer.finish()
}

/// Reads a batch back.
pub(super) fn unseal_batch<C: Crypto>(bytes: &[u8]) -> Option<Vec<C::Presignature>> {
    let mut reader = Reader::new(bytes);
    let read =
        |reader: &mut Reader<'_>| C::unseal_presignature(reader.bytes(SEALED_MAX)?).ok_or(Malformed::Choice);
    let batch = reader.list(BATCH_MAX, read).ok()?;
    reader.end().ok().map(|()| batch)
}
