//! Parties, thresholds and quorums. Threshold always means the number of signers needed.

use std::fmt;
use std::num::NonZeroU16;

/// The most parties one key can have.
pub const PARTIES_MAX: u16 = 32;

/// A member of a committee: its index, 1..=n, which is also the point where its share is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(NonZeroU16);

/// The index is outside 1..=32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("party index {0} is outside 1..=32")]
pub struct PartyError(pub u16);

impl Party {
    /// The party with this index.
    ///
    /// # Errors
    /// Index 0 would hand out the key itself; above [`PARTIES_MAX`] there is nobody.
    pub fn new(index: u16) -> Result<Self, PartyError> {
        match NonZeroU16::new(index) {
            Some(index) if index.get() <= PARTIES_MAX => Ok(Self(index)),
            _ => Err(PartyError(index)),
        }
    }

    /// The index, 1..=32.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "party {}", self.0)
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// How many of how many sign: prints as `2-of-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold {
    needed: u16,
    total: u16,
}

/// Why a threshold was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// One signer alone would hold the key.
    #[error("the threshold must be at least 2, because one signer alone would hold the whole key; it is {0}")]
    TooFew(u16),
    /// Nobody could ever sign.
    #[error("the threshold {needed} is more than all {total} parties, so nobody could ever sign")]
    MoreThanAll {
        /// Signers asked for.
        needed: u16,
        /// Parties there would be.
        total: u16,
    },
    /// There is nobody to share with.
    #[error("a key is shared by at least 2 parties; {0} was asked for")]
    Alone(u16),
    /// More parties than the protocols are bounded for.
    #[error("at most 32 parties can share a key; {0} were asked for")]
    TooMany(u16),
}

impl Threshold {
    /// `needed` signers of `total` parties.
    ///
    /// # Errors
    /// Anything but 2 ≤ needed ≤ total ≤ 32.
    pub const fn new(needed: u16, total: u16) -> Result<Self, ThresholdError> {
        match (needed, total) {
            (_, total) if total > PARTIES_MAX => Err(ThresholdError::TooMany(total)),
            (_, total @ (0 | 1)) => Err(ThresholdError::Alone(total)),
            (0 | 1, _) => Err(ThresholdError::TooFew(needed)),
            (needed, total) if needed > total => Err(ThresholdError::MoreThanAll { needed, total }),
            (needed, total) => Ok(Self { needed, total }),
        }
    }

    /// Signers needed.
    #[must_use]
    pub const fn needed(self) -> u16 {
        self.needed
    }

    /// Parties there are.
    #[must_use]
    pub const fn total(self) -> u16 {
        self.total
    }

    /// All parties, in order.
    pub fn parties(self) -> impl Iterator<Item = Party> {
        (1..=self.total).filter_map(|index| Party::new(index).ok())
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.needed, self.total)
    }
}

/// The signers of one session: members, in strictly increasing order, at least as many as the threshold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quorum(Vec<Party>);

/// Why a set of signers was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// Fewer signers than the threshold.
    #[error("not enough signers: need {needed}, got {got}")]
    NotEnough {
        /// The threshold.
        needed: u16,
        /// Signers offered.
        got: usize,
    },
    /// The list is not strictly increasing, so it repeats somebody or has two spellings.
    #[error("signers must be listed once each, in increasing order")]
    Disordered,
    /// Somebody is not a member.
    #[error("{0} is not a member")]
    Stranger(Party),
}

impl Quorum {
    /// Exactly these signers.
    ///
    /// # Errors
    /// Too few, repeated, unordered or foreign signers.
    pub fn new(threshold: Threshold, signers: Vec<Party>) -> Result<Self, QuorumError> {
        if signers.len() < usize::from(threshold.needed()) {
            return Err(QuorumError::NotEnough { needed: threshold.needed(), got: signers.len() });
        }
        if signers.iter().zip(signers.iter().skip(1)).any(|(one, next)| one >= next) {
            return Err(QuorumError::Disordered);
        }
        match signers.iter().find(|signer| signer.index() > threshold.total()) {
            Some(stranger) => Err(QuorumError::Stranger(*stranger)),
            None => Ok(Self(signers)),
        }
    }

    /// The signers, in increasing order.
    #[must_use]
    pub fn signers(&self) -> &[Party] {
        &self.0
    }

    /// Whether `party` signs.
    #[must_use]
    pub fn contains(&self, party: Party) -> bool {
        self.0.binary_search(&party).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Party, PartyError, Quorum, QuorumError, Threshold, ThresholdError};

    fn parties(indices: &[u16]) -> Vec<Party> {
        indices.iter().map(|index| Party::new(*index).unwrap()).collect()
    }

    #[test]
    fn a_party_index_is_never_zero_nor_above_32() {
        assert_eq!(Party::new(0), Err(PartyError(0)));
        assert_eq!(Party::new(33), Err(PartyError(33)));
        assert_eq!(Party::new(32).unwrap().index(), 32);
        let party = Party::new(3).unwrap();
        assert_eq!((party.to_string(), format!("{party:?}")), ("party 3".into(), "#3".into()));
    }

    #[test]
    fn a_threshold_is_two_to_all_of_at_most_32() {
        assert_eq!(Threshold::new(1, 3), Err(ThresholdError::TooFew(1)));
        assert_eq!(Threshold::new(0, 0), Err(ThresholdError::Alone(0)));
        assert_eq!(Threshold::new(2, 1), Err(ThresholdError::Alone(1)));
        assert_eq!(Threshold::new(4, 3), Err(ThresholdError::MoreThanAll { needed: 4, total: 3 }));
        assert_eq!(Threshold::new(2, 33), Err(ThresholdError::TooMany(33)));
        let threshold = Threshold::new(2, 3).unwrap();
        assert_eq!(threshold.to_string(), "2-of-3");
        assert_eq!(threshold.parties().collect::<Vec<_>>(), parties(&[1, 2, 3]));
        assert!(Threshold::new(32, 32).is_ok());
    }

    #[test]
    fn a_quorum_is_an_ordered_set_of_enough_members() {
        let threshold = Threshold::new(2, 3).unwrap();
        let quorum = Quorum::new(threshold, parties(&[1, 3])).unwrap();
        assert!(quorum.contains(Party::new(3).unwrap()) && !quorum.contains(Party::new(2).unwrap()));
        assert_eq!(quorum.signers(), parties(&[1, 3]));
        let refused = |indices: &[u16]| Quorum::new(threshold, parties(indices)).unwrap_err();
        assert_eq!(refused(&[2]), QuorumError::NotEnough { needed: 2, got: 1 });
        assert_eq!(refused(&[]), QuorumError::NotEnough { needed: 2, got: 0 });
        assert_eq!(refused(&[3, 1]), QuorumError::Disordered);
        assert_eq!(refused(&[1, 1]), QuorumError::Disordered);
        assert_eq!(refused(&[1, 4]), QuorumError::Stranger(Party::new(4).unwrap()));
    }
}
