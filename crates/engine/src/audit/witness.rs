//! Witnesses: they vouch, by cosignatures of C2SP, that a log they watch has only grown.
//!
//! A witness and an owner talk as in tlog-witness: a [`Request`], and a line with a [`Cosignature`] or a [`Refused`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use keymoot_protocol::identity::{IdentityPublic, IdentitySignature};
use keymoot_protocol::transcript::Hash;
use keymoot_protocol::transcript::log::empty_root;

use super::Verify;
use super::checkpoint::{Checkpoint, Fork, SignedCheckpoint, parse_size};
use super::note::{BadNote, KeyName, LogKey, SignatureLine, SignedNote, WitnessKey, decode, encode};
use super::tree::verify_consistency;

/// The most hashes in a proof of consistency.
pub const PROOF_MAX: usize = 63;
/// The latest time of a cosignature, in seconds.
pub const TIME_MAX: u64 = i64::MAX as u64;

/// Why a witness does not cosign. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request is not written as it has to be, or the log's key has not signed the checkpoint.
    #[error("the note cannot be believed")]
    Note(#[from] BadNote),
    /// We do not watch a log of this origin.
    #[error("the origin is unknown")]
    UnknownOrigin,
    /// The log has two histories. Its owner is at fault, and this shows it.
    #[error("the log is forked")]
    Fork(Box<Fork>),
    /// The checkpoint is older than one that we have seen. It may just have been slow.
    #[error("the log was seen with {seen} entries already")]
    WentBack {
        /// What we have seen.
        seen: u64,
    },
    /// The proof does not begin where we are.
    #[error("the proof is to begin at {seen} entries")]
    Stale {
        /// Where it has to begin.
        seen: u64,
    },
    /// The proof does not show that the log has only grown.
    #[error("the proof of consistency does not verify")]
    Proof,
    /// No cosignature can bear this time.
    #[error("the time is beyond all cosignatures")]
    Time,
}

/// What an owner asks a witness: the body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The size that the owner believes the witness to have seen last; 0 if none.
    pub old_size: u64,
    /// The proof that the log has only grown since.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// Anything but the line of the old size, at most [`PROOF_MAX`] lines of hashes, an empty line, and a rest.
    pub fn parse(text: &str) -> Result<Self, BadNote> {
        let malformed = BadNote::Malformed("this is no request for a cosignature");
        let (head, note) = text.split_once("\n\n").ok_or(malformed)?;
        let mut lines = head.split('\n');
        let old_size =
            lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_size).ok_or(malformed)?;
        let mut proof = Vec::new();
        for line in lines {
            proof.push(Hash::from_bytes(decode(line).ok_or(malformed)?));
            if proof.len() > PROOF_MAX {
                return Err(malformed);
            }
        }
        Ok(Self { old_size, proof, note: note.to_owned() })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", encode(hash.as_bytes())))?;
        write!(f, "\n{}", self.note)
    }
}

/// A cosignature, verified or made by us: at this time, the largest tree of the log that the witness knew was this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    key: WitnessKey,
    time: u64,
    signature: IdentitySignature,
}

impl Cosignature {
    /// What is signed. No checkpoint reads like it: its second line is no size. So one key may have both uses.
    fn message(time: u64, checkpoint: &Checkpoint) -> String {
        format!("cosignature/v1\ntime {time}\n{checkpoint}")
    }

    /// Reads a line that claims to be of this key.
    ///
    /// # Errors
    /// Not its cosignature of this checkpoint.
    pub fn open(
        line: &SignatureLine,
        key: &WitnessKey,
        checkpoint: &Checkpoint,
        verify: Verify,
    ) -> Result<Self, BadNote> {
        let (time, signature) = line.signature().split_first_chunk().ok_or(BadNote::Forged)?;
        let time = u64::from_be_bytes(*time);
        let signature = signature.try_into().map(IdentitySignature).map_err(|_| BadNote::Forged)?;
        let is_sound = key.is_named_in(line)
            && time <= TIME_MAX
            && verify(key.public(), &Self::message(time, checkpoint), &signature);
        if is_sound { Ok(Self { key: key.clone(), time, signature }) } else { Err(BadNote::Forged) }
    }

    /// Whose it is.
    #[must_use]
    pub const fn key(&self) -> &WitnessKey {
        &self.key
    }

    /// When it was made, in seconds since 1970.
    #[must_use]
    pub const fn time(&self) -> u64 {
        self.time
    }
}

/// The line that a note has of it, with its newline.
impl fmt::Display for Cosignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamped = [self.time.to_be_bytes().as_slice(), &self.signature.0].concat();
        self.key.line(timestamped).fmt(f)
    }
}

/// What a witness gives, and what it must not forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The cosignature. It may leave once `seen` is durable.
    pub cosignature: Cosignature,
    /// What has been seen of the log now. Written out, it is for [`Witness::recall`].
    pub seen: SignedCheckpoint,
}

