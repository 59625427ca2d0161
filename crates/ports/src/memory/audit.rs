//! An audit sink in memory.

use std::sync::{Arc, Mutex};

use super::lock;
use crate::audit::{AuditSink, ENTRY_BYTES_MAX};
use crate::fault::fits;
use crate::{Answer, Bytes, Fault};

/// The most entries a twin keeps.
pub const ENTRIES_MAX: usize = 1 << 20;

/// Entries in a list. Clones are the same sink.
#[derive(Clone, Default)]
pub struct Twin(Arc<Mutex<Vec<Bytes>>>);

impl Twin {
    fn keep(&self, index: u64, entry: &[u8]) -> Result<(), Fault> {
        fits(entry, ENTRY_BYTES_MAX, "an audit entry is too long")?;
        let mut entries = lock(&self.0);
        let index = usize::try_from(index).map_err(|_| GAP)?;
        match entries.get(index) {
            Some(kept) if **kept == *entry => Ok(()),
            Some(_) => Err(Fault::Refused("another entry has this index")),
            None if index > entries.len() => Err(GAP),
            None if entries.len() >= ENTRIES_MAX => Err(Fault::Full),
            None => {
                entries.push(entry.into());
                Ok(())
            }
        }
    }
}

const GAP: Fault = Fault::Refused("entries before this one are missing");

impl AuditSink for Twin {
    fn append<'a>(&'a self, index: u64, entry: &'a [u8]) -> Answer<'a, ()> {
        Box::pin(async move { self.keep(index, entry) })
    }

    fn head(&self) -> Answer<'_, u64> {
        Box::pin(async move { Ok(lock(&self.0).len() as u64) })
    }
}
