//! How a session ends badly, sorted by whose fault it was.
//!
//! The four classes decide what happens next: after [`Abort::Benign`] the same parties may try again, within what the end
//! itself says; after the others never as before. A retry is always a new session. [`Abort::culprits`] is exhaustive, so that a new class cannot forget to answer.

use keymoot_types::Party;

use crate::evidence::Evidence;

/// The end of a session without a result.
#[derive(Debug)]
pub enum Abort {
    /// Nobody is at fault as far as anyone can prove: silence, or views that the relay may have split.
    Benign(Benign),
    /// These parties broke the protocol, provably. Exclude them and start anew.
    Blame(Blames),
    /// These parties broke a check whose outcome depends on our secrets. Persist the ban and burn all state
    /// shared with them before anything else happens; never retry with them.
    BanAndBurn(Blames),
    /// We broke a promise of our own; a defect of this program.
    Bug(&'static str),
}

/// Why a session ended without a culprit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Benign {
    /// The deadline passed while these parties had not been heard of. Silence proves nothing.
    TimedOut {
        /// Whose message of the current round is missing.
        missing: Vec<Party>,
    },
    /// This party vouches for another view of the broadcasts than ours; who split it cannot be told.
    SplitView {
        /// Whose view differs.
        from: Party,
    },
    /// One nonce was contributed twice. Who copied whom cannot be told.
    Repeated,
    /// The joint result is the identity; honest randomness makes that as likely as guessing a key.
    Degenerate,
    /// This party counts fewer uses of the pair setup than we have seen: a stale copy of its state, which must not
    /// be used. Set the pairs up anew.
    StalePair {
        /// Whose count is behind.
        from: Party,
    },
    /// A check against the secrets of these pairs failed in another session, so no further one is made.
    BurntPair {
        /// With whom.
        with: Vec<Party>,
    },
    /// The key shares that were used do not add up to the key. Of two signers it is the other's that is wrong; of more, it
    /// cannot be told whose. Nothing shows it to others.
    ForeignSum,
    /// The signature shares do not add up to a signature. Which one is wrong cannot be told; the presignature is
    /// spent all the same.
    WrongSum,
}

/// What a culprit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A message is not the canonical encoding of any legal message of its round.
    Malformed,
    /// A message is longer than its round allows.
    TooLong,
    /// A broadcast was addressed to one party, or a direct message to all.
    Misrouted,
    /// Two different messages were signed for one slot.
    Equivocation,
    /// An echo reports something that its alleged sender never signed, or does not cover all participants.
    FalseEcho,
    /// A message vouches for a view other than the one its sender had agreed to.
    FalseView,
    /// An opening does not match its commitment.
    WrongOpening,
    /// A commitment vector has another length than the threshold.
    WrongThreshold,
    /// A share does not match the dealer's commitments.
    WrongShare,
    /// A proof of knowledge does not verify.
    WrongProof,
    /// A signature on the key's certificate does not verify.
    WrongCertificate,
    /// A signature share does not verify.
    WrongSignatureShare,
    /// A base-OT reply repeats a point, or the point it replies to.
    RepeatedPoint,
    /// An OT extension fails its consistency check. Only the recipient can see it, so no judge convicts.
    WrongExtension,
    /// A multiplication reply fails its check. Only the recipient can see it.
    WrongProduct,
    /// The nonce point is not the one that entered the multiplication. Only the recipient can see it.
    WrongNonce,
    /// The key share's point is not the one that entered the multiplication. Only the recipient can see it.
    WrongKeyShare,
    /// The trees of a pair setup are inconsistent. Only the recipient can see it.
    WrongTrees,
    /// A confirmation of a pair is not for what went between the two. Only the recipient can see it.
    WrongConfirmation,
    /// A modulus has an impossible length or a small factor, is a prime or a power, or shares a factor with another.
    WrongModulus,
    /// A share of the inverted nonce does not follow from what its author opened afterwards.
    WrongInverseShare,
}

