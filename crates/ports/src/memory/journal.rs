//! A journal in memory: frames on a disk that can be cut, filled and damaged.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::journal::{Journal, admit};
use crate::{Answer, Fault, frames};

/// What is left of a journal when its process dies. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    /// How many more bytes it takes, if that is bounded.
    free: Option<usize>,
    /// The next write stops after so many bytes, and fails.
    disturbed: Option<usize>,
}

impl Disk {
    /// From now on the disk takes so many bytes more; `None` lifts the bound.
    pub fn squeeze(&self, free: Option<usize>) {
        lock(&self.0).free = free;
    }

    /// The next write stops after `keep` bytes, and fails.
    pub fn disturb(&self, keep: usize) {
        lock(&self.0).disturbed = Some(keep);
    }

    /// Flips one bit of what is stored. An empty disk has none.
    pub fn flip(&self, bit: usize) -> bool {
        match lock(&self.0).bytes.get_mut(bit / 8) {
            Some(byte) => {
                *byte ^= 1 << (bit % 8);
                true
            }
            None => false,
        }
    }

    /// How many bytes are stored.
    #[must_use]
    pub fn bytes(&self) -> usize {
        lock(&self.0).bytes.len()
    }
}

impl Platter {
    fn write(&mut self, frames: &[u8]) -> Result<(), Fault> {
        if let Some(keep) = self.disturbed.take() {
            self.bytes.extend(frames.iter().take(keep));
            return Err(Fault::unavailable());
        }
        if let Some(free) = &mut self.free {
            *free = free.checked_sub(frames.len()).ok_or(Fault::Full)?;
        }
        self.bytes.extend_from_slice(frames);
        Ok(())
    }

    /// All records and the next sequence number. Cuts a torn frame off.
    fn read(&mut self) -> Result<(Vec<Vec<u8>>, u64), Fault> {
        let decoded = frames::decode(&self.bytes).map_err(|cause| Fault::corrupt("the journal", cause))?;
        if decoded.first_sequence.is_some_and(|first| first != FIRST) {
            return Err(Fault::Corrupt { what: "the beginning of the journal", cause: None });
        }
        let records = decoded.records.iter().map(|record| record.to_vec()).collect();
        let (next, valid_len) = (decoded.next_sequence(FIRST), decoded.valid_len);
        self.bytes.truncate(valid_len);
        Ok((records, next))
    }
}

const FIRST: u64 = 0;

/// What a writer knows about the end of its journal.
enum End {
    Unread,
    At(u64),
    /// A write failed; only reading shows what is there.
    Unsure,
}

/// The writer of a journal.
pub struct Twin {
    disk: Disk,
    end: Mutex<End>,
}

impl Twin {
    /// Opens the journal on this disk.
    #[must_use]
    pub const fn open(disk: Disk) -> Self {
        Self { disk, end: Mutex::new(End::Unread) }
    }

    fn write(&self, batch: &[Vec<u8>]) -> Result<(), Fault> {
        admit(batch)?;
        let mut end = lock(&self.end);
        let platter = &mut *lock(&self.disk.0);
        let next = match *end {
            End::Unread => platter.read()?.1,
            End::At(next) => next,
            End::Unsure => return Err(Fault::unavailable()),
        };
        let frames = frames::encode(next, batch).map_err(|_| Fault::Refused("the batch cannot be framed"))?;
        let written = platter.write(&frames);
        *end = match &written {
            Ok(()) => End::At(next.saturating_add(batch.len() as u64)),
            Err(Fault::Unavailable { .. }) => End::Unsure,
            Err(_) => End::At(next),
        };
        written
    }

    fn read(&self) -> Result<Vec<Vec<u8>>, Fault> {
        let mut end = lock(&self.end);
        let (records, next) = lock(&self.disk.0).read()?;
        *end = End::At(next);
        Ok(records)
    }
}

impl Journal for Twin {
    fn append<'a>(&'a self, batch: &'a [Vec<u8>]) -> Answer<'a, ()> {
        Box::pin(async move { self.write(batch) })
    }

    fn replay(&self) -> Answer<'_, Vec<Vec<u8>>> {
        Box::pin(async move { self.read() })
    }
}
