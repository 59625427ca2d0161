//! The public side of a committee's moduli, with everybody's signature that it is so.

use std::sync::Arc;

use keymoot_types::{PARTIES_MAX, Party};

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

    fn numbers(&self) -> [&Natural; 4] {
        [self.key.number(), self.setup.number(), self.setup.s(), self.setup.t()]
    }
}

/// Everybody's moduli.
pub struct Table {
    /// The parameters they serve.
    pub suite: Suite,
    /// Whose they are.
    pub committee: Arc<Committee>,
    /// In index order.
    pub members: Vec<Member>,
    /// The session that made them.
    pub session: Hash,
    /// Everything that was broadcast in it.
    pub view: Hash,
    /// Every member's signature on all of the above, in index order.
    pub certificate: Vec<IdentitySignature>,
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
}

impl Table {
    pub(crate) fn write_outputs(&self, writer: &mut Writer) {
        writer.text(self.suite.name());
        self.committee.write(writer);
        writer.list(self.members.iter(), |writer, member| {
            member.numbers().into_iter().for_each(|number| number.write(writer));
        });
        self.session.write(writer);
        self.view.write(writer);
    }

    /// The digest that every member signed; it names the table in later sessions.
    #[must_use]
    pub fn digest(&self) -> Hash {
        TableReady(self).digest()
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

    /// Checks the certificate of the committee that the caller knows. Every signer has checked all proofs before.
    ///
    /// # Errors
    /// Another committee, a missing entry, a missing or wrong signature.
    pub fn verify(&self, pinned: &Committee) -> Result<(), TableError> {
        if *self.committee != *pinned {
            return Err(TableError::Committee);
        }
        let threshold = self.committee.threshold();
        let total = usize::from(threshold.total());
        if self.members.len() != total || self.certificate.len() != total {
            return Err(TableError::Incomplete);
        }
        let digest = self.digest();
        for (party, signature) in threshold.parties().zip(&self.certificate) {
            if !self.committee.identity(party).is_some_and(|identity| identity.verifies(&digest, signature)) {
                return Err(TableError::Signature(party));
            }
        }
        Ok(())
    }
}

impl Wire for Table {
    fn write(&self, writer: &mut Writer) {
        self.write_outputs(writer);
        writer.list(self.certificate.iter(), |writer, signature| writer.bytes(&signature.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = reader.text()?;
        let suite = *Suite::ALL.iter().find(|suite| suite.name() == name).ok_or(Malformed::Choice)?;
        let (committee, parties) = (Arc::new(Committee::read(reader)?), usize::from(PARTIES_MAX));
        Ok(Self {
            suite,
            committee,
            members: reader.list(parties, |reader| {
                let mut next = || Natural::read(reader);
                let numbers = [next()?, next()?, next()?, next()?];
                let [n, setup, s, t] = &numbers;
                Member::new(suite, [n, setup, s, t]).ok_or(Malformed::Integer)
            })?,
            session: Hash::read(reader)?,
            view: Hash::read(reader)?,
            certificate: reader.list(parties, |reader| reader.fixed().map(IdentitySignature))?,
        })
    }
}
