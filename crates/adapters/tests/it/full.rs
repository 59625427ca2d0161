//! Disks that are full: a real one, small and in memory, where mounting is allowed; everywhere a limit on the length of
//! files, in a process of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use keymoot_adapters::{FileAudit, FileJournal};
use keymoot_ports::conformance::journal::{self, JournalRoom};
use keymoot_ports::sessions::Admission;
use keymoot_ports::{AuditSink, Fault, Journal, Name};
use tempfile::TempDir;

use crate::room::{clock, must_open, ttl};

/// A file system of one megabyte.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("mounting is not allowed here, so only files of limited length were tested");
        }
        is_mounted.then_some(Self(folder))
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Fills it up, until this many bytes are left. It gives space out in pages.
    fn fill(&self, free: usize) {
        let mut length = 1 << 20;
        while fs::write(self.path("ballast"), vec![0; length]).is_err() {
            length -= 4096;
        }
        fs::write(self.path("ballast"), vec![0; length.saturating_sub(free)]).unwrap();
    }

    fn empty(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: somebody may be closing a file still.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

struct SmallRoom {
    disk: SmallDisk,
    journals: usize,
}

impl JournalRoom for SmallRoom {
    async fn fresh(&mut self) -> Arc<dyn Journal> {
        // The exam has no use for the one before.
        drop(fs::remove_file(self.disk.path(&format!("journal-{}", self.journals))));
        self.journals += 1;
        self.reopen().await
    }

    async fn reopen(&mut self) -> Arc<dyn Journal> {
        Arc::new(FileJournal::open(&self.disk.path(&format!("journal-{}", self.journals))).unwrap())
    }

    async fn squeeze(&mut self, free: Option<usize>) -> bool {
        match free {
            Some(free) => self.disk.fill(free),
            None => self.disk.empty(),
        }
        true
    }
}

#[tokio::test]
async fn a_journal_passes_its_exam_on_a_disk_that_fills_up() {
    let Some(disk) = SmallDisk::mount() else { return };
    journal::sit(&mut SmallRoom { disk, journals: 0 }).await.unwrap();
}

#[tokio::test]
async fn a_full_store_keeps_what_it_has_and_goes_on_later() {
    let Some(disk) = SmallDisk::mount() else { return };
    let (path, ann) = (disk.path("store.db"), Name::new("ann").unwrap());
    let sessions = must_open(&path, clock()).await.sessions();
    disk.fill(300 << 10);
    let body = vec![5; 16 << 10];
    let mut admitted = 0u8;
    let fault = loop {
        match sessions.admit([admitted; 32], &body, &ann, ttl()).await {
            Ok(admission) => assert!(matches!(admission, Admission::Fresh { .. })),
            Err(fault) => break fault,
        }
        admitted += 1;
    };
    assert!(matches!(fault, Fault::Full), "{fault:?} from a full disk after {admitted} requests");
    assert!(admitted > 0);
    // Reading goes on, nothing is lost, and what was refused is not there.
    for number in 0..admitted {
        let again = sessions.admit([number; 32], &body, &ann, ttl()).await.unwrap();
        assert!(matches!(again, Admission::Open { .. }));
    }
    disk.empty();
    let next = sessions.admit([admitted; 32], &body, &ann, ttl()).await.unwrap();
    assert!(matches!(next, Admission::Fresh { .. }));
}

#[tokio::test]
async fn a_full_audit_sink_keeps_what_it_has_and_goes_on_later() {
    let Some(disk) = SmallDisk::mount() else { return };
    let sink = FileAudit::open(&disk.path("audit")).unwrap();
    sink.append(0, b"kept").await.unwrap();
    disk.fill(1000);
    assert!(matches!(sink.append(1, &[1; 100_000]).await, Err(Fault::Full)));
    assert_eq!(sink.head().await.unwrap(), 1);
    disk.empty();
    sink.append(1, &[1; 100_000]).await.unwrap();
    assert_eq!(sink.head().await.unwrap(), 2);
}

/// Where the process with the limit finds its folder.
const PLACE: &str = "KEYMOOT_TEST_FULL_PLACE";

async fn fill_a_file_of_limited_length(folder: &Path) {
    let path = folder.join("journal");
    let journal = FileJournal::open(&path).unwrap();
    journal.append(&[b"kept".to_vec()]).await.unwrap();
    let long = [b"small".to_vec(), vec![1; 300_000]];
    for _ in 0..2 {
        assert!(matches!(journal.append(&long).await, Err(Fault::Full)));
    }
    journal.append(&[b"fits".to_vec()]).await.unwrap();
    assert_eq!(journal.replay().await.unwrap(), [b"kept".to_vec(), b"fits".to_vec()]);
}

#[test]
fn a_journal_of_limited_length_is_full_and_keeps_what_it_has() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    if let Some(folder) = env::var_os(PLACE) {
        return runtime.block_on(fill_a_file_of_limited_length(Path::new(&folder)));
    }
    let folder = tempfile::tempdir().unwrap();
    // The shell ignores the signal, and so does who comes after it: then writing too much is an error.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args(["full::a_journal_of_limited_length_is_full_and_keeps_what_it_has", "--exact"])
        .env(PLACE, folder.path())
        .output()
        .unwrap();
    // Only what it has to say about a failure: two summaries of tests would be one too many.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
