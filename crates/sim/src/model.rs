//! Cryptography as the engine sees it, without the cryptography: tiny, fast, and honest about who may do what.
//!
//! The model keeps what decisions depend on: sessions take their names from what everybody said first, mail is signed
//! and names its session and round, keys need everybody's certificate, presignatures are for exactly their signers,
//! a check against a peer's secrets can fail, a wrong share spoils a signature. It keeps nothing that resists an attack
//! on numbers: the simulator's liars lie in the protocol, not in arithmetic.

mod mail;
mod moduli;
mod run;
mod store;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use keymoot_chains::Kind;
use keymoot_engine::crypto::{
    Crypto, Described, Order, PresignatureLabel, Progress, Reading, Task, Unfit, Unreadable,
};
use keymoot_engine::request::ToSign;
use keymoot_protocol::context::Committee;
use keymoot_protocol::dkls23::{Bans, Payload, PayloadHash};
use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Epoch, KeyId, Party, Path, Scheme};

pub use mail::{Mail, Said};
pub use moduli::Table;
pub use run::Run;

/// Marks every secret of the model, so that one that leaves its node is seen.
pub const CANARY: u64 = 0x5ec2_e7ca_4a21_5ec2;

/// Mixes words: fast, and no two inputs of a run ever meet by accident.
#[must_use]
pub fn mix(words: &[u64]) -> u64 {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for word in words {
        state = (state ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        state = (state ^ (state >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        state ^= state >> 29;
    }
    state
}

/// Mixes bytes.
#[must_use]
pub fn mix_bytes(bytes: &[u8]) -> u64 {
    let mut state = mix(&[bytes.len() as u64]);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(&[state, u64::from_le_bytes(word)]);
    }
    state
}

/// A word as a digest.
#[must_use]
pub fn widen(word: u64) -> Hash {
    let mut bytes = [0; 32];
    for (place, part) in bytes.chunks_mut(8).zip(0u64..) {
        place.copy_from_slice(&mix(&[word, part]).to_le_bytes());
    }
    bytes[..8].copy_from_slice(&word.to_le_bytes());
    Hash::from_bytes(bytes)
}

/// The word of a digest that [`widen`] made.
#[must_use]
pub fn narrow(hash: &Hash) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(word)
}

/// What is left out of the model on purpose, to see whether the simulator notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weakness {
    /// Mail does not name its session.
    pub no_session_name: bool,
    /// A broadcast is taken as it comes; nobody compares.
    pub plain_multicast: bool,
    /// One member's signature makes a certificate.
    pub first_ack_certifies: bool,
    /// A failed check against a peer's secrets ends only the session.
    pub ban_is_benign: bool,
    /// Anybody's signature on a request is good.
    pub any_client: bool,
    /// Who sent a wrong share is drawn by lot.
    pub blame_by_lot: bool,
    /// A share is sent as it is.
    pub share_leaks: bool,
    /// Presignatures share a few nonces.
    pub recycled_nonce: bool,
    /// Nonces are drawn from nothing.
    pub constant_nonce: bool,
    /// Whatever the path, the root signs.
    pub root_signs: bool,
    /// The search for primes finds the same ones again.
    pub same_primes: bool,
}

thread_local! {
    static WEAKNESS: Cell<Weakness> = const { Cell::new(Weakness {
        no_session_name: false,
        plain_multicast: false,
        first_ack_certifies: false,
        ban_is_benign: false,
        any_client: false,
        blame_by_lot: false,
        share_leaks: false,
        recycled_nonce: false,
        constant_nonce: false,
        root_signs: false,
        same_primes: false,
    }) };
}

thread_local! {
    static TRIPS: std::cell::RefCell<BTreeSet<(IdentityPublic, Party)>> = const { std::cell::RefCell::new(BTreeSet::new()) };
}

/// Whose checks against whom have failed on this thread: what an observer knows without asking the engine.
#[must_use]
pub fn trips(by: Option<&IdentityPublic>) -> Vec<Party> {
    TRIPS.with_borrow(|trips| {
        trips.iter().filter(|(who, _)| Some(who) == by).map(|(_, culprit)| *culprit).collect()
    })
}

pub(crate) fn trip(by: IdentityPublic, culprit: Party) {
    TRIPS.with_borrow_mut(|trips| trips.insert((by, culprit)));
}

