//! The directory of one process: which files it has, and what is said when they are not as they must be.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use keymoot_vault::{Fault, Unlock, read_private, write_private};
use keymoot_wire::cluster::{ClusterDocument, SignedDocument};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::explain::{
    CEREMONY_PENDING, CEREMONY_UNVERIFIED, CONFIG_VALUE, DISK_FULL, FILE_DAMAGED, FILE_EXPOSED, FILE_MISSING,
    FILES, IN_USE, NO_PASSPHRASE, VAULT_LOCKED, WEAK_PASSPHRASE,
};
use crate::failure::{Failure, Trouble};

/// The certificate of the authority that invited us. It came with the invitation; everything is verified by it.
pub const AUTHORITY: &str = "authority.pem";
/// The cluster document, with the authority's signature.
pub const CLUSTER: &str = "cluster.json";
/// Our certificate.
pub const CERTIFICATE: &str = "tls.pem";
/// Our TLS key.
pub const TLS_KEY: &str = "tls.key.pem";
/// The TLS key that is to follow it, until its certificate has come.
pub const TLS_KEY_NEXT: &str = "tls.next.key.pem";
/// A node's vault.
pub const VAULT: &str = "vault";
/// A node's journal.
pub const JOURNAL: &str = "journal";
/// A coordinator's seed: an identity of no power.
pub const SEED: &str = "identity.seed";
/// The key with which a client signs its requests.
pub const REQUEST_KEY: &str = "request.key";

/// The longest file that is read whole.
const FILE_MAX: u64 = 32 * 1024 * 1024;

/// Reads a public file.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(path),
        _ => io_trouble(path, "cannot be read", error),
    })
}

/// Reads a secret file.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_private(path, FILE_MAX).map_err(|fault| vault_trouble(&fault))
}

/// Writes a secret file, or the old one stays.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), Failure> {
    write_private(path, content).map_err(|fault| vault_trouble(&fault))
}

/// Writes a public file the same way.
pub fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    write_private(path, text.as_bytes()).map_err(|fault| vault_trouble(&fault))?;
    open_to_all(path)
}

/// Writes a file that a person has named, whole or not at all, and touches no other file beside it.
pub fn write_named(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = folder_of(path)?;
    let written = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    };
    // Without the name of the file in between, which means nothing to anybody.
    let written = written().map_err(|error: io::Error| io::Error::from(error.kind()));
    written.map_err(|error| io_trouble(path, "could not be written", error))?;
    open_to_all(path)
}

/// Whether a file can be written here later, found out before anything depends on it.
pub fn must_be_writable(path: &Path) -> Result<(), Failure> {
    let refused = |failure: Failure| match failure {
        Failure::Trouble(trouble) => trouble.undone("nothing was asked and nothing was sent").into(),
        failure => failure,
    };
    // It would be put in the place of what is there: of a device, or of a folder, nothing good comes.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let what = format!("`{}` is there, and no plain file", path.display());
        return Err(refused(Trouble::new(FILES, what).into()));
    }
    let folder = folder_of(path).map_err(refused)?;
    // Without the name of the file that was tried, which means nothing to anybody.
    let tried = tempfile::NamedTempFile::new_in(folder).map_err(|error| io::Error::from(error.kind()));
    tried.map(drop).map_err(|error| refused(io_trouble(path, "could not be written", error)))
}

fn open_to_all(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(path, mode).map_err(|error| io_trouble(path, "cannot be opened to others", error))
}

/// Makes a directory for its owner only. One that exists stays as it is.
pub fn make_directory(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| io_trouble(path, "cannot be made", error))
}

/// What the system says of a file, with the code of its kind.
pub fn io_trouble(path: &Path, what: &str, error: io::Error) -> Failure {
    let page = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DISK_FULL,
        io::ErrorKind::NotFound => FILE_MISSING,
        _ => FILES,
    };
    Trouble::new(page, format!("`{}` {what}", path.display())).because(error).into()
}

/// A file that was named is not there.
fn missing(path: &Path) -> Failure {
    Trouble::new(FILE_MISSING, format!("there is no file `{}`", path.display()))
        .undone("nothing was started or changed")
        .into()
}

/// The folder in which a file that a person has named is to be written.
fn folder_of(path: &Path) -> Result<&Path, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        return Ok(folder);
    }
    let what = format!("there is no folder `{}` to write `{}` in", folder.display(), path.display());
    Err(Trouble::new(FILE_MISSING, what).help("make the folder, or name another file").into())
}

/// What the vault says, with the code of its kind.
pub fn vault_trouble(fault: &Fault) -> Failure {
    let page = match fault {
        Fault::Io { path, what, source } => {
            let error = io::Error::from(source.kind());
            let error = source.raw_os_error().map_or(error, io::Error::from_raw_os_error);
            if error.kind() == io::ErrorKind::NotFound {
                return missing(path);
            }
            return io_trouble(path, &format!("is in the way ({what})"), error);
        }
        Fault::Exists(_) => crate::explain::CEREMONY_EXISTS,
        Fault::Missing(_) => FILE_MISSING,
        Fault::Exposed { .. } => FILE_EXPOSED,
        Fault::InUse(_) => IN_USE,
        Fault::Locked { .. } => VAULT_LOCKED,
        Fault::Foreign { .. } => crate::explain::CEREMONY_FOREIGN,
        Fault::Damaged { .. } | Fault::Unsealed { .. } => FILE_DAMAGED,
        Fault::Refused(_) => WEAK_PASSPHRASE,
    };
    Trouble::new(page, fault.to_string()).undone("nothing was started, and nothing was changed").into()
}

