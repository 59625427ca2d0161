//! An audit sink in one file: entry i is frame i, in the format of `keymoot_ports::frames`.
//!
//! Only where each entry begins is kept in memory: eight bytes for each.

use std::path::Path;
use std::sync::{Arc, Mutex};

use keymoot_ports::audit::{AuditSink, ENTRY_BYTES_MAX};
use keymoot_ports::fault::fits;
use keymoot_ports::frames::OVERHEAD_BYTES;
use keymoot_ports::{Answer, Fault};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::tape::{Place, Tape};
use crate::{OpenError, lock};

/// The most calls at once. More are answered `Full`.
pub const CALLS_MAX: usize = 64;

/// An audit sink in an append-only file. Needs a tokio runtime to run in.
pub struct FileAudit {
    /// Gone when the sink is.
    shelf: Arc<Mutex<Option<Shelf>>>,
    calls: Arc<Semaphore>,
}

struct Shelf {
    tape: Tape,
    /// The first byte of each entry, once they were read.
    starts: Option<Vec<u64>>,
}

const GAP: Fault = Fault::Refused("entries before this one are missing");

impl FileAudit {
    /// Opens the sink in this file, or begins one. What is in it is read with the first call.
    ///
    /// # Errors
    /// The file is out of reach, or another process has it open.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let shelf = Shelf {
            tape: Tape::open(path, "the audit log", ENTRY_BYTES_MAX + OVERHEAD_BYTES)?,
            starts: None,
        };
        let calls = Arc::new(Semaphore::new(CALLS_MAX));
        Ok(Self { shelf: Arc::new(Mutex::new(Some(shelf))), calls })
    }

    async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Shelf) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = Arc::clone(&self.calls).try_acquire_owned().map_err(|_| Fault::Full)?;
        let shelf = Arc::clone(&self.shelf);
        let acted = spawn_blocking(move || {
            let _permit = permit;
            act(lock(&shelf).as_mut().ok_or(Fault::unavailable())?)
        });
        acted.await.map_err(Fault::unavailable_for)?
    }
}

impl Shelf {
    /// Where each entry begins. After a write that failed the file is read again.
    fn starts(&mut self) -> Result<&mut Vec<u64>, Fault> {
        if self.starts.is_none() {
            let mut starts = Vec::new();
            self.tape.read(|place, _| starts.push(place.byte))?;
            return Ok(self.starts.insert(starts));
        }
        self.starts.as_mut().ok_or(Fault::unavailable())
    }

    fn keep(&mut self, index: u64, entry: &[u8]) -> Result<(), Fault> {
        let starts = self.starts()?;
        let position = usize::try_from(index).map_err(|_| GAP)?;
        if let Some(byte) = starts.get(position).copied() {
            let kept = self.tape.record(Place { sequence: index, byte }, ENTRY_BYTES_MAX)?;
            return if kept == entry { Ok(()) } else { Err(Fault::Refused("another entry has this index")) };
        }
        if position > starts.len() {
            return Err(GAP);
        }
        let appended = self.tape.end().and_then(|place| self.tape.append(&[entry]).map(|()| place.byte));
        match (appended, &mut self.starts) {
            (Ok(byte), Some(starts)) => starts.push(byte),
            (Ok(_), None) => {}
            (Err(Fault::Full), _) => return Err(Fault::Full),
            (Err(fault), _) => {
                self.starts = None;
                return Err(fault);
            }
        }
        Ok(())
    }
}

/// Closes the file now, so that it can be opened again. Waits for a write that is going on.
impl Drop for FileAudit {
    fn drop(&mut self) {
        drop(lock(&self.shelf).take());
    }
}

impl AuditSink for FileAudit {
    fn append<'a>(&'a self, index: u64, entry: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move {
            fits(entry, ENTRY_BYTES_MAX, "an audit entry is too long")?;
            let entry = entry.to_vec();
            self.ask(move |shelf| shelf.keep(index, &entry)).await
        })
    }

    fn head(&self) -> Answer<'_, u64> {
        Box::pin(self.ask(|shelf| Ok(shelf.starts()?.len() as u64)))
    }
}
