//! The file format of a journal, as pure functions: for the embedded adapter and for simulated disks.
//!
//! ```text
//! frame   = header payload checksum
//! header  = sequence (8) length of the payload (4) crc32 of these twelve bytes (4)
//! checksum = crc32 of sequence, length and payload (4)         all numbers little endian, frames without gaps
//! ```
//!
//! Sequence numbers count up by one, so a hole, a repetition or a swap of frames shows. The length has a checksum of
//! its own, so a damaged length never makes a synced frame look cut short. Only one thing is forgiven: the last write
//! may be cut short, because a crash does that to a write which nobody was told is durable. Some file systems keep the length
//! of such a write and lose its bytes: then there are zeros up to the end of the file, where a frame ends in a checksum.
//!
//! What the format cannot see: a file that was cut at the end of a frame or has zeros from there on, no more than one write may
//! have; and a file that was replaced as a whole. The checksums find accidents. They stop nobody who can write to the file.

use crc32fast::Hasher;

use crate::journal::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, RECORD_BYTES_MAX};

/// The bytes of a header.
pub const HEADER_BYTES: usize = 16;

/// The bytes that a frame adds to its record.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + CHECKSUM_BYTES;

const CHECKSUM_BYTES: usize = 4;

/// The longest write of a journal.
pub const WRITE_BYTES_MAX: usize = BATCH_BYTES_MAX + BATCH_RECORDS_MAX * OVERHEAD_BYTES;

/// What a journal's bytes hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The sequence number of the first record, if there is one. Whether it is the right one only the caller knows.
    pub first_sequence: Option<u64>,
    /// All whole records, in order.
    pub records: Vec<&'a [u8]>,
    /// Where the last whole frame ends. The next frame is to be written here, after what follows was cut off.
    pub valid_len: usize,
    /// Whether a frame that is cut short follows.
    pub torn: bool,
    next: Option<u64>,
}

impl Decoded<'_> {
    /// The sequence number of the next frame; `empty` for a journal without records.
    #[must_use]
    pub fn next_sequence(&self, empty: u64) -> u64 {
        self.next.unwrap_or(empty)
    }
}

/// The bytes are not those that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame at byte {at} is damaged: {why}")]
pub struct Corrupt {
    /// Where the frame starts that is wrong.
    pub at: usize,
    /// What is wrong with it.
    pub why: Damage,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The header is not what was written.
    #[error("its header does not match its checksum")]
    Header,
    /// The payload is not what was written.
    #[error("record {sequence} does not match its checksum")]
    Payload {
        /// Which record.
        sequence: u64,
    },
    /// Records are missing.
    #[error("records {expected} to {found} (exclusive) are missing")]
    Hole {
        /// The record that should be here.
        expected: u64,
        /// The record that is here.
        found: u64,
    },
    /// A record is here again.
    #[error("record {found} comes again where record {expected} should be")]
    Repeated {
        /// The record that should be here.
        expected: u64,
        /// The record that is here.
        found: u64,
    },
    /// A header is cut short, and what is left of it is not the beginning of the right one.
    #[error("what is left of its header is not that of record {expected}")]
    Stray {
        /// The record that should be here.
        expected: u64,
    },
    /// No writer of this format makes such a frame.
    #[error("it claims a length or a sequence number beyond the bounds")]
    Unwritable,
}

/// The records cannot be written in this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// Longer than [`RECORD_BYTES_MAX`].
    #[error("a record is longer than 16 MiB")]
    TooLong,
    /// The sequence numbers would run over.
    #[error("there are no sequence numbers left")]
    NoNumbersLeft,
}

/// The frames of `records`, the first of which has this sequence number.
///
/// # Errors
/// A record beyond the bound, or numbers beyond 2^64.
pub fn encode<R: AsRef<[u8]>>(first_sequence: u64, records: &[R]) -> Result<Vec<u8>, Unwritable> {
    let all: usize = records.iter().map(|record| record.as_ref().len() + OVERHEAD_BYTES).sum();
    let mut frames = Vec::with_capacity(all);
    let mut sequence = first_sequence;
    for record in records {
        let record = record.as_ref();
        let length = u32::try_from(record.len()).map_err(|_| Unwritable::TooLong)?;
        if record.len() > RECORD_BYTES_MAX {
            return Err(Unwritable::TooLong);
        }
        let next = sequence.checked_add(1).ok_or(Unwritable::NoNumbersLeft)?;
        let mut sum = Hasher::new();
        for bytes in [&sequence.to_le_bytes()[..], &length.to_le_bytes()] {
            sum.update(bytes);
            frames.extend_from_slice(bytes);
        }
        frames.extend_from_slice(&sum.clone().finalize().to_le_bytes());
        sum.update(record);
        frames.extend_from_slice(record);
        frames.extend_from_slice(&sum.finalize().to_le_bytes());
        sequence = next;
    }
    Ok(frames)
}

