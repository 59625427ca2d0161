//! What a tape asks of a file. A trait, so that tests can have a disk that fails.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::OpenError;
use crate::opening::sync_name;

pub(crate) trait Medium: Send {
    /// Reads something from here on; nothing only at the end.
    fn read_at(&self, space: &mut [u8], from: u64) -> io::Result<usize>;

    /// Writes all of it. After an error some of it may be there.
    fn write_at(&mut self, bytes: &[u8], from: u64) -> io::Result<()>;

    /// Makes durable what was written and cut.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes off all from this byte on.
    fn cut(&mut self, byte: u64) -> io::Result<()>;
}

/// A file that this process alone has open.
pub(super) struct OwnFile(File);

/// Closing alone would not do: a process that is just being started from this one still has the file open for a moment,
/// and the lock with it.
impl Drop for OwnFile {
    fn drop(&mut self) {
        // If this fails, the lock ends with the last who has the file open.
        let _ = self.0.unlock();
    }
}

impl Medium for OwnFile {
    fn read_at(&self, space: &mut [u8], from: u64) -> io::Result<usize> {
        self.0.read_at(space, from)
    }

    fn write_at(&mut self, bytes: &[u8], from: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, from)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&mut self, byte: u64) -> io::Result<()> {
        self.0.set_len(byte)
    }
}

/// Opens a file for this process alone, or makes an empty one that survives a crash. The lock ends with the process.
pub(super) fn open(path: &Path) -> Result<OwnFile, OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|cause| OpenError::unreachable(path, cause))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::in_use(path)),
        Err(TryLockError::Error(cause)) => return Err(OpenError::unreachable(path, cause)),
    }
    sync_name(path)?;
    Ok(OwnFile(file))
}
