//! The credentials that a process goes by now, and how it comes by new ones while it runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::{CredentialFiles, Credentials, TlsError};

/// Who this process is. Its certificate may be renewed while it runs; who it is may not change.
pub struct Identity {
    files: Option<CredentialFiles>,
    current: ArcSwap<Credentials>,
    /// What the files looked like when they were read last. Also serialises reloads.
    seen: Mutex<Vec<Option<Stamp>>>,
    changes: watch::Sender<()>,
}

/// When a file was changed, and its length.
type Stamp = (SystemTime, u64);

impl Identity {
    /// From files.
    ///
    /// # Errors
    /// As for [`Credentials::load`].
    pub fn open(files: CredentialFiles) -> Result<Arc<Self>, TlsError> {
        // Looked at before reading: a change in between is then read again, never missed.
        let seen = Mutex::new(stamps(&files));
        let current = ArcSwap::from_pointee(Credentials::load(&files)?);
        Ok(Arc::new(Self { files: Some(files), current, seen, changes: watch::Sender::default() }))
    }

    /// Not from files, for ever the same.
    #[must_use]
    pub fn fixed(credentials: Credentials) -> Arc<Self> {
        let current = ArcSwap::from_pointee(credentials);
        let seen = Mutex::default();
        Arc::new(Self { files: None, current, seen, changes: watch::Sender::default() })
    }

    /// The credentials of the moment.
    #[must_use]
    pub fn current(&self) -> Arc<Credentials> {
        self.current.load_full()
    }

    /// Wakes whenever new credentials are in use, for whoever then makes its connections again.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Reads the files again. New handshakes go by what is in them; connections that are open stay. Says whether anything
    /// is new.
    ///
    /// # Errors
    /// The files are not valid, or somebody else's. Then everything stays as it was.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let files = self.files.as_ref().ok_or(TlsError::NoFiles)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = stamps(files);
        let new = Credentials::load(files)?;
        let old = self.current();
        if new.id() != old.id() {
            return Err(TlsError::OtherIdentity { old: old.id().clone(), new: new.id().clone() });
        }
        let is_new = new.as_peer() != old.as_peer() || new.authority_pem() != old.authority_pem();
        if is_new {
            self.current.store(Arc::new(new));
            self.changes.send_replace(());
        }
        Ok(is_new)
    }

    /// Looks at the files from time to time, and reloads them when they have changed. Files that are not valid are told
    /// to the log once. Abort the task to end it.
    pub fn watch(self: &Arc<Self>, every: Duration) -> JoinHandle<()> {
        let identity = self.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let look = identity.clone();
                // A panic in there has been told already; the next look is another try.
                let _ = tokio::task::spawn_blocking(move || look.reload_if_changed()).await;
            }
        })
    }

    fn reload_if_changed(&self) {
        let Some(files) = &self.files else { return };
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == stamps(files) {
            return;
        }
        match self.reload() {
            Ok(true) => info!(serial = self.current().serial(), "new certificate in use"),
            Ok(false) => {}
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                warn!(%error, cause, "the new certificate is not valid; the old one stays in use");
            }
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.load().fmt(f)
    }
}

fn stamps(files: &CredentialFiles) -> Vec<Option<Stamp>> {
    let stamp = |path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    [&files.certificate, &files.key, &files.authority].into_iter().map(stamp).collect()
}
