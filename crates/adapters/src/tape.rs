//! An append-only file of frames with one writer: what journal and audit log have in common.
//!
//! After a write or a sync that failed, nobody knows what is on the disk: a second sync may succeed without having
//! written anything, because the system forgets pages it could not write. So the tape never syncs the same bytes again.
//! It takes nothing more until it was read again, and then first cuts off all that was not durable before.

mod medium;
#[cfg(test)]
pub(crate) mod weather;

use std::io;
use std::path::Path;

use keymoot_ports::Fault;
use keymoot_ports::frames::{self, Corrupt, Damage, Frame, HEADER_BYTES};

pub(crate) use medium::Medium;

use crate::OpenError;

/// The number of the first frame.
const FIRST: u64 = 0;

/// How much is read at once, unless a frame is longer.
const CHUNK_BYTES: usize = 256 << 10;

/// And of a long frame.
const STRIDE_BYTES: usize = 8 << 20;

/// Where the next frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number.
    pub sequence: u64,
    /// Its first byte in the file.
    pub byte: u64,
}

/// What is known about the end of the tape.
enum End {
    Unread,
    /// All before is durable.
    At(Place),
    /// A write failed; all before this place is durable.
    Unsure(Place),
    Corrupt(Fault),
}

/// The writer of the file.
pub(crate) struct Tape {
    medium: Box<dyn Medium>,
    end: End,
    what: &'static str,
    /// The longest write, in bytes: more than this is not what is left of one.
    write_max: usize,
}

impl Tape {
    /// Opens a file, or makes an empty one, for this process alone.
    pub(crate) fn open(path: &Path, what: &'static str, write_max: usize) -> Result<Self, OpenError> {
        Ok(Self::on(medium::open(path)?, what, write_max))
    }

    pub(crate) fn on(medium: impl Medium + 'static, what: &'static str, write_max: usize) -> Self {
        Self { medium: Box::new(medium), end: End::Unread, what, write_max }
    }

    /// Shows every record with its place, from the first on. Cuts a torn frame off, and what a failed write left.
    pub(crate) fn read(&mut self, mut visit: impl FnMut(Place, &[u8])) -> Result<Place, Fault> {
        if let End::Unsure(durable) = self.end {
            self.cut(durable.byte)?;
        }
        let (place, is_torn) = match self.scan(&mut visit) {
            Ok(found) => found,
            Err(ScanError::Damaged(cause)) => {
                let fault = Fault::corrupt(self.what, cause);
                self.end = End::Corrupt(fault.clone());
                return Err(fault);
            }
            Err(ScanError::Unreadable(cause)) => return Err(Fault::unavailable_for(cause)),
        };
        if is_torn {
            let (what, byte) = (self.what, place.byte);
            tracing::warn!(
                what,
                byte,
                "the last write was not finished, and is cut off: nobody was told of it"
            );
            self.cut(byte)?;
        }
        if matches!(self.end, End::Unread) {
            // What a killed process has written can be read, and may still be in the memory of the system alone.
            self.medium.sync().map_err(Fault::unavailable_for)?;
        }
        self.end = End::At(place);
        Ok(place)
    }

    /// Where the next frame goes. Reads the tape if nobody has done so.
    pub(crate) fn end(&mut self) -> Result<Place, Fault> {
        match &self.end {
            End::At(place) => Ok(*place),
            End::Unread => self.read(|_, _| {}),
            End::Unsure(_) => Err(Fault::unavailable()),
            End::Corrupt(fault) => Err(fault.clone()),
        }
    }

    /// Makes records durable behind all others. `Full` leaves nothing.
    pub(crate) fn append<R: AsRef<[u8]>>(&mut self, records: &[R]) -> Result<(), Fault> {
        let place = self.end()?;
        let framed = frames::encode(place.sequence, records)
            .map_err(|_| Fault::Refused("the records cannot be framed"))?;
        if framed.is_empty() {
            return Ok(());
        }
        if let Err(cause) = self.medium.write_at(&framed, place.byte) {
            self.end = End::Unsure(place);
            if !is_full(&cause) {
                return Err(Fault::unavailable_for(cause));
            }
            self.cut(place.byte)?;
            self.end = End::At(place);
            return Err(Fault::Full);
        }
        if let Err(cause) = self.medium.sync() {
            self.end = End::Unsure(place);
            // So that the next process does not take for durable what it can read. If this fails too, so be it.
            let _ = self.medium.cut(place.byte);
            return Err(Fault::unavailable_for(cause));
        }
        self.end = End::At(Place {
            sequence: place.sequence.saturating_add(records.len() as u64),
            byte: place.byte.saturating_add(framed.len() as u64),
        });
        Ok(())
    }