/// All whole records in a journal's bytes.
///
/// # Errors
/// Everything that is not the work of [`encode`], but for a last frame that is cut short.
pub fn decode(bytes: &[u8]) -> Result<Decoded<'_>, Corrupt> {
    let mut decoded = Decoded::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = decoded.valid_len;
        let found = match frame(rest, decoded.next) {
            // Where nothing else is, zeros are not the end of a journal but what somebody has put in its place.
            Err(_) if decoded.next.is_some() && is_unwritten(rest, decoded.next, WRITE_BYTES_MAX) => None,
            found => found.map_err(|why| Corrupt { at, why })?,
        };
        match found {
            None => {
                decoded.torn = true;
                break;
            }
            Some(Frame { sequence, record, after }) => {
                let next = sequence.checked_add(1).ok_or(Corrupt { at, why: Damage::Unwritable })?;
                decoded.first_sequence.get_or_insert(sequence);
                decoded.next = Some(next);
                decoded.records.push(record);
                decoded.valid_len = bytes.len() - after.len();
                rest = after;
            }
        }
    }
    Ok(decoded)
}

/// One whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number.
    pub sequence: u64,
    /// What it holds.
    pub record: &'a [u8],
    /// The bytes that follow it.
    pub after: &'a [u8],
}

/// The first frame of `bytes`, or `None` if it is cut short there. For readers of journals that are too long to be
/// held as a whole: they bring what they have, and more of it if it was not enough.
///
/// # Errors
/// What is wrong with it, also if it is another than the one that is expected.
pub fn frame(bytes: &[u8], expected: Option<u64>) -> Result<Option<Frame<'_>>, Damage> {
    let Some((numbers, rest)) = bytes.split_at_checked(HEADER_BYTES - CHECKSUM_BYTES) else {
        return cut_header(bytes, expected);
    };
    let Some((checksum, rest)) = rest.split_first_chunk() else {
        return cut_header(bytes, expected);
    };
    let mut sum = Hasher::new();
    sum.update(numbers);
    let (Some((sequence, length)), true) =
        (numbers.split_first_chunk(), *checksum == sum.clone().finalize().to_le_bytes())
    else {
        return Err(Damage::Header);
    };
    let sequence = u64::from_le_bytes(*sequence);
    follows(sequence, expected)?;
    let length = length.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
    let Some(length) = length.filter(|length| *length <= RECORD_BYTES_MAX) else {
        return Err(Damage::Unwritable);
    };
    let Some((record, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    let Some((checksum, after)) = rest.split_first_chunk() else { return Ok(None) };
    sum.update(record);
    if *checksum == sum.finalize().to_le_bytes() {
        Ok(Some(Frame { sequence, record, after }))
    } else {
        Err(Damage::Payload { sequence })
    }
}

/// Whether these bytes, up to the end of a file, are the beginning of a frame and zeros in place of the rest, its checksum among
/// them, and no more than one write of the file may have. A frame that was written has zeros for a checksum once in 2^32 times.
#[must_use]
pub fn is_unwritten(bytes: &[u8], expected: Option<u64>, write_max: usize) -> bool {
    if bytes.len() > write_max {
        return false;
    }
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at.saturating_add(1));
    // A header may end in a zero, as a record may.
    let end = written.max(HEADER_BYTES).min(bytes.len());
    let (here, whole) = (bytes.get(..written).unwrap_or_default(), bytes.get(..end).unwrap_or_default());
    match frame(whole, expected) {
        Ok(found) => found.is_none() && !ends_in_checksum(whole),
        Err(_) => written < HEADER_BYTES && begins_header(here, expected),
    }
}

/// Whether this is the beginning of the right header, as far as can be told: its numbers, and then of their checksum.
fn begins_header(bytes: &[u8], expected: Option<u64>) -> bool {
    let checksum = bytes.split_at_checked(HEADER_BYTES - CHECKSUM_BYTES);
    let is_right = checksum.is_none_or(|(numbers, begun)| {
        let mut sum = Hasher::new();
        sum.update(numbers);
        sum.finalize().to_le_bytes().starts_with(begun)
    });
    is_right && cut_header(bytes, expected).is_ok()
}

/// Whether a frame that is cut short has all of its record, and some of the checksum.
fn ends_in_checksum(bytes: &[u8]) -> bool {
    let length = bytes.get(8..).and_then(|rest| rest.first_chunk()).map(|length| u32::from_le_bytes(*length));
    let end = length.map_or(0, |length| (length as usize).saturating_add(HEADER_BYTES));
    bytes.len() > end
}

/// A header without its checksum proves nothing, but its first bytes are known.
fn cut_header(bytes: &[u8], expected: Option<u64>) -> Result<Option<Frame<'_>>, Damage> {
    match expected {
        Some(expected) if bytes.iter().zip(expected.to_le_bytes()).any(|(here, right)| *here != right) => {
            Err(Damage::Stray { expected })
        }
        _ => Ok(None),
    }
}

fn follows(found: u64, expected: Option<u64>) -> Result<(), Damage> {
    match expected {
        Some(expected) if found < expected => Err(Damage::Repeated { expected, found }),
        Some(expected) if found > expected => Err(Damage::Hole { expected, found }),
        _ => Ok(()),
    }
}
