//! New certificates and documents, taken up while a process runs: on SIGHUP, and when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keymoot_wire::cluster::DocumentHandle;
use keymoot_wire::tls::Identity;
use tracing::{error, info};

use super::anchor::Anchorage;
use crate::place::{self, AUTHORITY, CERTIFICATE, CLUSTER, TLS_KEY};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Notices when a file of the directory has changed.
pub struct Changes {
    files: Vec<PathBuf>,
    seen: Vec<Option<SystemTime>>,
    ticks: tokio::time::Interval,
}

/// Watches the certificate and the document in a directory. What is there now counts as changed: it may have been replaced
/// between when the process has read it and now.
pub fn documents(directory: &Path) -> Changes {
    files([CLUSTER, CERTIFICATE, TLS_KEY, AUTHORITY].iter().map(|file| directory.join(file)).collect())
}

/// Watches any files in the same way.
pub fn files(files: Vec<PathBuf>) -> Changes {
    let seen = vec![None; files.len()];
    Changes { files, seen, ticks: tokio::time::interval(EVERY) }
}

impl Changes {
    /// Waits until one has changed.
    pub async fn changed(&mut self) {
        loop {
            self.ticks.tick().await;
            let now: Vec<_> = self.files.iter().map(|file| stamp(file)).collect();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

fn stamp(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|found| found.modified()).ok()
}

/// Takes up what is new and good. What is not good is logged, and the old stays in use.
pub fn reload(
    directory: &Path,
    document: &DocumentHandle,
    identity: &Identity,
    anchorage: Option<&Anchorage>,
) {
    match place::document(directory) {
        Err(failure) => error!(code = failure.code(), %failure, "the cluster document is not taken up"),
        Ok(new) => {
            let old = document.load();
            let is_new = new.digest() != old.digest();
            let is_same = new.cluster == old.cluster && new.group == old.group && new.bitcoin == old.bitcoin;
            let is_later = new.version > old.version && is_same;
            if is_new && !is_later {
                error!(
                    old = old.version,
                    new = new.version,
                    "a cluster document that is not later is not taken up"
                );
            } else if let (true, Some(Err(failure))) =
                (is_new, anchorage.map(|anchorage| anchorage.take(&new)))
            {
                error!(code = failure.code(), %failure, "the cluster document is not taken up");
            } else if is_new {
                info!(version = new.version, "a new cluster document is in use");
                document.store(Arc::new(new));
            }
        }
    }
    match identity.reload() {
        Ok(true) => info!("a new certificate is in use"),
        Ok(false) => {}
        Err(refused) => error!(%refused, "the new certificate is not taken up"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::{EVERY, documents, stamp};
    use crate::place::CLUSTER;

    #[tokio::test]
    async fn what_was_there_before_the_watch_began_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(CLUSTER), "replaced while the process started").unwrap();
        let mut changes = documents(folder.path());
        timeout(EVERY / 2, changes.changed()).await.expect("at the first look");
        let now: Vec<_> = changes.files.iter().map(|file| stamp(file)).collect();
        assert_eq!(changes.seen, now, "and at no later one");
    }
}
