//! The journal on a disk in bad weather.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use keymoot_ports::conformance::journal::{self, JournalRoom};
use keymoot_ports::frames::WRITE_BYTES_MAX;
use keymoot_ports::{Fault, Journal};
use tokio::runtime::Builder;

use super::{FileJournal, WAITING_MAX};
use crate::lock;
use crate::tape::Tape;
use crate::tape::weather::Disk;

fn open(disk: &Disk) -> FileJournal {
    FileJournal::on(Tape::on(disk.clone(), "the journal", WRITE_BYTES_MAX))
}

#[derive(Default)]
struct StormyRoom(Disk);

impl JournalRoom for StormyRoom {
    async fn fresh(&mut self) -> Arc<dyn Journal> {
        self.0 = Disk::default();
        self.reopen().await
    }

    async fn reopen(&mut self) -> Arc<dyn Journal> {
        Arc::new(open(&self.0))
    }

    async fn disturb(&mut self, keep: usize) -> bool {
        self.0.disturb(keep);
        true
    }

    async fn flip(&mut self, bit: usize) -> bool {
        self.0.flip(bit)
    }

    async fn squeeze(&mut self, free: Option<usize>) -> bool {
        self.0.squeeze(free);
        true
    }
}

fn record(text: &str) -> Vec<Vec<u8>> {
    vec![text.as_bytes().to_vec()]
}

fn is_unavailable(answer: &Result<(), Fault>) -> bool {
    matches!(answer, Err(Fault::Unavailable { .. }))
}

#[tokio::test]
async fn a_journal_passes_its_exam_in_bad_weather() {
    journal::sit(&mut StormyRoom::default()).await.unwrap();
}

#[tokio::test]
async fn what_a_failed_sync_left_is_never_taken_for_durable() {
    for is_reopened in [false, true] {
        let disk = Disk::default();
        let mut journal = open(&disk);
        journal.append(&record("a")).await.unwrap();
        disk.fail_a_sync();
        assert!(is_unavailable(&journal.append(&record("b")).await));
        assert!(is_unavailable(&journal.append(&record("c")).await), "a sync must not be tried again");
        if is_reopened {
            drop(journal);
            journal = open(&disk);
        }
        assert_eq!(journal.replay().await.unwrap(), record("a"));
        journal.append(&record("d")).await.unwrap();
        drop(journal);
        disk.cut_power();
        assert_eq!(open(&disk).replay().await.unwrap(), [record("a"), record("d")].concat());
    }
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_written_over() {
    let disk = Disk::default();
    let journal = open(&disk);
    journal.append(&record("safe")).await.unwrap();
    disk.disturb(30);
    assert!(is_unavailable(&journal.append(&record("a record that is cut short")).await));
    drop(journal);
    // Without a replay.
    let journal = open(&disk);
    journal.append(&record("x")).await.unwrap();
    drop(journal);
    disk.cut_power();
    assert_eq!(open(&disk).replay().await.unwrap(), [record("safe"), record("x")].concat());
}

#[tokio::test]
async fn appends_at_the_same_time_share_syncs() {
    let disk = Disk::default();
    let journal = Arc::new(open(&disk));
    let appends: Vec<_> = (0..200)
        .map(|i| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { journal.append(&record(&format!("{i}"))).await })
        })
        .collect();
    for append in appends {
        append.await.unwrap().unwrap();
    }
    let mut records = journal.replay().await.unwrap();
    assert!(disk.syncs() < 200, "{} syncs for 200 appends", disk.syncs());
    let mut expected: Vec<Vec<u8>> = (0..200).flat_map(|i| record(&format!("{i}"))).collect();
    records.sort();
    expected.sort();
    assert_eq!(records, expected);
}

#[tokio::test]
async fn a_batch_that_does_not_fit_spoils_no_other() {
    let disk = Disk::default();
    let journal = open(&disk);
    journal.append(&record("kept")).await.unwrap();
    disk.squeeze(Some(100));
    let (small, large) = (record("small"), vec![vec![1; 1000]]);
    let (first, second, third) =
        tokio::join!(journal.append(&small), journal.append(&large), journal.append(&small));
    first.unwrap();
    assert!(matches!(second, Err(Fault::Full)));
    third.unwrap();
    assert_eq!(journal.replay().await.unwrap(), [record("kept"), small.clone(), small].concat());
}

#[test]
fn too_many_that_wait_are_told_so() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let journal = open(&Disk::default());
    let batch = record("one more");
    // Nothing gets on as long as somebody holds the file.
    let held = lock(&journal.desk.tape);
    let mut context = Context::from_waker(Waker::noop());
    // The writer takes out of the line, once, as many as wait when its thread begins: at most as many as have room.
    let count = 2 * WAITING_MAX + 300;
    let mut appends: Vec<_> = (0..count).map(|_| journal.append(&batch)).collect();
    let answers: Vec<_> = appends.iter_mut().map(|append| append.as_mut().poll(&mut context)).collect();
    let full = answers.iter().filter(|answer| matches!(answer, Poll::Ready(Err(Fault::Full)))).count();
    drop(held);
    assert!((300..=WAITING_MAX + 300).contains(&full), "{full} were told that there is no room");
    let told = runtime.block_on(async {
        let mut told = 0;
        for (append, answer) in appends.into_iter().zip(answers) {
            if answer.is_pending() {
                append.await.unwrap();
                told += 1;
            }
        }
        told
    });
    assert_eq!(told + full, count);
}
