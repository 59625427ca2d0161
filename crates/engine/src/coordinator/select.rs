//! Who is there, who is to be counted on, and what they hold. All of it is hearsay: it decides what is tried, never what
//! is true.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use keymoot_protocol::context::Committee;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Millis, Party};

use crate::crypto::Crypto;
use crate::message::{OFFERED_MAX, SETUPS_MAX, Stock};

/// The weight of a doubt about whoever breaks up a pair setup or a batch: its members are busy until the deadline, and
/// it must not be forgotten before that.
pub(super) const COSTLY: u32 = 4;

/// How much more a proof weighs than a doubt.
pub(super) const PROVEN: u32 = 16;

/// Pair setups that are remembered to have been made.
const MADE_MAX: usize = 32;

/// Taken presignatures that are remembered: more than can be on their way.
const TAKEN_MAX: usize = 16_384;

/// Between two halvings of all suspicion, in milliseconds.
const FORGIVENESS: u64 = 10_000;

/// How long what a node says of its stock is gone by, in milliseconds.
const STOCK_AGE: u64 = 5_000;

/// Steps that are taken in search of a quorum.
const SEARCH_MAX: u32 = 10_000;

/// How long a node may take to say what it has, in milliseconds.
const STOCK_ANSWER: u64 = 400;

/// Presignatures by name, and who says to hold its part.
type Lot<C> = BTreeMap<Hash, (BTreeSet<Party>, <C as Crypto>::Public)>;

/// What is known of the members.
pub(super) struct Members<C: Crypto> {
    members: BTreeMap<Party, Member>,
    /// Who says that it does not work with whom.
    apart: BTreeSet<(Party, Party)>,
    /// By key package and signers: presignatures, and who says to hold its part.
    stock: BTreeMap<(Hash, Vec<Party>), Lot<C>>,
    /// Who says to hold how many more of these than it could name.
    unnamed: BTreeMap<(Hash, Vec<Party>), BTreeMap<Party, u64>>,
    /// Presignatures that were taken lately, and until when what a node says does not bring them back: it may have said it before
    /// it knew. What it still says later, it still has.
    taken: Taken,
    /// When one of these keys' presignatures was taken last.
    drawn: BTreeMap<Hash, Millis>,
    /// Who has said to have completed a pair setup with whom.
    made: Vec<BTreeSet<Party>>,
    forgive_at: Millis,
    needed: usize,
}

#[derive(Default)]
struct Member {
    seen: Option<Millis>,
    /// Moving average of how long an answer took, in milliseconds.
    latency: u64,
    suspicion: u32,
    setups: Vec<Hash>,
    /// Keys, by their packages, that it says it has retired.
    retired: BTreeSet<Hash>,
    /// When it last said what it holds of a key.
    told: BTreeMap<Hash, Millis>,
    /// When it was asked last, and has not answered.
    asked: BTreeMap<Hash, Millis>,
}

/// Presignatures that were taken lately.
#[derive(Default)]
struct Taken {
    until: BTreeMap<Hash, Millis>,
    order: VecDeque<Hash>,
}

impl Taken {
    fn contains(&self, id: Hash, now: Millis) -> bool {
        self.until.get(&id).is_some_and(|until| now < *until)
    }

    fn add(&mut self, id: Hash, now: Millis, until: Millis) {
        while let Some(first) = self.order.front() {
            if self.order.len() < TAKEN_MAX && self.contains(*first, now) {
                break;
            }
            self.until.remove(first);
            self.order.pop_front();
        }
        self.until.insert(id, until);
        self.order.push_back(id);
    }
}

impl<C: Crypto> Members<C> {
    pub(super) fn new(committee: &Committee) -> Self {
        let members = committee.threshold().parties().map(|party| (party, Member::default())).collect();
        let needed = usize::from(committee.threshold().needed());
        let (apart, stock, unnamed) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (taken, drawn, made) = (Taken::default(), BTreeMap::new(), Vec::new());
        Self { members, apart, stock, unnamed, taken, drawn, made, forgive_at: Millis(0), needed }
    }

    pub(super) fn contains(&self, party: Party) -> bool {
        self.members.contains_key(&party)
    }

    pub(super) fn all(&self) -> Vec<Party> {
        self.members.keys().copied().collect()
    }

