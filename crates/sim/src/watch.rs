//! What somebody sees who sees everything: every disk, every wire, every clock. After each event the functions named
//! `invariant_*` have their say about what it changed.

mod logs;
mod moduli;
mod outcomes;
mod retired;
mod sessions;
mod signing;

use std::collections::{BTreeMap, BTreeSet};

use keymoot_engine::audit::Tree;
use keymoot_engine::message::{Message, What, Words};
use keymoot_engine::outcome::Outcome;
use keymoot_engine::record::Entry;
use keymoot_engine::request::{ClientId, Request, RequestId};
use keymoot_protocol::codec::Wire;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Party, Scheme, SessionId};

use crate::backend::Backend;
use crate::frame::Time;

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: I1 to I16.
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
    retired: BTreeSet<KeyId>,
    /// Tables of moduli that it has signed, whatever has become of its journal.
    signed_tables: BTreeSet<Hash>,
    /// Those that all have signed.
    tables: BTreeSet<Hash>,
    checkpoint: u64,
    /// The last states of others' logs that it has cosigned: sizes and roots, by origin.
    witnessed: BTreeMap<String, (u64, Hash)>,
    /// When decisions became durable, and how long the log was then.
    due: Vec<(Time, u64)>,
    /// When the node last said something.
    last: Time,
}

/// What somebody, by place, has seen of another's log: its size and root.
type Sight = (usize, (u64, Hash));

/// What is known of the world.
pub struct Watch<B: Backend> {
    honest: Vec<bool>,
    identities: BTreeMap<[u8; 32], Party>,
    shelves: Vec<Shelf>,
    requests: BTreeMap<RequestId, Request>,
    /// What a node was invited to, under which session.
    invited: BTreeMap<(Party, SessionId), Vec<What>>,
    keys: BTreeMap<KeyId, (Hash, B::Key)>,
    /// Since when so many honest nodes have retired a key that no quorum is left.
    closed: BTreeMap<KeyId, Time>,
    used: BTreeMap<u64, Used>,
    told: BTreeMap<RequestId, Outcome>,
    committee: std::sync::Arc<keymoot_protocol::context::Committee>,
    /// Signatures that another implementation took for good.
    pub verified: u64,
    now: Time,
    clocks_jump: bool,
    skips_logs: bool,
    names_repeat: bool,
    counts: BTreeMap<(Party, Hash, u64), SessionId>,
    /// What was made of sessions, by those who said first that they were complete.
    completed: BTreeMap<SessionId, Hash>,
    /// In which session, and whose, which primes were.
    primes: BTreeMap<u64, (Party, SessionId)>,
    /// Who serves the scheme that needs moduli.
    has_use_for_moduli: Vec<bool>,
    /// The batch of each presignature.
    batches: BTreeMap<Hash, Vec<Hash>>,
    /// Whose journal was put back, and what those who have seen more of it than is left have seen, by their places.
    rolled_back: BTreeMap<Party, Vec<Sight>>,
}

struct Used {
    digest: u64,
    sessions: BTreeMap<Party, u64>,
}

/// A node's own session, as far as what it says about others' is concerned.
fn members_of(what: &What, all: &[Party]) -> Vec<Party> {
    match what {
        What::Keygen { .. } | What::Moduli => all.to_vec(),
        What::Setup { members } => members.clone(),
        What::Retire { .. } => Vec::new(),
        What::Presign { signers, .. } | What::Sign { signers, .. } => signers.clone(),
    }
}

