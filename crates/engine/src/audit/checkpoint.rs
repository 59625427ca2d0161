//! Checkpoints of C2SP: what a log is at one moment, as a note that its owner signs; and forks, which two of them show.

use std::fmt;

use keymoot_protocol::identity::IdentitySignature;
use keymoot_protocol::transcript::Hash;
use keymoot_protocol::transcript::log::empty_root;

use super::Verify;
use super::note::{BadNote, KeyName, LogKey, SignedNote, decode, encode};
use super::tree::Tree;

/// The state of a log: its origin, its size, its root. There are no extension lines: nobody could audit them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: KeyName,
    size: u64,
    root: Hash,
}

impl Checkpoint {
    /// The state of the log of this origin. The root of an empty tree follows from its size.
    ///
    /// # Errors
    /// An empty tree with another root.
    pub fn new(origin: KeyName, size: u64, root: Hash) -> Result<Self, BadNote> {
        if size == 0 && root != empty_root() {
            return Err(BadNote::Malformed("the root is not that of an empty tree"));
        }
        Ok(Self { origin, size, root })
    }

    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// Anything but three lines: an origin, a size without leading zeros, a root in base64.
    pub fn parse(text: &str) -> Result<Self, BadNote> {
        let malformed = BadNote::Malformed("the text is not that of a checkpoint");
        let mut lines = text.split('\n');
        let mut next = || lines.next().ok_or(malformed);
        let (origin, size, root, end) = (next()?, next()?, next()?, next()?);
        if !end.is_empty() || lines.next().is_some() {
            return Err(malformed);
        }
        let size = parse_size(size).ok_or(malformed)?;
        let root = decode(root).map(Hash::from_bytes).ok_or(malformed)?;
        Self::new(KeyName::new(origin)?, size, root)
    }

    /// Whose log it is.
    #[must_use]
    pub const fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// How many entries there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over all of them.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, encode(self.root.as_bytes()))
    }
}

/// A decimal number in its only form.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}

/// A checkpoint that its owner has signed. Made by signing or by verifying, and in no other way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    key: LogKey,
    signature: IdentitySignature,
}

impl SignedCheckpoint {
    /// Signs the state of a tree.
    pub fn sign(key: &LogKey, tree: &Tree, sign: impl FnOnce(&str) -> IdentitySignature) -> Self {
        let checkpoint = Checkpoint { origin: key.name().clone(), size: tree.size(), root: tree.root() };
        let signature = sign(&checkpoint.to_string());
        Self { checkpoint, key: key.clone(), signature }
    }

    /// Reads a note that is to be a checkpoint of the log with this key. Signatures of others are left aside.
    ///
    /// # Errors
    /// No checkpoint, one of another origin, or not signed by the key.
    pub fn open(note: &str, key: &LogKey, verify: Verify) -> Result<Self, BadNote> {
        let note = SignedNote::parse(note)?;
        Self::verified(&note, Checkpoint::parse(note.text())?, key, verify)
    }

    /// As [`SignedCheckpoint::open`], of the note whose text is this checkpoint.
    pub(super) fn verified(
        note: &SignedNote,
        checkpoint: Checkpoint,
        key: &LogKey,
        verify: Verify,
    ) -> Result<Self, BadNote> {
        let signature = note.signature_of(key, verify)?;
        if checkpoint.origin != *key.name() {
            return Err(BadNote::Malformed("the checkpoint is of another log"));
        }
        Ok(Self { checkpoint, key: key.clone(), signature })
    }

    /// What was signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Who signed it.
    #[must_use]
    pub const fn key(&self) -> &LogKey {
        &self.key
    }
}

/// The note, with the owner's signature and no other.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.checkpoint, self.key.line(self.signature.0.to_vec()))
    }
}

/// Evidence that a log has two histories: two checkpoints of one size with different roots, signed by one key.
///
/// Only the owner of the key can have made it. Its two notes convince everybody who knows the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    one: SignedCheckpoint,
    other: SignedCheckpoint,
}

impl Fork {
    /// The fork that two checkpoints show, if they do.
    #[must_use]
    pub fn between(one: &SignedCheckpoint, other: &SignedCheckpoint) -> Option<Self> {
        let (first, second) = (&one.checkpoint, &other.checkpoint);
        let is_fork = one.key == other.key && first.size == second.size && first.root != second.root;
        is_fork.then(|| Self { one: one.clone(), other: other.clone() })
    }

    /// Judges two notes by the key of the accused.
    ///
    /// # Errors
    /// A note that the key has not signed, or two that a single history can have.
    pub fn judge(one: &str, other: &str, key: &LogKey, verify: Verify) -> Result<Self, BadNote> {
        let open = |note| SignedCheckpoint::open(note, key, verify);
        Self::between(&open(one)?, &open(other)?).ok_or(BadNote::Malformed("the notes show no fork"))
    }

    /// The two checkpoints. Written out, they are the notes to hand on.
    #[must_use]
    pub const fn checkpoints(&self) -> [&SignedCheckpoint; 2] {
        [&self.one, &self.other]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    #[test]
    fn a_checkpoint_has_one_text() {
        // The example of tlog-checkpoint.
        let text = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(
            (checkpoint.origin().as_str(), checkpoint.size()),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        assert_eq!(checkpoint.to_string(), text);
        let largest = format!("a\n{}\n{ROOT}\n", u64::MAX);
        assert_eq!(Checkpoint::parse(&largest).unwrap().to_string(), largest);
        let empty = "a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        assert_eq!(Checkpoint::parse(empty).unwrap().root(), empty_root());
    }

    #[test]
    fn what_is_not_written_as_a_checkpoint_is_refused() {
        for wrong in [
            String::new(),
            "a\n5\n".into(),
            format!("a\n5\n{ROOT}"),
            format!("\n5\n{ROOT}\n"),
            format!("a b\n5\n{ROOT}\n"),
            format!("a\n\n{ROOT}\n"),
            format!("a\n05\n{ROOT}\n"),
            format!("a\n+5\n{ROOT}\n"),
            format!("a\n5 \n{ROOT}\n"),
            format!("a\n-5\n{ROOT}\n"),
            format!("a\n18446744073709551616\n{ROOT}\n"),
            format!("a\n5\n{}\n", ROOT.trim_end_matches('=')),
            format!("a\n5\n{}\n", ROOT.replace("q2I=", "q2J=")),
            format!("a\n5\n{}\n", ROOT.replace("q2I=", "q2IA")),
            format!("a\n5\n{ROOT}\n\n"),
            format!("a\n5\n{ROOT}\nextension\n"),
            format!("a\n5\r\n{ROOT}\n"),
            // An empty tree has one root.
            format!("a\n0\n{ROOT}\n"),
        ] {
            assert!(Checkpoint::parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
