//! What nodes, coordinators and clients say to each other, inside the channels that authenticate them.
//!
//! Only the sender's address is vouched for by the channel. What must hold against a coordinator too is signed inside:
//! requests by clients, protocol mail, refusals and releases by nodes, keys by their committee.

mod encoding;

use keymoot_protocol::identity::IdentitySignature;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, Party, SessionId};

use crate::outcome::Outcome;
use crate::refusal::Refusal;
use crate::request::RequestId;

/// Who can send and receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// A client's connection.
    Client(u16),
    /// A coordinator replica.
    Coordinator(u16),
    /// The node of a member.
    Node(Party),
}

/// Anything that is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Client to coordinator: the encoded, signed request.
    Ask(Vec<u8>),
    /// Coordinator to client.
    Answer(RequestId, Answer),
    /// Coordinator to node: take part in this.
    Invite(Invite),
    /// Coordinator to node: this session of ours is over; it need not be waited for.
    Cancel(SessionId),
    /// Protocol mail. From a node: to be passed on. From a coordinator: passed on for this member.
    Mail(SessionMail),
    /// Node to coordinator: no, and why; signed, if that is the last word on the request.
    Refused(SessionId, Refusal, Option<IdentitySignature>),
    /// Node to coordinator: the session has ended here without a result.
    Ended(SessionId, Ended),
    /// Node to coordinator: a heavy session is complete here.
    Complete(SessionId, Complete),
    /// Coordinator to node: which presignatures are left for this key package, and which pair setups are there?
    StockQuery(Hash),
    /// Node to coordinator: these.
    Stock(Stock),
    /// Coordinator to node: show us this key.
    KeyQuery(KeyId),
    /// Either way: a certified key. It vouches for itself.
    Key(Vec<u8>),
    /// Node to coordinator: still here.
    Beat,
    /// Node to coordinator: what it has of moduli. Only who has a use for them says so.
    Moduli(Moduli),
    /// Coordinator to node: show us this table of moduli.
    TableQuery(Hash),
    /// Either way: a certified table of moduli. It vouches for itself.
    Table(Vec<u8>),
    /// Node to node, through a coordinator: what a witness is asked, and what it says.
    Witness {
        /// From whom.
        from: Party,
        /// To whom.
        to: Party,
        /// What.
        words: Words,
    },
}

/// What witnesses say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// The body of a witness request: the sender's checkpoint, and a proof that it continues an earlier one.
    Checkpoint(String),
    /// A cosignature on the recipient's checkpoint: a signature line.
    Cosigned(String),
    /// What have you seen of my log? I have just begun.
    Recall,
    /// The last checkpoint of the recipient's log that the sender has cosigned, if any: a signed note.
    Behind(Option<String>),
}

/// An invitation. Whatever is in it, the node decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// The attempt.
    pub session: SessionId,
    /// What is to be done.
    pub what: What,
}

/// What a session is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Generate a key.
    Keygen {
        /// The request that asks for it, encoded.
        request: Vec<u8>,
        /// Which attempt at it this is.
        attempt: u16,
    },
    /// Set all pairs of these members up.
    Setup {
        /// At least as many as are needed for a signature.
        members: Vec<Party>,
    },
    /// Make a table of moduli, by all members.
    Moduli,
    /// Make presignatures.
    Presign {
        /// The digest of the key package.
        key: Hash,
        /// For exactly these signers.
        signers: Vec<Party>,
        /// The name of the pair setup, or of the table of moduli.
        setup: Hash,
        /// How many.
        size: u16,
    },
    /// Sign.
    Sign {
        /// The request, encoded.
        request: Vec<u8>,
        /// By exactly these.
        signers: Vec<Party>,
        /// With this presignature, where the scheme has them.
        presignature: Option<Hash>,
    },
    /// Never sign with a key again.
    Retire {
        /// The request, encoded.
        request: Vec<u8>,
    },
}

/// Protocol mail on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMail {
    /// The session.
    pub session: SessionId,
    /// From a node: the one recipient, or everybody. Towards a node: nothing.
    pub to: Option<Party>,
    /// The signed envelope.
    pub bytes: Vec<u8>,
    /// With a signature share: the signer's word that it released it for this request.
    pub released: Option<IdentitySignature>,
}

/// How a session ended at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nobody is at fault.
    Benign,
    /// The deadline passed without mail of these.
    Late(Vec<Party>),
    /// These broke the protocol.
    Blamed(Vec<Party>),
}

/// What a node has, now that a session is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Complete {
    /// The certified key.
    Key(Vec<u8>),
    /// A pair setup of this name.
    Setup(Hash),
    /// A table of moduli of this name.
    Moduli(Hash),
    /// Presignatures.
    Presigned(Stock),
    /// The key that this request names does not sign here any more.
    Retired {
        /// The request.
        request: RequestId,
        /// The node's signature on that.
        word: IdentitySignature,
    },
}

/// The longest encoded message, in bytes.
pub const MESSAGE_MAX: usize = 4 << 20;

/// Presignatures of one set of signers that are named to a coordinator at once.
pub const OFFERED: usize = 128;

/// Presignatures of all sets of signers that are named at once.
pub const OFFERED_MAX: usize = 4096;

/// The most sets of signers of which a node says that there is more.
pub const UNNAMED_MAX: usize = 512;

/// The longest public side of a presignature, in bytes: with 32 signers.
pub const OFFER_MAX: usize = 2048;

/// All public sides that are named at once, in bytes: a message has room for no more.
pub const OFFERS_MAX: usize = MESSAGE_MAX - (1 << 18);

/// Pair setups that a node keeps for each coordinator.
pub const SETUPS_MAX: usize = 4;

/// Tables of moduli that are named at once. There is one, or one of each coordinator that had it begun at the same time.
pub const TABLES_MAX: usize = 16;

/// What a node has of moduli, for one coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moduli {
    /// The names of the certified tables.
    pub tables: Vec<Hash>,
    /// How many safe primes wait for a session of this coordinator.
    pub primes: u16,
}

/// A set of signers, and how many presignatures of theirs were not named.
pub type Unnamed = (Vec<Party>, u64);

/// What a node has in stock for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The digest of the key package.
    pub key: Hash,
    /// The names of the pair setups it holds, latest last.
    pub setups: Vec<Hash>,
    /// Public sides of presignatures, encoded: the first few of each set of signers.
    pub presignatures: Vec<Vec<u8>>,
    /// How many more there are of a set of signers, where there was no room to name them.
    pub unnamed: Vec<Unnamed>,
    /// Whether the key is retired here: then there is nothing, and will be nothing.
    pub is_retired: bool,
}

/// What a client hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is being worked on; ask again.
    Pending,
    /// Too much to do; nothing was begun. Ask again after so many milliseconds.
    Busy(u64),
    /// This is no request; nothing was begun.
    Refused(String),
    /// Another request was made under this name before; nothing was begun.
    Conflict,
    /// The last word, the same for ever.
    Final(Outcome),
}