impl Fault {
    /// Every fault, in the order of its number on the wire.
    pub const ALL: [Self; 21] = [
        Self::Malformed,
        Self::TooLong,
        Self::Misrouted,
        Self::Equivocation,
        Self::FalseEcho,
        Self::FalseView,
        Self::WrongOpening,
        Self::WrongThreshold,
        Self::WrongShare,
        Self::WrongProof,
        Self::WrongCertificate,
        Self::WrongSignatureShare,
        Self::RepeatedPoint,
        Self::WrongExtension,
        Self::WrongProduct,
        Self::WrongNonce,
        Self::WrongKeyShare,
        Self::WrongTrees,
        Self::WrongConfirmation,
        Self::WrongModulus,
        Self::WrongInverseShare,
    ];
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "sent a malformed message",
            Self::TooLong => "sent a message longer than its round allows",
            Self::Misrouted => "addressed a message to the wrong audience",
            Self::Equivocation => "signed two different messages for one slot",
            Self::FalseEcho => "echoed something that was never said",
            Self::FalseView => "vouched for a view it cannot have had",
            Self::WrongOpening => "opened a commitment to something else",
            Self::WrongThreshold => "committed to a polynomial of the wrong degree",
            Self::WrongShare => "dealt a share that does not match its commitments",
            Self::WrongProof => "sent a proof of knowledge that does not verify",
            Self::WrongCertificate => "signed another certificate than ours",
            Self::WrongSignatureShare => "sent a signature share that does not verify",
            Self::RepeatedPoint => "replied to an oblivious transfer with a repeated point",
            Self::WrongExtension => "sent an inconsistent OT extension",
            Self::WrongProduct => "sent an inconsistent multiplication reply",
            Self::WrongNonce => "multiplied another nonce than the one it opened",
            Self::WrongKeyShare => "multiplied another key share than the one it opened",
            Self::WrongTrees => "sent inconsistent trees in a pair setup",
            Self::WrongConfirmation => "confirmed another pair than the one it made",
            Self::WrongModulus => "published a modulus that must not be used",
            Self::WrongInverseShare => "published a wrong share of the inverted nonce",
        })
    }
}

/// One culprit, what it did, and the evidence for third parties.
#[derive(Debug)]
pub struct Blame {
    /// The culprit.
    pub party: Party,
    /// What it did.
    pub fault: Fault,
    /// The rounds of the culprit's own messages that prove it.
    pub cites: Vec<u8>,
    /// Those messages and what they vouch for; filled in by the session, which holds the signed envelopes.
    pub evidence: Evidence,
}

/// At least one culprit, each named once.
#[derive(Debug)]
pub struct Blames(Vec<Blame>);

impl Blames {
    /// A single culprit.
    #[must_use]
    pub fn one(blame: Blame) -> Self {
        Self(vec![blame])
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Blame> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Blame> {
        self.0.iter_mut()
    }
}

/// Collects the charges of one round, so that every culprit is found before anybody is told.
#[derive(Default)]
pub struct Charges(Vec<Blame>);

impl Charges {
    /// Charges `party` with `fault`, shown by its messages of the rounds `cites`; the first charge stands.
    pub fn bring(&mut self, party: Party, fault: Fault, cites: &[u8]) {
        if !self.0.iter().any(|blame| blame.party == party) {
            self.0.push(Blame { party, fault, cites: cites.to_vec(), evidence: Evidence::default() });
        }
    }

    /// Charges `party` unless `holds`.
    pub fn unless(&mut self, holds: bool, party: Party, fault: Fault, cites: &[u8]) {
        if !holds {
            self.bring(party, fault, cites);
        }
    }

    /// Nothing, or the end of all sessions with these parties.
    ///
    /// # Errors
    /// [`Abort::BanAndBurn`] with everybody who was charged.
    pub fn ban(self) -> Result<(), Abort> {
        if self.0.is_empty() { Ok(()) } else { Err(Abort::BanAndBurn(Blames(self.0))) }
    }

    /// Nothing, or the end of the session.
    ///
    /// # Errors
    /// [`Abort::Blame`] with everybody who was charged.
    pub fn verdict(self) -> Result<(), Abort> {
        if self.0.is_empty() { Ok(()) } else { Err(Abort::Blame(Blames(self.0))) }
    }
}

impl Abort {
    /// Who is at fault. Exhaustive on purpose: a new class has to answer.
    #[must_use]
    pub fn culprits(&self) -> Vec<Party> {
        match self {
            Self::Blame(blames) | Self::BanAndBurn(blames) => {
                blames.iter().map(|blame| blame.party).collect()
            }
            Self::Benign(
                Benign::TimedOut { .. }
                | Benign::SplitView { .. }
                | Benign::Repeated
                | Benign::Degenerate
                | Benign::StalePair { .. }
                | Benign::BurntPair { .. }
                | Benign::ForeignSum
                | Benign::WrongSum,
            )
            | Self::Bug(_) => Vec::new(),
        }
    }

