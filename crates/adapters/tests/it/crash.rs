//! Processes are killed while they write. Everything they were told is durable is there afterwards.
//!
//! Each test starts its own binary again, for this one test; there a variable says that it is the process to kill.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keymoot_adapters::FileJournal;
use keymoot_ports::directory::Entry;
use keymoot_ports::sessions::{Admission, Claim, RequestId};
use keymoot_ports::{Journal, Name};
use tokio::runtime::Builder;

use crate::room::{Dice, Folders, clock, must_open, ttl};

const KILLS: usize = 24;

const TASKS: usize = 4;

/// Where the process to kill finds its file.
const PLACE: &str = "KEYMOOT_TEST_CRASH_PLACE";

/// From which number on it counts.
const START: &str = "KEYMOOT_TEST_CRASH_START";

/// What the killed process begins its lines with, among what the test harness prints.
const TOLD: &str = "durable: ";

fn place() -> Option<PathBuf> {
    env::var_os(PLACE).map(PathBuf::from)
}

fn tell(number: u64) {
    let mut out = io::stdout().lock();
    writeln!(out, "{TOLD}{number}").and_then(|()| out.flush()).unwrap();
}

/// Runs this test as another process, kills it after so many numbers, and returns all that it told.
fn run_and_kill(test: &str, path: &Path, start: u64, after: usize) -> Vec<u64> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(PLACE, path)
        .env(START, start.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    for line in lines.map_while(Result::ok) {
        // A line may be cut short by the kill, but then it does not end here: numbers are told in one write.
        let line = String::from_utf8(line).unwrap();
        let Some((_, number)) = line.split_once(TOLD) else { continue };
        told.push(number.parse().unwrap());
        if told.len() == after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(told.len() >= after, "the process to kill ended by itself");
    told
}

/// Calls `act` with one number after the other from a few tasks, until the process is killed.
async fn write_until_killed<F>(act: impl Fn(u64) -> F) -> !
where
    F: Future<Output = ()> + Send + 'static,
{
    let start = env::var(START).unwrap().parse().unwrap();
    let next = Arc::new(AtomicU64::new(start));
    let mut running = tokio::task::JoinSet::new();
    loop {
        while running.len() < TASKS {
            running.spawn(act(next.fetch_add(1, Ordering::SeqCst)));
        }
        running.join_next().await.unwrap().unwrap();
    }
}

async fn append_until_killed(path: &Path) -> ! {
    let journal = Arc::new(FileJournal::open(path).unwrap());
    write_until_killed(|number| {
        let journal = Arc::clone(&journal);
        async move {
            // Of all lengths, so that kills fall into frames as well as between them.
            let mut record = number.to_le_bytes().to_vec();
            record.resize(8 + (number as usize * 7919) % 20_000, 0x55);
            journal.append(&[record]).await.unwrap();
            tell(number);
        }
    })
    .await
}

#[test]
fn a_journal_that_is_killed_keeps_what_it_acknowledged() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    if let Some(path) = place() {
        runtime.block_on(append_until_killed(&path));
    }
    let (mut folders, mut dice) = (Folders::new("journal"), Dice(1));
    let (path, mut told, mut start) = (folders.fresh(), BTreeSet::new(), 0);
    for _ in 0..KILLS {
        let test = "crash::a_journal_that_is_killed_keeps_what_it_acknowledged";
        told.extend(run_and_kill(test, &path, start, 1 + dice.below(40)));
        let records = runtime.block_on(FileJournal::open(&path).unwrap().replay()).unwrap();
        let numbers: Vec<u64> =
            records.iter().map(|record| u64::from_le_bytes(*record.first_chunk().unwrap())).collect();
        let kept: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(kept.len(), numbers.len(), "a record is there twice");
        assert!(told.is_subset(&kept), "{:?} are lost", told.difference(&kept));
        start = numbers.into_iter().max().unwrap() + 1;
    }
}

fn request(number: u64) -> RequestId {
    let mut request = [9; 32];
    request[..8].copy_from_slice(&number.to_le_bytes());
    request
}

fn entry(number: u64) -> Entry {
    Entry { id: format!("{number}"), order: number, label: None, bytes: Arc::from(number.to_le_bytes()) }
}

async fn settle_until_killed(path: &Path) -> ! {
    let store = must_open(path, clock()).await;
    let (ann, kind) = (Name::new("ann").unwrap(), Name::new("request").unwrap());
    write_until_killed(|number| {
        let (sessions, directory) = (store.sessions(), store.directory());
        let (ann, kind) = (ann.clone(), kind.clone());
        async move {
            let admitted = sessions.admit(request(number), b"body", &ann, ttl()).await.unwrap();
            let Admission::Fresh { fence } = admitted else { panic!("{number} is not fresh") };
            sessions.finish(request(number), fence, &number.to_le_bytes()).await.unwrap();
            directory.put(&kind, &entry(number)).await.unwrap();
            tell(number);
        }
    })
    .await
}

#[test]
fn a_store_that_is_killed_keeps_what_it_acknowledged() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    if let Some(path) = place() {
        runtime.block_on(settle_until_killed(&path));
    }
    let (mut folders, mut dice) = (Folders::new("store.db"), Dice(2));
    let (path, mut start, kind) = (folders.fresh(), 0, Name::new("request").unwrap());
    for _ in 0..KILLS {
        let test = "crash::a_store_that_is_killed_keeps_what_it_acknowledged";
        let told = run_and_kill(test, &path, start, 1 + dice.below(40));
        runtime.block_on(async {
            let store = must_open(&path, clock()).await;
            let ann = Name::new("ann").unwrap();
            for number in &told {
                let claim = store.sessions().claim(request(*number), &ann, ttl()).await.unwrap();
                assert_eq!(claim, Claim::Finished(Arc::from(number.to_le_bytes())));
                let found = store.directory().get(&kind, &number.to_string()).await.unwrap();
                assert_eq!(found, Some(entry(*number)));
            }
            store.close().await;
        });
        // Those that were under way at the kill are not told, and not numbered again.
        start = told.into_iter().max().unwrap() + 10 * TASKS as u64;
    }
}
