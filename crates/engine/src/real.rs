//! The cryptography that ships: `keymoot-protocol` behind the seam that [`crate::crypto`] draws.
//!
//! Decides nothing and keeps nothing but the identity. Sessions have no deadline here, because time is for the engine:
//! it drops a run that takes too long and asks [`Crypto::missing`] who was waited for.

mod begin;
mod ecdsa;
mod holding;
mod known;
mod order;
mod progress;
mod reading;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use keymoot_protocol::any::AnyMachine;
use keymoot_protocol::codec::{Reader, Wire};
use keymoot_protocol::context::Committee;
use keymoot_protocol::dkls23::{Bans, Payload};
use keymoot_protocol::envelope::Header;
use keymoot_protocol::gg20::{Auxiliary, Hunt, SafePrime, Suite, Table};
use keymoot_protocol::identity::{IdentityKey, IdentityPublic, IdentitySignature};
use keymoot_protocol::session::Session;
use keymoot_protocol::transcript::{Hash, Statement, Transcript};
use keymoot_types::{Network, Party, Path};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub use self::ecdsa::{Burnt, Ledger, Presignature, Public, Setup, Ticket};
pub use self::holding::{EcdsaKey, FrostKey, Key, KeyDetails, Share, key_details};
pub use self::known::Known;
use crate::crypto::{
    Crypto, Described, Order, PresignatureLabel, Progress, Reading, Task, Unfit, Unreadable,
};
use crate::request::ToSign;

/// Threshold cryptography as it is, for the owner of an identity.
///
/// A presignature is given up once, and the compiler sees to it. What is gone cannot be named again:
///
/// ```
/// # use keymoot_engine::{crypto::Crypto, real::Real};
/// # type Presignature = <Real as Crypto>::Presignature;
/// fn once(one: Presignature, intent: keymoot_protocol::transcript::Hash) {
///     Real::burn(one, intent);
/// }
/// ```
/// ```compile_fail,E0382
/// # use keymoot_engine::{crypto::Crypto, real::Real};
/// # type Presignature = <Real as Crypto>::Presignature;
/// fn twice(one: Presignature, intent: keymoot_protocol::transcript::Hash) {
///     Real::burn(one, intent);
///     Real::burn(one, intent);
/// }
/// ```
#[derive(Clone)]
pub struct Real {
    identity: Arc<IdentityKey>,
    network: Network,
    /// The parameters of GG20.
    suite: Suite,
    /// What the search for its primes needs, once one is looked for.
    hunt: Arc<OnceLock<Hunt>>,
}

impl Real {
    /// The cryptography of whoever has this identity. Bitcoin is read as on mainnet.
    #[must_use]
    pub fn new(identity: Arc<IdentityKey>) -> Self {
        Self { identity, network: Network::Mainnet, suite: Suite::Full, hunt: Arc::default() }
    }

    /// The cryptography of the identity that grows from 32 uniform bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self::new(Arc::new(IdentityKey::from_seed(seed)))
    }

    /// The same, in a cluster for this Bitcoin network: what payloads do is said with its addresses.
    #[must_use]
    pub fn on(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// The same with these parameters for GG20. Builds that are shipped have no others than the usual ones.
    #[must_use]
    pub fn with(self, suite: Suite) -> Self {
        Self { suite, hunt: Arc::default(), ..self }
    }

    /// The encoding of the public half of the identity.
    #[must_use]
    pub fn public_bytes(&self) -> [u8; 32] {
        *self.identity.public().as_bytes()
    }

    /// The identity.
    #[must_use]
    pub const fn key(&self) -> &Arc<IdentityKey> {
        &self.identity
    }
}

/// The round that mail claims to be of, for whoever shows progress; nothing is verified. `None` if it is no envelope.
#[must_use]
pub fn round_of(mail: &[u8]) -> Option<u16> {
    Header::read(&mut Reader::new(mail)).ok().map(|header| u16::from(header.round))
}

/// What a payload would do, signed with this key at this path: for people's eyes.
///
/// # Errors
/// As [`Crypto::read`], but for payloads that need several signatures.
pub fn inspection(
    key: &Key,
    path: &Path,
    payload: &keymoot_chains::Payload,
    network: Network,
) -> Result<keymoot_chains::Inspection, Unreadable> {
    reading::inspection(key, path, payload, network)
}

/// What is signed for somebody who has asked for this, in a cluster for this Bitcoin network: the digest or message.
///
/// # Errors
/// As [`Crypto::read`].
pub fn signed_data(key: &Key, what: &ToSign, network: Network) -> Result<Vec<u8>, Unreadable> {
    reading::read(key, what, network).map(|reading| Real::digest_of(key, &reading.payload))
}