    pub(crate) fn blame(party: Party, fault: Fault, evidence: Evidence) -> Self {
        Self::Blame(Blames::one(Blame { party, fault, cites: Vec::new(), evidence }))
    }
}

impl std::fmt::Display for Abort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Benign(Benign::TimedOut { missing }) => {
                f.write_str("the deadline passed without a message from")?;
                missing.iter().try_for_each(|party| write!(f, " {party}"))
            }
            Self::Benign(Benign::SplitView { from }) => {
                write!(f, "{from} was shown other broadcasts than we were")
            }
            Self::Benign(Benign::Repeated) => f.write_str("one nonce was contributed twice"),
            Self::Benign(Benign::Degenerate) => f.write_str("the joint result is the identity"),
            Self::Benign(Benign::StalePair { from }) => {
                write!(f, "{from} uses an old copy of its pair setup")
            }
            Self::Benign(Benign::BurntPair { with }) => {
                f.write_str("the pair is burnt with")?;
                with.iter().try_for_each(|party| write!(f, " {party}"))
            }
            Self::Benign(Benign::ForeignSum) => f.write_str("the key shares do not add up to the key"),
            Self::Benign(Benign::WrongSum) => {
                f.write_str("the signature shares do not add up to a signature")
            }
            Self::Blame(blames) | Self::BanAndBurn(blames) => {
                let mut separator = "";
                blames.iter().try_for_each(|blame| {
                    let joint = std::mem::replace(&mut separator, "; ");
                    write!(f, "{joint}{} {}", blame.party, blame.fault)
                })
            }
            Self::Bug(what) => write!(f, "defect in keymoot: {what}"),
        }
    }
}

impl std::error::Error for Abort {}

#[cfg(test)]
mod tests {
    use super::{Abort, Benign, Blames, Charges, Fault};
    use keymoot_types::Party;

    fn blames(parties: &[u16]) -> Blames {
        let mut charges = Charges::default();
        for index in parties {
            charges.bring(Party::new(*index).unwrap(), Fault::WrongShare, &[2, 3]);
        }
        match charges.verdict() {
            Err(Abort::Blame(blames)) => blames,
            other => panic!("charges end in blame: {other:?}"),
        }
    }

    #[test]
    fn every_class_answers_who_is_at_fault() {
        let (one, two) = (Party::new(1).unwrap(), Party::new(2).unwrap());
        assert_eq!(Abort::Blame(blames(&[1, 2])).culprits(), [one, two]);
        assert_eq!(Abort::BanAndBurn(blames(&[2])).culprits(), [two]);
        for benign in [
            Benign::TimedOut { missing: vec![one] },
            Benign::SplitView { from: one },
            Benign::Repeated,
            Benign::Degenerate,
            Benign::StalePair { from: one },
            Benign::BurntPair { with: vec![one] },
            Benign::ForeignSum,
            Benign::WrongSum,
        ] {
            assert!(Abort::Benign(benign).culprits().is_empty());
        }
        assert!(Abort::Bug("ours").culprits().is_empty());
    }

    #[test]
    fn nobody_is_named_twice_and_the_first_charge_stands() {
        let party = Party::new(3).unwrap();
        let mut charges = Charges::default();
        charges.unless(true, party, Fault::Malformed, &[0]);
        assert!(charges.verdict().is_ok());
        let mut charges = Charges::default();
        charges.unless(false, party, Fault::WrongProof, &[4]);
        charges.bring(party, Fault::Malformed, &[5]);
        let Err(Abort::Blame(blames)) = charges.verdict() else { panic!("a charge was brought") };
        let named: Vec<_> =
            blames.iter().map(|blame| (blame.party, blame.fault, blame.cites.clone())).collect();
        assert_eq!(named, [(party, Fault::WrongProof, vec![4])]);
    }

    #[test]
    fn every_abort_says_what_happened() {
        let party = Party::new(1).unwrap();
        let said = [
            (Abort::Benign(Benign::TimedOut { missing: vec![party] }), "without a message from party 1"),
            (Abort::Benign(Benign::SplitView { from: party }), "party 1 was shown other broadcasts"),
            (Abort::Benign(Benign::Repeated), "one nonce was contributed twice"),
            (Abort::Benign(Benign::Degenerate), "identity"),
            (Abort::Benign(Benign::StalePair { from: party }), "party 1 uses an old copy"),
            (Abort::Benign(Benign::BurntPair { with: vec![party] }), "burnt with party 1"),
            (Abort::Benign(Benign::ForeignSum), "do not add up to the key"),
            (Abort::Benign(Benign::WrongSum), "do not add up to a signature"),
            (
                Abort::Blame(blames(&[1, 2])),
                "party 1 dealt a share that does not match its commitments; party 2 dealt",
            ),
            (Abort::BanAndBurn(blames(&[2])), "party 2 dealt a share"),
            (Abort::Bug("ours"), "defect in keymoot: ours"),
        ];
        for (abort, text) in said {
            assert!(abort.to_string().contains(text), "{abort}");
        }
        let texts: std::collections::BTreeSet<_> = Fault::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), Fault::ALL.len(), "no two faults read alike");
    }
}