impl<B: Backend> Watch<B> {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(
        committee: std::sync::Arc<keymoot_protocol::context::Committee>,
        honest: Vec<bool>,
        has_use_for_moduli: Vec<bool>,
    ) -> Self {
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
            closed: BTreeMap::new(),
            used: BTreeMap::new(),
            told: BTreeMap::new(),
            committee,
            verified: 0,
            now: 0,
            clocks_jump: false,
            skips_logs: false,
            names_repeat: false,
            counts: BTreeMap::new(),
            completed: BTreeMap::new(),
            primes: BTreeMap::new(),
            has_use_for_moduli,
            batches: BTreeMap::new(),
            rolled_back: BTreeMap::new(),
        }
    }

    /// What time it really is, and whether clocks are wrong in this world.
    pub const fn at(&mut self, now: Time, clocks_jump: bool) {
        (self.now, self.clocks_jump) = (now, clocks_jump);
    }

    /// In this world two sessions may have one name.
    pub const fn let_names_repeat(&mut self) {
        self.names_repeat = true;
    }

    /// Leaves the checks of logs out, for a planted bug whose seam is there.
    pub const fn skip_logs(&mut self) {
        self.skips_logs = true;
    }

    /// A client asks for this.
    pub fn request(&mut self, id: RequestId, request: Request) {
        self.requests.insert(id, request);
    }

    /// Who has asked for this.
    pub fn client_of(&self, id: RequestId) -> Option<ClientId> {
        self.requests.get(&id).map(|request| request.client)
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

    /// What a certified key is for.
    #[must_use]
    pub fn scheme_of(&self, key: KeyId) -> Option<Scheme> {
        self.keys.get(&key).map(|(_, key)| B::describe(key).scheme)
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

    /// A node has found these out, and what it has written since is durable: it may not forget it in any later life.
    pub fn found_out(&mut self, party: Party, culprits: impl Iterator<Item = Party>) {
        if let Some(shelf) = self.shelves.get_mut(crate::backend::place(party)) {
            shelf.banned.extend(culprits);
        }
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
            // A log that was put back has two histories.
            Entry::Forked { party: culprit, .. } if !self.is_rolled_back(*culprit) => {
                self.invariant_i15_blame(party, *culprit, "forked its log")?
            }
            Entry::Stocked { presignatures, .. } => {
                self.invariant_i11_batches_are_alike(party, presignatures)?
            }
            Entry::Moduli { name, table } => self.shelve_table(party, *name, table)?,
            Entry::Witnessed { note } => self.witnessed(party, note)?,
            Entry::Retired { key, request } => self.shelve_retirement(party, *key, *request)?,
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
            Entry::ModuliPending { table } => drop(shelf.signed_tables.insert(*table)),
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

    /// An honest node says something, now, for the wire.
    ///
    /// # Errors
    /// A promise is broken.
    pub fn said(&mut self, party: Party, message: &Message) -> Result<(), Violation> {
        if !self.is_honest(party) {
            return Ok(());
        }
        Self::invariant_i10_no_secret_leaves(party, message)?;
        if let Some(shelf) = self.shelves.get_mut(crate::backend::place(party)) {
            shelf.last = self.now;
        }
        match message {
            Message::Mail(mail) => {
                self.invariant_i02_allowed_first(party, mail.session)?;
                self.invariant_i02_nothing_forbidden(party, mail.session)?;
                self.invariant_i12_no_word_to_the_banned(party, mail.session)?;
                self.invariant_i16_the_retired_sign_nothing(party, mail.session)?;
                self.invariant_i04_presigns_with_what_it_holds(party, mail.session)?;
                self.invariant_i02_serves_what_it_allows(party, mail.session)?;
                self.invariant_i04_primes_are_kept_first(party, mail)?;
                if let Some(primes) = B::primes(&mail.bytes) {
                    self.invariant_i01_primes_serve_once(party, mail.session, &primes)?;
                    self.invariant_i04_one_table_is_enough(party)?;
                }
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
            Message::Witness { to, words: Words::Cosigned(_), .. } => {
                self.invariant_i07_a_witness_remembers(party, *to)
            }
            Message::Complete(session, complete) => {
                self.invariant_i02_retired_on_record(party, complete)?;
                self.invariant_i11_all_complete_alike(party, *session, complete)
            }
            _ => Ok(()),
        }
    }

    /// I10: no secret is in anything that leaves a node.
    fn invariant_i10_no_secret_leaves(party: Party, message: &Message) -> Result<(), Violation> {
        let leaks = match message {
            Message::Mail(mail) => B::holds_a_secret(&mail.bytes),
            Message::Key(bytes) | Message::Table(bytes) | Message::Ask(bytes) => B::holds_a_secret(bytes),
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
            return broken("I12", format!("{party} talks in {session}, with somebody it has banned"));
        }
        Ok(())
    }

    /// The outcome that was told of a request.
    #[must_use]
    pub fn outcome(&self, id: RequestId) -> Option<&Outcome> {
        self.told.get(&id)
    }
}