/// One who watches logs, and knows of each the largest state that it has cosigned.
#[derive(Clone, Debug)]
pub struct Witness {
    key: WitnessKey,
    logs: BTreeMap<KeyName, Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    key: LogKey,
    seen: Option<SignedCheckpoint>,
}

impl Witness {
    /// A witness that watches no log.
    #[must_use]
    pub const fn new(key: WitnessKey) -> Self {
        Self { key, logs: BTreeMap::new() }
    }

    /// Watches a log. Tells whether it does: an origin keeps its key, because what was seen is bound to both.
    pub fn watch(&mut self, key: LogKey) -> bool {
        let origin = key.name().clone();
        self.logs.entry(origin).or_insert_with(|| Watched { key: key.clone(), seen: None }).key == key
    }

    /// Puts back what was made durable, in any order, superseded states too.
    ///
    /// # Errors
    /// A note that no log we watch has signed, or a fork. The store is corrupt or the log is.
    pub fn recall(&mut self, note: &str, verify: Verify) -> Result<(), Refused> {
        let (watched, found) = self.open(note, verify)?;
        if watched.size() <= found.checkpoint().size() {
            watched.seen = Some(found);
        }
        Ok(())
    }

    /// The largest state that was cosigned of this log.
    #[must_use]
    pub fn seen(&self, origin: &KeyName) -> Option<&SignedCheckpoint> {
        self.logs.get(origin)?.seen.as_ref()
    }

    /// Cosigns a checkpoint if the log has only grown since the last one. `time` is in seconds since 1970.
    ///
    /// The new state counts at once, so that no second request can be judged by the old one.
    ///
    /// # Errors
    /// Why not; nothing changed. A fork is told whatever the old size and the proof are.
    pub fn cosign(
        &mut self,
        request: &Request,
        time: u64,
        verify: Verify,
        sign: impl FnOnce(&str) -> IdentitySignature,
    ) -> Result<Cosigned, Refused> {
        if time > TIME_MAX {
            return Err(Refused::Time);
        }
        let key = self.key.clone();
        let (watched, found) = self.open(&request.note, verify)?;
        let (checkpoint, seen) = (found.checkpoint(), watched.size());
        if checkpoint.size() < seen {
            return Err(Refused::WentBack { seen });
        }
        if request.old_size != seen {
            return Err(Refused::Stale { seen });
        }
        let root = watched.seen.as_ref().map_or_else(empty_root, |seen| seen.checkpoint().root());
        if !verify_consistency(seen, &root, checkpoint.size(), &checkpoint.root(), &request.proof) {
            return Err(Refused::Proof);
        }
        let signature = sign(&Cosignature::message(time, checkpoint));
        watched.seen = Some(found.clone());
        Ok(Cosigned { cosignature: Cosignature { key, time, signature }, seen: found })
    }

    /// A checkpoint of a log we watch that is no fork of what we have seen.
    fn open(&mut self, note: &str, verify: Verify) -> Result<(&mut Watched, SignedCheckpoint), Refused> {
        let note = SignedNote::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let watched = self.logs.get_mut(checkpoint.origin()).ok_or(Refused::UnknownOrigin)?;
        let found = SignedCheckpoint::verified(&note, checkpoint, &watched.key, verify)?;
        match watched.seen.as_ref().and_then(|seen| Fork::between(seen, &found)) {
            Some(fork) => Err(Refused::Fork(Box::new(fork))),
            None => Ok((watched, found)),
        }
    }
}

impl Watched {
    fn size(&self) -> u64 {
        self.seen.as_ref().map_or(0, |seen| seen.checkpoint().size())
    }
}

/// A checkpoint and who has witnessed it, as its owner collects it and everybody else can check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    signed: SignedCheckpoint,
    /// By public key: the names of one key are one witness.
    by: BTreeMap<IdentityPublic, Cosignature>,
}

impl Witnessed {
    /// A checkpoint that nobody has witnessed.
    #[must_use]
    pub const fn new(signed: SignedCheckpoint) -> Self {
        Self { signed, by: BTreeMap::new() }
    }

    /// Reads a note with all its signatures.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::open`] and [`Witnessed::add`].
    pub fn open(note: &str, log: &LogKey, witnesses: &[WitnessKey], verify: Verify) -> Result<Self, BadNote> {
        let mut witnessed = Self::new(SignedCheckpoint::open(note, log, verify)?);
        witnessed.add_lines(SignedNote::parse(note)?.lines(), witnesses, verify)?;
        Ok(witnessed)
    }

    /// Takes the lines that a witness answered with. Lines of unknown keys are left aside, as are those of the log's
    /// own key: nobody is their own witness.
    ///
    /// # Errors
    /// A line is none, or is not the cosignature of the witness that it names. Nothing changed.
    pub fn add(&mut self, lines: &str, witnesses: &[WitnessKey], verify: Verify) -> Result<(), BadNote> {
        self.add_lines(&SignatureLine::parse_all(lines)?, witnesses, verify)
    }