/// Forgets the failed checks of one who died: what it had made durable is on its disk, and of the rest it cannot know. No
/// order of writing and looking closes that gap; it costs an attacker a crash of its victim for each guess.
pub(crate) fn forget_trips_of(by: &IdentityPublic) {
    TRIPS.with_borrow_mut(|trips| trips.retain(|(who, _)| who != by));
}

/// Forgets all failed checks.
pub fn forget_trips() {
    TRIPS.with_borrow_mut(BTreeSet::clear);
}

/// Runs the model on this thread with something left out.
pub fn weaken(weakness: Weakness) {
    WEAKNESS.set(weakness);
}

pub(crate) fn weakness() -> Weakness {
    WEAKNESS.get()
}

/// The model, as one party has it.
#[derive(Clone)]
pub struct Model {
    /// Who it is.
    pub identity: IdentityPublic,
}

/// The public side of a model key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub(crate) id: KeyId,
    pub(crate) scheme: Scheme,
    pub(crate) committee: Arc<Committee>,
    /// What everybody contributed, mixed.
    pub(crate) public: u64,
    /// The session and all it has seen.
    pub(crate) view: u64,
    pub(crate) certificate: Vec<u64>,
}

impl Key {
    pub(crate) fn digest(&self) -> u64 {
        let scheme = self.scheme.name().len() as u64;
        mix(&[mix_bytes(self.id.as_bytes()), scheme, self.public, self.view])
    }

    /// What a member's share of a signature is checked against.
    pub(crate) fn share_of(&self, party: Party) -> u64 {
        mix(&[CANARY, self.public, u64::from(party.index())])
    }

    pub(crate) fn is_certified(&self) -> bool {
        let digest = self.digest();
        let parties: Vec<Party> = self.committee.threshold().parties().collect();
        let good = |(party, signature): &(Party, &u64)| {
            let identity = self.committee.identity(*party);
            identity.is_some_and(|identity| **signature == sign_word(identity, digest))
        };
        let signed = parties.into_iter().zip(&self.certificate).filter(good).count();
        let needed = if weakness().first_ack_certifies { 1 } else { self.committee.threshold().total() };
        self.certificate.len() == usize::from(self.committee.threshold().total())
            && signed >= usize::from(needed)
    }
}

/// A member's share of a model key.
pub struct Share {
    pub(crate) me: Party,
    pub(crate) key: Arc<Key>,
}

/// A safe prime of the model: a word that may be used once.
pub struct Prime(pub(crate) u64);

/// What a model pair setup leaves, or our side of a table of moduli.
pub struct Setup {
    pub(crate) committee: Arc<Committee>,
    pub(crate) name: u64,
    /// A table of moduli: no pairs, and nothing that is counted.
    pub(crate) is_table: bool,
    pub(crate) me: Party,
    pub(crate) members: Vec<Party>,
    pub(crate) burnt: std::cell::RefCell<BTreeSet<Party>>,
}

/// The count of a setup's uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub(crate) uses: u64,
    pub(crate) seen: BTreeMap<Party, BTreeSet<u64>>,
    pub(crate) burnt: BTreeSet<Party>,
}

/// One use.
pub struct Ticket {
    pub(crate) setup: u64,
    pub(crate) number: u64,
    pub(crate) signers: Vec<Party>,
    pub(crate) seen: BTreeMap<Party, BTreeSet<u64>>,
}

/// What everybody may know about a model presignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    pub(crate) id: u64,
    pub(crate) key: u64,
    pub(crate) signers: Vec<Party>,
    /// Whether it was made with moduli, so that shares can be checked one by one.
    pub(crate) has_moduli: bool,
}

/// One signer's part.
pub struct Presignature {
    pub(crate) public: Rc<Public>,
}

/// One signer's part, burnt.
pub struct Burnt {
    pub(crate) intent: Hash,
    pub(crate) public: Rc<Public>,
}

/// The model's signature of a word.
#[must_use]
pub fn sign_word(who: &IdentityPublic, statement: u64) -> u64 {
    mix(&[mix_bytes(who.as_bytes()), statement, 0x51])
}

fn signature(word: u64) -> IdentitySignature {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&word.to_le_bytes());
    IdentitySignature(bytes)
}

