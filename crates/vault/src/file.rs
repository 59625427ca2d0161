//! Files that only their owner reads, and that are there whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Fault;

/// Writes a file that only its owner can read. After a crash it has the old content or the new, and nothing between.
///
/// # Errors
/// The system says no; then the old content is there.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Fault> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = parent.join(name);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Fault::io(&fresh, "removing what an earlier write has left")(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(Fault::io(&fresh, "making the file"))?;
    file.write_all(content).map_err(Fault::io(&fresh, "writing"))?;
    file.sync_all().map_err(Fault::io(&fresh, "syncing"))?;
    fs::rename(&fresh, path).map_err(Fault::io(path, "putting the new content in place"))?;
    sync_directory(parent)
}

/// Makes it durable which files a directory has.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), Fault> {
    let opened = File::open(directory).map_err(Fault::io(directory, "opening the directory"))?;
    opened.sync_all().map_err(Fault::io(directory, "syncing the directory"))
}

/// Reads a file that only its owner can read, up to this length.
///
/// # Errors
/// It is not there, others can read or change it, it is no plain file, or it is longer.
pub fn read_private(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut file = File::open(path).map_err(Fault::io(path, "opening"))?;
    check(path, &file)?;
    let mut content = Zeroizing::new(Vec::new());
    let read = (&mut file).take(most + 1).read_to_end(&mut content);
    read.map_err(Fault::io(path, "reading"))?;
    if content.len() as u64 > most {
        return Err(Fault::damaged(path, format!("it is longer than {most} bytes")));
    }
    Ok(content)
}

fn check(path: &Path, file: &File) -> Result<(), Fault> {
    let found = file.metadata().map_err(Fault::io(path, "looking at it"))?;
    let exposed = |why| Err(Fault::Exposed { path: path.to_owned(), why });
    if !found.is_file() {
        return exposed("is not a plain file");
    }
    if found.mode() & 0o077 != 0 {
        return exposed("can be read or changed by others than its owner");
    }
    Ok(())
}

/// Makes a directory that only its owner can look into.
pub(crate) fn make_directory(path: &Path) -> Result<(), Fault> {
    fs::create_dir_all(path).map_err(Fault::io(path, "making the directory"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(Fault::io(path, "closing it to others"))
}

/// Holds a directory for this process. The lock goes with the process.
pub(crate) struct Hold(#[expect(dead_code, reason = "the lock is held as long as the file is open")] File);

pub(crate) fn hold(directory: &Path) -> Result<Hold, Fault> {
    let path: PathBuf = directory.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(Fault::io(&path, "opening the lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Hold(file)),
        Err(fs::TryLockError::WouldBlock) => Err(Fault::InUse(directory.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(Fault::io(&path, "locking")(error)),
    }
}