/// The cluster document in a directory, if the authority that invited us has signed it.
pub fn document(directory: &Path) -> Result<ClusterDocument, Failure> {
    let path = directory.join(CLUSTER);
    if directory.join(AUTHORITY).exists() && !path.exists() {
        let what = format!("`{}` has not been admitted to its cluster yet", directory.display());
        return Err(Trouble::new(CEREMONY_PENDING, what).undone("nothing was started").into());
    }
    let authority = read_text(&directory.join(AUTHORITY))?;
    let unverified = |error| {
        let what = format!("`{}` is not a cluster document of our authority", path.display());
        Trouble::new(CEREMONY_UNVERIFIED, what).undone("nothing was started").because(error)
    };
    let signed = SignedDocument::parse(&read_text(&path)?).map_err(unverified)?;
    Ok(signed.verify(&authority).map_err(unverified)?)
}

/// Where the passphrase or key file of a vault comes from.
#[derive(Clone, Debug, Default)]
pub struct UnlockSource {
    pub passphrase_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

impl UnlockSource {
    /// As a process is configured.
    pub fn of_config(config: &Config) -> Self {
        Self { passphrase_file: config.path("passphrase_file"), key_file: config.path("key_file") }
    }

    /// Reads it, or asks for it at the terminal; twice if it is a new one.
    pub fn unlock(&self, is_new: bool) -> Result<Unlock, Failure> {
        if self.key_file.is_some() && self.passphrase_file.is_some() {
            let what = "a key file and a passphrase file are both given, and a vault opens with one of them";
            return Err(Trouble::new(CONFIG_VALUE, what).undone("nothing was started or written").into());
        }
        if let Some(path) = &self.key_file {
            return Ok(Unlock::KeyFile(read_secret(path)?));
        }
        if let Some(path) = &self.passphrase_file {
            let content = read_secret(path)?;
            let text = content.strip_suffix(b"\n").unwrap_or(&content);
            let text = std::str::from_utf8(text).map_err(|error| {
                let what = format!("the passphrase in `{}` is not text", path.display());
                Trouble::new(WEAK_PASSPHRASE, what).because(error)
            })?;
            return Ok(Unlock::Passphrase(text.to_owned().into()));
        }
        let passphrase = ask("Passphrase of the vault: ")?;
        if is_new && *ask("The same again: ")? != *passphrase {
            let what = "the two passphrases are not the same";
            return Err(Trouble::new(WEAK_PASSPHRASE, what).undone("nothing was written").into());
        }
        Ok(Unlock::Passphrase(passphrase.to_string().into()))
    }
}

/// Asks at the terminal, without showing what is typed.
fn ask(question: &str) -> Result<Zeroizing<String>, Failure> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    use std::io::{BufRead, Write};
    let nobody = |error: io::Error| {
        let what = "there is neither a passphrase file nor a terminal to ask at";
        Failure::from(Trouble::new(NO_PASSPHRASE, what).undone("nothing was started").because(error))
    };
    let mut terminal = fs::File::options().read(true).write(true).open("/dev/tty").map_err(nobody)?;
    terminal.write_all(question.as_bytes()).map_err(nobody)?;
    let before = tcgetattr(&terminal).map_err(|error| nobody(error.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|error| nobody(error.into()))?;
    let mut line = Zeroizing::new(String::with_capacity(1024));
    let read = io::BufReader::new(&terminal).read_line(&mut line);
    // Whatever was read, the terminal shows what is typed again.
    let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
    let _ = terminal.write_all(b"\n");
    read.map_err(nobody)?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use keymoot_vault::Fault;

    use super::{io_trouble, must_be_writable, vault_trouble, write_named};

    #[test]
    fn a_file_that_is_named_is_written_whole_and_nothing_beside_it_is_touched() {
        let place = tempfile::tempdir().unwrap();
        let (path, beside) = (place.path().join("signed"), place.path().join("signed.new"));
        std::fs::write(&beside, "mine").unwrap();
        std::fs::write(&path, "old").unwrap();
        write_named(&path, "new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(std::fs::read_to_string(&beside).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
        assert_eq!(write_named(&place.path().join("none/x"), "x").unwrap_err().code(), "E2502");
    }

    #[test]
    fn where_nothing_can_be_written_is_known_before() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name);
        assert!(must_be_writable(&file("new")).is_ok());
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left behind");
        std::fs::write(file("old"), "old").unwrap();
        assert!(must_be_writable(&file("old")).is_ok(), "it is overwritten, as before");
        for (path, code) in
            [(file("none/new"), "E2502"), (place.path().to_owned(), "E7406"), ("/dev/null".into(), "E7406")]
        {
            let failure = must_be_writable(&path).unwrap_err();
            let mut told = Vec::new();
            failure.report(str::to_owned, &mut told).unwrap();
            let told = String::from_utf8(told).unwrap();
            assert_eq!(failure.code(), code, "{told}");
            assert!(told.contains("nothing was sent"), "{told}");
            assert!(!told.contains("journal") && !told.contains("entity"), "{told}");
        }
    }

    #[test]
    fn a_full_disk_and_a_missing_file_have_codes_of_their_own() {
        for (error, code) in [
            (io::Error::from_raw_os_error(28), "E7404"),
            (io::ErrorKind::QuotaExceeded.into(), "E7404"),
            (io::ErrorKind::NotFound.into(), "E2502"),
            (io::ErrorKind::PermissionDenied.into(), "E7406"),
        ] {
            assert_eq!(io_trouble(Path::new("x"), "cannot be written", error).code(), code);
        }
        let full = Fault::Io { path: "x".into(), what: "writing", source: io::Error::from_raw_os_error(28) };
        assert_eq!((vault_trouble(&full).code(), vault_trouble(&full).exit_code()), ("E7404", 74));
        assert_eq!(vault_trouble(&Fault::InUse("x".into())).code(), "E2503");
    }
}
