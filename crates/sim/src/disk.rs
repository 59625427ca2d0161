//! A disk that forgets what was not synced, tears what was being written, fills up, refuses, and ages.

use keymoot_engine::record::Record;
use keymoot_ports::frames;
use keymoot_protocol::codec::Wire;

use crate::chance::Chance;

/// One node's journal.
#[derive(Default)]
pub struct Disk {
    bytes: Vec<u8>,
    unsynced: Vec<u8>,
    sequence: u64,
    copy: Vec<u8>,
    /// There is no room.
    pub is_full: bool,
    /// A bit has turned over.
    pub is_damaged: bool,
}

/// What is on a disk.
pub enum Found {
    /// Whole records.
    Records(Vec<Record>),
    /// Something that nobody wrote.
    Corrupt(String),
}

impl Disk {
    /// How many records were written, and how many bytes are not synced.
    #[must_use]
    pub fn sizes(&self) -> (u64, usize) {
        (self.sequence, self.unsynced.len())
    }

    /// Writes records, without syncing them.
    pub fn write(&mut self, records: &[Record]) {
        let encoded: Vec<_> = records.iter().map(Wire::encode).collect();
        let bytes: Vec<&[u8]> = encoded.iter().map(|one| one.as_slice()).collect();
        if let Ok(frames) = frames::encode(self.sequence, &bytes) {
            self.unsynced.extend_from_slice(&frames);
            self.sequence += records.len() as u64;
        }
    }

    /// What was written stays.
    pub fn sync(&mut self) {
        self.bytes.append(&mut self.unsynced);
    }

    /// The process is gone, and so is what it had not synced, all but a piece from its beginning; now and then its length is kept,
    /// and its bytes are zeros. Whether there is a piece.
    pub fn crash(&mut self, chance: &mut Chance) -> bool {
        let kept =
            if chance.happens(500) { 0 } else { chance.between(0, self.unsynced.len() as u64) as usize };
        let is_torn = kept > 0 && kept < self.unsynced.len();
        let whole = self.bytes.len() + kept;
        self.bytes.append(&mut self.unsynced);
        let is_told = is_told_from_damage(&self.bytes, whole);
        self.bytes.iter_mut().skip(whole).for_each(|byte| *byte = 0);
        if !chance.happens(200) || !is_told {
            self.bytes.truncate(whole);
        }
        is_torn
    }

    /// Somebody copies what is durable.
    pub fn copy(&mut self) {
        self.copy.clone_from(&self.bytes);
    }

    /// Somebody puts the copy back. Whether anything is lost.
    pub fn put_back(&mut self) -> bool {
        let is_older = self.copy.len() < self.bytes.len();
        self.bytes.clone_from(&self.copy);
        is_older
    }

    /// A bit turns over.
    pub fn flip(&mut self, chance: &mut Chance) {
        let at = chance.below(self.bytes.len() as u64) as usize;
        // What was torn is cut off at the next start anyway.
        let whole = frames::decode(&self.bytes).map_or(self.bytes.len(), |decoded| decoded.valid_len);
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte ^= 1 << chance.below(8);
            self.is_damaged |= at < whole || frames::decode(&self.bytes).is_err();
        }
    }

    /// Reads everything back, and cuts off what was torn.
    pub fn read(&mut self) -> Found {
        let decoded = match frames::decode(&self.bytes) {
            Ok(decoded) => decoded,
            Err(corrupt) => return Found::Corrupt(corrupt.to_string()),
        };
        self.sequence = decoded.next_sequence(0);
        let records: Result<Vec<_>, _> = decoded.records.iter().map(|bytes| Record::decode(bytes)).collect();
        let valid = decoded.valid_len;
        self.bytes.truncate(valid);
        match records {
            Ok(records) => Found::Records(records),
            Err(_) => Found::Corrupt("a record cannot be read".to_owned()),
        }
    }

    /// What was written and not synced is gone.
    pub fn lose(&mut self) {
        self.unsynced.clear();
    }

    /// As [`Disk::read`], but taking what comes before the damage: what no node may do.
    pub fn read_forgiving(&mut self) -> Found {
        if let Err(corrupt) = frames::decode(&self.bytes) {
            self.bytes.truncate(corrupt.at);
        }
        self.read()
    }
}

/// Whether zeros from this byte on are told from damage: where there is a journal before them, and the checksum of a record is
/// there as a whole or not at all.
fn is_told_from_damage(bytes: &[u8], at: usize) -> bool {
    let mut begin = 0;
    while let Ok(Some(frame)) = frames::frame(bytes.get(begin..).unwrap_or_default(), None) {
        let end = bytes.len() - frame.after.len();
        if at < end {
            return begin > 0 && at + 3 < end;
        }
        begin = end;
    }
    true
}