impl Crypto for Real {
    type Key = Key;
    type Share = Share;
    type Prime = SafePrime;
    type Table = Arc<Table>;
    type Setup = Setup;
    type Ledger = Ledger;
    type Ticket = Ticket;
    type Presignature = Presignature;
    type Burnt = Burnt;
    type Public = Public;
    type Run = Session<AnyMachine>;

    fn identity(&self) -> IdentityPublic {
        self.identity.public()
    }

    fn sign(&self, statement: &Hash) -> IdentitySignature {
        self.identity.sign(statement)
    }

    fn verifies(who: &IdentityPublic, statement: &Hash, signature: &IdentitySignature) -> bool {
        who.verifies(statement, signature)
    }

    fn sign_note(&self, text: &str) -> IdentitySignature {
        // A note that is too short gets a signature that verifies as no note's, rather than one on somebody's digest.
        let refused = || self.identity.sign(&Self::digest("keymoot/short-note/v1", text.as_bytes()));
        self.identity.sign_text(text).unwrap_or_else(refused)
    }

    fn verifies_note(who: &IdentityPublic, text: &str, signature: &IdentitySignature) -> bool {
        who.verifies_text(text, signature)
    }

    fn digest(domain: &'static str, statement: &[u8]) -> Hash {
        Statement { domain, bytes: statement }.digest()
    }

    fn begin(&self, task: Task<Self>, seed: &[u8; 32]) -> Result<Progress<Self>, Unfit> {
        begin::opening((&self.identity, self.suite), task, seed).map(progress::begun)
    }

    fn deliver(run: Self::Run, mail: &[u8]) -> Progress<Self> {
        progress::delivered(run, mail)
    }

    fn missing(run: &Self::Run) -> Vec<Party> {
        run.missing()
    }

    fn describe(key: &Key) -> Described {
        key.describe()
    }

    fn encode_key(key: &Key) -> Vec<u8> {
        key.encode()
    }

    fn decode_key(bytes: &[u8], committee: &Arc<Committee>) -> Option<Key> {
        Key::decode(bytes, committee)
    }

    fn key_of(share: &Share) -> Key {
        share.key()
    }

    fn promote(pending: &[u8], key: &Key) -> Option<Share> {
        Share::unseal(pending, key)
    }

    fn seek(&self, seed: &[u8; 32]) -> Option<SafePrime> {
        let hunt = self.hunt.get_or_init(|| Hunt::new(self.suite));
        hunt.step(&mut ChaCha20Rng::from_seed(*seed))
    }

    fn table_name(table: &Arc<Table>) -> Hash {
        table.digest()
    }

    fn encode_table(table: &Arc<Table>) -> Vec<u8> {
        table.encode().to_vec()
    }

    fn decode_table(
        &self,
        bytes: &[u8],
        committee: &Arc<Committee>,
        is_wanted: impl FnOnce(Hash) -> bool,
    ) -> Option<Arc<Table>> {
        ecdsa::decode_table(bytes, committee, is_wanted, self.suite)
    }

    fn read_primes(pending: &[u8]) -> Option<(Party, Hash)> {
        Auxiliary::read_sealed(pending).ok()
    }

    fn promote_moduli(pending: &[u8], table: &Arc<Table>) -> Option<Setup> {
        Setup::promote(pending, table)
    }

    fn setup_name(setup: &Setup) -> Hash {
        setup.name()
    }

    fn new_ledger(setup: &Setup) -> Ledger {
        setup.new_ledger()
    }

    fn reserve(setup: &Setup, ledger: &mut Ledger, signers: &[Party], bans: &Bans) -> Result<Ticket, Unfit> {
        setup.reserve(ledger, signers, bans)
    }

    fn observe(ledger: &mut Ledger, counts: &BTreeMap<Party, u64>) -> bool {
        ledger.observe(counts)
    }

    fn burn_pair(setup: &Setup, ledger: &mut Ledger, peer: Party) {
        setup.burn_pair(ledger, peer);
    }

    fn public_of(presignature: &Presignature) -> Public {
        presignature.public()
    }

    fn label(public: &Public) -> PresignatureLabel {
        public.label()
    }

    fn encode_public(public: &Public) -> Vec<u8> {
        public.encode()
    }

    fn decode_public(bytes: &[u8]) -> Option<Public> {
        Public::decode(bytes)
    }

    fn burn(presignature: Presignature, intent: Hash) -> Burnt {
        presignature.burn(intent)
    }

    fn read(&self, key: &Key, what: &ToSign) -> Result<Reading, Unreadable> {
        reading::read(key, what, self.network)
    }

    fn intent(order: &Order<Self>) -> Result<Hash, Unfit> {
        order::intent(order)
    }

    fn digest_of(key: &Key, payload: &Payload) -> Vec<u8> {
        order::message(key, payload)
    }

    fn is_signature(key: &Key, path: &Path, payload: &Payload, signature: &[u8]) -> bool {
        order::is_signature(key, path, payload, signature)
    }
}
