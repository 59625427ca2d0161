//! The cryptography that decisions run on, as far as decisions see it.
//!
//! [`Crypto`] is the seam behind which the simulator puts a model that is a thousand times faster, so that it can look
//! at millions of decisions. [`crate::real::Real`] is what ships. The engine is generic over it and has no other way
//! to a key, a nonce or a signature.
//!
//! Nothing here waits. Long steps are values too: a [`Job`] is run by whoever has a thread to spare, and its
//! [`Progress`] comes back as an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymoot_protocol::context::Committee;
use keymoot_protocol::dkls23::{Bans, Payload};
use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{Epoch, KeyId, Party, Path, Scheme, SessionId};
use zeroize::Zeroizing;

use crate::refusal::Reason;
use crate::request::ToSign;

/// A member that is to take part in something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub &'static str);

/// A payload that is not signed, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub Reason);

/// What a payload comes to when a key signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Where below the key: at the path that was asked, or where the payload says, below that.
    pub path: Path,
    /// The bytes that are signed, and their hash.
    pub payload: Arc<Payload>,
    /// The digest of what it would do.
    pub facts: Hash,
}

/// Threshold cryptography, statements and digests, as one node or coordinator has them. The value holds the identity.
pub trait Crypto: Sized {
    /// The public side of a certified key. Cheap to clone.
    type Key: Clone;
    /// One member's share of a certified key.
    type Share;
    /// A safe prime that was found and serves nobody yet.
    type Prime;
    /// The moduli of a committee, signed by all of its members. Cheap to clone.
    type Table: Clone;
    /// What presignatures are made with: one node's side of a pair setup, or of a table of moduli.
    type Setup;
    /// The count of a setup's uses, and its burnt pairs. Moduli have neither.
    type Ledger;
    /// One use of a setup, counted where uses are.
    type Ticket;
    /// One signer's part of a presignature that has not been used.
    type Presignature;
    /// One signer's part of a presignature whose burning is on record.
    type Burnt;
    /// What everybody may know about a presignature. Cheap to clone.
    type Public: Clone;
    /// A protocol in progress.
    type Run;

    /// Who we are.
    fn identity(&self) -> IdentityPublic;
    /// Signs a statement that [`Crypto::digest`] made.
    fn sign(&self, statement: &Hash) -> IdentitySignature;
    /// Whether `who` signed the statement.
    fn verifies(who: &IdentityPublic, statement: &Hash, signature: &IdentitySignature) -> bool;
    /// Signs the text of a note: more than 32 bytes, so that it can never be a statement's digest.
    fn sign_note(&self, text: &str) -> IdentitySignature;
    /// Whether `who` signed the text of a note.
    fn verifies_note(who: &IdentityPublic, text: &str, signature: &IdentitySignature) -> bool;
    /// The digest of a statement of this domain.
    fn digest(domain: &'static str, statement: &[u8]) -> Hash;

    /// Begins a run with randomness grown from `seed`.
    ///
    /// # Errors
    /// Parts that do not belong together. Nothing was said.
    fn begin(&self, task: Task<Self>, seed: &[u8; 32]) -> Result<Progress<Self>, Unfit>;
    /// Hands mail to a run.
    fn deliver(run: Self::Run, mail: &[u8]) -> Progress<Self>;
    /// Whose mail a run still waits for.
    fn missing(run: &Self::Run) -> Vec<Party>;

    /// What a key is.
    fn describe(key: &Self::Key) -> Described;
    /// The encoding of a certified key.
    fn encode_key(key: &Self::Key) -> Vec<u8>;
    /// Reads a key that this committee has certified, to the last member.
    fn decode_key(bytes: &[u8], committee: &Arc<Committee>) -> Option<Self::Key>;
    /// The key of a share.
    fn key_of(share: &Self::Share) -> Self::Key;
    /// A share without its key's certificate, as [`Note::Pending`] has it, made whole by a certified key.
    fn promote(pending: &[u8], key: &Self::Key) -> Option<Self::Share>;

    /// Looks for a safe prime among some numbers, with randomness grown from `seed`: some tenths of a second of work.
    fn seek(&self, seed: &[u8; 32]) -> Option<Self::Prime>;
    /// The name that all members have signed a table by.
    fn table_name(table: &Self::Table) -> Hash;
    /// The encoding of a table.
    fn encode_table(table: &Self::Table) -> Vec<u8>;
    /// Reads a table that is wanted by its name, that this committee has certified, to the last member, and that has the
    /// parameters we go by. What is not wanted costs nothing but reading.
    fn decode_table(
        &self,
        bytes: &[u8],
        committee: &Arc<Committee>,
        is_wanted: impl FnOnce(Hash) -> bool,
    ) -> Option<Self::Table>;
    /// Whose primes these are, and in which table, of what [`Note::Pending`] has; nothing if they cannot be read.
    fn read_primes(pending: &[u8]) -> Option<(Party, Hash)>;
    /// Our primes in a table without its certificate, as [`Note::Pending`] has them, made whole by the certified table.
    fn promote_moduli(pending: &[u8], table: &Self::Table) -> Option<Self::Setup>;

    /// The name that all members know a setup by.
    fn setup_name(setup: &Self::Setup) -> Hash;
    /// The ledger of a setup that has not been used.
    fn new_ledger(setup: &Self::Setup) -> Self::Ledger;
    /// Counts one use by these signers, unless a pair is burnt or missing, or a signer banned.
    ///
    /// # Errors
    /// Why the setup cannot be used.
    fn reserve(
        setup: &Self::Setup,
        ledger: &mut Self::Ledger,
        signers: &[Party],
        bans: &Bans,
    ) -> Result<Self::Ticket, Unfit>;
    /// Notes the counts that peers came with. Whether none of them was there before: a session with an old copy of a pair
    /// setup is dropped.
    #[must_use]
    fn observe(ledger: &mut Self::Ledger, counts: &BTreeMap<Party, u64>) -> bool;
    /// Burns both directions of a pair, in the running value and in the ledger.
    fn burn_pair(setup: &Self::Setup, ledger: &mut Self::Ledger, peer: Party);

    /// What everybody may know about a presignature.
    fn public_of(presignature: &Self::Presignature) -> Self::Public;
    /// The name, key package and signers of a presignature.
    fn label(public: &Self::Public) -> PresignatureLabel;
    /// The encoding of the public side.
    fn encode_public(public: &Self::Public) -> Vec<u8>;
    /// Reads a public side.
    fn decode_public(bytes: &[u8]) -> Option<Self::Public>;
    /// Gives a presignature up for one intent.
    fn burn(presignature: Self::Presignature, intent: Hash) -> Self::Burnt;

    /// What a payload comes to when this key signs it for somebody who has asked at this path.
    ///
    /// # Errors
    /// Nobody can say for certain what is signed; it is more than one signature, and the client did not say which, or has not so
    /// many; or it is one of another key.
    fn read(&self, key: &Self::Key, what: &ToSign) -> Result<Reading, Unreadable>;
    /// What a signature is for: key, epoch, path, payload and, where there is one, the presignature.
    ///
    /// # Errors
    /// Parts that do not belong together.
    fn intent(order: &Order<Self>) -> Result<Hash, Unfit>;
    /// The digest or message that the scheme of the key signs for this payload.
    fn digest_of(key: &Self::Key, payload: &Payload) -> Vec<u8>;
    /// Whether this is a signature of the payload under the key at the path.
    fn is_signature(key: &Self::Key, path: &Path, payload: &Payload, signature: &[u8]) -> bool;
}

/// Safe primes that one member brings to a table of moduli.
pub const PRIMES: usize = 4;

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub id: KeyId,
    /// The scheme it serves.
    pub scheme: Scheme,
    /// Its epoch.
    pub epoch: Epoch,
    /// The digest of its public package, which its certificate covers.
    pub digest: Hash,
}

