//! Files in which something has changed: it is noticed, or it does no harm. Nothing panics.

use std::fs;
use std::path::Path;
use std::time::Duration;

use keymoot_adapters::{EmbeddedStore, FileAudit, FileJournal, OpenError};
use keymoot_ports::directory::Entry;
use keymoot_ports::frames::HEADER_BYTES;
use keymoot_ports::journal::BATCH_BYTES_MAX;
use keymoot_ports::registry::Member;
use keymoot_ports::sessions::Fence;
use keymoot_ports::{Address, AuditSink, Fault, Journal, Name, Role};

use crate::room::{Dice, Folders, clock, must_open, ttl};

fn cut(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    bytes[..dice.below(bytes.len())].to_vec()
}

fn flipped(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = dice.below(bytes.len());
    bytes[at] ^= 1 << dice.below(8);
    bytes
}

#[tokio::test]
async fn a_journal_that_was_flipped_is_corrupt_and_one_that_was_cut_is_a_prefix() {
    let (mut folders, mut dice) = (Folders::new("journal"), Dice(3));
    let path = folders.fresh();
    let records: Vec<Vec<u8>> = (0u8..40).map(|i| vec![i; dice.below(60)]).collect();
    FileJournal::open(&path).unwrap().append(&records).await.unwrap();
    let whole = fs::read(&path).unwrap();
    for _ in 0..200 {
        fs::write(&path, flipped(&whole, &mut dice)).unwrap();
        let answer = FileJournal::open(&path).unwrap().replay().await;
        let Err(Fault::Corrupt { cause: Some(cause), .. }) = answer else {
            panic!("a flipped bit was not noticed");
        };
        assert!(cause.to_string().starts_with("the frame at byte "), "{cause}");
        assert!(matches!(FileAudit::open(&path).unwrap().head().await, Err(Fault::Corrupt { .. })));
        fs::write(&path, cut(&whole, &mut dice)).unwrap();
        let left = FileJournal::open(&path).unwrap().replay().await.unwrap();
        assert!(records.starts_with(&left), "a cut journal holds something else");
    }
}

/// A file system may keep the length of a write that was never finished, and lose its bytes.
#[tokio::test]
async fn a_journal_that_ends_in_zeros_goes_on_where_they_begin() {
    let mut folders = Folders::new("journal");
    for zeros in [1usize, 15, 40, 5_000, 3 << 20] {
        let path = folders.fresh();
        let records = vec![vec![7; 50], vec![8; 5_000]];
        FileJournal::open(&path).unwrap().append(&records).await.unwrap();
        let whole = fs::read(&path).unwrap();
        // Zeros in place of a frame, and of what was left of the last one.
        for kept in [whole.len(), whole.len() - 2_000] {
            let mut bytes = whole[..kept].to_vec();
            bytes.resize(whole.len() + zeros, 0);
            fs::write(&path, &bytes).unwrap();
            let left = if kept == whole.len() { &records[..] } else { &records[..1] };
            let journal = FileJournal::open(&path).unwrap();
            assert_eq!(journal.replay().await.unwrap(), left, "{zeros} zeros");
            journal.append(&[vec![9; 3]]).await.unwrap();
            drop(journal);
            assert_eq!(FileJournal::open(&path).unwrap().replay().await.unwrap().len(), left.len() + 1);
        }
        let mut bytes = whole.clone();
        bytes.resize(whole.len() + zeros, 0);
        bytes.push(1);
        fs::write(&path, &bytes).unwrap();
        let answer = FileJournal::open(&path).unwrap().replay().await;
        assert!(matches!(answer, Err(Fault::Corrupt { .. })), "something was written after {zeros} zeros");
        // Fewer are the beginning of a first header, for all that anybody knows.
        if zeros >= HEADER_BYTES {
            fs::write(&path, vec![0; zeros]).unwrap();
            let answer = FileJournal::open(&path).unwrap().replay().await;
            assert!(matches!(answer, Err(Fault::Corrupt { .. })), "{zeros} zeros are no journal");
        }
    }
    let path = folders.fresh();
    FileJournal::open(&path).unwrap().append(&[vec![7; 50]]).await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.resize(bytes.len() + BATCH_BYTES_MAX + (1 << 20), 0);
    fs::write(&path, &bytes).unwrap();
    let answer = FileJournal::open(&path).unwrap().replay().await;
    assert!(
        matches!(answer, Err(Fault::Corrupt { .. })),
        "more than one write may have is not what is left of one"
    );
}

