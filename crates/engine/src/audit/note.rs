//! Signed notes of C2SP: a text, an empty line, and lines of signatures. Keys have names.
//!
//! Parsing is strict: a note that is read and written again is the same bytes.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};
use keymoot_protocol::transcript::log::key_id;

use super::Verify;

/// The longest note that is read, in bytes: room for 16 signatures of 5 kB, as the specification asks.
pub const NOTE_MAX: usize = 128 * 1024;
/// The most signature lines that are read.
pub const SIGNATURES_MAX: usize = 128;
/// The longest name of a key, in bytes.
pub const NAME_MAX: usize = 255;

/// Why a note is worth nothing. Anybody may have made it up, so nobody is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// It is not written as it has to be.
    #[error("{0}")]
    Malformed(&'static str),
    /// The key that it is read for has not signed it.
    #[error("the key has not signed the note")]
    Unsigned,
    /// A signature line bears the name and id of the key, but not its signature.
    #[error("a signature of the note does not verify")]
    Forged,
}

/// The name of a key, and so the origin of a log: not empty, without spaces, control characters and plus signs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// The name with this spelling.
    ///
    /// # Errors
    /// Empty, too long, or with a character that notes use for something else.
    pub fn new(name: &str) -> Result<Self, BadNote> {
        let is_banned = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.len() > NAME_MAX || name.contains(is_banned) {
            return Err(BadNote::Malformed("a name is empty, too long, or has a space or plus sign"));
        }
        Ok(Self(name.to_owned()))
    }

    /// The spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key with a name and one use, which its id covers. Written as a "vkey", it is what people configure.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteKey<const KIND: u8> {
    name: KeyName,
    public: IdentityPublic,
    id: [u8; 4],
}

/// A key that signs notes: Ed25519 over the text.
pub type LogKey = NoteKey<1>;
/// A key that cosigns checkpoints: Ed25519 over a time and the text.
pub type WitnessKey = NoteKey<4>;

impl<const KIND: u8> NoteKey<KIND> {
    /// The key of this name.
    #[must_use]
    pub fn new(name: KeyName, public: IdentityPublic) -> Self {
        let id = key_id(name.as_str(), KIND, &public);
        Self { name, public, id }
    }

    /// Reads a vkey: `name+id+key`, the id in hexadecimal, and the key, after its kind, in base64.
    ///
    /// # Errors
    /// Another kind of key, an id that is not the key's, or anything that is not written as it has to be.
    pub fn parse(text: &str) -> Result<Self, BadNote> {
        let malformed = BadNote::Malformed("this is no verifier key of the kind that is needed");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let [kind, public @ ..] = decode::<33>(key).ok_or(malformed)?;
        if kind != KIND {
            return Err(malformed);
        }
        let public = IdentityPublic::from_bytes(public).ok_or(malformed)?;
        let key = Self::new(KeyName::new(name)?, public);
        // The id and all else that has more than one spelling.
        if key.to_string() == text { Ok(key) } else { Err(malformed) }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key.
    #[must_use]
    pub const fn public(&self) -> &IdentityPublic {
        &self.public
    }

    /// Its id, which tells it apart from other keys of its name.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// A signature line with what this key made.
    #[must_use]
    pub fn line(&self, signature: Vec<u8>) -> SignatureLine {
        SignatureLine { name: self.name.clone(), id: self.id, signature }
    }

    /// Whether the line claims to be of this key.
    #[must_use]
    pub fn is_named_in(&self, line: &SignatureLine) -> bool {
        line.name == self.name && line.id == self.id
    }
}

impl<const KIND: u8> fmt::Display for NoteKey<KIND> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [[KIND].as_slice(), self.public.as_bytes()].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), encode(&key))
    }
}

impl<const KIND: u8> fmt::Debug for NoteKey<KIND> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}", self.name, u32::from_be_bytes(self.id))
    }
}

