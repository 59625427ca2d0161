//! What a node makes durable, in order. The journal and the audit log are the same list: each record has an entry,
//! which is a leaf of the log, and may carry something that is sealed and is none of the log's business.

use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_protocol::transcript::Hash;
use keymoot_types::{GroupId, KeyId, Millis, Party, SessionId};
use zeroize::Zeroizing;

use crate::request::RequestId;
use crate::words::text;

/// The most names in one entry.
pub const NAMES_MAX: usize = 1 << 16;

/// The longest public package, table or text in an entry, in bytes.
const PART_MAX: usize = 1 << 16;

/// The longest evidence in an entry, in bytes; what is longer is left out.
pub const EVIDENCE_MAX: usize = 12 << 20;

/// The longest sealed part of a record, in bytes: a share, or primes.
pub const SEALED_MAX: usize = 1 << 16;

/// One decision, or what became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The node begins. What it had in memory before, and no other place, is void: presignatures, pair setups, safe primes,
    /// sessions.
    Started {
        /// How often it has begun.
        boot: u64,
        /// Whose journal it is: the encoding of the node's identity.
        node: [u8; 32],
        /// In which group.
        group: GroupId,
    },
    /// The node ends in order.
    Stopped,
    /// This node serves a request in a session.
    Allowed {
        /// The request.
        request: RequestId,
        /// The session.
        session: SessionId,
        /// All that is to be signed, or the key that is to be.
        intent: Hash,
        /// The digest of what that would do, where something is to be signed.
        facts: Option<Hash>,
        /// By this node's wall clock.
        at: Millis,
    },
    /// This node refuses a client's request.
    Denied {
        /// The request.
        request: RequestId,
        /// Why.
        reason: String,
        /// By this node's wall clock.
        at: Millis,
    },
    /// Invitations and mail refused since the last such entry that no client's request stands behind.
    Refused {
        /// How many.
        count: u64,
    },
    /// These presignatures are gone for ever.
    Burnt {
        /// Their names.
        presignatures: Vec<Hash>,
        /// For what; `None` if they were thrown away.
        intent: Option<Hash>,
    },
    /// We are about to sign the certificate of a key. Sealed: our share.
    Pending {
        /// The key.
        key: KeyId,
        /// The digest we sign.
        package: Hash,
    },
    /// All members have signed it.
    Certified {
        /// The key.
        key: KeyId,
        /// The public package with its certificate.
        package: Vec<u8>,
    },
    /// This node does not sign with a key any more, and prepares nothing for it.
    Retired {
        /// The key.
        key: KeyId,
        /// Who asked for it first here.
        request: RequestId,
    },
    /// We are about to sign a table of moduli. Sealed: our primes in it.
    ModuliPending {
        /// The digest we sign.
        table: Hash,
    },
    /// All members have signed it.
    Moduli {
        /// The digest.
        name: Hash,
        /// The table with its certificate.
        table: Vec<u8>,
    },
    /// A pair setup is complete.
    SetUp {
        /// Its name.
        setup: Hash,
    },
    /// Presignatures are ready.
    Stocked {
        /// Their names.
        presignatures: Vec<Hash>,
    },
    /// This identity takes part in nothing any more.
    Banned {
        /// Its encoding.
        identity: [u8; 32],
    },
    /// A member broke the protocol.
    Blamed {
        /// Where.
        session: SessionId,
        /// Who.
        party: Party,
        /// How.
        fault: String,
        /// What convinces others, where something does: an encoded [`keymoot_protocol::abort::Blame`].
        evidence: Vec<u8>,
    },
    /// Another member has signed two histories of its log.
    Forked {
        /// Who.
        party: Party,
        /// The two signed notes, which show it.
        notes: [String; 2],
    },
    /// We have cosigned this checkpoint of another member's log.
    Witnessed {
        /// The signed note.
        note: String,
    },
    /// A witness has shown us a checkpoint that we have signed, of a log that is not ours: our journal is an old copy. The
    /// node never starts with it again.
    RolledBack {
        /// The signed note.
        note: String,
    },
}

/// An entry and what is sealed with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// The leaf of the audit log.
    pub entry: Entry,
    sealed: Sealed,
}

/// Bytes that must only be written to a sealed store. Never printed.
#[derive(PartialEq, Eq, Default)]
struct Sealed(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sealed bytes", self.0.len())
    }
}

impl Record {
    /// An entry with something to be sealed.
    #[must_use]
    pub fn sealing(entry: Entry, sealed: Zeroizing<Vec<u8>>) -> Self {
        Self { entry, sealed: Sealed(sealed) }
    }

    /// What is sealed.
    #[must_use]
    pub fn sealed(&self) -> &[u8] {
        &self.sealed.0
    }
}

impl From<Entry> for Record {
    fn from(entry: Entry) -> Self {
        Self { entry, sealed: Sealed::default() }
    }
}