/// What decisions about a presignature depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresignatureLabel {
    /// Its name.
    pub id: Hash,
    /// The digest of the key package it signs under.
    pub key: Hash,
    /// Exactly who signs with it.
    pub signers: Vec<Party>,
}

/// What one node has approved, or a coordinator asks for.
pub struct Order<C: Crypto> {
    /// The key.
    pub key: C::Key,
    /// Where below the key.
    pub path: Path,
    /// The bytes that are signed.
    pub payload: Arc<Payload>,
    /// Who signs, in increasing order.
    pub signers: Vec<Party>,
    /// The presignature, where the scheme has them.
    pub presignature: Option<C::Public>,
}

impl<C: Crypto> Clone for Order<C> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            path: self.path.clone(),
            payload: Arc::clone(&self.payload),
            signers: self.signers.clone(),
            presignature: self.presignature.clone(),
        }
    }
}

/// Something to be run.
pub enum Task<C: Crypto> {
    /// Key generation by all members.
    Keygen {
        /// The session.
        session: SessionId,
        /// All members.
        committee: Arc<Committee>,
        /// The key to be.
        key: KeyId,
        /// What it is for.
        scheme: Scheme,
        /// Which member we are.
        me: Party,
    },
    /// Pair setup.
    Setup {
        /// The session.
        session: SessionId,
        /// All members.
        committee: Arc<Committee>,
        /// Those who take part: at least as many as are needed for a signature.
        members: Vec<Party>,
        /// Which member we are.
        me: Party,
        /// Who may not take part.
        bans: Bans,
    },
    /// The moduli of a committee, by all members.
    Moduli {
        /// The session.
        session: SessionId,
        /// All members.
        committee: Arc<Committee>,
        /// Which member we are.
        me: Party,
        /// [`PRIMES`] of them, which are nowhere else any more.
        primes: Vec<C::Prime>,
    },
    /// A batch of presignatures.
    Presign {
        /// The session.
        session: SessionId,
        /// Our share.
        share: Arc<C::Share>,
        /// Our side of what they are made with.
        setup: Arc<C::Setup>,
        /// The use that was counted for this batch; it names the signers.
        ticket: C::Ticket,
        /// How many.
        size: u16,
        /// Who may not take part.
        bans: Bans,
    },
    /// One signature, as one of its signers.
    Sign {
        /// The session.
        session: SessionId,
        /// Our share.
        share: Arc<C::Share>,
        /// What we have approved.
        order: Order<C>,
        /// The presignature that is burnt for it, where the scheme has them.
        burnt: Option<C::Burnt>,
        /// Who may not take part.
        bans: Bans,
    },
    /// One signature, as the one who adds the shares up and holds no secret.
    Aggregate {
        /// The session.
        session: SessionId,
        /// What is to be signed.
        order: Order<C>,
    },
}