    /// The record in the frame that begins at this byte and has this number.
    pub(crate) fn record(&self, place: Place, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; bytes_max.saturating_add(frames::OVERHEAD_BYTES)];
        let found = self.fill(&mut bytes, place.byte).map_err(Fault::unavailable_for)?;
        let bytes = bytes.get(..found).unwrap_or_default();
        let at = usize::try_from(place.byte).unwrap_or(usize::MAX);
        match frames::frame(bytes, Some(place.sequence)) {
            Ok(Some(frame)) => Ok(frame.record.to_vec()),
            Ok(None) => Err(Fault::corrupt(self.what, Corrupt { at, why: Damage::Header })),
            Err(why) => Err(Fault::corrupt(self.what, Corrupt { at, why })),
        }
    }

    /// Durably takes off all from this byte on.
    fn cut(&mut self, byte: u64) -> Result<(), Fault> {
        self.medium.cut(byte).and_then(|()| self.medium.sync()).map_err(Fault::unavailable_for)
    }

    fn scan(&self, visit: &mut impl FnMut(Place, &[u8])) -> Result<(Place, bool), ScanError> {
        let mut place = Place { sequence: FIRST, byte: 0 };
        // What was read and not yet shown. It never holds more than one frame, or zeros for one write, and one stride.
        let mut window = Vec::new();
        loop {
            let is_last = self.read_on(&mut window, place.byte)?;
            let mut rest = window.as_slice();
            while rest.len() >= HEADER_BYTES || is_last {
                let at = usize::try_from(place.byte).unwrap_or(usize::MAX);
                let frame = match frames::frame(rest, Some(place.sequence)) {
                    // Zeros so far. What comes then tells whether it was ever written.
                    Err(_) if place.byte > 0 && self.is_unwritten(rest, place) => None,
                    found => found.map_err(|why| Corrupt { at, why })?,
                };
                let Some(Frame { sequence, record, after }) = frame else { break };
                let next = sequence.checked_add(1).ok_or(Corrupt { at, why: Damage::Unwritable })?;
                visit(place, record);
                place.sequence = next;
                place.byte = place.byte.saturating_add((rest.len() - after.len()) as u64);
                rest = after;
            }
            if is_last {
                return Ok((place, !rest.is_empty()));
            }
            let shown = window.len() - rest.len();
            window.drain(..shown);
        }
    }

    fn is_unwritten(&self, rest: &[u8], place: Place) -> bool {
        frames::is_unwritten(rest, Some(place.sequence), self.write_max)
    }

    /// Adds what follows the window, which begins at this byte of the file, and says whether that was all.
    fn read_on(&self, window: &mut Vec<u8>, from: u64) -> io::Result<bool> {
        let held = window.len();
        // A long frame takes a few reads of growing length.
        let wanted = held.saturating_add(held.clamp(CHUNK_BYTES, STRIDE_BYTES));
        window.resize(wanted, 0);
        let space = window.get_mut(held..).unwrap_or_default();
        let found = self.fill(space, from.saturating_add(held as u64))?;
        window.truncate(held.saturating_add(found));
        Ok(window.len() < wanted)
    }

    /// Reads until the space is full or the file ends.
    fn fill(&self, space: &mut [u8], from: u64) -> io::Result<usize> {
        let mut found = 0;
        while let Some(left) = space.get_mut(found..).filter(|left| !left.is_empty()) {
            match self.medium.read_at(left, from.saturating_add(found as u64)) {
                Ok(0) => break,
                Ok(more) => found += more,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(found)
    }
}

enum ScanError {
    Damaged(Corrupt),
    Unreadable(io::Error),
}

impl From<Corrupt> for ScanError {
    fn from(cause: Corrupt) -> Self {
        Self::Damaged(cause)
    }
}

impl From<io::Error> for ScanError {
    fn from(cause: io::Error) -> Self {
        Self::Unreadable(cause)
    }
}

/// Whether a write failed for want of room, and not because something is broken.
fn is_full(cause: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
