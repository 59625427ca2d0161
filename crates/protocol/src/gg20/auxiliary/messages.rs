//! The messages of auxiliary-information generation.

use keymoot_types::{PARTIES_MAX, Party};

use super::super::number::Natural;
use super::super::proofs::{factors, modulus, setup};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::identity::IdentitySignature;
use crate::transcript::{Commitment, Hash, Transcript};

/// Round 1: the commitment to round 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit(pub Hash);

impl Wire for Commit {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Hash::read(reader).map(Self)
    }
}

impl Commit {
    /// The commitment that `committer` makes to these parameters.
    #[must_use]
    pub fn to(ssid: Hash, committer: Party, parameters: &Parameters) -> Self {
        Self(Commitment { ssid, round: 1, committer, opening: &parameters.encode() }.digest())
    }
}

/// Round 2: a member's moduli and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameters {
    /// What hid the commitment.
    pub blind: [u8; 32],
    /// A contribution to the randomness of round 3.
    pub share: [u8; 32],
    /// N, to encrypt under.
    pub modulus: Natural,
    /// N̂, for commitments.
    pub setup: Natural,
    /// s and t.
    pub s: Natural,
    /// A random square.
    pub t: Natural,
    /// That s is a power of t.
    pub(in super::super) proof: setup::Proof,
}

impl Wire for Parameters {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.blind);
        writer.bytes(&self.share);
        [&self.modulus, &self.setup, &self.s, &self.t].into_iter().for_each(|number| number.write(writer));
        self.proof.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            blind: reader.fixed()?,
            share: reader.fixed()?,
            modulus: Natural::read(reader)?,
            setup: Natural::read(reader)?,
            s: Natural::read(reader)?,
            t: Natural::read(reader)?,
            proof: setup::Proof::read(reader)?,
        })
    }
}

/// Round 3: what a modulus is, to everybody; and that it has no small factor, under each other member's parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct Proofs {
    pub(in super::super) modulus: modulus::Proof,
    pub(in super::super) factors: Vec<(Party, factors::Proof)>,
}

impl Proofs {
    /// Whether there is one for each of the others, in order.
    pub(super) fn are_for_all(&self, from: Party, participants: &[Party]) -> bool {
        let others = participants.iter().filter(|party| **party != from);
        self.factors.iter().map(|(to, _)| to).eq(others)
    }
}

impl Wire for Proofs {
    fn write(&self, writer: &mut Writer) {
        self.modulus.write(writer);
        writer.list(self.factors.iter(), |writer, (to, proof)| {
            writer.party(*to);
            proof.write(writer);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            modulus: modulus::Proof::read(reader)?,
            factors: reader.list(usize::from(PARTIES_MAX), |reader| {
                Ok((reader.party()?, factors::Proof::read(reader)?))
            })?,
        })
    }
}

/// Round 4: the member's signature on the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed(pub IdentitySignature);

impl Wire for Signed {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.0.0);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.fixed().map(|bytes| Self(IdentitySignature(bytes)))
    }
}