    pub(super) fn heard(&mut self, party: Party, now: Millis) {
        if let Some(member) = self.members.get_mut(&party) {
            member.seen = Some(now);
        }
    }

    /// A member is not there. What it has said to hold may be gone with it: it is asked when it is back.
    pub(super) fn gone(&mut self, party: Party) {
        if let Some(member) = self.members.get_mut(&party) {
            member.seen = None;
            member.setups.clear();
            member.told.clear();
            member.asked.clear();
        }
        for lot in self.stock.values_mut() {
            lot.values_mut().for_each(|(holders, _)| {
                holders.remove(&party);
            });
            lot.retain(|_, (holders, _)| !holders.is_empty());
        }
        self.stock.retain(|_, lot| !lot.is_empty());
        self.forget_unnamed(party, |_| true);
    }

    /// Notes how long a member took to answer.
    pub(super) fn took(&mut self, party: Party, time: u64) {
        if let Some(member) = self.members.get_mut(&party) {
            member.latency = member.latency.saturating_mul(7).saturating_add(time) / 8;
        }
    }

    pub(super) fn suspect(&mut self, party: Party, by: u32) {
        if let Some(member) = self.members.get_mut(&party) {
            member.suspicion = member.suspicion.saturating_add(by);
        }
    }

    /// Suspicion fades: what was a broken line may work again. Whether half of it has just been forgiven.
    pub(super) fn forgive(&mut self, now: Millis) -> bool {
        let is_time = now >= self.forgive_at;
        if is_time {
            self.forgive_at = now.plus(FORGIVENESS);
            self.members.values_mut().for_each(|member| member.suspicion /= 2);
        }
        is_time
    }

    /// One of these refuses to work with the other.
    pub(super) fn part(&mut self, one: Party, other: Party) {
        self.apart.insert((one, other));
        self.apart.insert((other, one));
    }

    pub(super) fn is_live(&self, party: Party, now: Millis, silence: u64) -> bool {
        let seen = self.members.get(&party).and_then(|member| member.seen);
        seen.is_some_and(|seen| now < seen.plus(silence))
    }

    /// The members that can be asked, those first that are most to be counted on.
    pub(super) fn ranked(&self, now: Millis, silence: u64, without: &BTreeSet<Party>) -> Vec<Party> {
        let mut able: Vec<_> = self
            .members
            .iter()
            .filter(|(party, _)| self.is_live(**party, now, silence) && !without.contains(party))
            .map(|(party, member)| (member.suspicion, member.latency / 64, *party))
            .collect();
        able.sort_unstable();
        able.into_iter().map(|(_, _, party)| party).collect()
    }

    /// As many as are needed, of whom none refuses another, in increasing order: the first such set in the order of ranks.
    pub(super) fn quorum(&self, ranked: &[Party]) -> Option<Vec<Party>> {
        let mut quorum = Vec::with_capacity(self.needed);
        let mut steps = SEARCH_MAX;
        if !self.search(ranked, &mut quorum, &mut steps) {
            return None;
        }
        quorum.sort_unstable();
        Some(quorum)
    }

    fn search(&self, ranked: &[Party], quorum: &mut Vec<Party>, steps: &mut u32) -> bool {
        if quorum.len() == self.needed {
            return true;
        }
        for (place, party) in ranked.iter().enumerate() {
            *steps = steps.saturating_sub(1);
            let rest = ranked.get(place.saturating_add(1)..).unwrap_or_default();
            let lacks = self.needed.saturating_sub(quorum.len());
            if *steps == 0 || rest.len().saturating_add(1) < lacks {
                return false;
            }
            if quorum.iter().all(|other| !self.apart.contains(&(*party, *other))) {
                quorum.push(*party);
                if self.search(rest, quorum, steps) {
                    return true;
                }
                quorum.pop();
            }
        }
        false
    }

    /// What is thought of each of them.
    pub(super) fn views(&self) -> Vec<super::MemberView> {
        let view = |(party, member): (&Party, &Member)| super::MemberView {
            party: *party,
            seen: member.seen,
            suspicion: member.suspicion,
            setups: member.setups.len(),
        };
        self.members.iter().map(view).collect()
    }

