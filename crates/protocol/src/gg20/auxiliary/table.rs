//! The public side of a committee's moduli, with everybody's signature that it is so.

use std::sync::Arc;

use keymoot_types::{PARTIES_MAX, Party};
use zeroize::Zeroizing;

use super::super::number::Natural;
use super::super::paillier::PublicKey;
use super::super::pedersen::Pedersen;
use super::super::suite::Suite;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::context::Committee;
use crate::identity::IdentitySignature;
use crate::transcript::paillier::TableReady;
use crate::transcript::{Hash, Transcript};

/// One member's moduli and parameters, ready to compute with.
pub struct Member {
    pub(in super::super) key: PublicKey,
    pub(in super::super) setup: Pedersen,
}

impl Member {
    pub(super) fn new(suite: Suite, [n, setup, s, t]: [&Natural; 4]) -> Option<Self> {
        Some(Self { key: PublicKey::new(n)?, setup: Pedersen::new(suite, setup, s, t)? })
    }

    pub(super) fn numbers(&self) -> [Natural; 4] {
        [self.key.number(), self.setup.number(), self.setup.s(), self.setup.t()].map(Clone::clone)
    }
}

/// What every member signs: everybody's moduli as they are told, with nothing computed from them.
pub struct Outputs {
    /// The parameters they serve.
    pub suite: Suite,
    /// Whose they are.
    pub committee: Arc<Committee>,
    /// Each member's Paillier modulus, modulus of ring-Pedersen parameters, s and t, in index order.
    pub numbers: Vec<[Natural; 4]>,
    /// The session that made them.
    pub session: Hash,
    /// Everything that was broadcast in it.
    pub view: Hash,
}

impl Outputs {
    /// The digest that every member signs; it names the table in later sessions.
    pub(super) fn digest(&self) -> Hash {
        TableReady(self).digest()
    }
}

impl Wire for Outputs {
    fn write(&self, writer: &mut Writer) {
        writer.text(self.suite.name());
        self.committee.write(writer);
        writer.list(self.numbers.iter(), |writer, numbers| {
            numbers.iter().for_each(|number| number.write(writer));
        });
        self.session.write(writer);
        self.view.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = reader.text()?;
        let suite = *Suite::ALL.iter().find(|suite| suite.name() == name).ok_or(Malformed::Choice)?;
        Ok(Self {
            suite,
            committee: Arc::new(Committee::read(reader)?),
            numbers: reader.list(usize::from(PARTIES_MAX), |reader| {
                let mut next = || Natural::read(reader);
                Ok([next()?, next()?, next()?, next()?])
            })?,
            session: Hash::read(reader)?,
            view: Hash::read(reader)?,
        })
    }
}

/// A table as it is stored and shown. Nothing of it is verified.
pub struct Written {
    /// What is signed.
    pub outputs: Outputs,
    /// Every member's signature on it, in index order.
    pub certificate: Vec<IdentitySignature>,
}

impl Written {
    /// Checks the certificate of the committee that the caller knows. Every signer has checked all proofs before.
    fn verify(&self, digest: Hash, pinned: &Committee) -> Result<(), TableError> {
        let Self { outputs, certificate } = self;
        if *outputs.committee != *pinned {
            return Err(TableError::Committee);
        }
        let threshold = pinned.threshold();
        let total = usize::from(threshold.total());
        if outputs.numbers.len() != total || certificate.len() != total {
            return Err(TableError::Incomplete);
        }
        for (party, signature) in threshold.parties().zip(certificate) {
            if !pinned.identity(party).is_some_and(|identity| identity.verifies(&digest, signature)) {
                return Err(TableError::Signature(party));
            }
        }
        Ok(())
    }
}

impl Wire for Written {
    fn write(&self, writer: &mut Writer) {
        self.outputs.write(writer);
        writer.list(self.certificate.iter(), |writer, signature| writer.bytes(&signature.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            outputs: Outputs::read(reader)?,
            certificate: reader
                .list(usize::from(PARTIES_MAX), |reader| reader.fixed().map(IdentitySignature))?,
        })
    }
}

/// Everybody's moduli, ready to compute with.
pub struct Table {
    written: Written,
    members: Vec<Member>,
    digest: Hash,
}

/// A table that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// It is about another committee.
    #[error("the table belongs to another committee than the one that is expected")]
    Committee,
    /// There is not exactly one entry and one signature of each member.
    #[error("the table does not have exactly one entry and one signature for each member")]
    Incomplete,
    /// A member's signature does not verify.
    #[error("the signature of {0} on the table does not verify")]
    Signature(Party),
    /// The bytes are no table.
    #[error("this is no table: {0}")]
    Malformed(#[from] Malformed),
    /// It is another table.
    #[error("the table is none of those that are waited for")]
    Unasked,
}

impl Table {
    /// A table that nobody has signed yet.
    pub(super) fn new(outputs: Outputs, members: Vec<Member>) -> Self {
        let digest = outputs.digest();
        Self { written: Written { outputs, certificate: Vec::new() }, members, digest }
    }

    pub(super) fn certify(&mut self, certificate: Vec<IdentitySignature>) {
        self.written.certificate = certificate;
    }

    /// Reads what [`Table::encode`] wrote, if it is wanted by its digest and the committee that the caller knows has signed it, to
    /// the last member. Nothing is computed with its numbers before that.
    ///
    /// # Errors
    /// Anything else.
    pub fn open(
        bytes: &[u8],
        pinned: &Committee,
        is_wanted: impl FnOnce(Hash) -> bool,
    ) -> Result<Self, TableError> {
        let written = Written::decode(bytes)?;
        let digest = written.outputs.digest();
        if !is_wanted(digest) {
            return Err(TableError::Unasked);
        }
        written.verify(digest, pinned)?;
        let suite = written.outputs.suite;
        let member =
            |[n, setup, s, t]: &[Natural; 4]| Member::new(suite, [n, setup, s, t]).ok_or(Malformed::Integer);
        let members = written.outputs.numbers.iter().map(member).collect::<Result<_, _>>()?;
        Ok(Self { written, members, digest })
    }

    /// The encoding for stores and for other members.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        self.written.encode()
    }

    /// The parameters it serves.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.written.outputs.suite
    }

    /// Whose it is.
    #[must_use]
    pub const fn committee(&self) -> &Arc<Committee> {
        &self.written.outputs.committee
    }

    /// The digest that every member signed; it names the table in later sessions.
    #[must_use]
    pub const fn digest(&self) -> Hash {
        self.digest
    }

    /// One member's entry.
    #[must_use]
    pub fn member(&self, party: Party) -> Option<&Member> {
        self.members.get(usize::from(party.index()).checked_sub(1)?)
    }

    /// All moduli.
    pub(in super::super) fn moduli(&self) -> impl Iterator<Item = &Natural> {
        self.members.iter().flat_map(|member| [member.key.number(), member.setup.number()])
    }
}
