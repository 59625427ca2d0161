//! What somebody sees who sees everything: every disk, every wire, every clock. After each event the functions named
//! `invariant_*` have their say about what it changed.

use std::collections::{BTreeMap, BTreeSet};

use keymoot_engine::audit::Tree;
use keymoot_engine::message::{Address, Answer, Message, What, Words};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::record::Entry;
use keymoot_engine::request::{Ask, Request, RequestId};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Party, SessionId};

use crate::backend::{Backend, Released};
use crate::frame::Time;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: I1 to I15.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

fn broken<T>(invariant: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// What is known of one node's disk.
#[derive(Default)]
pub struct Shelf {
    /// All that it was told is durable, in order.
    pub entries: Vec<Entry>,
    tree: Tree,
    allowed: BTreeMap<SessionId, (RequestId, Hash)>,
    denied: BTreeSet<RequestId>,
    burnt: BTreeMap<Hash, Option<Hash>>,
    intents: BTreeSet<Hash>,
    pending: BTreeMap<KeyId, Hash>,
    banned: BTreeSet<Party>,
    checkpoint: u64,
    /// When decisions became durable, and how long the log was then.
    due: Vec<(Time, u64)>,
    /// When the node last said something.
    last: Time,
}

/// What is known of the world.
pub struct Watch<B: Backend> {
    honest: Vec<bool>,
    identities: BTreeMap<[u8; 32], Party>,
    shelves: Vec<Shelf>,
    requests: BTreeMap<RequestId, Request>,
    /// What a node was invited to, under which session.
    invited: BTreeMap<(Party, SessionId), Vec<What>>,
    keys: BTreeMap<KeyId, (Hash, B::Key)>,
    used: BTreeMap<u64, Used>,
    told: BTreeMap<RequestId, Outcome>,
    committee: std::sync::Arc<keymoot_protocol::context::Committee>,
    /// Signatures that another implementation took for good.
    pub verified: u64,
    now: Time,
    clocks_jump: bool,
    skips_logs: bool,
    counts: BTreeMap<(Party, Hash, u64), SessionId>,
    lives: BTreeMap<(Party, SessionId), u32>,
}

struct Used {
    digest: u64,
    sessions: BTreeMap<Party, u64>,
}

/// A node's own session, as far as what it says about others' is concerned.
fn members_of(what: &What, all: &[Party]) -> Vec<Party> {
    match what {
        What::Keygen { .. } => all.to_vec(),
        What::Setup { members } => members.clone(),
        What::Presign { signers, .. } | What::Sign { signers, .. } => signers.clone(),
    }
}

impl<B: Backend> Watch<B> {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(committee: std::sync::Arc<keymoot_protocol::context::Committee>, honest: Vec<bool>) -> Self {
        let parties = committee.threshold().parties();
        let identities =
            parties.filter_map(|party| Some((*committee.identity(party)?.as_bytes(), party))).collect();
        let shelves = honest.iter().map(|_| Shelf::default()).collect();
        Self {
            honest,
            identities,
            shelves,
            requests: BTreeMap::new(),
            invited: BTreeMap::new(),
            keys: BTreeMap::new(),
            used: BTreeMap::new(),
            told: BTreeMap::new(),
            committee,
            verified: 0,
            now: 0,
            clocks_jump: false,
            skips_logs: false,
            counts: BTreeMap::new(),
            lives: BTreeMap::new(),
        }
    }

    /// What time it really is, and whether clocks are wrong in this world.
    pub const fn at(&mut self, now: Time, clocks_jump: bool) {
        (self.now, self.clocks_jump) = (now, clocks_jump);
    }

    /// Leaves the checks of logs out, for a planted bug whose seam is there.
    pub const fn skip_logs(&mut self) {
        self.skips_logs = true;
    }

    /// A client asks for this.
    pub fn request(&mut self, id: RequestId, request: Request) {
        self.requests.insert(id, request);
    }

    /// A node hears an invitation.
    pub fn invited(&mut self, party: Party, session: SessionId, what: &What) {
        self.invited.entry((party, session)).or_default().push(what.clone());
    }

    fn is_honest(&self, party: Party) -> bool {
        self.honest.get(crate::backend::place(party)).copied().unwrap_or(false)
    }

    /// The certified keys that have been seen.
    pub fn keys(&self) -> impl Iterator<Item = &B::Key> {
        self.keys.values().map(|(_, key)| key)
    }

    /// The names of the keys that clients were told of.
    #[must_use]
    pub fn told_keys(&self) -> Vec<KeyId> {
        let packages = self.told.values().filter_map(|outcome| match outcome {
            Outcome::Key(package) => B::decode_key(package, &self.committee),
            _ => None,
        });
        packages.map(|key| B::describe(&key).id).collect()
    }

    /// A node was told that these are durable.
    ///
    /// # Errors
    /// A promise is broken.
    pub fn durable(&mut self, party: Party, entries: Vec<Entry>) -> Result<(), Violation> {
        if !self.is_honest(party) {
            return Ok(());
        }
        for entry in entries {
            self.shelved(party, &entry)?;
            let Some(shelf) = self.shelves.get_mut(crate::backend::place(party)) else { continue };
            shelf.tree.append(&entry.encode());
            if matches!(entry, Entry::Allowed { .. }) {
                shelf.due.push((self.now, shelf.tree.size()));
            }
            shelf.entries.push(entry);
        }
        Ok(())
    }

    /// A node begins again with these records. What it was told is durable is among them; the rest was written and never
    /// acknowledged.
    ///
    /// # Errors
    /// Something that was durable is gone.
    pub fn recovered(&mut self, party: Party, entries: &[Entry]) -> Result<(), Violation> {
        if !self.is_honest(party) {
            return Ok(());
        }
        let Some(shelf) = self.shelves.get(crate::backend::place(party)) else { return Ok(()) };
        let known = shelf.entries.len();
        if entries.get(..known) != Some(shelf.entries.as_slice()) {
            return broken("I6", format!("{party} has lost what it was told is durable"));
        }
        self.durable(party, entries.get(known..).unwrap_or_default().to_vec())
    }

    fn shelved(&mut self, party: Party, entry: &Entry) -> Result<(), Violation> {
        match entry {
            Entry::Certified { key, package } => {
                let Some(found) = B::decode_key(package, &self.committee) else {
                    return broken("I4", format!("{party} certifies what nobody has certified"));
                };
                self.invariant_i04_one_key_everybody_holds(*key, found)?;
            }
            Entry::Blamed { party: culprit, fault, .. } => {
                self.invariant_i15_blame(party, *culprit, fault)?
            }
            Entry::Forked { party: culprit, .. } => {
                self.invariant_i15_blame(party, *culprit, "forked its log")?
            }
            Entry::Banned { identity } => {
                if let Some(culprit) = self.identities.get(identity).copied() {
                    self.invariant_i15_blame(party, culprit, "banned")?;
                }
            }
            _ => {}
        }
        let identities = &self.identities;
        let Some(shelf) = self.shelves.get_mut(crate::backend::place(party)) else { return Ok(()) };
        match entry {
            Entry::Allowed { request, session, intent, .. } => {
                shelf.allowed.insert(*session, (*request, *intent));
            }
            Entry::Denied { request, .. } => drop(shelf.denied.insert(*request)),
            Entry::Burnt { presignatures, intent } => {
                for id in presignatures {
                    if shelf.burnt.insert(*id, *intent).is_some() {
                        return broken("I1", format!("{party} burns a presignature for the second time"));
                    }
                }
                shelf.intents.extend(*intent);
            }
            Entry::Pending { key, package } => {
                let earlier = shelf.pending.insert(*key, *package);
                let is_other = earlier.is_some_and(|earlier| earlier != *package);
                return if is_other {
                    broken("I4", format!("{party} signs two certificates for one key"))
                } else {
                    Ok(())
                };
            }
            Entry::Banned { identity } => shelf.banned.extend(identities.get(identity).copied()),
            _ => {}
        }
        Ok(())
    }

    /// I4: one package for each key, and everybody who is honest has a share of it on disk.
    fn invariant_i04_one_key_everybody_holds(&mut self, id: KeyId, key: B::Key) -> Result<(), Violation> {
        let digest = B::describe(&key).digest;
        for (place, shelf) in self.shelves.iter().enumerate() {
            if self.honest.get(place) == Some(&true) && shelf.pending.get(&id) != Some(&digest) {
                return broken("I4", format!("{id} is certified, and node {} has no share of it", place + 1));
            }
        }
        match self.keys.insert(id, (digest, key)) {
            Some((earlier, _)) if earlier != digest => {
                broken("I4", format!("two certified packages for {id}"))
            }
            _ => Ok(()),
        }
    }

    /// I15: an honest node is never named a culprit by another.
    fn invariant_i15_blame(&self, by: Party, culprit: Party, fault: &str) -> Result<(), Violation> {
        if self.is_honest(culprit) {
            return broken("I15", format!("{by} says of {culprit}, which is honest, that it {fault}"));
        }
        Ok(())
    }

    /// I15, at its root: what a node says in a session, it says in one life. Of two lives the words for one slot differ, and
    /// others would have to take it for a liar.
    fn invariant_i15_a_session_has_one_life(
        &mut self,
        party: Party,
        session: SessionId,
        life: u32,
    ) -> Result<(), Violation> {
        match *self.lives.entry((party, session)).or_insert(life) {
            first if first == life => Ok(()),
            _ => broken("I15", format!("{party} talks in {session} again, after a restart")),
        }
    }

    /// An honest node says something, now, for the wire.
    ///
    /// # Errors
    /// A promise is broken.
    pub fn said(&mut self, party: Party, life: u32, message: &Message) -> Result<(), Violation> {
        if !self.is_honest(party) {
            return Ok(());
        }
        Self::invariant_i10_no_secret_leaves(party, message)?;
        if let Some(shelf) = self.shelves.get_mut(crate::backend::place(party)) {
            shelf.last = self.now;
        }
        match message {
            Message::Mail(mail) => {
                self.invariant_i15_a_session_has_one_life(party, mail.session, life)?;
                self.invariant_i02_allowed_first(party, mail.session)?;
                self.invariant_i02_nothing_forbidden(party, mail.session)?;
                self.invariant_i12_no_word_to_the_banned(party, mail.session)?;
                if let Some(count) = B::counted(&mail.bytes) {
                    self.invariant_i01_counts_never_repeat(party, mail.session, count)?;
                }
                if let Some(released) = B::released(&mail.bytes) {
                    self.invariant_i01_single_use(party, released)?;
                    self.invariant_i03_the_digest_that_was_asked(party, mail.session, released)?;
                }
                Ok(())
            }
            Message::Witness { words: Words::Checkpoint(text), .. } if !self.skips_logs => {
                self.invariant_i07_the_log_only_grows(party, text)
            }
            _ => Ok(()),
        }
    }

    /// I1: whatever a nonce or presignature signs, it signs once.
    fn invariant_i01_single_use(&mut self, party: Party, released: Released) -> Result<(), Violation> {
        let Released { used, digest, ssid } = released;
        let known = self.used.entry(used).or_insert_with(|| Used { digest, sessions: BTreeMap::new() });
        if known.digest != digest {
            return broken("I1", format!("{party} signs a second digest with nonce {used:016x}"));
        }
        match known.sessions.insert(party, ssid) {
            Some(earlier) if earlier != ssid => {
                broken("I1", format!("{party} uses nonce {used:016x} in a second session"))
            }
            _ => Ok(()),
        }
    }

    /// I2, and the other half of I1: the decision and the burning are on disk before the first word.
    fn invariant_i02_allowed_first(&self, party: Party, session: SessionId) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get(crate::backend::place(party)) else { return Ok(()) };
        let invited = self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default();
        let signing =
            invited.iter().filter(|what| matches!(what, What::Sign { .. } | What::Keygen { .. })).count();
        if signing == 0 {
            return if invited.is_empty() {
                broken("I2", format!("{party} talks in a session that nobody called"))
            } else {
                Ok(())
            };
        }
        let Some((_, intent)) = shelf.allowed.get(&session) else {
            let only = signing == invited.len();
            return if only {
                broken("I2", format!("{party} talks without a decision on disk"))
            } else {
                Ok(())
            };
        };
        let burns = invited.iter().any(|what| matches!(what, What::Sign { presignature: Some(_), .. }));
        if burns && signing == invited.len() && !shelf.intents.contains(intent) {
            return broken("I1", format!("{party} talks before its presignature is burnt on disk"));
        }
        Ok(())
    }

    /// I1, for what presignatures are made of: no use of a pair setup comes twice.
    fn invariant_i01_counts_never_repeat(
        &mut self,
        party: Party,
        session: SessionId,
        count: u64,
    ) -> Result<(), Violation> {
        for what in self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default() {
            let What::Presign { setup, .. } = what else { continue };
            let earlier = self.counts.insert((party, *setup, count), session);
            if earlier.is_some_and(|earlier| earlier != session) {
                return broken("I1", format!("{party} counts use {count} of a pair setup twice"));
            }
        }
        Ok(())
    }

    /// I2: nothing is signed that the policy forbids, or whose time is over.
    fn invariant_i02_nothing_forbidden(&self, party: Party, session: SessionId) -> Result<(), Violation> {
        let shelf = self.shelves.get(crate::backend::place(party));
        let Some((request, _)) = shelf.and_then(|shelf| shelf.allowed.get(&session)) else { return Ok(()) };
        let Some(asked) = self.requests.get(request) else { return Ok(()) };
        // The longest that a session begun in time may take, and its last words on the way to the disk.
        let late = crate::world::EPOCH + self.now > asked.expires.0 + 10_000;
        if late && !self.clocks_jump {
            return broken("I2", format!("{party} serves {request:?} long after it has expired"));
        }
        match &asked.ask {
            Ask::Sign { payload, .. } if payload.as_bytes().first() == Some(&crate::world::FORBIDDEN) => {
                broken("I2", format!("{party} signs what its policy forbids"))
            }
            Ask::Sign { .. } | Ask::Key(_) => Ok(()),
        }
    }

    /// I3: the digest that is signed is that of the bytes the client signed for.
    fn invariant_i03_the_digest_that_was_asked(
        &self,
        party: Party,
        session: SessionId,
        released: Released,
    ) -> Result<(), Violation> {
        let shelf = self.shelves.get(crate::backend::place(party));
        let Some((request, _)) = shelf.and_then(|shelf| shelf.allowed.get(&session)) else { return Ok(()) };
        let Some(asked) = self.requests.get(request) else {
            return broken("I3", format!("{party} signs for {request:?}, which no client has asked"));
        };
        let Ask::Sign { key, payload, .. } = &asked.ask else {
            return broken("I3", format!("{party} signs for a request that asks for no signature"));
        };
        let Some((_, key)) = self.keys.get(key) else {
            return broken("I3", format!("{party} signs under a key that is not certified"));
        };
        let right = B::digest_word(&B::digest_of(key, payload));
        if right != released.digest {
            return broken("I3", format!("{party} signs other bytes than the client asked for"));
        }
        Ok(())
    }

    /// I7: a checkpoint covers what is on disk, and nothing that was ever covered is gone.
    fn invariant_i07_the_log_only_grows(&mut self, party: Party, request: &str) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get_mut(crate::backend::place(party)) else { return Ok(()) };
        let Ok(request) = keymoot_engine::audit::Request::parse(request) else {
            return broken("I7", format!("{party} shows a checkpoint that is none"));
        };
        let text = request.note.split("\n\n").next().unwrap_or_default();
        let Ok(checkpoint) = keymoot_engine::audit::Checkpoint::parse(&format!("{text}\n")) else {
            return broken("I7", format!("{party} shows a checkpoint that is none"));
        };
        if shelf.tree.root_at(checkpoint.size()) != Some(checkpoint.root()) {
            return broken(
                "I7",
                format!("{party} shows a log of {} entries that is not on disk", checkpoint.size()),
            );
        }
        if checkpoint.size() < shelf.checkpoint {
            return broken("I7", format!("the log of {party} has become shorter"));
        }
        shelf.checkpoint = checkpoint.size();
        Ok(())
    }

    /// I10: no secret is in anything that leaves a node.
    fn invariant_i10_no_secret_leaves(party: Party, message: &Message) -> Result<(), Violation> {
        let leaks = match message {
            Message::Mail(mail) => B::holds_a_secret(&mail.bytes),
            Message::Key(bytes) | Message::Ask(bytes) => B::holds_a_secret(bytes),
            Message::Stock(stock) => stock.presignatures.iter().any(|one| B::holds_a_secret(one)),
            _ => false,
        };
        if leaks { broken("I10", format!("{party} sends a secret")) } else { Ok(()) }
    }

    /// I12: after a check against somebody's secrets has failed, no session with it hears another word.
    fn invariant_i12_no_word_to_the_banned(&self, party: Party, session: SessionId) -> Result<(), Violation> {
        let Some(shelf) = self.shelves.get(crate::backend::place(party)) else { return Ok(()) };
        let tripped = crate::model::trips(self.committee.identity(party));
        let banned: BTreeSet<Party> = shelf.banned.iter().copied().chain(tripped).collect();
        if banned.is_empty() {
            return Ok(());
        }
        let all: Vec<Party> = self.committee.threshold().parties().collect();
        let invited = self.invited.get(&(party, session)).map(Vec::as_slice).unwrap_or_default();
        let with_banned = |what: &What| members_of(what, &all).iter().any(|one| banned.contains(one));
        if !invited.is_empty() && invited.iter().all(with_banned) {
            return broken("I12", format!("{party} talks in a session with somebody it has banned"));
        }
        Ok(())
    }

    /// I6, and the outside of I2 and I3: what an honest coordinator tells a client is the last word, and a good one.
    ///
    /// # Errors
    /// A promise is broken.
    pub fn answered(&mut self, from: Address, id: RequestId, answer: &Answer) -> Result<(), Violation> {
        let Answer::Final(outcome) = answer else { return Ok(()) };
        self.invariant_i06_one_outcome(from, id, outcome)
    }

    fn invariant_i06_one_outcome(
        &mut self,
        from: Address,
        id: RequestId,
        outcome: &Outcome,
    ) -> Result<(), Violation> {
        match self.told.get(&id) {
            Some(earlier) if earlier == outcome => return Ok(()),
            Some(_) => return broken("I6", format!("{from:?} tells another outcome of {id:?}")),
            None => drop(self.told.insert(id, outcome.clone())),
        }
        let Some(asked) = self.requests.get(&id) else {
            return broken("I6", format!("{id:?} has an outcome, and nobody asked"));
        };
        match (outcome, &asked.ask) {
            (Outcome::Signed { signature, .. }, Ask::Sign { key, path, payload }) => {
                let Some((_, key)) = self.keys.get(key) else {
                    return broken("I3", format!("a signature of {id:?} under a key that is not certified"));
                };
                if !B::is_good_elsewhere(key, path, payload, signature) {
                    return broken("I3", format!("the signature of {id:?} does not verify"));
                }
                self.verified += 1;
                Ok(())
            }
            (Outcome::Key(package), Ask::Key(_)) => match B::decode_key(package, &self.committee) {
                Some(key) => {
                    let name = B::describe(&key).id;
                    self.invariant_i04_one_key_everybody_holds(name, key)
                }
                None => broken("I4", format!("the key of {id:?} is not certified")),
            },
            (Outcome::Denied(denials), _) => {
                let honest = denials.iter().filter(|(party, ..)| self.is_honest(*party));
                let shelf = |party| self.shelves.get(crate::backend::place(party));
                for (party, ..) in honest {
                    if !shelf(*party).is_some_and(|shelf| shelf.denied.contains(&id)) {
                        return broken("I2", format!("{party} denies {id:?} without a record of it"));
                    }
                }
                Ok(())
            }
            (Outcome::Signed { .. } | Outcome::Key(_), _) => {
                broken("I6", format!("{id:?} has the outcome of something else"))
            }
            (Outcome::Expired | Outcome::Failed(_), _) => Ok(()),
        }
    }

    /// I5: no session outlives its deadline.
    ///
    /// # Errors
    /// One does.
    pub fn invariant_i05_sessions_end(
        who: Address,
        sessions: impl Iterator<Item = (SessionId, keymoot_types::Millis)>,
        now: Time,
    ) -> Result<(), Violation> {
        for (session, deadline) in sessions {
            if now > deadline.0 + 5_000 {
                return broken("I5", format!("{session} still lives at {who:?}"));
            }
        }
        Ok(())
    }

    /// I7: what was decided while the node lived is in a checkpoint ten seconds later.
    ///
    /// # Errors
    /// It is not.
    pub fn invariant_i07_everything_is_covered(&self) -> Result<(), Violation> {
        let honest =
            |(place, _): &(usize, &Shelf)| !self.skips_logs && self.honest.get(*place) == Some(&true);
        for (place, shelf) in self.shelves.iter().enumerate().filter(honest) {
            let due = shelf.due.iter().filter(|(at, _)| at + 10_000 < self.now).map(|(_, size)| *size).max();
            let lives = shelf.last > self.now.saturating_sub(2_000);
            if lives && due.is_some_and(|due| shelf.checkpoint < due) {
                let what = "has decisions that no checkpoint covers after ten seconds";
                return broken("I7", format!("node {} {what}", place + 1));
            }
        }
        Ok(())
    }

    /// The outcome that was told of a request.
    #[must_use]
    pub fn outcome(&self, id: RequestId) -> Option<&Outcome> {
        self.told.get(&id)
    }
}