    fn trust(&self, quorum: &[Party]) -> u64 {
        let suspicion = |party| self.members.get(party).map_or(0, |member| u64::from(member.suspicion));
        quorum.iter().map(suspicion).sum()
    }

    /// What a member says it holds of one key that exists, instead of what it said before. Not more than an honest one
    /// says is taken in.
    pub(super) fn restock(&mut self, party: Party, stock: &Stock, now: Millis) {
        self.forget_named(party, stock.key);
        self.add_stock(party, stock, now);
    }

    /// What a member says it holds after a batch. It names the youngest, and those it has named before are there as well; unless
    /// it names more than an honest one can in a while.
    pub(super) fn add_stock(&mut self, party: Party, stock: &Stock, now: Millis) {
        if self.named(party, stock.key) > OFFERED_MAX {
            self.forget_named(party, stock.key);
        }
        self.note_stock(party, stock, now);
        self.forget_unnamed(party, |key| key == stock.key);
        let mut offered: BTreeMap<Vec<Party>, u64> = BTreeMap::new();
        for bytes in stock.presignatures.iter().take(OFFERED_MAX) {
            let Some(public) = C::decode_public(bytes) else { continue };
            let label = C::label(&public);
            if label.key != stock.key || !self.is_quorum_of(party, &label.signers) {
                continue;
            }
            if !self.taken.contains(label.id, now) {
                let count = offered.entry(label.signers.clone()).or_default();
                *count = count.saturating_add(1);
                let lot = self.stock.entry((label.key, label.signers)).or_default();
                lot.entry(label.id).or_insert_with(|| (BTreeSet::new(), public)).0.insert(party);
            }
        }
        for (signers, count) in &stock.unnamed {
            if !self.is_quorum_of(party, signers) {
                continue;
            }
            // Of those that it does not name now, it has named some before.
            let lot = self.stock.get(&(stock.key, signers.clone()));
            let named =
                lot.map_or(0, |lot| lot.values().filter(|(holders, _)| holders.contains(&party)).count());
            let before = (named as u64).saturating_sub(offered.get(signers).copied().unwrap_or(0));
            let known = self.unnamed.entry((stock.key, signers.clone())).or_default();
            known.insert(party, count.saturating_sub(before));
        }
    }

    fn is_quorum_of(&self, party: Party, signers: &[Party]) -> bool {
        signers.len() == self.needed && signers.contains(&party)
    }

    /// How many presignatures of a key a member has named.
    fn named(&self, party: Party, key: Hash) -> usize {
        let lots = self.stock.iter().filter(|((of, signers), _)| *of == key && signers.contains(&party));
        lots.map(|(_, lot)| lot.values().filter(|(holders, _)| holders.contains(&party)).count()).sum()
    }

    fn note_stock(&mut self, party: Party, stock: &Stock, now: Millis) {
        if let Some(member) = self.members.get_mut(&party) {
            let excess = stock.setups.len().saturating_sub(SETUPS_MAX);
            member.setups = stock.setups.iter().skip(excess).copied().collect();
            member.told.insert(stock.key, now);
            if stock.is_retired {
                member.retired.insert(stock.key);
            } else {
                member.retired.remove(&stock.key);
            }
            member.asked.remove(&stock.key);
        }
    }

    /// Who says that it does not sign with this key any more.
    pub(super) fn retired(&self, key: Hash) -> impl Iterator<Item = Party> {
        self.members.iter().filter(move |(_, member)| member.retired.contains(&key)).map(|(party, _)| *party)
    }

    /// Who has not said lately what it holds of a key.
    pub(super) fn untold(&self, signers: &[Party], key: Hash, now: Millis) -> Vec<Party> {
        let told = |party: &Party| {
            let at = self.members.get(party).and_then(|member| member.told.get(&key));
            at.is_some_and(|at| now < at.plus(STOCK_AGE))
        };
        signers.iter().copied().filter(|party| !told(party)).collect()
    }

    /// Which of these are to be asked now what they hold. Whoever has not answered in time is suspected, and asked again.
    pub(super) fn due(&mut self, untold: &[Party], key: Hash, now: Millis) -> Vec<Party> {
        let mut due = Vec::new();
        for party in untold {
            let Some(member) = self.members.get_mut(party) else { continue };
            match member.asked.get(&key) {
                Some(at) if now < at.plus(STOCK_ANSWER) => continue,
                Some(_) => member.suspicion = member.suspicion.saturating_add(1),
                None => {}
            }
            member.asked.insert(key, now);
            due.push(*party);
        }
        due
    }

