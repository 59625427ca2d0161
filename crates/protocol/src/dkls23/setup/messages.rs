//! The messages of a pair setup, one type for each round but the first, which is a [`crate::machine::Hello`].

use keymoot_types::{PARTIES_MAX, Party, Secret};
use zeroize::Zeroizing;

use super::super::base_ot::{Element, Reply};
use super::super::tree::Correction;
use super::super::{KAPPA, TREES};
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::transcript::{Commitment, Hash, Transcript};

/// Round 1: for every other participant, in order, a commitment to our half of the zero-share seed and our base-OT
/// offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offers {
    /// For each the commitment and the point.
    pub to: Vec<(Party, Hash, Element)>,
}

impl Wire for Offers {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.to.iter(), |writer, (party, commitment, point)| {
            writer.party(*party);
            commitment.write(writer);
            point.write(writer);
        });
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let to = reader.list(usize::from(PARTIES_MAX), |reader| {
            Ok((reader.party()?, Hash::read(reader)?, Element::read(reader)?))
        })?;
        Ok(Self { to })
    }
}

impl Offers {
    /// What is for `party`.
    pub(super) fn for_party(&self, party: Party) -> Option<(Hash, Element)> {
        self.to.iter().find(|(to, ..)| *to == party).map(|(_, commitment, point)| (*commitment, *point))
    }

    /// Whether there is one for everybody but `from`, in order.
    pub(super) fn are_for_all(&self, from: Party, participants: &[Party]) -> bool {
        let others = participants.iter().filter(|party| **party != from);
        self.to.iter().map(|(party, ..)| party).eq(others)
    }
}

/// Round 2: the points that answer an offer.
impl Wire for Reply {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.0.as_flattened().iter(), |writer, element| element.write(writer));
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let points = reader.list(2 * KAPPA, Element::read)?;
        match points.as_chunks::<2>() {
            (pairs, []) if pairs.len() == KAPPA => Ok(Self(pairs.to_vec())),
            _ => Err(Malformed::WrongLength),
        }
    }
}

/// A half of a zero-share seed, with what hid its commitment. Secret between two.
pub struct Half(pub Secret<[[u8; 32]; 2]>);

impl Half {
    pub(super) fn seed(&self) -> &[u8; 32] {
        let [seed, _] = self.0.expose();
        seed
    }

    /// The commitment to it that `from` makes for `to`.
    #[must_use]
    pub fn committed(&self, ssid: Hash, from: Party, to: Party) -> Hash {
        let mut writer = Writer::new();
        writer.party(to);
        self.write(&mut writer);
        Commitment { ssid, round: 1, committer: from, opening: writer.as_bytes() }.digest()
    }
}

impl Wire for Half {
    fn write(&self, writer: &mut Writer) {
        self.0.expose().iter().for_each(|part| writer.bytes(part));
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let parts = Zeroizing::new([reader.fixed()?, reader.fixed()?]);
        Ok(Self(Secret::new(*parts)))
    }
}

/// Round 3: what the recipient needs to grow our trees up to its path, and our half of the zero-share seed.
pub struct Trees {
    /// One for each tree.
    pub corrections: Vec<Correction>,
    /// Our half of the seed.
    pub half: Half,
}

impl Wire for Trees {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.corrections.iter(), |writer, correction| correction.write(writer));
        self.half.write(writer);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let corrections = reader.list(TREES, Correction::read)?;
        if corrections.len() != TREES {
            return Err(Malformed::WrongLength);
        }
        Ok(Self { corrections, half: Half::read(reader)? })
    }
}

/// Round 4: proof that we hold the same seed and saw the same messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation(pub Hash);

impl Wire for Confirmation {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Hash::read(reader).map(Self)
    }
}

/// The last round: everything we could check holds. The header vouches for all broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

const DONE: &str = "done";

impl Wire for Done {
    fn write(&self, writer: &mut Writer) {
        writer.text(DONE);
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.text()? == DONE { Ok(Self) } else { Err(Malformed::Choice) }
    }
}