async fn filled(path: &Path) {
    let store = must_open(path, clock()).await;
    let (ann, kind) = (Name::new("ann").unwrap(), Name::new("key").unwrap());
    let (sessions, directory, queue) = (store.sessions(), store.directory(), store.queue(100));
    for i in 0u8..60 {
        sessions.admit([i; 32], &[i; 300], &ann, ttl()).await.unwrap();
        if i % 2 == 0 {
            sessions.finish([i; 32], Fence(1), &[i; 100]).await.unwrap();
        }
        let label = Some("hot".to_owned());
        let entry = Entry { id: i.to_string(), order: i.into(), label, bytes: [i; 50].into() };
        directory.put(&kind, &entry).await.unwrap();
        queue.push(&[i; 100]).await.unwrap();
    }
    let (role, address) = (Role::new("node").unwrap(), Address::new("https://a:1").unwrap());
    store.registry().announce(&Member { name: ann, role, address }, ttl()).await.unwrap();
    store.close().await;
}

/// Whether somebody was told that something is wrong. A task that panicked would tell nobody why.
fn noticed<T>(answer: Result<T, Fault>) -> bool {
    assert!(!matches!(answer, Err(Fault::Unavailable { cause: None })), "the store is dead");
    answer.is_err()
}

async fn everything_is_asked(store: &EmbeddedStore) -> bool {
    let (ann, kind, role) =
        (Name::new("ann").unwrap(), Name::new("key").unwrap(), Role::new("node").unwrap());
    let (sessions, directory, queue) = (store.sessions(), store.directory(), store.queue(100));
    let mut has_noticed = noticed(sessions.orphans(100).await);
    for i in 0u8..60 {
        has_noticed |= noticed(sessions.admit([i; 32], &[i; 300], &ann, ttl()).await);
        has_noticed |= noticed(sessions.claim([i; 32], &ann, ttl()).await);
        has_noticed |= noticed(directory.get(&kind, &i.to_string()).await);
        has_noticed |= noticed(queue.pull(&ann, ttl()).await);
    }
    has_noticed |= noticed(directory.list(&kind, None, 100).await);
    has_noticed |= noticed(directory.find(&kind, "hot").await);
    has_noticed |= noticed(store.registry().discover(&role).await);
    has_noticed | noticed(sessions.admit([99; 32], b"new", &ann, ttl()).await)
}

#[tokio::test]
async fn a_store_that_was_flipped_or_cut_notices_or_goes_on() {
    let (mut folders, mut dice) = (Folders::new("store.db"), Dice(4));
    let path = folders.fresh();
    filled(&path).await;
    let whole = fs::read(&path).unwrap();
    let (mut unopened, mut answered) = (0, 0);
    for round in 0..40 {
        let path = folders.fresh();
        let bytes = if round % 2 == 0 { flipped(&whole, &mut dice) } else { cut(&whole, &mut dice) };
        fs::write(&path, bytes).unwrap();
        match EmbeddedStore::open(&path, clock()).await {
            Ok(store) => {
                let asked = tokio::time::timeout(Duration::from_secs(60), everything_is_asked(&store));
                answered += usize::from(asked.await.expect("a damaged store answers"));
                store.close().await;
            }
            Err(OpenError::Damaged { .. } | OpenError::Foreign { .. } | OpenError::Database { .. }) => {
                unopened += 1;
            }
            Err(OpenError::Newer { .. }) => unopened += 1,
            Err(error) => panic!("{error:?} from a damaged store"),
        }
    }
    println!("of 40 damaged stores {unopened} were not opened and {answered} noticed later");
    assert!(unopened + answered >= 15, "only {unopened} and {answered} of 40 damaged stores were noticed");
}