/// One signature below a note. Whose it is and whether it verifies is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    name: KeyName,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl SignatureLine {
    /// Reads a line without its newline.
    ///
    /// # Errors
    /// Anything but an em dash, a name, and more than four bytes in base64.
    pub fn parse(line: &str) -> Result<Self, BadNote> {
        let malformed = BadNote::Malformed("a line is no signature");
        let (name, encoded) =
            line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(malformed)?;
        let bytes = Base64::decode_vec(encoded).map_err(|_| malformed)?;
        match bytes.split_first_chunk() {
            None | Some((_, [])) => Err(malformed),
            Some((id, signature)) => {
                Ok(Self { name: KeyName::new(name)?, id: *id, signature: signature.to_vec() })
            }
        }
    }

    /// Reads lines that each end in a newline; none are well-formed too.
    ///
    /// # Errors
    /// Too many, or one that is no signature.
    pub fn parse_all(lines: &str) -> Result<Vec<Self>, BadNote> {
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let lines = lines.strip_suffix('\n').ok_or(BadNote::Malformed("the last line has no end"))?;
        if lines.len() > NOTE_MAX || lines.split('\n').count() > SIGNATURES_MAX {
            return Err(BadNote::Malformed("there are too many signatures"));
        }
        lines.split('\n').map(Self::parse).collect()
    }

    /// What the key made: a signature in the form of its kind.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "— {} {}", self.name, encode(&[self.id.as_slice(), &self.signature].concat()))
    }
}

/// A text and the signatures below it. To be believed only by a key that is trusted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    lines: Vec<SignatureLine>,
}

impl SignedNote {
    /// Reads a note.
    ///
    /// # Errors
    /// Anything that is not a text, an empty line and at least one signature line, or is too long.
    pub fn parse(note: &str) -> Result<Self, BadNote> {
        if note.len() > NOTE_MAX || note.contains(|c: char| c.is_ascii_control() && c != '\n') {
            return Err(BadNote::Malformed("the note is too long or has control characters"));
        }
        let (text, lines) =
            note.rsplit_once("\n\n").ok_or(BadNote::Malformed("no empty line ends the text"))?;
        let lines = SignatureLine::parse_all(lines)?;
        if lines.is_empty() {
            return Err(BadNote::Malformed("the note has no signature"));
        }
        Ok(Self { text: format!("{text}\n"), lines })
    }

    /// The text, with its last newline.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, of whomever.
    #[must_use]
    pub fn lines(&self) -> &[SignatureLine] {
        &self.lines
    }

    /// The signature of this key.
    ///
    /// # Errors
    /// There is none, or one that does not verify.
    pub fn signature_of(&self, key: &LogKey, verify: Verify) -> Result<IdentitySignature, BadNote> {
        let mut found = Err(BadNote::Unsigned);
        for line in self.lines.iter().filter(|line| key.is_named_in(line)) {
            let signature =
                line.signature().try_into().map(IdentitySignature).map_err(|_| BadNote::Forged)?;
            if !verify(key.public(), &self.text, &signature) {
                return Err(BadNote::Forged);
            }
            found = Ok(signature);
        }
        found
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| line.fmt(f))
    }
}

