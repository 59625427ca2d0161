//! The journal on a real file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use keymoot_adapters::{FileJournal, OpenError};
use keymoot_ports::Journal;
use keymoot_ports::conformance::journal::{self, JournalRoom};

use crate::room::Folders;

struct FileRoom(Folders);

impl JournalRoom for FileRoom {
    async fn fresh(&mut self) -> Arc<dyn Journal> {
        Arc::new(FileJournal::open(&self.0.fresh()).unwrap())
    }

    async fn reopen(&mut self) -> Arc<dyn Journal> {
        Arc::new(FileJournal::open(&self.0.path()).unwrap())
    }

    async fn flip(&mut self, bit: usize) -> bool {
        let mut bytes = fs::read(self.0.path()).unwrap();
        let Some(byte) = bytes.get_mut(bit / 8) else { return false };
        *byte ^= 1 << (bit % 8);
        fs::write(self.0.path(), bytes).unwrap();
        true
    }
}

#[tokio::test]
async fn a_journal_passes_its_exam() {
    journal::sit(&mut FileRoom(Folders::new("journal"))).await.unwrap();
}

#[tokio::test]
async fn a_journal_is_for_one_process_and_for_nobody_elses_eyes() {
    let mut folders = Folders::new("journal");
    let path = folders.fresh();
    let journal = FileJournal::open(&path).unwrap();
    assert!(matches!(FileJournal::open(&path), Err(OpenError::InUse { .. })));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    journal.append(&[b"record".to_vec()]).await.unwrap();
    drop(journal);
    let journal = FileJournal::open(&path).unwrap();
    assert_eq!(journal.replay().await.unwrap(), [b"record"]);
}

#[test]
fn a_journal_in_no_folder_is_not_opened() {
    let mut folders = Folders::new("missing/journal");
    let answer = FileJournal::open(&folders.fresh());
    assert!(matches!(answer, Err(OpenError::Unreachable { .. })));
}

#[tokio::test]
async fn long_records_are_replayed_across_reads() {
    let mut folders = Folders::new("journal");
    let journal = FileJournal::open(&folders.fresh()).unwrap();
    let lengths = [0, 1, 262_124, 262_144, 3_000_000, 5, 100_000, 700_000];
    let records: Vec<Vec<u8>> = (0u8..).zip(lengths).map(|(i, length)| vec![i; length]).collect();
    journal.append(&records).await.unwrap();
    assert!(journal.replay().await.unwrap() == records);
}
