//! What can go wrong, in words that say which file it is and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why a vault does not do what was asked. Nothing was written, unless it says so.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system says no.
    #[error("{path}: {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// There is something already.
    #[error("{0} exists already; a vault is never overwritten")]
    Exists(PathBuf),
    /// There is no vault.
    #[error("there is no vault in {0}")]
    Missing(PathBuf),
    /// Somebody else can read it, or it is not a plain file.
    #[error("{path} {why}; make it readable for its owner only (chmod 600)")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another process has the vault open.
    #[error("{0} is in use by another process; two processes must never share the state of one node")]
    InUse(PathBuf),
    /// It does not open: another passphrase or key file, or the header was changed.
    #[error("{path}: the {unlock} does not open this vault, or its header was changed")]
    Locked {
        /// The header.
        path: PathBuf,
        /// What was tried.
        unlock: &'static str,
    },
    /// The vault is of another node or cluster.
    #[error("{path} is the vault of {found}, not of {expected}")]
    Foreign {
        /// The header.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// It is not what this version writes.
    #[error("{path}: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Sealed bytes do not open at this place.
    #[error("{label} does not open: it was changed, or belongs to another place")]
    Unsealed {
        /// The place.
        label: String,
    },
    /// The caller asks for something that cannot be.
    #[error("{0}")]
    Refused(&'static str),
}

impl Fault {
    pub(crate) fn io(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, what, source }
    }

    pub(crate) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }
}