impl Wire for Record {
    fn write(&self, writer: &mut Writer) {
        self.entry.write(writer);
        writer.bytes(&self.sealed.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let entry = Entry::read(reader)?;
        Ok(Self::sealing(entry, Zeroizing::new(reader.bytes(SEALED_MAX)?.to_vec())))
    }
}

impl Wire for Entry {
    fn write(&self, writer: &mut Writer) {
        writer.uint(self.number());
        match self {
            Self::Started { boot, node, group } => {
                writer.uint(*boot);
                writer.bytes(node);
                writer.bytes(group.as_bytes());
            }
            Self::Refused { count } => writer.uint(*count),
            Self::Stopped => {}
            Self::Allowed { request, session, intent, facts, at } => {
                request.0.write(writer);
                writer.bytes(session.as_bytes());
                intent.write(writer);
                writer.option(facts.as_ref(), |writer, facts| facts.write(writer));
                writer.uint(at.0);
            }
            Self::Denied { request, reason, at } => {
                request.0.write(writer);
                writer.bytes(reason.as_bytes());
                writer.uint(at.0);
            }
            Self::Burnt { presignatures, intent } => {
                writer.list(presignatures.iter(), |writer, id| id.write(writer));
                writer.option(intent.as_ref(), |writer, intent| intent.write(writer));
            }
            Self::Pending { key, package } => {
                writer.bytes(key.as_bytes());
                package.write(writer);
            }
            Self::Certified { key, package } => {
                writer.bytes(key.as_bytes());
                writer.bytes(package);
            }
            Self::SetUp { setup } => setup.write(writer),
            Self::ModuliPending { table } => table.write(writer),
            Self::Moduli { name, table } => {
                name.write(writer);
                writer.bytes(table);
            }
            Self::Stocked { presignatures } => {
                writer.list(presignatures.iter(), |writer, id| id.write(writer));
            }
            Self::Banned { identity } => writer.bytes(identity),
            Self::Retired { key, request } => {
                writer.bytes(key.as_bytes());
                request.0.write(writer);
            }
            Self::Blamed { session, party, fault, evidence } => {
                writer.bytes(session.as_bytes());
                writer.party(*party);
                writer.bytes(fault.as_bytes());
                writer.bytes(evidence);
            }
            Self::Forked { party, notes } => {
                writer.party(*party);
                notes.iter().for_each(|note| writer.bytes(note.as_bytes()));
            }
            Self::Witnessed { note } | Self::RolledBack { note } => writer.bytes(note.as_bytes()),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Started {
                boot: reader.uint()?,
                node: reader.fixed()?,
                group: GroupId::new(reader.fixed()?),
            },
            1 => Self::Stopped,
            2 => Self::Allowed {
                request: RequestId(Hash::read(reader)?),
                session: SessionId::new(reader.fixed()?),
                intent: Hash::read(reader)?,
                facts: reader.option(Hash::read)?,
                at: Millis(reader.uint()?),
            },
            3 => Self::Denied {
                request: RequestId(Hash::read(reader)?),
                reason: text(reader, PART_MAX)?,
                at: Millis(reader.uint()?),
            },
            4 => Self::Refused { count: reader.uint()? },
            5 => Self::Burnt {
                presignatures: reader.list(NAMES_MAX, Hash::read)?,
                intent: reader.option(Hash::read)?,
            },
            6 => Self::Pending { key: KeyId::new(reader.fixed()?), package: Hash::read(reader)? },
            7 => Self::Certified {
                key: KeyId::new(reader.fixed()?),
                package: reader.bytes(PART_MAX)?.to_vec(),
            },
            8 => Self::SetUp { setup: Hash::read(reader)? },
            9 => Self::RolledBack { note: text(reader, PART_MAX)? },
            10 => Self::Stocked { presignatures: reader.list(NAMES_MAX, Hash::read)? },
            11 => Self::Banned { identity: reader.fixed()? },
            12 => Self::Blamed {
                session: SessionId::new(reader.fixed()?),
                party: reader.party()?,
                fault: text(reader, PART_MAX)?,
                evidence: reader.bytes(EVIDENCE_MAX)?.to_vec(),
            },
            13 => Self::Witnessed { note: text(reader, PART_MAX)? },
            15 => Self::Retired { key: KeyId::new(reader.fixed()?), request: RequestId(Hash::read(reader)?) },
            14 => Self::Forked {
                party: reader.party()?,
                notes: [text(reader, PART_MAX)?, text(reader, PART_MAX)?],
            },
            16 => Self::ModuliPending { table: Hash::read(reader)? },
            17 => Self::Moduli { name: Hash::read(reader)?, table: reader.bytes(PART_MAX)?.to_vec() },
            _ => return Err(Malformed::Choice),
        })
    }
}

impl Entry {
    /// Its number on disk.
    const fn number(&self) -> u64 {
        match self {
            Self::Started { .. } => 0,
            Self::Stopped => 1,
            Self::Allowed { .. } => 2,
            Self::Denied { .. } => 3,
            Self::Refused { .. } => 4,
            Self::Burnt { .. } => 5,
            Self::Pending { .. } => 6,
            Self::Certified { .. } => 7,
            Self::SetUp { .. } => 8,
            Self::RolledBack { .. } => 9,
            Self::Stocked { .. } => 10,
            Self::Banned { .. } => 11,
            Self::Blamed { .. } => 12,
            Self::Witnessed { .. } => 13,
            Self::Forked { .. } => 14,
            Self::Retired { .. } => 15,
            Self::ModuliPending { .. } => 16,
            Self::Moduli { .. } => 17,
        }
    }
}
