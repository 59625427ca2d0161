//! Why something that is stored was not opened.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file was not opened. Nothing in it has changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system does not let us.
    #[error("{path} cannot be opened")]
    Unreachable {
        /// Which file.
        path: PathBuf,
        /// What it says.
        #[source]
        cause: io::Error,
    },
    /// Another process has it open, and there may be one only.
    #[error("{path} is in use by another process")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// Later programs have worked with it, and only they know what is in there now.
    #[error("{path} was changed by a later version of this program (schema {schema}, which is unknown here)")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The first version of its schema that is not known here.
        schema: i64,
    },
    /// It belongs to another program, or to a build of this one that was never released.
    #[error("{path} is a database of something else")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// It is damaged, or no database at all.
    #[error("{path} is damaged")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How it was noticed.
        #[source]
        cause: sqlx::Error,
    },
    /// The database does not answer.
    #[error("the database in {path} does not answer")]
    Database {
        /// Which file.
        path: PathBuf,
        /// What it says.
        #[source]
        cause: sqlx::Error,
    },
}

impl OpenError {
    pub(crate) fn unreachable(path: &Path, cause: io::Error) -> Self {
        Self::Unreachable { path: path.to_owned(), cause }
    }

    pub(crate) fn in_use(path: &Path) -> Self {
        Self::InUse { path: path.to_owned() }
    }
}

/// Makes it durable that the file has this name: without that, a crash may lose a file whose content is safe.
pub(crate) fn sync_name(path: &Path) -> Result<(), OpenError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|cause| OpenError::unreachable(path, cause))
}