    /// Which of these have not said lately what they hold of a key, and were not asked for as long. Nobody is suspected for that.
    pub(super) fn due_at_leisure(&mut self, signers: &[Party], key: Hash, now: Millis) -> Vec<Party> {
        let mut due = self.untold(signers, key, now);
        due.retain(|party| {
            let asked = self.members.get_mut(party).map(|member| &mut member.asked);
            let is_due =
                |asked: &BTreeMap<Hash, Millis>| asked.get(&key).is_none_or(|at| now >= at.plus(STOCK_AGE));
            asked.filter(|asked| is_due(asked)).is_some_and(|asked| {
                asked.insert(key, now);
                true
            })
        });
        due
    }

    /// Which of these may have more presignatures to name than they did: some were taken since they said what they hold.
    pub(super) fn may_name_more(&self, key: Hash, signers: &[Party]) -> Vec<Party> {
        let told = |party: &Party| self.members.get(party).and_then(|member| member.told.get(&key));
        let drawn = self.drawn.get(&key);
        let some = self.unnamed(key, signers) > 0;
        signers.iter().copied().filter(|party| some && told(party) <= drawn).collect()
    }

    /// A member does not have a presignature that it has named, so none of what it named of this key is counted on.
    pub(super) fn disown(&mut self, party: Party, key: Hash) {
        if let Some(member) = self.members.get_mut(&party) {
            member.told.remove(&key);
        }
        self.forget_named(party, key);
        self.forget_unnamed(party, |of| of == key);
    }

    fn forget_named(&mut self, party: Party, key: Hash) {
        for ((of, signers), lot) in &mut self.stock {
            if *of == key && signers.contains(&party) {
                lot.values_mut().for_each(|(holders, _)| {
                    holders.remove(&party);
                });
                lot.retain(|_, (holders, _)| !holders.is_empty());
            }
        }
        self.stock.retain(|_, lot| !lot.is_empty());
    }

    /// What this member said of its stock does not hold any more.
    pub(super) fn ask_again(&mut self, party: Party) {
        if let Some(member) = self.members.get_mut(&party) {
            member.told.clear();
        }
    }

    /// These signers, and all others that can be asked and are above suspicion, to share one pair setup.
    pub(super) fn company(&self, signers: &[Party], ranked: &[Party]) -> Vec<Party> {
        let mut company = signers.to_vec();
        for party in ranked {
            let clean = self.members.get(party).is_some_and(|member| member.suspicion == 0);
            let fits = company.iter().all(|other| !self.apart.contains(&(*party, *other)));
            if clean && fits && !company.contains(party) {
                company.push(*party);
            }
        }
        company.sort_unstable();
        company
    }

    /// How many presignatures all of these signers say they hold.
    pub(super) fn left(&self, key: Hash, signers: &[Party]) -> usize {
        let lot = self.stock.get(&(key, signers.to_vec()));
        lot.map_or(0, |lot| lot.values().filter(|(holders, _)| holders.len() == signers.len()).count())
    }

    /// A batch was made, and there is nothing that all of its members say they hold. Whoever names nothing is doubted; if
    /// all name something, anybody may have invented it.
    pub(super) fn doubt_batch(&mut self, key: Hash, signers: &[Party]) {
        if self.left(key, signers) > 0 {
            return;
        }
        let lot = self.stock.get(&(key, signers.to_vec()));
        let names =
            |party: &Party| lot.is_some_and(|lot| lot.values().any(|(holders, _)| holders.contains(party)));
        let silent: Vec<Party> = signers.iter().copied().filter(|party| !names(party)).collect();
        let doubted = if silent.is_empty() { signers.to_vec() } else { silent };
        doubted.into_iter().for_each(|party| self.suspect(party, COSTLY));
    }

    /// Presignatures of a key that all signers of some set say they hold.
    pub(super) fn held_by_all(&self, key: Hash) -> usize {
        let lots = self.stock.keys().filter(|(of, _)| *of == key);
        let held = |signers: &[Party]| self.left(key, signers).saturating_add(self.unnamed(key, signers));
        lots.map(|(_, signers)| held(signers)).fold(0, usize::saturating_add)
    }

