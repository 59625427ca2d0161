//! Signed messages: who says what, in which session and round, to whom, having seen what.
//!
//! The signature covers the session, the round, the kind, the sender, the recipient, the sender's view of all
//! earlier broadcasts, and the body. An honest party signs at most one envelope for each slot of a session, so two
//! different ones are proof of equivocation ([`Attestation`]). Sealing for the recipient is the transport's work;
//! it happens outside of this signature.

use keymoot_types::Party;
use zeroize::Zeroizing;

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::identity::{IdentityKey, IdentityPublic, IdentitySignature};
use crate::transcript::{Body, Hash, Signed, Transcript};

/// The longest body of any round of any protocol, in bytes.
pub const BODY_MAX: usize = 2304 * 1024;

/// The longest body that every session reads, in bytes: a longer one than its round allows convicts its author.
pub const BODY_SHORT: usize = 64 * 1024;

/// What an encoded envelope has beside its body, at most, in bytes.
pub const ENVELOPE_OVERHEAD: usize = 1024;

/// The longest encoded envelope, in bytes.
pub const ENVELOPE_MAX: usize = BODY_MAX + ENVELOPE_OVERHEAD;

/// What an envelope carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A message of the protocol.
    Body,
    /// A report of all broadcasts of the round.
    Echo,
}

/// Everything about a message except its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the session is about; transports can route by it.
    pub context: Hash,
    /// The session; all zeros in round 0, which gives it its name.
    pub session: Hash,
    /// The round.
    pub round: u8,
    /// What it carries.
    pub kind: Kind,
    /// The sender.
    pub from: Party,
    /// The recipient; everybody if `None`.
    pub to: Option<Party>,
    /// The broadcasts that the sender had seen.
    pub view: Hash,
}

impl Header {
    /// Whether both are for the same slot, of which an honest party fills only one.
    #[must_use]
    pub fn same_slot(&self, other: &Self) -> bool {
        Self { view: other.view, ..*self } == *other
    }
}

impl Wire for Header {
    fn write(&self, writer: &mut Writer) {
        self.context.write(writer);
        self.session.write(writer);
        writer.uint(u64::from(self.round));
        writer.uint(match self.kind {
            Kind::Body => 0,
            Kind::Echo => 1,
        });
        writer.party(self.from);
        writer.option(self.to, Writer::party);
        self.view.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            context: Hash::read(reader)?,
            session: Hash::read(reader)?,
            round: u8::try_from(reader.uint()?).map_err(|_| Malformed::Integer)?,
            kind: match reader.uint()? {
                0 => Kind::Body,
                1 => Kind::Echo,
                _ => return Err(Malformed::Choice),
            },
            from: reader.party()?,
            to: reader.option(Reader::party)?,
            view: Hash::read(reader)?,
        })
    }
}

/// A signed message. It may carry a share, so its body is wiped on drop and never printed.
#[derive(PartialEq, Eq)]
pub struct Envelope {
    /// Everything but the content.
    pub header: Header,
    body: Zeroizing<Vec<u8>>,
    signature: IdentitySignature,
}

impl Envelope {
    /// Signs `body` under `header`.
    #[must_use]
    pub fn sign(identity: &IdentityKey, header: Header, body: Zeroizing<Vec<u8>>) -> Self {
        let signature = identity.sign(&Signed { header: &header, body: Body(&body).digest() }.digest());
        Self { header, body, signature }
    }

    /// The content.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// What the sender can be held to, without the content.
    #[must_use]
    pub fn attestation(&self) -> Attestation {
        Attestation { header: self.header, body: Body(&self.body).digest(), signature: self.signature }
    }

    /// Whether `identity` signed this.
    #[must_use]
    pub fn is_signed_by(&self, identity: &IdentityPublic) -> bool {
        self.attestation().is_signed_by(identity)
    }

    /// A second copy of a broadcast, which is public.
    pub(crate) fn copy_of_broadcast(&self) -> Self {
        Self { header: self.header, body: self.body.clone(), signature: self.signature }
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({:?}, {} bytes)", self.header, self.body.len())
    }
}

impl Wire for Envelope {
    fn write(&self, writer: &mut Writer) {
        self.header.write(writer);
        writer.bytes(&self.body);
        writer.bytes(&self.signature.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            header: Header::read(reader)?,
            body: Zeroizing::new(reader.bytes(BODY_MAX)?.to_vec()),
            signature: IdentitySignature(reader.fixed()?),
        })
    }
}

/// Proof that somebody signed a message with this header and body digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Everything but the content.
    pub header: Header,
    /// The digest of the content.
    pub body: Hash,
    /// The signature over both.
    pub signature: IdentitySignature,
}

impl Attestation {
    /// Whether `identity` signed this.
    #[must_use]
    pub fn is_signed_by(&self, identity: &IdentityPublic) -> bool {
        identity.verifies(&Signed { header: &self.header, body: self.body }.digest(), &self.signature)
    }

    /// Whether both say the same.
    #[must_use]
    pub fn says_what(&self, other: &Self) -> bool {
        self.header == other.header && self.body == other.body
    }
}

impl Wire for Attestation {
    fn write(&self, writer: &mut Writer) {
        self.header.write(writer);
        self.body.write(writer);
        writer.bytes(&self.signature.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            header: Header::read(reader)?,
            body: Hash::read(reader)?,
            signature: IdentitySignature(reader.fixed()?),
        })
    }
}
