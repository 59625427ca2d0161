//! Journal: the twin and its broken copies.

use std::sync::Arc;

use keymoot_ports::conformance::Verdict;
use keymoot_ports::conformance::journal::{self, JournalRoom};
use keymoot_ports::memory::journal::{Disk, Twin};
use keymoot_ports::{Answer, Fault, Journal};

use crate::drive::{block_on, must_be_rejected};

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    LossIsAcknowledged,
    CorruptionIsHidden,
    RefusedBatchesAreSplit,
    FullBatchesAreSplit,
    NothingIsUnsure,
    EmptyRecordsAreDropped,
    NothingSurvives,
    NothingIsWritten,
}

struct TwinRoom {
    disk: Disk,
    how: How,
}

struct Copied {
    honest: Twin,
    how: How,
}

fn sit(how: How) -> Verdict {
    block_on(journal::sit(&mut TwinRoom { disk: Disk::default(), how }))
}

impl TwinRoom {
    fn open(&self) -> Arc<dyn Journal> {
        Arc::new(Copied { honest: Twin::open(self.disk.clone()), how: self.how })
    }
}

impl JournalRoom for TwinRoom {
    async fn fresh(&mut self) -> Arc<dyn Journal> {
        self.disk = Disk::default();
        self.open()
    }

    async fn reopen(&mut self) -> Arc<dyn Journal> {
        if self.how == How::NothingSurvives {
            self.disk = Disk::default();
        }
        self.open()
    }

    async fn disturb(&mut self, keep: usize) -> bool {
        self.disk.disturb(keep);
        true
    }

    async fn flip(&mut self, bit: usize) -> bool {
        self.disk.flip(bit)
    }

    async fn squeeze(&mut self, free: Option<usize>) -> bool {
        self.disk.squeeze(free);
        true
    }
}

impl Copied {
    /// Each record for itself, as far as it goes.
    async fn split(&self, batch: &[Vec<u8>]) -> Result<(), Fault> {
        for record in batch {
            self.honest.append(std::slice::from_ref(record)).await?;
        }
        Ok(())
    }
}

impl Journal for Copied {
    fn append<'a>(&'a self, batch: &'a [Vec<u8>]) -> Answer<'a, ()> {
        Box::pin(async move {
            if self.how == How::EmptyRecordsAreDropped {
                let full: Vec<_> = batch.iter().filter(|record| !record.is_empty()).cloned().collect();
                return self.honest.append(&full).await;
            }
            if self.how == How::NothingIsWritten {
                return Ok(());
            }
            match self.honest.append(batch).await {
                Err(Fault::Unavailable { .. }) if self.how == How::LossIsAcknowledged => Ok(()),
                Err(Fault::Unavailable { cause }) if self.how == How::NothingIsUnsure => {
                    self.honest.replay().await?;
                    Err(Fault::Unavailable { cause })
                }
                Err(Fault::Refused(why)) if self.how == How::RefusedBatchesAreSplit => {
                    self.split(batch).await.and(Err(Fault::Refused(why)))
                }
                Err(Fault::Full) if self.how == How::FullBatchesAreSplit => self.split(batch).await,
                answer => answer,
            }
        })
    }

    fn replay(&self) -> Answer<'_, Vec<Vec<u8>>> {
        Box::pin(async move {
            match self.honest.replay().await {
                Err(Fault::Corrupt { .. }) if self.how == How::CorruptionIsHidden => Ok(Vec::new()),
                answer => answer,
            }
        })
    }
}

#[test]
fn the_twin_passes() {
    sit(How::Well).unwrap();
}

#[test]
fn broken_twins_fail() {
    for (how, sentence) in [
        (How::LossIsAcknowledged, "an append that may be lost is not acknowledged"),
        (How::CorruptionIsHidden, "a journal with a flipped bit is corrupt"),
        (How::RefusedBatchesAreSplit, "a batch that was refused leaves nothing"),
        (How::FullBatchesAreSplit, "a full storage keeps what it has and nothing of the batch"),
        (How::NothingIsUnsure, "after an append that failed, there is none until the journal was replayed"),
        (How::EmptyRecordsAreDropped, "records are replayed in order, equal and empty ones too"),
        (How::NothingSurvives, "what was appended survives a restart"),
        (How::NothingIsWritten, "records are replayed in order, equal and empty ones too"),
    ] {
        must_be_rejected(sit(how), sentence);
    }
}

#[test]
fn the_reason_of_corruption_is_a_source() {
    let disk = Disk::default();
    block_on(Twin::open(disk.clone()).append(&[b"record".to_vec()])).unwrap();
    assert!(disk.bytes() > 6 && disk.flip(8 * 17));
    let Err(Fault::Corrupt { what, cause }) = block_on(Twin::open(disk).replay()) else {
        panic!("a flipped bit was not noticed");
    };
    assert_eq!(what, "the journal");
    let why = "the frame at byte 0 is damaged: record 0 does not match its checksum";
    assert_eq!(cause.unwrap().to_string(), why);
}