/// Standard base64, padded.
pub(super) fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// The bytes with this encoding, if there are exactly `N`.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = Base64::decode(text, &mut bytes).ok()?.len();
    (length == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use keymoot_protocol::identity::IdentityKey;

    use super::*;

    // The example of golang.org/x/mod/sumdb/note.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SEED: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                        then you don't know what your problem is.\n";
    const LINES: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n\
                         — EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

    fn peter() -> LogKey {
        LogKey::parse(KEY).unwrap()
    }

    fn verdict(note: &str) -> Result<IdentitySignature, BadNote> {
        SignedNote::parse(note)?.signature_of(&peter(), IdentityPublic::verifies_text)
    }

    #[test]
    fn the_example_of_the_go_library_is_read_verified_and_signed_again() {
        let example = format!("{TEXT}\n{LINES}");
        let note = SignedNote::parse(&example).unwrap();
        assert_eq!((note.text(), note.to_string()), (TEXT, example.clone()));
        let seed = decode::<33>(SEED).unwrap();
        let key = IdentityKey::from_seed(*seed.last_chunk().unwrap());
        assert_eq!(peter(), LogKey::new(KeyName::new("PeterNeumann").unwrap(), key.public()));
        assert_eq!(peter().to_string(), KEY);
        assert_eq!(verdict(&example), Ok(key.sign_text(TEXT).unwrap()));
    }

    #[test]
    fn a_signature_counts_only_by_name_id_and_key() {
        let (peters, enochs) = LINES.split_at(LINES.find("— Enoch").unwrap());
        assert_eq!(verdict(&format!("{TEXT}\n{enochs}")), Err(BadNote::Unsigned));
        let renamed = peters.replace("PeterNeumann", "PeterNewman");
        assert_eq!(verdict(&format!("{TEXT}\n{renamed}")), Err(BadNote::Unsigned));
        let changed = TEXT.replace("answer", "question");
        assert_eq!(verdict(&format!("{changed}\n{peters}")), Err(BadNote::Forged));
        // A good signature does not make up for a forged one.
        let forged = peter().line(vec![1; 64]);
        assert_eq!(verdict(&format!("{TEXT}\n{peters}{forged}")), Err(BadNote::Forged));
        assert_eq!(verdict(&format!("{TEXT}\n{forged}{peters}")), Err(BadNote::Forged));
        let short = peter().line(vec![1; 63]);
        assert_eq!(verdict(&format!("{TEXT}\n{peters}{short}")), Err(BadNote::Forged));
    }

    #[test]
    fn what_is_not_written_as_a_note_is_refused() {
        let line = "— PeterNeumann x08go/ZJ\n";
        let wrong = [
            String::new(),
            TEXT.to_owned(),
            format!("{TEXT}\n"),
            format!("{TEXT}\n{}", line.trim_end()),
            format!("{TEXT}{line}"),
            format!("{TEXT}\n{line}\n"),
            format!("{TEXT}\n{line}x"),
            format!("{TEXT}\n- PeterNeumann x08go/ZJ\n"),
            format!("{TEXT}\n—PeterNeumann x08go/ZJ\n"),
            format!("{TEXT}\n— PeterNeumann  x08go/ZJ\n"),
            format!("{TEXT}\n— Peter+Neumann x08go/ZJ\n"),
            format!("{TEXT}\n— Peter\u{2003}Neumann x08go/ZJ\n"),
            format!("{TEXT}\n—  x08go/ZJ\n"),
            format!("{TEXT}\n— PeterNeumann x08go/ZJ \n"),
            format!("{TEXT}\n— PeterNeumann x08goA==\n"),
            format!("{TEXT}\n— PeterNeumann x08go_ZJ\n"),
            // Base64 without its padding, and with bits that say nothing.
            format!("{TEXT}\n— PeterNeumann x08go/Y\n"),
            format!("{TEXT}\n— PeterNeumann x08go/Z=\n"),
            format!("a\tb\n\n{line}"),
            format!("a\rb\n\n{line}"),
            format!("{TEXT}\n{}", line.repeat(SIGNATURES_MAX + 1)),
            format!("{}\n\n{line}", "a".repeat(NOTE_MAX)),
        ];
        for note in wrong {
            assert!(SignedNote::parse(&note).is_err(), "{note:?}");
        }
        for note in [format!("{TEXT}\n{}", line.repeat(SIGNATURES_MAX)), format!("a\n\nb\n\n\n{line}")] {
            assert_eq!(SignedNote::parse(&note).unwrap().to_string(), note);
        }
    }

    #[test]
    fn a_key_of_another_kind_id_or_spelling_is_refused() {
        let of_witness = WitnessKey::new(peter().name().clone(), *peter().public());
        assert_eq!(WitnessKey::parse(&of_witness.to_string()), Ok(of_witness.clone()));
        assert_ne!(of_witness.id(), peter().id());
        assert!(LogKey::parse(&of_witness.to_string()).is_err());
        for (from, to) in
            [("c74f20a3", "c74f20a4"), ("c7", "C7"), ("c74", "0c74"), ("10TW", "10TX"), ("Peter", "")]
        {
            assert!(LogKey::parse(&KEY.replacen(from, to, 1)).is_err(), "{to}");
        }
        for name in ["", "a b", "a+b", "a\n", "a\u{a0}b", &"a".repeat(NAME_MAX + 1)] {
            assert!(KeyName::new(name).is_err(), "{name}");
        }
    }
}
