//! The mail of the model: everything in it signed, and readable by whoever watches.

use keymoot_protocol::identity::IdentityPublic;
use keymoot_types::Party;

use super::{mix, sign_word};

/// One signed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What the session is about.
    pub context: u64,
    /// Its name; 0 in round 0.
    pub ssid: u64,
    /// The round.
    pub round: u8,
    /// The sender.
    pub from: u8,
    /// What is said.
    pub said: Said,
    /// The signature.
    pub signature: u64,
}

/// What is said: a kind and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What kind of session it is said in.
    pub kind: u8,
    /// The words.
    pub words: Vec<u64>,
}

/// The most words of a message.
const WORDS_MAX: usize = 16;

impl Mail {
    /// What is signed.
    fn statement(&self) -> u64 {
        let head =
            [self.context, self.ssid, u64::from(self.round), u64::from(self.from), u64::from(self.said.kind)];
        mix(&[mix(&head), mix(&self.said.words)])
    }

    /// The mail, signed by this identity.
    #[must_use]
    pub fn sign(mut self, identity: &IdentityPublic) -> Self {
        self.signature = sign_word(identity, self.statement());
        self
    }

    /// Whether this identity signed it.
    #[must_use]
    pub fn is_signed_by(&self, identity: &IdentityPublic) -> bool {
        self.signature == sign_word(identity, self.statement())
    }

    /// The sender.
    #[must_use]
    pub fn sender(&self) -> Option<Party> {
        Party::new(u16::from(self.from)).ok()
    }

    /// Our signature on a table of moduli: the table's digest.
    #[must_use]
    pub fn signs_table(&self) -> Option<u64> {
        match (self.said.kind, self.round, self.said.words.as_slice()) {
            (5, 2, [_, digest, ..]) => Some(*digest),
            _ => None,
        }
    }

    /// Whether its first word is checked against what only its recipients know: in pair setup and presigning, once.
    #[must_use]
    pub const fn has_a_check(&self) -> bool {
        matches!((self.said.kind, self.round), (2 | 3, 1))
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(28 + self.said.words.len() * 8);
        for word in [self.context, self.ssid, self.signature] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&[self.round, self.from, self.said.kind, self.said.words.len() as u8]);
        self.said.words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        bytes
    }

    /// Reads mail.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(28)?;
        let word = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
        let (words, odd) = rest.as_chunks::<8>();
        let [round, from, kind, count] = head.get(24..)?.try_into().ok()?;
        if !odd.is_empty() || words.len() != usize::from(count) || words.len() > WORDS_MAX {
            return None;
        }
        let words = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Some(Self {
            context: word(0)?,
            ssid: word(8)?,
            signature: word(16)?,
            round,
            from,
            said: Said { kind, words },
        })
    }
}