    /// Presignatures that somebody says to hold a part of.
    pub(super) fn offered(&self) -> usize {
        self.stock.values().map(BTreeMap::len).sum()
    }

    /// How many more presignatures all of these may hold than they could name.
    pub(super) fn unnamed(&self, key: Hash, signers: &[Party]) -> usize {
        let Some(known) = self.unnamed.get(&(key, signers.to_vec())) else { return 0 };
        let counts = signers.iter().map(|party| known.get(party).copied().unwrap_or(0));
        usize::try_from(counts.min().unwrap_or(0)).unwrap_or(usize::MAX)
    }

    fn forget_unnamed(&mut self, party: Party, of: impl Fn(Hash) -> bool) {
        for ((key, _), known) in &mut self.unnamed {
            if of(*key) {
                known.remove(&party);
            }
        }
        self.unnamed.retain(|_, known| !known.is_empty());
    }

    /// A presignature that all of its signers say they hold, of the most trusted signers among those that can be asked. Until then
    /// nobody brings it back.
    pub(super) fn take(
        &mut self,
        key: Hash,
        ranked: &[Party],
        preferred: &[Party],
        (now, until): (Millis, Millis),
    ) -> Option<(Vec<Party>, C::Public)> {
        let usable = |signers: &[Party]| {
            let able = signers.iter().all(|signer| ranked.contains(signer));
            let together =
                signers.iter().all(|one| signers.iter().all(|other| !self.apart.contains(&(*one, *other))));
            able && together && self.left(key, signers) > 0
        };
        let best = self.trust(preferred);
        let lots = self.stock.keys().filter(|(of, signers)| *of == key && usable(signers));
        let signers = lots
            .map(|(_, signers)| signers)
            .filter(|signers| self.trust(signers) <= best)
            .min_by_key(|signers| (self.trust(signers), *signers != preferred))?
            .clone();
        let lot = self.stock.get_mut(&(key, signers.clone()))?;
        let id = lot.iter().find(|(_, (holders, _))| holders.len() == signers.len()).map(|(id, _)| *id)?;
        let (_, public) = lot.remove(&id)?;
        self.taken.add(id, now, until);
        self.drawn.insert(key, now);
        Some((signers, public))
    }

    /// A pair setup of these is complete, by the word of all of them.
    pub(super) fn note_setup(&mut self, members: &[Party]) {
        if self.made.len() >= MADE_MAX {
            self.made.remove(0);
        }
        self.made.push(members.iter().copied().collect());
    }

    /// These say that they have no pair setup in common. If they had, somebody has begun again, or hides or invents some; of
    /// many such sets a liar is in all.
    pub(super) fn doubt_setups(&mut self, signers: &[Party]) {
        let had = |made: &BTreeSet<Party>| signers.iter().all(|signer| made.contains(signer));
        if self.made.iter().any(had) {
            self.made.retain(|made| !had(made));
            signers.iter().for_each(|party| self.suspect(*party, COSTLY));
        }
    }

    /// The latest pair setup that all of these say they hold.
    pub(super) fn shared_setup(&self, signers: &[Party]) -> Option<Hash> {
        let setups = |party| self.members.get(party).map(|member| &member.setups);
        let first = setups(signers.first()?)?;
        let held = |name: &&Hash| {
            signers.iter().all(|signer| setups(signer).is_some_and(|held| held.contains(name)))
        };
        first.iter().rev().find(held).copied()
    }

    /// A member says that a setup cannot be used with somebody: it is not counted on any more.
    pub(super) fn forget_setup(&mut self, party: Party, name: Option<Hash>) {
        if let Some(member) = self.members.get_mut(&party) {
            member.setups.retain(|held| name.is_some_and(|name| *held != name));
        }
    }

    /// Notes a setup that a member has now.
    pub(super) fn set_up(&mut self, party: Party, name: Hash) {
        if let Some(member) = self.members.get_mut(&party) {
            if member.setups.len() >= SETUPS_MAX {
                member.setups.remove(0);
            }
            member.setups.push(name);
        }
    }
}