impl<C: Crypto> Task<C> {
    /// The key that it signs under or prepares, where there is one already.
    pub fn key(&self) -> Option<C::Key> {
        match self {
            Self::Keygen { .. } | Self::Setup { .. } | Self::Moduli { .. } => None,
            Self::Presign { share, .. } => Some(C::key_of(share)),
            Self::Sign { order, .. } | Self::Aggregate { order, .. } => Some(order.key.clone()),
        }
    }
}

/// A long step, for a thread that has nothing better to do.
pub enum Job<C: Crypto> {
    /// Begin a run.
    Begin {
        /// What.
        task: Box<Task<C>>,
        /// Where its randomness grows from.
        seed: Zeroizing<[u8; 32]>,
    },
    /// Go on with one.
    Deliver {
        /// It.
        run: C::Run,
        /// What has come for it, in order.
        mail: Vec<Vec<u8>>,
    },
}

impl<C: Crypto> Job<C> {
    /// Does the work.
    ///
    /// # Errors
    /// As [`Crypto::begin`].
    pub fn run(self, crypto: &C) -> Result<Progress<C>, Unfit> {
        match self {
            Self::Begin { task, seed } => crypto.begin(*task, &seed),
            Self::Deliver { run, mail } => Ok(deliver_all::<C>(run, mail)),
        }
    }
}

/// Hands mail to a run, piece by piece, until it ends.
pub fn deliver_all<C: Crypto>(run: C::Run, mail: Vec<Vec<u8>>) -> Progress<C> {
    let mut all = Progress { notes: Vec::new(), mail: Vec::new(), refused: None, next: Next::Wait(run) };
    for bytes in mail {
        let Next::Wait(run) = all.next else { break };
        let mut one = C::deliver(run, &bytes);
        all.notes.append(&mut one.notes);
        all.mail.append(&mut one.mail);
        all.refused = one.refused.or(all.refused);
        all.next = one.next;
    }
    all
}

/// How far a run has come.
pub struct Progress<C: Crypto> {
    /// What has to be durable before any of the mail leaves.
    pub notes: Vec<Note>,
    /// What to send.
    pub mail: Vec<Mail>,
    /// Why the last delivery was dropped, if it was; nobody is at fault.
    pub refused: Option<&'static str>,
    /// What comes next.
    pub next: Next<C>,
}

/// A signed message of a protocol, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The one recipient; everybody who takes part, if `None`.
    pub to: Option<Party>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What a run tells before it is done.
pub enum Note {
    /// Our share of a key, or our primes in a table of moduli, that only waits for its certificate. Durable before our
    /// signature on it leaves.
    Pending {
        /// The digest that we are about to sign.
        package: Hash,
        /// The share or the primes, to be sealed.
        share: Zeroizing<Vec<u8>>,
    },
    /// How often peers say they have used their pair setup.
    Counts(BTreeMap<Party, u64>),
}

/// The rest of a run.
pub enum Next<C: Crypto> {
    /// It waits for mail.
    Wait(C::Run),
    /// It is complete.
    Done(Product<C>),
    /// It has ended without a result.
    Dead(End),
}

/// What a complete run leaves.
pub enum Product<C: Crypto> {
    /// A certified key and our share of it.
    Share(C::Share),
    /// A pair setup.
    Setup(C::Setup),
    /// A table that all members have signed. Our primes in it were told of before.
    Moduli(C::Table),
    /// A batch of presignatures.
    Presignatures(Vec<C::Presignature>),
    /// Our signature share is out.
    Released,
    /// A signature that verifies under the key.
    Signature(Vec<u8>),
}

/// How a run ended without a result, sorted by fault as [`keymoot_protocol::abort::Abort`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody is at fault, as far as anyone can prove.
    Benign {
        /// What happened.
        why: &'static str,
        /// With whom pairs have to be made anew.
        pairs: Vec<Party>,
    },
    /// These members broke the protocol, provably.
    Blame(Vec<Accusation>),
    /// These members failed a check that depends on our secrets. Ban and burn first.
    Ban(Vec<Party>),
    /// A defect of this program.
    Bug(&'static str),
}

/// A culprit, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accusation {
    /// The culprit.
    pub party: Party,
    /// What it did.
    pub fault: String,
    /// What it signed that shows it, for whoever wants to judge: an encoded [`keymoot_protocol::abort::Blame`].
    pub evidence: Vec<u8>,
}