impl Crypto for Model {
    type Key = Arc<Key>;
    type Share = Share;
    type Prime = Prime;
    type Table = Rc<Table>;
    type Setup = Setup;
    type Ledger = Ledger;
    type Ticket = Ticket;
    type Presignature = Presignature;
    type Burnt = Burnt;
    type Public = Rc<Public>;
    type Run = Box<Run>;

    fn identity(&self) -> IdentityPublic {
        self.identity
    }

    fn sign(&self, statement: &Hash) -> IdentitySignature {
        signature(sign_word(&self.identity, narrow(statement)))
    }

    fn verifies(who: &IdentityPublic, statement: &Hash, given: &IdentitySignature) -> bool {
        weakness().any_client || *given == signature(sign_word(who, narrow(statement)))
    }

    fn sign_note(&self, text: &str) -> IdentitySignature {
        signature(sign_word(&self.identity, mix_bytes(text.as_bytes())))
    }

    fn verifies_note(who: &IdentityPublic, text: &str, given: &IdentitySignature) -> bool {
        *given == signature(sign_word(who, mix_bytes(text.as_bytes())))
    }

    fn digest(domain: &'static str, statement: &[u8]) -> Hash {
        widen(mix(&[mix_bytes(domain.as_bytes()), mix_bytes(statement)]))
    }

    fn begin(&self, task: Task<Self>, seed: &[u8; 32]) -> Result<Progress<Self>, Unfit> {
        Run::begin(self.identity, task, mix_bytes(seed))
    }

    fn deliver(run: Box<Run>, mail: &[u8]) -> Progress<Self> {
        Run::deliver(run, mail)
    }

    fn missing(run: &Box<Run>) -> Vec<Party> {
        run.missing()
    }

    fn describe(key: &Arc<Key>) -> Described {
        Described { id: key.id, scheme: key.scheme, epoch: Epoch::FIRST, digest: widen(key.digest()) }
    }

    fn encode_key(key: &Arc<Key>) -> Vec<u8> {
        store::encode_key(key)
    }

    fn decode_key(bytes: &[u8], committee: &Arc<Committee>) -> Option<Arc<Key>> {
        let key = store::decode_key(bytes, committee)?;
        key.is_certified().then(|| Arc::new(key))
    }

    fn key_of(share: &Share) -> Arc<Key> {
        Arc::clone(&share.key)
    }

    fn promote(pending: &[u8], key: &Arc<Key>) -> Option<Share> {
        let (me, digest, secret) = store::decode_share(pending)?;
        let fits = digest == key.digest() && secret == key.share_of(me);
        fits.then(|| Share { me, key: Arc::clone(key) })
    }

    fn seek(&self, seed: &[u8; 32]) -> Option<Prime> {
        moduli::seek(&self.identity, mix_bytes(seed))
    }

    fn table_name(table: &Rc<Table>) -> Hash {
        widen(table.digest())
    }

    fn encode_table(table: &Rc<Table>) -> Vec<u8> {
        store::encode_table(table)
    }

    fn decode_table(
        &self,
        bytes: &[u8],
        committee: &Arc<Committee>,
        is_wanted: impl FnOnce(Hash) -> bool,
    ) -> Option<Rc<Table>> {
        let table = store::decode_table(bytes, committee)?;
        (is_wanted(widen(table.digest())) && table.is_certified()).then(|| Rc::new(table))
    }

    fn read_primes(pending: &[u8]) -> Option<(Party, Hash)> {
        store::decode_share(pending).map(|(me, digest, _)| (me, widen(digest)))
    }

    fn promote_moduli(pending: &[u8], table: &Rc<Table>) -> Option<Setup> {
        let (me, digest, _) = store::decode_share(pending)?;
        (digest == table.digest()).then(|| table.side_of(me))
    }

    fn setup_name(setup: &Setup) -> Hash {
        widen(setup.name)
    }

    fn new_ledger(_: &Setup) -> Ledger {
        Ledger::default()
    }

