//! One database file for all that coordinators on one machine share.
//!
//! Every process has one writer task with one connection. It takes all calls that have come in, runs them in one
//! transaction, and answers when that is durable: many callers pay for one sync. Who only looks has a task and a
//! connection beside it.

mod desk;
mod faults;
mod file;
mod reader;

use std::path::Path;
use std::sync::Arc;

use keymoot_ports::{Clock, Directory, Queue, Registry, Sessions};

pub(crate) use desk::{Desk, Till};
pub(crate) use faults::{Stop, corrupt};
pub(crate) use reader::Reader;

use crate::OpenError;
use crate::directory::EmbeddedDirectory;
use crate::queue::EmbeddedQueue;
use crate::registry::EmbeddedRegistry;
use crate::sessions::EmbeddedSessions;

/// Sessions, directory, registry and queue in one file. Clones are the same store. Needs a tokio runtime to run in.
#[derive(Clone)]
pub struct EmbeddedStore {
    desk: Desk,
    reader: Reader,
}

impl EmbeddedStore {
    /// Opens the store in this file, or begins one. Other processes of the machine may have it open, too; the clocks of
    /// all must be the clock of the machine.
    ///
    /// # Errors
    /// The file is out of reach, damaged, of another program, or of a later version of this one.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let connection = file::open(path).await?;
        let reader = reader::start(path.to_owned(), Arc::clone(&clock));
        Ok(Self { desk: desk::start(path.to_owned(), connection, clock), reader })
    }

    /// What coordinators share.
    #[must_use]
    pub fn sessions(&self) -> Arc<dyn Sessions> {
        Arc::new(EmbeddedSessions { desk: self.desk.clone(), reader: self.reader.clone() })
    }

    /// What people look up.
    #[must_use]
    pub fn directory(&self) -> Arc<dyn Directory> {
        Arc::new(EmbeddedDirectory { desk: self.desk.clone(), reader: self.reader.clone() })
    }

    /// Who is there.
    #[must_use]
    pub fn registry(&self) -> Arc<dyn Registry> {
        Arc::new(EmbeddedRegistry { desk: self.desk.clone(), reader: self.reader.clone() })
    }

    /// Work for whoever is free: at most so many pieces. It is the same queue for all.
    #[must_use]
    pub fn queue(&self, bound: u32) -> Arc<dyn Queue> {
        Arc::new(EmbeddedQueue { desk: self.desk.clone(), bound })
    }

    /// Does what was asked for before, and closes the file. All further calls are `Unavailable`. Without this, the
    /// file is closed soon after the last handle is gone.
    pub async fn close(&self) {
        // The writer is the last to leave: it tidies up behind all.
        self.reader.close().await;
        self.desk.close().await;
    }
}