    fn add_lines(
        &mut self,
        lines: &[SignatureLine],
        witnesses: &[WitnessKey],
        verify: Verify,
    ) -> Result<(), BadNote> {
        let mut new = Vec::new();
        let others: BTreeSet<_> =
            witnesses.iter().filter(|key| key.public() != self.signed.key().public()).collect();
        for key in others {
            for line in lines.iter().filter(|line| key.is_named_in(line)) {
                new.push(Cosignature::open(line, key, self.signed.checkpoint(), verify)?);
            }
        }
        for cosignature in new {
            let kept = self.by.entry(*cosignature.key.public()).or_insert_with(|| cosignature.clone());
            if kept.time < cosignature.time {
                *kept = cosignature;
            }
        }
        Ok(())
    }

    /// What is witnessed.
    #[must_use]
    pub const fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// How many have witnessed it, the owner not counted.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by.len()
    }

    /// The cosignatures, one of each witness.
    pub fn cosignatures(&self) -> impl Iterator<Item = &Cosignature> {
        self.by.values()
    }
}

/// The note, with the signatures of the owner and of all witnesses.
impl fmt::Display for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.signed.fmt(f)?;
        self.cosignatures().try_for_each(|cosignature| cosignature.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use keymoot_protocol::identity::IdentityKey;

    use super::*;

    // The examples of tlog-witness and tlog-cosignature; their keys are not published.
    const PROOF: &str = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
                         jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
                         5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
                         /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n";
    const TEXT: &str =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    const LINE: &str = "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

    #[test]
    fn the_request_of_the_specification_is_read_and_written() {
        let text = format!("old 20852014\n{PROOF}\n{TEXT}\n{LINE}");
        let request = Request::parse(&text).unwrap();
        assert_eq!((request.old_size, request.proof.len()), (20_852_014, 4));
        assert_eq!(request.note, format!("{TEXT}\n{LINE}"));
        assert_eq!(request.to_string(), text);
        let first = Request { old_size: 0, proof: Vec::new(), note: request.note };
        assert_eq!(Request::parse(&first.to_string()), Ok(first));
        let line = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
        assert!(Request::parse(&format!("old 9\n{}\n{TEXT}", line.repeat(PROOF_MAX))).is_ok());
        for wrong in [
            String::new(),
            "old 1\n".into(),
            format!("old 01\n\n{TEXT}"),
            format!("old -1\n\n{TEXT}"),
            format!("old +1\n\n{TEXT}"),
            format!("new 1\n\n{TEXT}"),
            format!("old 1\n{TEXT}\n{LINE}"),
            format!("old 1\n{}\n{TEXT}", line.replace('P', "P P")),
            format!("old 1\nPlRNCg==\n\n{TEXT}"),
            format!("old 9\n{}\n{TEXT}", line.repeat(PROOF_MAX + 1)),
        ] {
            assert!(Request::parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_cosignature_is_laid_out_as_in_the_specification() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!(checkpoint.to_string(), TEXT);
        let message = format!("cosignature/v1\ntime 1679315147\n{TEXT}");
        assert_eq!(Cosignature::message(1_679_315_147, &checkpoint), message);
        let lines = SignatureLine::parse_all(LINE).unwrap();
        assert_eq!(lines[0].signature()[..8], 1_679_315_147_u64.to_be_bytes());

        let key = IdentityKey::from_seed([3; 32]);
        let name = KeyName::new("witness.example.com/w1").unwrap();
        let ours = WitnessKey::new(name, key.public());
        let signature = key.sign_text(&message).unwrap();
        let cosignature = Cosignature { key: ours.clone(), time: 1_679_315_147, signature };
        let written = cosignature.to_string();
        assert_eq!(written.len(), LINE.len());
        let line = &SignatureLine::parse_all(&written).unwrap()[0];
        let verify: Verify = IdentityPublic::verifies_text;
        assert_eq!(Cosignature::open(line, &ours, &checkpoint, verify), Ok(cosignature));
        for byte in 0..72 {
            let mut bytes = line.signature().to_vec();
            bytes[byte] ^= 1;
            assert_eq!(
                Cosignature::open(&ours.line(bytes), &ours, &checkpoint, verify),
                Err(BadNote::Forged)
            );
        }
        for bytes in [vec![], vec![0; 7], line.signature()[..71].to_vec(), [line.signature(), &[0]].concat()]
        {
            assert_eq!(
                Cosignature::open(&ours.line(bytes), &ours, &checkpoint, verify),
                Err(BadNote::Forged)
            );
        }
        let late = TIME_MAX + 1;
        let signature = key.sign_text(&Cosignature::message(late, &checkpoint)).unwrap();
        let late = ours.line([late.to_be_bytes().as_slice(), &signature.0].concat());
        assert_eq!(Cosignature::open(&late, &ours, &checkpoint, verify), Err(BadNote::Forged));
        // The example itself: of this name, and of another key.
        assert_eq!(Cosignature::open(&lines[0], &ours, &checkpoint, verify), Err(BadNote::Forged));
    }
}
