//! What is written on sealed mail, in clear.

use keymoot_types::{GroupId, Party, SessionId};

use super::SealError;

const VERSION: u8 = 1;

pub(super) const HEADER_LENGTH: usize = 1 + 16 + 2 + 2 + 16 + 2 + 8;

/// Whose mail it is and what it is about. Everybody can read it; nobody can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Header {
    /// The committee.
    pub group: GroupId,
    /// The sender.
    pub from: Party,
    /// The recipient.
    pub to: Party,
    /// The session it belongs to.
    pub session: SessionId,
    /// The round it belongs to.
    pub round: u16,
    /// Counts up with each piece that this sender seals in this session, for whomever.
    pub sequence: u64,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        let fields: [&[u8]; 7] = [
            &[VERSION],
            self.group.as_bytes(),
            &self.from.index().to_be_bytes(),
            &self.to.index().to_be_bytes(),
            self.session.as_bytes(),
            &self.round.to_be_bytes(),
            &self.sequence.to_be_bytes(),
        ];
        for (to, from) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    pub(super) fn read(bytes: &[u8; HEADER_LENGTH]) -> Result<Self, SealError> {
        let mut rest = bytes.as_slice();
        let [version] = take(&mut rest)?;
        if version != VERSION {
            return Err(SealError::Version(version));
        }
        let group = GroupId::new(take(&mut rest)?);
        let from = party(take(&mut rest)?)?;
        let to = party(take(&mut rest)?)?;
        let session = SessionId::new(take(&mut rest)?);
        let round = u16::from_be_bytes(take(&mut rest)?);
        let sequence = u64::from_be_bytes(take(&mut rest)?);
        Ok(Self { group, from, to, session, round, sequence })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SealError> {
    let (first, after) = rest.split_first_chunk().ok_or(SealError::TooShort)?;
    *rest = after;
    Ok(*first)
}

fn party(bytes: [u8; 2]) -> Result<Party, SealError> {
    Party::new(u16::from_be_bytes(bytes)).map_err(|_| SealError::NoParty)
}