    fn reserve(setup: &Setup, ledger: &mut Ledger, signers: &[Party], bans: &Bans) -> Result<Ticket, Unfit> {
        let peers = || signers.iter().filter(|party| **party != setup.me);
        if peers().any(|peer| ledger.burnt.contains(peer) || setup.burnt.borrow().contains(peer)) {
            return Err(Unfit("a pair is burnt"));
        }
        if bans.find(&setup.committee, signers).is_some() {
            return Err(Unfit("a signer is banned"));
        }
        if peers().any(|peer| !setup.members.contains(peer)) {
            return Err(Unfit("there is no pair with a signer"));
        }
        ledger.uses += u64::from(!setup.is_table);
        let (number, seen) = (ledger.uses, ledger.seen.clone());
        Ok(Ticket { setup: setup.name, number, signers: signers.to_vec(), seen })
    }

    fn observe(ledger: &mut Ledger, counts: &BTreeMap<Party, u64>) -> bool {
        let mut is_fresh = true;
        for (party, count) in counts {
            is_fresh &= ledger.seen.entry(*party).or_default().insert(*count);
        }
        is_fresh
    }

    fn burn_pair(setup: &Setup, ledger: &mut Ledger, peer: Party) {
        if !setup.is_table {
            setup.burnt.borrow_mut().insert(peer);
            ledger.burnt.insert(peer);
        }
    }

    fn public_of(presignature: &Presignature) -> Rc<Public> {
        Rc::clone(&presignature.public)
    }

    fn label(public: &Rc<Public>) -> PresignatureLabel {
        PresignatureLabel { id: widen(public.id), key: widen(public.key), signers: public.signers.clone() }
    }

    fn encode_public(public: &Rc<Public>) -> Vec<u8> {
        store::encode_public(public)
    }

    fn decode_public(bytes: &[u8]) -> Option<Rc<Public>> {
        store::decode_public(bytes).map(Rc::new)
    }

    fn burn(presignature: Presignature, intent: Hash) -> Burnt {
        Burnt { intent, public: presignature.public }
    }

    fn intent(order: &Order<Self>) -> Result<Hash, Unfit> {
        if !derives(&order.key, &order.path) {
            return Err(Unfit("there is no key at this path"));
        }
        let presignature = order.presignature.as_ref().map_or(0, |public| public.id);
        let digest = mix_bytes(&Self::digest_of(&order.key, &order.payload));
        let path = order.path.steps().iter().fold(1, |sum, step| mix(&[sum, u64::from(*step)]));
        Ok(widen(mix(&[order.key.digest(), path, digest, presignature])))
    }

    fn read(&self, _: &Arc<Key>, what: &ToSign) -> Result<Reading, Unreadable> {
        let ToSign { path, payload, signing } = what;
        if signing.is_some_and(|place| place > 0) {
            return Err(Unreadable("the payload needs one signature".into()));
        }
        if payload.kind() == Kind::RawDigest {
            return Err(Unreadable("nobody can see what it does".into()));
        }
        Ok(Reading {
            path: path.clone(),
            payload: Arc::new(Payload::new(PayloadHash::Sha256, payload.bytes().to_vec())),
            facts: Self::digest("keymoot/facts/v1", payload.bytes()),
        })
    }

    fn digest_of(_: &Arc<Key>, payload: &Payload) -> Vec<u8> {
        message_of(payload)
    }

    fn is_signature(key: &Arc<Key>, path: &Path, payload: &Payload, signature: &[u8]) -> bool {
        let Ok(nonce) = signature[..signature.len().min(8)].try_into() else { return false };
        let nonce = u64::from_le_bytes(nonce);
        let digest = Self::digest_of(key, payload);
        derives(key, path) && signature == run::signature_of(key, path, &digest, nonce)
    }
}

impl Model {
    /// As [`Crypto::is_signature`], whatever is weak.
    pub(crate) fn is_exact_signature(key: &Key, path: &Path, payload: &Payload, signature: &[u8]) -> bool {
        let Some(nonce) = signature.first_chunk::<8>() else { return false };
        let digest = message_of(payload);
        let right = run::exact_signature_of(key, path.steps(), &digest, u64::from_le_bytes(*nonce));
        derives(key, path) && signature == right
    }
}

/// What is signed for a payload.
fn message_of(payload: &Payload) -> Vec<u8> {
    let kind = payload.hash().label().len() as u64;
    mix(&[kind, mix_bytes(payload.as_bytes())]).to_le_bytes().to_vec()
}

/// Whether there is a key at the path. Ed25519 has none below the root.
fn derives(key: &Key, path: &Path) -> bool {
    path.steps().is_empty() || key.scheme != Scheme::FrostEd25519
}
